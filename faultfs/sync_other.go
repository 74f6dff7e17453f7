//go:build !linux

package faultfs

import "os"

// syncMode returns the sync that follows each write on a handle opened with
// the given flags, OpNone if there is none.
func syncMode(flag int) OpKind {
	if flag&os.O_SYNC != 0 {
		return OpFsync
	}
	return OpNone
}
