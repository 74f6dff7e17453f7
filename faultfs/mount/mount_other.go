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

// Taken reports that there are no mounts.
func Taken(string) bool { return false }

// Abandoned reports that there are no mounts.
func Abandoned(int, string) bool { return false }

// RemoveBelow does nothing: there are no mounts.
func RemoveBelow(string) error { return nil }

// View is a mount namespace; there is none on this system.
type View struct{}

// NewView returns ErrNoView.
func NewView(string) (*View, error) {
	return nil, fmt.Errorf("%w on %s", ErrNoView, runtime.GOOS)
}

// Another returns ErrNoView.
func (*View) Another() (*View, error) { return nil, ErrNoView }

// Do returns ErrNoView.
func (*View) Do(func() error) error { return ErrNoView }

// Path returns nothing.
func (*View) Path() string { return "" }

// ID returns nothing.
func (*View) ID() string { return "" }

// Outside returns nothing.
func (*View) Outside() string { return "" }

// Serve returns ErrUnavailable.
func (*View) Serve(*faultfs.FS, Options) (*Mount, error) { return nil, ErrUnavailable }

// Bind returns ErrNoView.
func (*View) Bind(string) error { return ErrNoView }

// Unbind returns ErrNoView.
func (*View) Unbind() error { return ErrNoView }

// Start returns ErrNoView.
func (*View) Start(*exec.Cmd) error { return ErrNoView }

// Close ends a view.
func (*View) Close() error { return nil }
