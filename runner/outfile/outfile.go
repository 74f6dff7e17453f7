// Package outfile writes, and reads, the files that a user asks for by name.
//
// The words of this package:
//
//   - A name leads to a file, a device, a FIFO, or a descriptor of this process
//     such as /dev/stdout, by way of symbolic links or not. [Write] writes to what
//     the name leads to; no link and no device is ever replaced.
//   - A regular file is replaced as a whole: it is the old one until the new one is
//     complete and synced, also where the disk is full or the power fails. It keeps
//     its mode and its owner. Where it cannot be replaced like that (the directory
//     is read-only, the file has other names, is mounted by itself, or belongs to
//     somebody else), it is rewritten in place, once the space for it is there.
//
// It makes no directories, and it keeps no access control lists of a file that it
// replaces.
//
// This package is public only because several packages of this module use it. It makes no
// promise of compatibility: a release may change it in any way.
package outfile

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
)

// Write writes data to what a name leads to. What a regular file held before is
// still there when an error is returned, unless the error says otherwise.
func Write(name string, data []byte) error {
	path, err := resolve(name)
	if err != nil {
		return fail(name, err)
	}
	if fd, ok := descriptor(path); ok {
		return fail(name, writeDescriptor(fd, data))
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = replace(path, nil, data)
	case err != nil:
	case info.IsDir():
		err = syscall.EISDIR
	case !info.Mode().IsRegular():
		err = writeInto(path, data)
	default:
		err = rewrite(path, info, data)
	}
	return fail(name, err)
}

// Check reports whether Write is bound to fail: the name leads to a directory, or
// into one that does not exist. It is for asking before long work begins.
func Check(name string) error {
	path, err := resolve(name)
	if err != nil {
		return fail(name, err)
	}
	if _, ok := descriptor(path); ok {
		return nil
	}
	if info, err := os.Stat(path); err == nil {
		if info.IsDir() {
			return fail(name, syscall.EISDIR)
		}
		return nil
	}
	switch info, err := os.Stat(filepath.Dir(path)); {
	case err != nil:
		return fail(name, err)
	case !info.IsDir():
		return fail(name, syscall.ENOTDIR)
	}
	return nil
}

// fail says which file could not be written. The names of temporary files are
// nothing to the user.
func fail(name string, err error) error {
	if err == nil {
		return nil
	}
	var bad *fs.PathError
	var link *os.LinkError
	switch {
	case errors.As(err, &bad) && bad.Path == name:
		return err
	case errors.As(err, &bad):
		err = bad.Err
	case errors.As(err, &link):
		err = link.Err
	}
	return &fs.PathError{Op: "write", Path: name, Err: err}
}

// maxLinks is how many symbolic links are followed, as Linux does.
const maxLinks = 40

// resolve follows the links that a name ends in. The last of them may lead to a
// file that does not exist yet.
func resolve(name string) (string, error) {
	if name == "" {
		return "", errors.New("the name is empty")
	}
	for range maxLinks {
		if _, ok := descriptor(name); ok {
			return name, nil
		}
		info, err := os.Lstat(name)
		if err != nil || info.Mode()&fs.ModeSymlink == 0 {
			return name, nil // what is wrong is seen when it is written
		}
		target, err := os.Readlink(name)
		if err != nil {
			return "", err
		}
		if !filepath.IsAbs(target) {
			// The parent of a link is that of the directory that it lies in.
			dir, err := filepath.EvalSymlinks(filepath.Dir(name))
			if err != nil {
				return "", err
			}
			target = filepath.Join(dir, target)
		}
		name = target
	}
	return "", syscall.ELOOP
}

var descriptors = regexp.MustCompile(`^/(?:dev|proc/self|proc/thread-self|proc/(\d+))/fd/(\d+)$`)

// descriptor returns the descriptor of this process that a path names. To open such
// a path again would not do: a file would be written from its beginning, over what
// the descriptor has written to it.
func descriptor(path string) (fd uintptr, ok bool) {
	path = filepath.Clean(path)
	switch path {
	case "/dev/stdout":
		return 1, true
	case "/dev/stderr":
		return 2, true
	}
	m := descriptors.FindStringSubmatch(path)
	if m == nil || m[1] != "" && m[1] != strconv.Itoa(os.Getpid()) {
		return 0, false
	}
	n, err := strconv.ParseUint(m[2], 10, 31)
	return uintptr(n), err == nil
}

// writeInto writes to a device or a FIFO. It waits until somebody reads the FIFO.
func writeInto(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Close())
}

// rewrite gives a regular file that exists new contents.
func rewrite(path string, info fs.FileInfo, data []byte) error {
	if names(info) <= 1 {
		err := replace(path, info, data)
		if !errors.Is(err, errInPlace) && !errors.Is(err, fs.ErrPermission) && !errors.Is(err, syscall.EROFS) && !errors.Is(err, syscall.EBUSY) {
			return err
		}
	}
	return overwrite(path, data)
}

// errInPlace says that a file can only be rewritten in place.
var errInPlace = errors.New("the owner cannot be kept")

// replace makes a new file beside the old one, and gives it the name. The
// information is of the old file; nil: there is none.
func replace(path string, old fs.FileInfo, data []byte) (err error) {
	mode := fs.FileMode(0o666) // less the umask
	if old != nil {
		mode = 0o600
	}
	tmp := filepath.Join(filepath.Dir(path), ".crashsim-"+rand.Text())
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(tmp)
		}
	}()
	if old != nil {
		err = keepOwner(f, old)
	}
	if err == nil {
		_, err = f.Write(data)
	}
	if old != nil && err == nil {
		err = f.Chmod(old.Mode() & (fs.ModePerm | fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky))
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err = os.Rename(tmp, path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// overwrite rewrites a file in place. It asks for the space first, so that a full
// disk leaves the old contents.
func overwrite(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil {
		err = reserve(f, int64(len(data)))
	}
	if err != nil {
		if info != nil {
			_ = f.Truncate(info.Size())
		}
		return errors.Join(err, f.Close())
	}
	_, err = f.WriteAt(data, 0)
	if err == nil {
		err = f.Truncate(int64(len(data)))
	}
	if err != nil {
		err = fmt.Errorf("%w; the file could only be written in place, and is damaged", err)
	}
	return errors.Join(err, f.Sync(), f.Close())
}

// syncDir makes the names in a directory durable, where that can be asked for.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return nil // a directory that may be written and not read
	}
	err = d.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, errors.ErrUnsupported) {
		err = nil
	}
	return errors.Join(err, d.Close())
}
