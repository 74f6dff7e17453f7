//go:build linux

package mount_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/mount"
)

// storeThroughMap is a program: it changes a file by a map of it.
func storeThroughMap(dir string) error {
	f, err := os.OpenFile(filepath.Join(dir, "map"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	if err := f.Truncate(10000); err != nil {
		return err
	}
	pages, err := unix.Mmap(int(f.Fd()), 0, 10000, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return err
	}
	copy(pages[5000:], "stored")
	copy(pages[9998:], "!!")
	if err := unix.Msync(pages, unix.MS_SYNC); err != nil {
		return err
	}
	got := make([]byte, 6)
	if _, err := f.ReadAt(got, 5000); err != nil || string(got) != "stored" {
		return fmt.Errorf("read %q, %v", got, err)
	}
	if _, err := f.WriteAt([]byte("direct"), 100); err != nil {
		return err
	}
	if string(pages[100:106]) != "direct" {
		return fmt.Errorf("a write does not show in the map: %q", pages[100:106])
	}
	return errors.Join(unix.Munmap(pages), f.Close())
}

func TestStoresThroughMapsBecomeWrites(t *testing.T) {
	fs := empty(t)
	dir := serve(t, fs, mount.Options{})
	require.NoError(t, child(t, "map", dir).Run())
	stored, direct := []string{}, false
	synced := false
	for _, op := range fs.ops() {
		switch {
		case op.Kind == faultfs.OpWrite && op.Off == 100:
			direct = true
			require.Equal(t, "direct", string(op.Data))
		case op.Kind == faultfs.OpWrite && !synced:
			stored = append(stored, op.Summary())
		case op.Kind == faultfs.OpFdatasync: // msync is one
			synced = true
		}
	}
	require.True(t, direct && synced)
	require.Equal(t, []string{"write /map [5000,5006)", "write /map [9998,10000)"}, stored)
	requireReadsBack(t, fs)
}

// storeThroughAppended is a program: it maps a file that it opened to append.
func storeThroughAppended(dir string) error {
	f, err := os.OpenFile(filepath.Join(dir, "f"), os.O_RDWR|os.O_APPEND|os.O_SYNC, 0)
	if err != nil {
		return err
	}
	pages, err := unix.Mmap(int(f.Fd()), 0, 10, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return err
	}
	copy(pages[2:], "xy")
	return errors.Join(unix.Msync(pages, unix.MS_SYNC), unix.Munmap(pages), f.Close())
}

func TestStoresThroughMapsAreNotAppended(t *testing.T) {
	fs := fixture(t)
	dir := serve(t, fs, mount.Options{})
	require.NoError(t, child(t, "appended", dir).Run())
	require.Equal(t, []string{`write /f 2 "xy" ; look=1`, "fdatasync /f"}, changes(fs))
}

// readThroughMap is a program: it reads a file by a map of it.
func readThroughMap(dir string) error {
	f, err := os.Open(filepath.Join(dir, "f"))
	if err != nil {
		return err
	}
	pages, err := unix.Mmap(int(f.Fd()), 0, 10, unix.PROT_READ, unix.MAP_PRIVATE)
	if err != nil {
		return err
	}
	if string(pages) != "0123456789" {
		return fmt.Errorf("read %q", pages)
	}
	return nil
}

func TestMapsAreRead(t *testing.T) {
	dir := serve(t, fixture(t), mount.Options{})
	require.NoError(t, child(t, "reader", dir).Run())
}

// appendMany is a program: when it is told to, it writes to a file of its own
// and appends lines to one that it shares, until its standard input ends.
func appendMany(dir string) error {
	own, err := os.Create(filepath.Join(dir, fmt.Sprint(os.Getpid())))
	if err != nil {
		return err
	}
	log, err := os.OpenFile(filepath.Join(dir, "log"), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	fmt.Println("ready")
	if _, err := os.Stdin.Read(make([]byte, 1)); err != nil {
		return err
	}
	enough := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		close(enough)
	}()
	line := fmt.Appendf(nil, "%d %s\n", os.Getpid(), strings.Repeat("x", 100))
	for {
		select {
		case <-enough:
			return errors.Join(own.Close(), log.Close())
		default:
		}
		if _, err := own.Write(line); err != nil {
			return err
		}
		if _, err := log.Write(line); err != nil {
			return err
		}
	}
}

// overlaps counts the writes that began before another call had ended.
func overlaps(ops []faultfs.Op) (count int) {
	var last faultfs.Edge
	for _, op := range ops {
		if op.Begin < last && op.Kind == faultfs.OpWrite {
			count++
		}
		last = op.End
	}
	return count
}

func TestConcurrentProcessesOverlap(t *testing.T) {
	fs := fixture(t)
	dir := serve(t, fs, mount.Options{})
	var programs []*exec.Cmd
	var stdins []io.WriteCloser
	for range 2 {
		p := child(t, "append", dir)
		stdin, err := p.StdinPipe()
		require.NoError(t, err)
		running(t, p)
		programs, stdins = append(programs, p), append(stdins, stdin)
	}
	for _, stdin := range stdins {
		_, err := io.WriteString(stdin, "\n")
		require.NoError(t, err)
	}
	require.Eventually(t, func() bool { return overlaps(fs.ops()) >= 2 }, childTimeout, 10*time.Millisecond)
	for i, p := range programs {
		require.NoError(t, stdins[i].Close())
		require.NoError(t, p.Wait())
	}
	end, lines := int64(0), 0
	var last faultfs.Edge
	for i, op := range fs.ops() {
		require.Less(t, op.Begin, op.End)
		require.Less(t, last, op.End, "op %d: ops stand in the order of their ends", i+1)
		last = op.End
		if op.Kind == faultfs.OpWrite && op.Path == "/log" {
			require.Equal(t, end, op.Off, "an append goes to the end")
			end += int64(len(op.Data))
			lines++
		}
	}
	info, err := os.Stat(filepath.Join(dir, "log"))
	require.NoError(t, err)
	require.Equal(t, end, info.Size())
	require.Equal(t, lines, strings.Count(readAll(t, filepath.Join(dir, "log")), "\n"))
	requireReadsBack(t, fs)
}

func readAll(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	require.NoError(t, err)
	return string(data)
}

func TestLinesOfMarkFilesAreMarks(t *testing.T) {
	fs := empty(t)
	dir := serve(t, fs, mount.Options{Marks: ".marks", Stdout: ".stdout"})
	out, err := os.OpenFile(filepath.Join(dir, ".stdout"), os.O_WRONLY, 0)
	require.NoError(t, err)
	cmd := exec.Command("sh", "-c", `cd "$1" && mkdir a && echo one && printf 't' && mkdir b && printf 'wo\r\n\nth' && echo label >.marks && echo ree && mkdir c && echo copied >c/f && cat c/f`, "sh", dir)
	cmd.Stdout = out
	require.NoError(t, cmd.Run())
	require.NoError(t, out.Close())
	require.Equal(t, []string{
		"mkdir /a 0755", "mark one", "mkdir /b 0755", "mark two", "mark label", "mark three", "mkdir /c 0755",
		"create /c/f 0644", `write /c/f 0 "copied\n"`, "mark copied",
	}, changes(fs))
	require.Equal(t, "one\ntwo\r\n\nthree\ncopied\n", fs.output())
	requireReadsBack(t, fs)
}

func TestMarkFilesAreNoPartOfTheFileSystem(t *testing.T) {
	fs := empty(t)
	dir := serve(t, fs, mount.Options{Marks: "marks", Stdout: "out"})
	name := filepath.Join(dir, "marks")
	require.NoError(t, os.WriteFile(name, []byte("a\nb\nc"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "out"), []byte("d\n"), 0o600))
	data, err := os.ReadFile(name)
	require.NoError(t, err)
	require.Empty(t, data)
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, entries)
	require.NoError(t, os.Chmod(name, 0o777))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "f"), nil, 0o600))
	for what, err := range map[string]error{
		"remove": os.Remove(name), "rename": os.Rename(name, filepath.Join(dir, "x")),
		"over": os.Rename(filepath.Join(dir, "f"), name), "link": os.Link(name, filepath.Join(dir, "x")),
	} {
		require.ErrorIs(t, err, unix.EPERM, what)
	}
	require.ErrorIs(t, os.Mkdir(name, 0o700), unix.EEXIST)
	require.NoError(t, os.WriteFile(name, []byte(strings.Repeat("l", 150<<10)+"\n"), 0o600))
	require.Equal(t, []string{"a", "b", "d"}, fs.marks()[:3])
	var long []int
	for _, label := range fs.marks()[3:] {
		long = append(long, len(label))
	}
	require.Equal(t, []int{64 << 10, 64 << 10, 22<<10 + 1}, long, "the line goes on where the last one was left")
	require.False(t, slices.ContainsFunc(changes(fs), func(l string) bool { return strings.Contains(l, "chmod") }))
}

func TestBadMarkFilesAreRefused(t *testing.T) {
	for _, o := range []mount.Options{{Marks: "a/b"}, {Stdout: ".."}, {Marks: "a", Stdout: "a"}} {
		_, err := mount.Serve(faultfs.New(), t.TempDir(), o)
		require.ErrorContains(t, err, "mark file")
	}
}

func TestAShellIsRecorded(t *testing.T) {
	fs := empty(t)
	dir := serve(t, fs, mount.Options{})
	out := shell(t, dir, `mkdir d && echo a > d/x && echo b >> d/x && mv d/x d/y && cp d/y z && sync d/y && sync -d z && sync d && rm -r d && pwd`)
	require.Equal(t, dir+"\n", out)
	require.Equal(t, []string{
		"mkdir /d 0755", "create /d/x 0644", `write /d/x 0 "a\n"`, `write /d/x 2 "b\n"`, "rename /d/x /d/y",
		"create /z 0644", `write /z 0 "a\nb\n"`, "fsync /d/y", "fdatasync /z", "fsync /d", "unlink /d/y", "rmdir /d",
	}, changes(fs))
	requireReadsBack(t, fs)
}
