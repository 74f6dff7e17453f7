package process

import (
	"errors"
	"fmt"
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

// removeEntries removes what is in a directory, but for one name.
func removeEntries(dir *os.File, but string) error {
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return err
	}
	var errs []error
	for _, name := range names {
		if name != but {
			errs = append(errs, removeEntry(dir, name))
		}
	}
	return errors.Join(errs...)
}

func removeEntry(dir *os.File, name string) error {
	up := int(dir.Fd())
	err := unix.Unlinkat(up, name, 0)
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	if errors.Is(err, unix.EISDIR) || errors.Is(err, unix.EPERM) {
		below, openErr := openSearchable(up, dir.Name(), name)
		if openErr != nil {
			return openErr
		}
		err = errors.Join(removeEntries(below, ""), below.Close())
		if err == nil {
			err = unix.Unlinkat(up, name, unix.AT_REMOVEDIR)
		}
	}
	if err == nil || errors.As(err, new(*os.PathError)) {
		return err
	}
	return &os.PathError{Op: "remove", Path: filepath.Join(dir.Name(), name), Err: err}
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
