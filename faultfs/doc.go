// Package faultfs is the live file system of a crash test: it keeps files in
// memory, behaves as POSIX asks, and records what a program asks of it.
//
// The words of this package:
//
//   - An inode ([Ino]) is a file, directory or symbolic link. It has a number
//     that is never used again, and lives on without a name while a handle of
//     it is open.
//   - A name is an entry of a directory that leads to an inode. An inode may
//     have several, or none.
//   - A handle is an open file. It belongs to an inode, not to a name.
//   - An op ([Op]) is one call of the program, with its edges (when it began
//     and when it returned), its result, and its site, the line of the program
//     that made it.
//   - A trace ([Trace]) is the ops of a program, in the order in which they
//     took effect. It has a text form, which is also that of litmus files:
//     [Trace.Text] writes it, [ParseTrace] reads it.
//   - A mark is an op without effect: the moment at which the world outside was
//     told something, by a label.
//   - A checkpoint ([FS.Checkpoint]) makes everything durable and begins a new
//     trace. The ops before it become the setup of that trace.
//   - A fault ([Fault]) makes a call fail. [FS.Inject] does that live; what a
//     sync that failed leaves behind is said by [SyncFailure].
//   - A base ([Base]) is the disk below: what stood there before the first op.
//   - A crash ([FS.Crash]) ends the life of a file system. What its program
//     still calls afterwards fails with [ErrCrashed].
//
// What the package does not do:
//
//   - It does not say what a crash leaves. It records the ops from which
//     package persist works that out; its own state is always the newest one.
//   - There is one user, who may do everything: modes are kept and never
//     checked, owners are not even kept.
//   - Times are logical and count changes of contents. They are no part of any
//     crash state, and a text form does not hold them.
//   - There are no devices, pipes, sockets, extended attributes, file locks,
//     memory maps or quotas. A directory does not hand down its set-group-ID
//     bit. Open flags other than those of package os and O_DSYNC are ignored.
//   - The text form of a trace does not hold the base that it began on, only
//     the ops of the setup. Sites are kept by the last two elements of the
//     source file's path, and found among the innermost 32 callers.
//   - A file system that is used by several goroutines takes their calls one
//     at a time: ops overlap in their edges, not in their effects.
package faultfs
