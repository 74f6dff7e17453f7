package outfile

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// read returns what a file holds.
func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	return string(text)
}

// alone requires that a directory holds nothing but files with these names.
func alone(t *testing.T, dir string, names ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	var have []string
	for _, e := range entries {
		have = append(have, e.Name())
	}
	require.Equal(t, names, have)
}

func rootOnly(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can do this")
	}
}

func TestANewFileHasTheModeThatTheUmaskLeaves(t *testing.T) {
	old := syscall.Umask(0o027)
	defer syscall.Umask(old)
	dir := t.TempDir()
	name := filepath.Join(dir, "out")
	require.NoError(t, Write(name, []byte("text")))
	require.Equal(t, "text", read(t, name))
	info, err := os.Stat(name)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o640), info.Mode())
	alone(t, dir, "out")
}

func TestAFileKeepsItsMode(t *testing.T) {
	name := filepath.Join(t.TempDir(), "out")
	for _, mode := range []os.FileMode{0o600, 0o444, 0o755, 0o666} {
		require.NoError(t, os.WriteFile(name, []byte("old"), 0o600))
		require.NoError(t, os.Chmod(name, mode))
		require.NoError(t, Write(name, []byte("new")))
		info, err := os.Stat(name)
		require.NoError(t, err)
		require.Equal(t, mode, info.Mode())
		require.Equal(t, "new", read(t, name))
		require.NoError(t, os.Remove(name))
	}
}

func TestAFileKeepsItsOwner(t *testing.T) {
	rootOnly(t)
	name := filepath.Join(t.TempDir(), "out")
	require.NoError(t, os.WriteFile(name, []byte("old"), 0o640))
	require.NoError(t, os.Chown(name, 1234, 5678))
	require.NoError(t, Write(name, []byte("new")))
	info, err := os.Stat(name)
	require.NoError(t, err)
	s := info.Sys().(*syscall.Stat_t)
	require.Equal(t, []uint32{1234, 5678}, []uint32{s.Uid, s.Gid})
	require.Equal(t, os.FileMode(0o640), info.Mode())
	require.Equal(t, "new", read(t, name))
}

// A device is written, and is still a device.
func TestADeviceIsWritten(t *testing.T) {
	rootOnly(t)
	null := filepath.Join(t.TempDir(), "null")
	if err := syscall.Mknod(null, syscall.S_IFCHR|0o666, 1<<8|3); err != nil {
		t.Skipf("no device can be made: %v", err)
	}
	if f, err := os.OpenFile(null, os.O_WRONLY, 0); err != nil {
		t.Skipf("devices do not work here: %v", err)
	} else {
		require.NoError(t, f.Close())
	}
	require.NoError(t, Write(null, []byte("text")))
	info, err := os.Stat(null)
	require.NoError(t, err)
	require.NotZero(t, info.Mode()&os.ModeCharDevice)
	alone(t, filepath.Dir(null), "null")

	before, err := os.Stat("/dev/full")
	require.NoError(t, err)
	require.ErrorIs(t, Write("/dev/full", []byte("text")), syscall.ENOSPC)
	after, err := os.Stat("/dev/full")
	require.NoError(t, err)
	require.True(t, os.SameFile(before, after))
}

func TestAFIFOIsWritten(t *testing.T) {
	name := filepath.Join(t.TempDir(), "fifo")
	require.NoError(t, syscall.Mkfifo(name, 0o600))
	got := make(chan string, 1)
	go func() {
		text, err := os.ReadFile(name)
		got <- string(text) + errorText(err)
	}()
	require.NoError(t, Write(name, []byte("text")))
	require.Equal(t, "text", <-got)
	info, err := os.Lstat(name)
	require.NoError(t, err)
	require.Equal(t, os.ModeNamedPipe, info.Mode().Type())
}

func errorText(err error) string {
	if err != nil {
		return err.Error()
	}
	return ""
}

func TestALinkIsFollowed(t *testing.T) {
	dir := t.TempDir()
	far := filepath.Join(dir, "far")
	require.NoError(t, os.Mkdir(far, 0o777))
	require.NoError(t, os.WriteFile(filepath.Join(far, "file"), []byte("old"), 0o600))
	require.NoError(t, os.Symlink("far/file", filepath.Join(dir, "a")))
	require.NoError(t, os.Symlink(filepath.Join(dir, "a"), filepath.Join(dir, "b")))
	// The parent of what a link in a linked directory names is that of the real one.
	require.NoError(t, os.Mkdir(filepath.Join(dir, "near"), 0o777))
	require.NoError(t, os.Symlink("../far", filepath.Join(dir, "near", "linked")))
	require.NoError(t, os.Symlink("../dangling", filepath.Join(far, "up")))

	require.NoError(t, Write(filepath.Join(dir, "b"), []byte("new")))
	require.Equal(t, "new", read(t, filepath.Join(far, "file")))
	info, err := os.Lstat(filepath.Join(dir, "a"))
	require.NoError(t, err)
	require.NotZero(t, info.Mode()&os.ModeSymlink)

	require.NoError(t, Check(filepath.Join(dir, "near/linked/up")))
	require.NoError(t, Write(filepath.Join(dir, "near/linked/up"), []byte("made")))
	require.Equal(t, "made", read(t, filepath.Join(dir, "dangling")))
	alone(t, dir, "a", "b", "dangling", "far", "near")
	alone(t, far, "file", "up")
}

func TestLinksThatLeadNowhereAreErrors(t *testing.T) {
	dir := t.TempDir()
	loop := filepath.Join(dir, "loop")
	require.NoError(t, os.Symlink("loop", loop))
	require.ErrorIs(t, Write(loop, nil), syscall.ELOOP)
	require.NoError(t, os.Symlink("none/at/all", filepath.Join(dir, "lost")))
	for _, name := range []string{"lost", "none/file"} {
		name = filepath.Join(dir, name)
		require.ErrorIs(t, Write(name, nil), os.ErrNotExist)
		require.ErrorIs(t, Check(name), os.ErrNotExist)
		require.Equal(t, "write "+name+": no such file or directory", Write(name, nil).Error())
	}
	require.ErrorIs(t, Write(dir, nil), syscall.EISDIR)
	require.ErrorIs(t, Check(dir), syscall.EISDIR)
	require.ErrorContains(t, Write("", nil), "empty")
}

// Hard links, and files in directories that cannot be written, stay what they are.
func TestAFileThatCannotBeReplacedIsRewritten(t *testing.T) {
	dir := t.TempDir()
	name, other := filepath.Join(dir, "name"), filepath.Join(dir, "other")
	require.NoError(t, os.WriteFile(name, []byte("a long old text"), 0o600))
	require.NoError(t, os.Link(name, other))
	require.NoError(t, Write(name, []byte("new")))
	require.Equal(t, "new", read(t, other))
	require.NoError(t, Write(name, nil))
	require.Empty(t, read(t, other))
	alone(t, dir, "name", "other")
}

// As a user who may not write the directory: a file in it that he may write is
// rewritten, and a new one is refused.
func TestAReadOnlyDirectory(t *testing.T) {
	if os.Getenv("OUTFILE_DIR") != "" {
		dir := os.Getenv("OUTFILE_DIR")
		require.NoError(t, Write(filepath.Join(dir, "file"), []byte("new")))
		err := Write(filepath.Join(dir, "none"), []byte("new"))
		require.ErrorIs(t, err, os.ErrPermission)
		require.Equal(t, "write "+filepath.Join(dir, "none")+": permission denied", err.Error())
		return
	}
	rootOnly(t)
	dir, err := os.MkdirTemp("/tmp", "outfile")
	require.NoError(t, err)
	defer os.RemoveAll(dir)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "file"), []byte("older and longer"), 0o600))
	require.NoError(t, os.Chmod(filepath.Join(dir, "file"), 0o666))
	require.NoError(t, os.Chmod(dir, 0o755))
	self := filepath.Join(dir, "test")
	program, err := os.ReadFile("/proc/self/exe")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(self, program, 0o700))
	require.NoError(t, os.Chmod(self, 0o755))
	cmd := exec.CommandContext(t.Context(), self, "-test.run=^TestAReadOnlyDirectory$", "-test.count=1")
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), "OUTFILE_DIR="+dir, "TMPDIR=/tmp")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "PASS")
	require.Equal(t, "new", read(t, filepath.Join(dir, "file")))
	alone(t, dir, "file", "test")
}

// On a full disk the old file stays, with one name and with two, and nothing is
// left beside it.
func TestAFullDiskLeavesTheOldFile(t *testing.T) {
	rootOnly(t)
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
		t.Skipf("no tmpfs can be mounted: %v", err)
	}
	defer func() { require.NoError(t, syscall.Unmount(dir, syscall.MNT_DETACH)) }()
	once, twice := filepath.Join(dir, "once"), filepath.Join(dir, "twice")
	require.NoError(t, os.WriteFile(once, []byte("old"), 0o644))
	require.NoError(t, os.WriteFile(twice, []byte("old"), 0o644))
	require.NoError(t, os.Link(twice, filepath.Join(dir, "zwei")))
	for _, name := range []string{once, twice, filepath.Join(dir, "new")} {
		err := Write(name, make([]byte, 1<<20))
		require.ErrorIs(t, err, syscall.ENOSPC)
		require.Equal(t, "write "+name+": no space left on device", err.Error())
	}
	require.Equal(t, "old", read(t, once))
	require.Equal(t, "old", read(t, twice))
	alone(t, dir, "once", "twice", "zwei")
}

// What was written to a descriptor before is not written over.
func TestADescriptorIsWrittenWhereItStands(t *testing.T) {
	name := filepath.Join(t.TempDir(), "out")
	f, err := os.Create(name)
	require.NoError(t, err)
	defer f.Close()
	_, err = f.WriteString("first\n")
	require.NoError(t, err)
	link := filepath.Join(filepath.Dir(name), "link")
	require.NoError(t, os.Symlink("/dev/fd/"+itoa(f.Fd()), link))
	require.NoError(t, Check(link))
	for _, name := range []string{"/dev/fd/" + itoa(f.Fd()), "/proc/self/fd/" + itoa(f.Fd()), "/proc/" + itoa(uintptr(os.Getpid())) + "/fd/" + itoa(f.Fd()), link} {
		require.NoError(t, Write(name, []byte("more\n")))
	}
	require.Equal(t, "first\n"+strings.Repeat("more\n", 4), read(t, name))
	require.Error(t, Write("/dev/fd/999", nil))

	r, w, err := os.Pipe()
	require.NoError(t, err)
	require.NoError(t, Write("/dev/fd/"+itoa(w.Fd()), []byte("through a pipe")))
	require.NoError(t, w.Close())
	text, err := io.ReadAll(r)
	require.NoError(t, errors.Join(err, r.Close()))
	require.Equal(t, "through a pipe", string(text))
}

func itoa(n uintptr) string { return strconv.Itoa(int(n)) }
