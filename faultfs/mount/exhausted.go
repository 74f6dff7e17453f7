package mount

import (
	"errors"
	"syscall"
)

// Exhausted reports whether an error says that this process, or the system, is
// short of something for now: descriptors, memory, processes or room on a disk. It
// says nothing of what can be done here once there is enough of it.
func Exhausted(err error) bool {
	for _, short := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.EAGAIN, syscall.ENOSPC, syscall.EDQUOT} {
		if errors.Is(err, short) {
			return true
		}
	}
	return false
}
