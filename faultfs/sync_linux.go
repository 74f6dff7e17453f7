package faultfs

import "syscall"

// syncMode returns the sync that follows each write on a handle opened with
// the given flags, OpNone if there is none.
func syncMode(flag int) OpKind {
	switch {
	case flag&syscall.O_SYNC == syscall.O_SYNC:
		return OpFsync
	case flag&syscall.O_DSYNC != 0:
		return OpFdatasync
	}
	return OpNone
}
