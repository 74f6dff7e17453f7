// Package strace makes a trace of what strace wrote down of a program, for
// machines on which nothing can be mounted (see package process for the others).
//
// # Words
//
// A log is the output of strace, run as [Command] says: what processes asked
// of the kernel, a line for a call, or two where another process got in between.
// A root is the directory that becomes "/" of the trace: what the log says of
// files below it counts, everything else is ignored. An open file is what
// open(2) makes and what descriptors lead to; after dup and fork several do, and
// share its offset.
//
// # Rules
//
//   - Calls take effect in the order in which they returned. A call that can
//     only have worked after one that overlaps it and returned later comes after
//     that one. Edges are in the order of the log. The site of each op is the
//     line of the log.
//   - A write is one op with the program's own bounds, a vector too. O_APPEND,
//     O_SYNC, O_DSYNC, O_TRUNC, fallocate and punched holes become what package
//     mount makes of them. copy_file_range, sendfile and FICLONE are writes of
//     what the trace itself knows of their source.
//   - sync and syncfs force everything. sync_file_range promises nothing that
//     survives a power cut, and is left out; so are opens, closes, reads, looks at
//     names, owners, times and extended attributes, but for the mode that an
//     access control list sets.
//   - A call that failed is left out, but for an fsync or fdatasync that failed
//     with EIO, ENOSPC or EDQUOT: that is an op which failed. What it lost the
//     log does not say.
//   - Each line that the program writes to the standard output with which it was
//     started is a mark; see package mount.
//   - Modes lose the bits of the process's umask. At the start that is what the
//     first call of umask returned, 022 if there was none.
//
// # What is refused
//
// A refusal is a *faultfs.TextError with the line of the log: strings that
// strace has cut, descriptors without paths or from nowhere, processes from
// nowhere, files that nobody in the log has made and Options.Before does not
// hold, files and names that come from outside the root or go there, calls that
// change files and never returned, and what no op says: writable shared maps,
// io_uring, io_submit, splice, vmsplice to a file, O_TMPFILE,
// RENAME_WHITEOUT, devices, pipes and sockets made by mknod, collapsed and
// inserted ranges, FICLONERANGE, chroot, and openat2 with a resolve mask.
//
// # Limits
//
// Of calls that overlap, such as appends of two processes to one file, the log
// does not say which took effect first: the trace has an order that there may
// have been. Without Options.Before the root is taken to have been empty. Symbolic links
// outside the root are not known, so that Options.Root and the paths of the
// program must name the root without going through one. A map that becomes
// writable later, by mprotect, is not seen. strace must have started the
// program; a log of strace -p lacks what was open before.
package strace

// Command is how a log is made; a program and its arguments stand behind it.
// Further options that put the time in front of a line or behind it (-t, -r, -T
// and the like), or write strings in hexadecimal (-x, -xx), do no harm.
const Command = "strace -f -y -s 16777216 -e signal=none -e trace=%file,%desc,%process,sync,umask,unshare,?io_submit -o LOG"
