package process

import (
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/mount"
)

// inTemp lets the directory for temporary files be a new one.
func inTemp(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	t.Setenv("TMPDIR", root)
	return root
}

// leave makes a temporary directory and gives its lock back, as a process does that is killed.
func leave(t *testing.T) string {
	t.Helper()
	root, err := tempRoot()
	require.NoError(t, err)
	p, err := makeTempDir(root)
	require.NoError(t, err)
	require.NoError(t, p.lock.Close())
	return p.dir
}

// bind mounts a directory a second time while t runs, and skips t where that is not
// possible.
func bind(t *testing.T, from, at string) {
	t.Helper()
	err := unix.Mount(from, at, "", unix.MS_BIND, "")
	if errors.Is(err, unix.EPERM) {
		t.Skip("nothing can be mounted")
	}
	require.NoError(t, err)
	t.Cleanup(func() { _ = unix.Unmount(at, unix.MNT_DETACH) })
}

// precious makes a directory with a file that must not be lost.
func precious(t *testing.T) (dir, file string) {
	t.Helper()
	dir = t.TempDir()
	file = filepath.Join(dir, "precious")
	require.NoError(t, os.WriteFile(file, []byte("data"), 0o600))
	return dir, file
}

func TestTempDirsThatWereLeftAreRemoved(t *testing.T) {
	root := inTemp(t)
	whole, empty, torn := leave(t), filepath.Join(root, tempPrefix+rand.Text()), leave(t)
	require.NoError(t, os.MkdirAll(filepath.Join(whole, "1", "disk"), 0o700))
	require.NoError(t, os.Mkdir(empty, 0o700))
	require.NoError(t, os.Truncate(filepath.Join(torn, tempMarker), 0))
	p, err := newTempDir()
	require.NoError(t, err)
	for _, dir := range []string{whole, empty, torn} {
		require.NoDirExists(t, dir)
	}
	require.NoError(t, p.remove())
	left, err := os.ReadDir(root)
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestWhatStillStandsInALeftTempDirIsUnmounted(t *testing.T) {
	inTemp(t)
	user, file := precious(t)
	dir := leave(t)
	at, beside := filepath.Join(dir, "1"), filepath.Join(dir, "beside")
	require.NoError(t, os.Mkdir(at, 0o700))
	require.NoError(t, os.Mkdir(beside, 0o700))
	m, err := mount.Serve(faultfs.New(), at, mount.Options{})
	if errors.Is(err, mount.ErrUnavailable) {
		t.Skip(err)
	}
	require.NoError(t, err)
	t.Cleanup(func() { _ = m.Close() })
	bind(t, user, beside)
	bind(t, user, at)
	p, err := newTempDir()
	require.NoError(t, err)
	require.NoDirExists(t, dir)
	require.FileExists(t, file)
	require.NoError(t, p.remove())
}

func TestTempDirsOfLivingProcessesStay(t *testing.T) {
	inTemp(t)
	alive, err := newTempDir()
	require.NoError(t, err)
	other, err := newTempDir()
	require.NoError(t, err)
	require.DirExists(t, alive.dir)
	require.NoError(t, errors.Join(other.remove(), alive.remove()))
	require.NoDirExists(t, alive.dir)
}

// What only looks like a temporary directory is not removed.
func TestWhatIsNoTempDirStays(t *testing.T) {
	root := inTemp(t)
	user, file := precious(t)
	name := func() string { return filepath.Join(root, tempPrefix+rand.Text()) }
	made := func(dir string) string {
		require.NoError(t, os.Mkdir(dir, 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "precious"), nil, 0o600))
		return dir
	}
	stay := []string{
		made(filepath.Join(root, "crashsim-4711-report")), // a process of that number is no more
		made(filepath.Join(root, "crashsim-notes")),
		made(name()), // without a marker
	}
	open := leave(t) // of which others could have filled the marker in
	require.NoError(t, os.Chmod(open, 0o777))
	link := name()
	require.NoError(t, os.Symlink(user, link))
	linked := name() // to a temporary directory whose process is no more, of somebody else
	require.NoError(t, os.Symlink(open, linked))
	marked := made(name())
	require.NoError(t, os.Symlink("precious", filepath.Join(marked, tempMarker)))
	stay = append(stay, open, link, linked, marked)
	if os.Geteuid() == 0 {
		others := leave(t)
		require.NoError(t, os.Chown(others, 65534, 65534))
		stay = append(stay, others)
	}
	p, err := newTempDir()
	require.NoError(t, err)
	for _, dir := range stay {
		_, err := os.Lstat(dir)
		require.NoError(t, err)
	}
	require.FileExists(t, file)
	require.NoError(t, p.remove())
}

func TestTempDirsArePrivateWhereverTheyAre(t *testing.T) {
	root := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(root, "a[b*"), 0o755))
	t.Chdir(root)
	for _, dir := range []string{"a[b*", "./a[b*/.", filepath.Join(root, "a[b*")} {
		t.Setenv("TMPDIR", dir)
		left := leave(t)
		p, err := newTempDir()
		require.NoError(t, err)
		require.NoDirExists(t, left, "it was removed")
		require.Equal(t, filepath.Join(root, "a[b*"), filepath.Dir(p.dir))
		info, err := os.Stat(p.dir)
		require.NoError(t, err)
		require.Equal(t, os.ModeDir|0o700, info.Mode())
		require.NoError(t, p.remove())
	}
	t.Setenv("TMPDIR", "no such directory")
	_, err := newTempDir()
	require.ErrorContains(t, err, "TMPDIR")
}

func TestLinksThatOthersMadeAreNotFollowed(t *testing.T) {
	root := t.TempDir()
	link := filepath.Join(root, "link")
	require.NoError(t, os.Symlink(t.TempDir(), link))
	t.Setenv("TMPDIR", link)
	p, err := newTempDir()
	require.NoError(t, err, "one's own link is followed")
	require.NoError(t, p.remove())
	if os.Geteuid() != 0 {
		t.Skip("only root can make links of others")
	}
	require.NoError(t, os.Lchown(link, 65534, 65534))
	_, err = newTempDir()
	require.ErrorContains(t, err, "another user")
}

func TestRemovingDoesNotCrossMounts(t *testing.T) {
	for _, old := range []bool{false, true} {
		t.Run(map[bool]string{false: "openat2", true: "fdinfo"}[old], func(t *testing.T) {
			before := noOpenat2.Swap(old)
			t.Cleanup(func() { noOpenat2.Store(before) })
			user, file := precious(t)
			dir := filepath.Join(t.TempDir(), "dir")
			require.NoError(t, os.MkdirAll(filepath.Join(dir, "a", "b"), 0o700))
			bind(t, user, filepath.Join(dir, "a", "b"))
			require.ErrorIs(t, removeTree(dir), syscall.EXDEV)
			require.FileExists(t, file)
			require.NoError(t, unix.Unmount(filepath.Join(dir, "a", "b"), 0))
			bind(t, user, dir)
			bind(t, user, dir)
			require.ErrorIs(t, removeTree(dir), syscall.EXDEV)
			require.FileExists(t, file)
			require.NoError(t, unix.Unmount(dir, 0))
			require.NoError(t, unix.Unmount(dir, 0))
			require.NoError(t, os.Symlink(user, filepath.Join(dir, "link")))
			require.NoError(t, removeTree(dir))
			require.NoDirExists(t, dir)
			require.FileExists(t, file)
		})
	}
}

// withDescriptors lets this process open so many more files than it has open now,
// while something runs.
func withDescriptors(t *testing.T, more int, run func()) {
	t.Helper()
	var before syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &before))
	few := before
	var free []int
	for range more + 1 { // the numbers that are free need not follow each other
		next, err := syscall.Open("/", syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
		require.NoError(t, err)
		free = append(free, next)
	}
	few.Cur = uint64(free[more])
	for _, fd := range free {
		require.NoError(t, syscall.Close(fd))
	}
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &few))
	defer func() { require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &before)) }()
	run()
}

// However few descriptors a process has, a temporary directory is made whole or not at all, and
// what was made can be removed without any.
func TestTempDirsLeaveNothingWhereDescriptorsRunOut(t *testing.T) {
	root := inTemp(t)
	refused, made := 0, 0
	for more := range 30 {
		var p *tempDir
		var err error
		withDescriptors(t, more, func() { p, err = newTempDir() })
		if err != nil {
			require.ErrorIs(t, err, syscall.EMFILE)
			refused++
		} else {
			require.NoError(t, os.MkdirAll(filepath.Join(p.dir, "1", "disk"), 0o700))
			withDescriptors(t, 0, func() { err = p.remove() })
			require.NoError(t, err)
			made++
		}
		left, err := os.ReadDir(root)
		require.NoError(t, err)
		require.Empty(t, left, "%d more descriptors", more)
	}
	require.Positive(t, refused)
	require.Positive(t, made)
}

// A tree that is deeper than a process may have files open is removed all the same.
func TestRemovingADeepTreeTakesFewDescriptors(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "dir")
	deep := dir
	for range 200 {
		deep = filepath.Join(deep, "d")
		require.NoError(t, os.MkdirAll(filepath.Join(deep, "e"), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(deep, "f"), nil, 0o600))
	}
	withDescriptors(t, deepest+2, func() { require.NoError(t, removeTree(dir)) })
	require.NoDirExists(t, dir)
}

// What a check has mounted on its copy of a disk is taken away, and not emptied.
func TestWhatACheckHasMountedOnItsCopyIsNotEmptied(t *testing.T) {
	user, file := precious(t)
	inTemp(t)
	probe := t.TempDir()
	bind(t, user, probe)
	c, err := NewChecker(Options{Materialise: true})
	require.NoError(t, err)
	args := Shell("mkdir m && mount --bind '" + user + "' m && [ -e m/precious ]")
	for range 2 {
		require.NoError(t, c.on(faultfs.New(), func() []string { return nil }, args, &output{}))
	}
	require.NoError(t, c.Close())
	require.FileExists(t, file)
}
