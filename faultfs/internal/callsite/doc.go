// Package callsite finds out from which lines of a program a system call comes,
// without changing the program: while the call waits for its answer, the thread
// that made it stands still, and its stack can be read.
//
// # Words
//
// A frame ([Frame]) is one function that has not returned: its name, and the
// file and the line that it has reached. Functions that the compiler has inlined
// are frames of their own where the function table of a Go program tells them.
// A stack is the frames of one call, the innermost first. The site of a call
// ([Site]) is the innermost frame that belongs to the program itself: not to the
// Go standard library, golang.org/x/sys, afero, or the C library.
//
// An object is a file that a process has mapped to run it: the program or a
// library. The bias of an object is the distance from the addresses that its
// file names to those at which it was mapped.
//
// # How a stack is read
//
// The file /proc/TID/syscall tells where the thread stands: the stack pointer and
// the program counter. No other register is known. The size of each frame comes
// from tables, so that nothing is guessed:
//
//   - Go functions: from the function table that every Go binary has
//     (.gopclntab), stripped or not. It tells inlined calls too.
//   - Other functions: from .eh_frame, which libraries keep when they are stripped.
//   - A frame whose size depends on the frame pointer, which nobody has saved
//     yet: from the instructions at the start of the function; the return address
//     found so must stand behind a call.
//   - From C to the Go function that called it, the stack changes: the runtime
//     leaves the way back on the stack that it leaves.
//
// # Limits
//
// It works on Linux on amd64; elsewhere [Unwinder.Stack] returns ErrUnavailable.
// Go programs must be built by Go 1.20 or newer. Reading another process needs
// the permission that a debugger needs: the same user, and where the kernel is
// strict (Yama) a process that this one has started; a set-user-ID program cannot
// be read. A C function has a line only where its object, or a file below
// /usr/lib/debug, has DWARF line tables, and a name only where a symbol covers
// it; of others the object is known. What an interpreter is doing is not known:
// its own C functions are shown.
package callsite

import "errors"

// ErrUnavailable is the error of a stack that cannot be read, wrapped with the
// reason.
var ErrUnavailable = errors.New("no call stack")

// Frame is a function that has not returned. Its zero value is unknown.
type Frame struct {
	// Func is the name as the object has it, such as "main.(*store).put" or
	// "sqlite3_step"; "" where no symbol covers the address.
	Func string
	// File and Line are where the function stands in its source, "" and 0 where no
	// table tells.
	File string
	Line int
	// Object is the base name of the program or library.
	Object string
	// Offset is the address of the call in the object's own counting, in bytes.
	Offset uint64

	library bool // of the Go standard library, the C library and the like
}

// Site returns the innermost frame of a stack that belongs to the program
// itself, and false where there is none. Of an object without source lines, the
// innermost function that has a name is taken, if there is one.
func Site(stack []Frame) (Frame, bool) {
	for i, f := range stack {
		if f.library {
			continue
		}
		for _, outer := range stack[i:] {
			if f.Func != "" || f.File != "" || outer.library || outer.Object != f.Object {
				break
			}
			if outer.Func != "" {
				return outer, true
			}
		}
		return f, true
	}
	return Frame{}, false
}
