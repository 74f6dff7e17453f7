package outfile

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// reserve asks for the space that a file of so many bytes takes.
func reserve(f *os.File, size int64) error {
	if size == 0 {
		return nil
	}
	err := unix.Fallocate(int(f.Fd()), 0, 0, size)
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSYS) {
		return nil
	}
	return err
}
