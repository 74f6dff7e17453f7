//go:build !unix

package outfile

import (
	"errors"
	"io/fs"
	"os"
)

// names returns how many names a file has.
func names(fs.FileInfo) int { return 1 }

// keepOwner leaves the owner as it is.
func keepOwner(*os.File, fs.FileInfo) error { return nil }

// writeDescriptor knows the standard output and the standard error only.
func writeDescriptor(fd uintptr, data []byte) error {
	streams := map[uintptr]*os.File{1: os.Stdout, 2: os.Stderr}
	f := streams[fd]
	if f == nil {
		return errors.ErrUnsupported
	}
	_, err := f.Write(data)
	return err
}
