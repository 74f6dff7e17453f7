//go:build !linux

package process

import (
	"syscall"

	"github.com/crashsim/crashsim/faultfs/mount"
)

// There are no PID namespaces on this system.

func endStrays(string, bool) (unknown bool, err error) { return false, nil }

func endAllStrays() error { return nil }

func endLeftOf(string) error { return nil }

func endWorkspace(string) error { return nil }

func ownSpace() (bool, error) { return false, nil }

func inOwnSpace(*syscall.SysProcAttr) {}

func endWithParent(*syscall.SysProcAttr) {}

func hasLivingChildren(int) (bool, error) { return false, nil }

func guard(string) error { return nil }

func guardWorkspace(*mount.View) error { return nil }

func leaveWorkspace(*mount.View) error { return nil }
