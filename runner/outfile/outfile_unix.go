//go:build unix

package outfile

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// names returns how many names a file has.
func names(info fs.FileInfo) int {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(s.Nlink)
	}
	return 1
}

// keepOwner gives a new file the owner and the group of the old one.
func keepOwner(f *os.File, old fs.FileInfo) error {
	want, ok := old.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if have, ok := info.Sys().(*syscall.Stat_t); ok && have.Uid == want.Uid && have.Gid == want.Gid {
		return nil
	}
	if err := f.Chown(int(want.Uid), int(want.Gid)); err != nil {
		return errInPlace
	}
	return nil
}

// writeDescriptor writes to a descriptor of this process.
func writeDescriptor(fd uintptr, data []byte) error {
	mine, err := syscall.Dup(int(fd))
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(mine), "")
	_, err = f.Write(data)
	return errors.Join(err, f.Close())
}
