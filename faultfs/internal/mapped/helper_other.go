//go:build !linux

package mapped

import "os/exec"

// Helper is a process that reads dirty pages; there is none on this system.
type Helper struct{}

// Start returns ErrUnavailable.
func Start(string, string, func(*exec.Cmd) error) (*Helper, error) { return nil, ErrUnavailable }

// Open returns ErrUnavailable.
func (*Helper) Open(uint64) error { return ErrUnavailable }

// Changed returns ErrUnavailable.
func (*Helper) Changed([]Page) ([]Page, error) { return nil, ErrUnavailable }

// Is is false.
func (*Helper) Is(int) bool { return false }

// Close does nothing.
func (*Helper) Close() error { return nil }
