// Package mount serves a faultfs file system to the kernel through FUSE, so
// that what any program does to files below a directory is recorded as ops.
// It works on Linux; elsewhere Serve returns ErrUnavailable.
//
// The words of this package:
//
//   - A mount ([Mount]) is a file system that stands at a directory, from
//     [Serve] to [Mount.Close]. Only the user who made it can use it.
//   - A request is what the kernel asks for on behalf of a program. An op
//     begins when its request arrives, and has ended before it is answered; so
//     calls of concurrent processes overlap in the trace as they did.
//   - A view ([View]) is a mount namespace that one or a few programs have to
//     themselves, so that several mounts can stand at one path at once.
//   - A mark file is a file of the mount whose lines become marks, in order with
//     the ops. See [Options].
//
// How calls become ops:
//
//   - Files are read and written directly, with no page cache between, so that
//     a write is one op with the program's own bounds. What is longer than
//     1 MiB less a page, which is what a request holds, becomes several.
//   - Stores through a shared map become writes of the bytes of a page that changed,
//     before the next op of any program: a process of its own reads pages that are
//     dirty whenever an op begins. Several stores to a page between two ops become
//     one, and those to several pages stand in the order of their offsets, with the number
//     of the look that saw them (Op.Look), since nobody knows their order. They have
//     no site. Where that cannot be done (see package mapped), they become writes when
//     the kernel writes the pages back, and Notes says so.
//   - An msync is an fdatasync; of a part of a file, one that forces no other data.
//   - A write with O_APPEND goes to the end of the file. A write with O_SYNC or
//     O_DSYNC is followed by an fsync or fdatasync, and so is one by pwritev2 with
//     RWF_SYNC or RWF_DSYNC. An open with O_TRUNC is a
//     truncate, as in package faultfs. Each close of a descriptor is a close.
//   - An fallocate that extends a file is a truncate to the new size; one that
//     punches a hole or zeroes a range is a write of zeros over what is not a
//     hole yet, up to 64 MiB, and then a truncate where it extends the file; one
//     that only reserves space is no op.
//   - copy_file_range is a read and a write of up to 1 MiB; the caller asks again
//     for what is left.
//   - Looking at names and attributes, following symbolic links, chown,
//     utimes and extended attributes are not recorded. What chown, utimes and
//     setxattr set is shown until the mount ends; of extended attributes, those
//     of users. Locks are the kernel's own.
//
// What the package does not do:
//
//   - It refuses what no op says: rename with RENAME_WHITEOUT (EINVAL),
//     O_TMPFILE and extended attributes but those of users (EOPNOTSUPP), mknod of
//     devices (EPERM), collapsing and inserting ranges (EOPNOTSUPP).
//   - sync(2) and syncfs(2) do not reach a FUSE file system: they are in the trace only
//     of a program that [Mount.Start] has started. sync_file_range(2) forces nothing by
//     its contract, and is no op. Nor is what the kernel answers by itself, such as a
//     create of a name that exists.
//   - Modes are kept and not checked, except that a file without any x bit cannot
//     be run. Times are logical, and the time of the last change of attributes is
//     that of contents.
//   - pwritev2 with RWF_NOAPPEND is an ordinary write: of a file opened with O_APPEND it
//     goes to the end.
//   - A call that was interrupted by a signal is finished.
//   - Faults strike what is recorded: none strikes stat, lstat, readlink, chown or
//     chtimes. A write that a fault cuts short returns what was accepted, and its
//     error when the program writes on from there.
//   - The process that serves must never use its own mount: nothing there is to be
//     opened, listed, looked at, mapped or removed by it, and no program started in
//     it or from it (exec.Cmd.Dir and exec.Cmd.Path). Where the Go runtime stands
//     still, or the process is killed while it waits, nobody answers, and the
//     process can never end. Requests of the process itself are refused with
//     EDEADLK, and Close reports them as a bug. A program that is to run in the
//     mount is started by another one, such as a shell that changes its directory.
//   - A fault that evicts or reverts pages does not reach pages that a program
//     has mapped, and no fault strikes a store.
package mount

import (
	"errors"
	"io"
)

// ErrUnavailable is the error of Serve, wrapped with what to do about it, where
// this system or this user cannot mount a FUSE file system.
var ErrUnavailable = errors.New("no FUSE file system can be mounted")

// ErrNoView is the error of NewView, wrapped with the call that failed, where this
// system or this user can have no mount namespace beside that of the process.
var ErrNoView = errors.New("no mount namespace can be made")

// Options say what a mount holds besides its file system. The zero value is
// nothing.
//
// A mark file stands in the root of the mount, is not listed there and is no
// part of the file system. Each line written to it that is complete and not
// empty becomes a mark; its end, and a carriage return before that, are left
// out. Lines longer than 64 KiB are cut. Processes that write to one file
// share the line that is not complete yet.
type Options struct {
	// Marks is the name of a mark file, "" for none.
	Marks string
	// Stdout is the name of a second mark file, meant to be the standard output
	// of a program: what is written to it goes to Output too.
	Stdout string
	// Output gets what is written to Stdout, one call at a time, before the
	// marks are made. Its errors are those of the write. May be nil.
	Output io.Writer
	// Text is the name of a file that is only read, in the root like the mark
	// files; it holds what Says returns when it is looked at. "": there is none.
	Text string
	Says func() []byte
	// Sites asks for the Site and the Stack of each op: from where in the program it
	// was called, which takes about 10 µs an op. See Mount.Notes.
	Sites bool
}
