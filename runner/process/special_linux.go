package process

import (
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// makeSpecial makes a FIFO or a socket that nobody listens to.
func makeSpecial(name string, mode fs.FileMode) error {
	typ := uint32(unix.S_IFIFO)
	if mode&fs.ModeSocket != 0 {
		typ = unix.S_IFSOCK
	}
	if err := unix.Mknod(name, typ|0o600, 0); err != nil {
		return &os.PathError{Op: "mknod", Path: name, Err: err}
	}
	return os.Chmod(name, mode.Perm())
}
