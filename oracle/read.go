package oracle

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"syscall"

	"github.com/spf13/afero"
)

// ReadFile reads a file whole, as afero.ReadFile does, but asks for no attributes
// besides the size: of the disk that a crash left, nothing else is looked at.
// Where the file is longer than 256 MiB, as a sparse one can be, it returns an
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
	if size > longestFile {
		return nil, &fs.PathError{Op: "read", Path: name, Err: fmt.Errorf("%w: it has %d bytes, and at most %d are read at once", syscall.EFBIG, size, longestFile)}
	}
	data := bytes.NewBuffer(make([]byte, 0, size+bytes.MinRead))
	_, err = data.ReadFrom(f)
	return data.Bytes(), err
}
