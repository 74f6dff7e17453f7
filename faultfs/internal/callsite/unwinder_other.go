//go:build !linux || !amd64

package callsite

import (
	"fmt"
	"runtime"
)

// Unwinder reads the stacks of threads; there is none on this system.
type Unwinder struct{}

// New returns an unwinder that can read nothing.
func New(uint64) *Unwinder { return &Unwinder{} }

// Stack returns ErrUnavailable.
func (*Unwinder) Stack(int) ([]Frame, error) {
	return nil, fmt.Errorf("%w on %s/%s", ErrUnavailable, runtime.GOOS, runtime.GOARCH)
}

// Notes says why there are no stacks.
func (*Unwinder) Notes() []string {
	return []string{"source lines of programs are known only on linux/amd64"}
}

// Close does nothing.
func (*Unwinder) Close() {}
