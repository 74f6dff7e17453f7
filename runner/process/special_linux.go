package process

import (
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// makeSpecial makes a FIFO or a socket that nobody listens to.
func makeSpecial(root *os.Root, name string, mode fs.FileMode) error {
	dir, err := root.Open(filepath.Dir(name))
	if err != nil {
		return err
	}
	defer func() { _ = dir.Close() }()
	typ := uint32(unix.S_IFIFO)
	if mode&fs.ModeSocket != 0 {
		typ = unix.S_IFSOCK
	}
	if err := unix.Mknodat(int(dir.Fd()), filepath.Base(name), typ|0o600, 0); err != nil {
		return &os.PathError{Op: "mknod", Path: name, Err: err}
	}
	return root.Chmod(name, mode.Perm())
}
