// Package seccomp sees system calls that never reach a file system served
// through FUSE: sync(2) and syncfs(2), which the kernel answers by itself.
//
// # Words
//
// A watch ([Watch]) is a filter that the kernel applies to the calls of a program
// and of all that it starts. It costs other calls next to nothing, needs no
// privilege, and cannot be shed. A call that the filter names stands still until
// the watcher says that it may go on: it is then performed as if nothing had been.
//
// # How a program gets a filter
//
// A filter belongs to a thread and is inherited by what the thread starts. So
// [Start] starts the program from a thread of its own, which has the filter and
// does nothing else, and which stays until the program has ended.
//
// # Limits
//
// It works on Linux 5.5 or newer, on amd64 and arm64; elsewhere, and where a
// sandbox forbids it, the error is ErrUnavailable. Without the privilege to
// install a filter for others (CAP_SYS_ADMIN), the program and all that it starts
// can gain no privileges: programs with set-user-ID run as the user. There can be
// one watch only above another: inside a container whose engine watches calls in
// this way, there is none. A call by way of another architecture's entry (32-bit
// programs, x32) is seen too.
package seccomp

import "errors"

// ErrUnavailable is the error of a program that cannot be watched, wrapped with
// the reason. It was not started.
var ErrUnavailable = errors.New("calls of sync and syncfs cannot be seen")

// Call is a system call that stands still.
type Call struct {
	// Thread is the number of the thread that makes it, in /proc.
	Thread int
	// All says that it is sync(2), of all file systems; otherwise it is syncfs(2).
	All bool
	// Descriptor is the argument of syncfs(2).
	Descriptor int
}
