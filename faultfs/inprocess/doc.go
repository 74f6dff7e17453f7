// Package inprocess lets Go code use a faultfs file system through package os, in the
// process of a test and without a mount.
//
// # Words
//
// The door is what "crashsim test" builds into a test binary: a package syscall that asks
// a hook before each system call. [Available] says whether it is there. A virtual
// directory ([Dir]) is a path below which the files of a file system stand, from [Open] to
// [Dir.Close]. It exists for the Go code of this process and for nobody else. A virtual
// descriptor is the number of an open file of it; the kernel never gives such a number, so
// that a call which the door does not know fails with EBADF.
//
// # How it works
//
// The door does what the kernel does for a mount: it resolves paths, follows symbolic
// links (across the border of a virtual directory too, in both directions), keeps
// descriptors, offsets and locks, and answers by itself what the kernel would, such as a
// create of a name that exists. Everything else it asks of package mount, which answers as
// it answers the kernel. So the ops that are recorded are those of a mount.
//
// # What it does not do
//
//   - It works on Linux. C code, and programs that are started, do not see a virtual
//     directory: to start one in it, or with one of its files, is an error.
//   - It refuses what it cannot do as a mount does, with an errno, and [Dir.Refused] says
//     what it was: writable shared maps (ENODEV), the working directory (ENOTSUP), FIFOs and
//     sockets (EPERM), watches of inotify, dup2 to a number of the kernel's.
//   - A map that is only read is a copy which follows the writes of the process. What lies
//     beyond the end of the file reads as zeros, and does not end the process.
//   - O_TMPFILE is EOPNOTSUPP, as on a mount.
//   - Locks of fcntl belong to a process, and never conflict within one.
//
// This package is public only because several packages of this module use it. It makes no
// promise of compatibility: a release may change it in any way.
package inprocess
