//go:build !linux

package process

import (
	"errors"
	"os"
	"path/filepath"
)

// removeTree removes a directory of ours and all that is in it. Nothing is mounted
// there on this system.
func removeTree(dir string) error { return os.RemoveAll(dir) }

// removeInside removes what is in a directory, but for one name.
func removeInside(dir, but string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if entry.Name() != but {
			err = errors.Join(err, os.RemoveAll(filepath.Join(dir, entry.Name())))
		}
	}
	return err
}
