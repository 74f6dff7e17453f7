//go:build linux

package mount_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
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
		t.Cleanup(func() { _ = m.Close() })
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

// running starts a program, waits for its first line, and returns the others.
func running(t *testing.T, cmd *exec.Cmd) *bufio.Reader {
	t.Helper()
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	lines := bufio.NewReader(out)
	line, err := lines.ReadString('\n')
	require.NoError(t, err)
	if line != "ready\n" {
		t.Skip(line)
	}
	return lines
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
	t.Cleanup(func() { _ = m.Close() })
	running(t, child(t, "holder", dir))
	require.NoError(t, m.Close())
	require.Empty(t, mounts(t, dir))
	require.NoError(t, os.Remove(dir))
}

// A program may mount something in the file system, and it somewhere in itself. To
// name those mounts would be to ask the process that ends them.
func TestCloseTakesWhatProgramsHaveMountedInIt(t *testing.T) {
	const inIt = `cd "$1" && mkdir x && mount -t tmpfs none x && mkdir x/y && mount --bind . x/y && mkdir z && mount --bind /tmp z && echo ready; sleep 1000`
	dir := t.TempDir()
	m, err := mount.Serve(faultfs.New(), dir, mount.Options{})
	if errors.Is(err, mount.ErrUnavailable) {
		t.Skip(err)
	}
	require.NoError(t, err)
	t.Cleanup(func() { _ = m.Close() })
	running(t, exec.Command("sh", "-c", inIt, "sh", dir))
	require.Greater(t, len(mounts(t, dir)), 3)
	require.NoError(t, m.Close())
	require.Empty(t, mounts(t, dir))

	// The same, where the process that served is no more.
	server := child(t, "server", dir)
	running(t, server)
	running(t, exec.Command("sh", "-c", inIt, "sh", dir))
	require.NoError(t, server.Process.Kill())
	_ = server.Wait()
	require.NoError(t, mount.RemoveBelow(filepath.Dir(dir)))
	require.Empty(t, mounts(t, dir))
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

	again := empty(t)
	again.server = newServer(t)
	again.mount(t, dir, mount.Options{})
	require.Len(t, mounts(t, dir), 1)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "g"), nil, 0o600))
	require.Empty(t, again.close())
	require.Empty(t, mounts(t, dir))
}

// While a mount stands, whoever unshares a mount namespace keeps a copy of it, so
// that unmounting does not end it. Close does not wait for them, and what they
// have is dead.
func TestCloseCutsCopiesInOtherNamespaces(t *testing.T) {
	dir := t.TempDir()
	m, err := mount.Serve(newFixture(), dir, mount.Options{})
	if errors.Is(err, mount.ErrUnavailable) {
		t.Skip(err)
	}
	require.NoError(t, err)
	t.Cleanup(func() { _ = m.Close() })
	copier := child(t, "copier", dir)
	copier.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	stdin, err := copier.StdinPipe()
	require.NoError(t, err)
	out := running(t, copier)
	require.NoError(t, m.Close())
	require.Empty(t, mounts(t, dir))
	require.NoError(t, stdin.Close())
	line, err := out.ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "transport endpoint is not connected\n", line)
	require.NoError(t, copier.Wait())
}

// copyMount is a program in a mount namespace of its own: it says what it finds in
// a mount when its standard input ends.
func copyMount(dir string) error {
	if _, err := os.Stat(filepath.Join(dir, "f")); err != nil {
		return err
	}
	fmt.Println("ready")
	_, _ = io.Copy(io.Discard, os.Stdin)
	_, err := os.Stat(filepath.Join(dir, "f"))
	fmt.Println(errors.Unwrap(err))
	return nil
}

// askOwnMount is a program that does what none must do: it uses a mount that it
// serves itself, in the way that its first line says.
func askOwnMount(dir string) error {
	m, err := mount.Serve(newFixture(), dir, mount.Options{})
	if errors.Is(err, mount.ErrUnavailable) {
		fmt.Println(err)
		return nil
	}
	if err != nil {
		return err
	}
	how, err := bufio.NewReader(os.Stdin).ReadString('\n')
	if err != nil {
		return err
	}
	var asked error
	switch name := filepath.Join(dir, "f"); strings.TrimSpace(how) {
	case "stat":
		_, asked = os.Stat(name)
	case "open":
		_, asked = os.Open(name)
	case "create":
		asked = os.WriteFile(filepath.Join(dir, "new"), nil, 0o600)
	case "statfs":
		asked = unix.Statfs(dir, new(unix.Statfs_t))
	case "list":
		_, asked = os.ReadDir(dir)
	case "remove":
		asked = os.RemoveAll(name)
	case "enter":
		asked = os.Chdir(dir)
	}
	fmt.Println("ready")
	fmt.Println(errors.Is(asked, unix.EDEADLK), "and Close says:", m.Close())
	return nil
}

// The process that serves a mount must never ask it. Each disk holds that for all
// the tests of this project, because Close reports who does.
func TestAProcessThatAsksItsOwnMountIsFound(t *testing.T) {
	for _, how := range []string{"stat", "open", "create", "statfs", "list", "remove", "enter"} {
		t.Run(how, func(t *testing.T) {
			dir := t.TempDir()
			asker := child(t, "asker", dir)
			asker.Stdin = strings.NewReader(how + "\n")
			line, err := running(t, asker).ReadString('\n')
			require.NoError(t, err)
			require.Contains(t, line, "true and Close says: crashsim: bug: the process that serves a mount asked it itself")
			require.NoError(t, asker.Wait())
			require.Empty(t, mounts(t, dir))
		})
	}
}

func TestACrashEndsTheFileSystemForPrograms(t *testing.T) {
	fs := fixture(t)
	dir := serve(t, fs, mount.Options{Marks: ".marks"})
	f := opened(t, filepath.Join(dir, "f"), os.O_RDWR)
	before := len(fs.ops())
	fs.crash()
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
	require.Len(t, fs.ops(), before)
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
	fs.reset()
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
	dir := t.TempDir()
	fs := &served{t: t, disk: "broken", server: newServer(t)}
	fs.mount(t, dir, mount.Options{})
	require.ErrorIs(t, second(os.Stat(filepath.Join(dir, "f"))), unix.EIO)
	require.ErrorIs(t, second(os.ReadDir(dir)), unix.EIO)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "new"), nil, 0o600), "what has no bug goes on")
	require.Contains(t, fs.close(), "crashsim: bug: a bug of the disk")
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
