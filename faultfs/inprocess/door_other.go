//go:build !linux || !(amd64 || arm64)

package inprocess

import (
	"errors"

	"github.com/crashsim/crashsim/faultfs"
)

// ErrUnavailable is the error of Open in a process without the door.
var ErrUnavailable = errors.New("package os in memory works on Linux, on amd64 and arm64")

// Available reports whether this process has the door.
func Available() bool { return false }

// Dir is a virtual directory.
type Dir struct{}

// Open lets the files of a file system stand below a virtual directory. The error is
// ErrUnavailable in a process without the door.
func Open(*faultfs.FS) (*Dir, error) { return nil, ErrUnavailable }

// Path is the absolute path of the directory.
func (*Dir) Path() string { return "" }

// Exit closes what is open, as the end of a process does.
func (*Dir) Exit() {}

// Close ends the directory: there is nothing at its path any more.
func (*Dir) Close() {}

// Refused says what was asked that cannot be done here, and could on a mount, since the
// last call of it.
func (*Dir) Refused() []string { return nil }
