package process

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// checkSpace returns an error where the disk of a directory is full. A check that fails
// there may have failed for that reason.
func checkSpace(dir string) error {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return &os.PathError{Op: "statfs", Path: dir, Err: err}
	}
	if s.Bavail == 0 || s.Files > 0 && s.Ffree == 0 {
		return fmt.Errorf("%s: %w", dir, unix.ENOSPC)
	}
	return nil
}
