//go:build linux

package mount_test

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/mount"
)

func TestCloseLeavesNothingMounted(t *testing.T) {
	dir := t.TempDir()
	for range 3 {
		m, err := mount.Serve(faultfs.New(), dir, mount.Options{})
		if errors.Is(err, mount.ErrUnavailable) {
			t.Skip(err)
		}
		require.NoError(t, err)
		require.Len(t, mounts(t, dir), 1)
		_, err = mount.Serve(faultfs.New(), dir, mount.Options{})
		require.ErrorIs(t, err, unix.EBUSY, "a mount that is alive stays")
		require.NoError(t, m.Close())
		require.NoError(t, m.Close())
		require.Empty(t, mounts(t, dir))
	}
}

func TestServeNeedsADirectory(t *testing.T) {
	_, err := mount.Serve(faultfs.New(), filepath.Join(t.TempDir(), "none"), mount.Options{})
	require.ErrorIs(t, err, os.ErrNotExist)
}

// running starts a program and waits for its first line.
func running(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	if line != "ready\n" {
		t.Skip(line)
	}
}

// holdOpen is a program: it keeps a file open and a directory in use until it
// is killed.
func holdOpen(dir string) error {
	if err := os.Chdir(dir); err != nil {
		return err
	}
	f, err := os.Create("held")
	if err != nil {
		return err
	}
	fmt.Println("ready")
	time.Sleep(childTimeout)
	return f.Close()
}

func TestCloseTakesAMountFromPrograms(t *testing.T) {
	dir := t.TempDir()
	m, err := mount.Serve(faultfs.New(), dir, mount.Options{})
	if errors.Is(err, mount.ErrUnavailable) {
		t.Skip(err)
	}
	require.NoError(t, err)
	running(t, child(t, "holder", dir))
	began := time.Now()
	require.NoError(t, m.Close())
	require.Less(t, time.Since(began), 5*time.Second)
	require.Empty(t, mounts(t, dir))
	require.NoError(t, os.Remove(dir))
}

// serveUntilKilled is a program: it mounts a file system and runs a program
// that outlives it.
func serveUntilKilled(dir string) error {
	_, err := mount.Serve(faultfs.New(), dir, mount.Options{})
	if errors.Is(err, mount.ErrUnavailable) {
		fmt.Println(err)
		return nil
	}
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "f"), []byte("x"), 0o600); err != nil {
		return err
	}
	// It would keep the device open if it could, and so the mount alive.
	if err := exec.Command("sleep", "20").Start(); err != nil {
		return err
	}
	fmt.Println("ready")
	time.Sleep(childTimeout)
	return nil
}

func TestServeCleansUpAfterAServerThatWasKilled(t *testing.T) {
	dir := t.TempDir()
	server := child(t, "server", dir)
	running(t, server)
	holder := child(t, "holder", dir)
	running(t, holder)
	require.NoError(t, server.Process.Kill())
	_ = server.Wait()
	_, err := os.Stat(dir)
	require.ErrorIs(t, err, unix.ENOTCONN)
	require.NotEmpty(t, mounts(t, dir))

	m, err := mount.Serve(faultfs.New(), dir, mount.Options{})
	require.NoError(t, err)
	require.Len(t, mounts(t, dir), 1)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "g"), nil, 0o600))
	require.NoError(t, m.Close())
	require.Empty(t, mounts(t, dir))
}

func TestACrashEndsTheFileSystemForPrograms(t *testing.T) {
	fs := fixture(t)
	dir := serve(t, fs, mount.Options{Marks: ".marks"})
	f := opened(t, filepath.Join(dir, "f"), os.O_RDWR)
	before := len(fs.Trace().Ops)
	fs.Crash()
	_, err := f.WriteString("x")
	require.ErrorIs(t, err, unix.EIO)
	_, err = f.ReadAt(make([]byte, 1), 0)
	require.ErrorIs(t, err, unix.EIO)
	for what, err := range map[string]error{
		"sync": f.Sync(), "stat": second(os.Stat(filepath.Join(dir, "f"))), "mkdir": os.Mkdir(filepath.Join(dir, "x"), 0o700),
		"list": second(os.ReadDir(dir)), "mark": os.WriteFile(filepath.Join(dir, ".marks"), []byte("m\n"), 0o600),
	} {
		require.ErrorIs(t, err, unix.EIO, what)
	}
	require.Len(t, fs.Trace().Ops, before)
}

func TestAResetBeginsAnew(t *testing.T) {
	fs := fixture(t)
	dir := serve(t, fs, mount.Options{})
	name := filepath.Join(dir, "f")
	f := opened(t, name, os.O_RDWR)
	d := opened(t, dir, os.O_RDONLY)
	_, err := f.WriteString("changed, and longer than before")
	require.NoError(t, err)
	require.NoError(t, os.Mkdir(filepath.Join(dir, "x"), 0o700))
	owner := func() uint32 {
		var st unix.Stat_t
		require.NoError(t, unix.Stat(name, &st))
		return st.Uid
	}
	before := owner()
	require.NoError(t, os.Chown(name, 4711, 4711))
	require.EqualValues(t, 4711, owner())
	fs.Reset()
	require.Equal(t, before, owner())
	require.Equal(t, "0123456789", readAll(t, name))
	// The number of the directory is that of a file now.
	require.NoError(t, os.WriteFile(filepath.Join(dir, "x"), []byte("file"), 0o600))
	require.Equal(t, "file", readAll(t, filepath.Join(dir, "x")))
	require.Equal(t, []string{"create /x 0600", `write /x 0 "file"`}, changes(fs))
	for what, err := range map[string]error{
		"write": second(f.WriteString("x")), "read": second(f.Read(make([]byte, 1))), "sync": f.Sync(),
		"list": second(d.ReadDir(-1)), "close": f.Close(),
	} {
		require.ErrorIs(t, err, unix.EIO, what)
	}
}

// broken is a disk with bugs.
type broken struct{ faultfs.Base }

func (broken) Mode(faultfs.Ino) uint32    { panic("a bug of the disk") }
func (broken) Names(faultfs.Ino) []string { panic("another bug") }

func TestCloseReportsBugsAndUnmounts(t *testing.T) {
	fs := faultfs.Over(broken{fixture(t).Trace().Base()})
	dir := t.TempDir()
	m, err := mount.Serve(fs, dir, mount.Options{})
	if errors.Is(err, mount.ErrUnavailable) {
		t.Skip(err)
	}
	require.NoError(t, err)
	t.Cleanup(func() { m.Close() })
	require.ErrorIs(t, second(os.Stat(filepath.Join(dir, "f"))), unix.EIO)
	require.ErrorIs(t, second(os.ReadDir(dir)), unix.EIO)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "new"), nil, 0o600), "what has no bug goes on")
	require.ErrorContains(t, m.Close(), "crashsim: bug: a bug of the disk")
	require.Empty(t, mounts(t, dir))
}

// serveUnprivileged is a program: it finds out that nobody may mount.
func serveUnprivileged(dir string) error {
	if err := errors.Join(syscall.Setgid(65534), syscall.Setuid(65534)); err != nil {
		return err
	}
	m, err := mount.Serve(faultfs.New(), dir, mount.Options{})
	if err == nil {
		return errors.Join(errors.New("mounted"), m.Close())
	}
	if !errors.Is(err, mount.ErrUnavailable) {
		return err
	}
	fmt.Println(err)
	return nil
}

func TestNoPermissionIsExplained(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can become nobody")
	}
	cmd := child(t, "unprivileged", "/")
	out, err := cmd.Output()
	require.NoError(t, err)
	require.Contains(t, string(out), "run as root")
}
