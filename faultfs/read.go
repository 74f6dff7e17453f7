package faultfs

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"syscall"

	"github.com/spf13/afero"
)

// MaxRead is the size in bytes of the longest file that ReadFile reads. A sparse
// file can be longer than the memory of the machine.
const MaxRead = 256 << 20

// ReadFile reads a file whole. Unlike afero.ReadFile it asks for no attributes,
// so that what reads a Disk of package persist depends on the size and the data of
// the file alone. Where the file is longer than MaxRead it returns an
// *fs.PathError around syscall.EFBIG.
func ReadFile(disk afero.Fs, name string) ([]byte, error) {
	f, err := disk.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close() // it was only read: closing it cannot lose anything
	size, err := f.Seek(0, io.SeekEnd)
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		return nil, err
	}
	if size > MaxRead {
		return nil, &fs.PathError{Op: "read", Path: name, Err: fmt.Errorf("%w: it has %d bytes, and at most %d are read at once", syscall.EFBIG, size, MaxRead)}
	}
	data := bytes.NewBuffer(make([]byte, 0, size+bytes.MinRead))
	_, err = data.ReadFrom(f)
	return data.Bytes(), err
}
