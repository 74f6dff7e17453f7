//go:build !linux

package mount

import (
	"fmt"
	"os/exec"
	"runtime"

	"github.com/crashsim/crashsim/faultfs"
)

// Mount is a file system that is mounted; there is none on this system.
type Mount struct{}

// Serve mounts a file system: on this system it returns ErrUnavailable.
func Serve(*faultfs.FS, string, Options) (*Mount, error) {
	return nil, fmt.Errorf("%w on %s: run this on Linux", ErrUnavailable, runtime.GOOS)
}

// Close ends a mount.
func (*Mount) Close() error { return nil }

// Start returns ErrUnavailable.
func (*Mount) Start(*exec.Cmd) error { return ErrUnavailable }

// Notes returns nothing.
func (*Mount) Notes() []string { return nil }

// Alive says whether a mount is still there.
func (*Mount) Alive() error { return nil }

// RemoveBelow does nothing: there are no mounts.
func RemoveBelow(string) error { return nil }
