package process

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// removeTree removes a directory of ours and all that is in it, but nothing that is
// mounted there: a program may have mounted a directory of the user's in it, or
// over it. What is mounted makes it fail, and is left as it is. No symbolic link is
// followed.
func removeTree(dir string) error {
	if err := removeInside(dir, ""); err != nil {
		return err
	}
	return os.Remove(dir)
}

// removeInside removes what is in a directory, but for one name. It is no error if
// there is no such directory.
func removeInside(dir, but string) error {
	up, err := unix.Open(filepath.Dir(dir), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: filepath.Dir(dir), Err: err}
	}
	defer unix.Close(up)
	f, err := openBelow(up, filepath.Dir(dir), filepath.Base(dir))
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	return removeEntries(f, but)
}

// openBelow opens a directory by its name in another one. It fails with EXDEV if
// something is mounted there.
func openBelow(up int, path, name string) (*os.File, error) {
	const flags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC
	path = filepath.Join(path, name)
	fail := func(err error) (*os.File, error) { return nil, &os.PathError{Op: "remove", Path: path, Err: err} }
	if !noOpenat2.Load() {
		how := &unix.OpenHow{Flags: flags, Resolve: unix.RESOLVE_NO_XDEV | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_BENEATH}
		fd, err := unix.Openat2(up, name, how)
		switch {
		case err == nil:
			return os.NewFile(uintptr(fd), path), nil
		case errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EPERM):
			noOpenat2.Store(true) // an old kernel, or a sandbox that does not know it
		default:
			return fail(err)
		}
	}
	fd, err := unix.Openat(up, name, flags, 0)
	if err != nil {
		return fail(err)
	}
	above, err := mountNumber(up)
	below, belowErr := mountNumber(fd)
	if err == nil && belowErr == nil && above != below {
		err = unix.EXDEV
	}
	if err := errors.Join(err, belowErr); err != nil {
		unix.Close(fd)
		return fail(err)
	}
	return os.NewFile(uintptr(fd), path), nil
}

var noOpenat2 atomic.Bool

// mountNumber returns which mount an open file belongs to. A bind mount of the same
// file system has another number, though not another device.
func mountNumber(fd int) (string, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/self/fdinfo/%d", fd))
	if err != nil {
		return "", err
	}
	_, number, found := strings.Cut(string(text), "mnt_id:")
	if !found {
		return "", errors.New("the kernel does not say which mount a file belongs to")
	}
	number, _, _ = strings.Cut(number, "\n")
	return strings.TrimSpace(number), nil
}

// deepest is how many directories below each other are open at once. What lies
// deeper is moved up before it is removed: a program can make directories that are
// deeper than a process may have descriptors.
const deepest = 4

// remover removes what is in a directory.
type remover struct {
	top   *os.File
	moved bool // something was moved into top
}

// removeEntries removes what is in a directory, but for one name. It has no more than
// deepest descriptors open at once.
func removeEntries(dir *os.File, but string) error {
	for {
		r := remover{top: dir}
		if err := r.entries(dir, but, 0); err != nil || !r.moved {
			return err
		}
		if _, err := dir.Seek(0, io.SeekStart); err != nil {
			return err
		}
	}
}

func (r *remover) entries(dir *os.File, but string, depth int) error {
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return err
	}
	var errs []error
	for _, name := range names {
		if name != but {
			errs = append(errs, r.entry(dir, name, depth))
		}
	}
	return errors.Join(errs...)
}

// entry removes what has a name in a directory that lies so deep.
func (r *remover) entry(dir *os.File, name string, depth int) error {
	up := int(dir.Fd())
	err := unix.Unlinkat(up, name, 0)
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	if errors.Is(err, unix.EISDIR) || errors.Is(err, unix.EPERM) {
		err = r.directory(dir, name, depth)
	}
	if err == nil || errors.As(err, new(*os.PathError)) {
		return err
	}
	return &os.PathError{Op: "remove", Path: filepath.Join(dir.Name(), name), Err: err}
}

// directory removes a directory and what is in it, or moves it up.
func (r *remover) directory(dir *os.File, name string, depth int) error {
	up := int(dir.Fd())
	below, err := openSearchable(up, dir.Name(), name)
	if err != nil {
		return err
	}
	if depth+1 < deepest {
		if err := errors.Join(r.entries(below, "", depth+1), below.Close()); err != nil {
			return err
		}
		return unix.Unlinkat(up, name, unix.AT_REMOVEDIR)
	}
	if err := below.Close(); err != nil {
		return err
	}
	err = unix.Unlinkat(up, name, unix.AT_REMOVEDIR)
	if errors.Is(err, unix.ENOTEMPTY) || errors.Is(err, unix.EEXIST) {
		r.moved = true
		err = unix.Renameat(up, name, int(r.top.Fd()), "moved-"+rand.Text())
	}
	return err
}

// openSearchable opens a directory below another one, and sees that its entries may
// be removed: a program may have taken that right from itself.
func openSearchable(up int, path, name string) (*os.File, error) {
	f, err := openBelow(up, path, name)
	if errors.Is(err, unix.EACCES) && !noOpenat2.Load() { // then nothing is mounted there
		if unix.Fchmodat(up, name, 0o700, unix.AT_SYMLINK_NOFOLLOW) == nil {
			f, err = openBelow(up, path, name)
		}
	}
	if err == nil {
		_ = f.Chmod(0o700)
	}
	return f, err
}
