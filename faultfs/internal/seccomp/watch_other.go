//go:build !linux || !(amd64 || arm64)

package seccomp

import (
	"fmt"
	"os/exec"
	"runtime"
)

// Watch sees calls of a program; there is none on this system.
type Watch struct{}

// Start returns ErrUnavailable.
func Start(*exec.Cmd, func() error, func(Call)) (*Watch, error) {
	return nil, fmt.Errorf("%w on %s/%s", ErrUnavailable, runtime.GOOS, runtime.GOARCH)
}

// Close does nothing.
func (*Watch) Close() error { return nil }
