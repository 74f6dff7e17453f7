// Package overlay makes a Go build in which the file calls of a program can be
// answered by the program itself.
//
// # Words
//
// An overlay is a file for the flag -overlay of the go command: it names source files
// and, for each, another file that the compiler reads in its place. A patched file is
// a copy of a file of the standard library with a few words changed; it is made from
// the user's own copy, whatever its version, and lies in a cache directory. A hook is
// a variable of package syscall that every system call asks first; it is nil until
// package faultfs/inprocess sets it.
//
// # How it works
//
// On Linux all file calls of package os, of package syscall and of
// golang.org/x/sys/unix, of whatever version, go through four functions of package
// syscall: Syscall, Syscall6, RawSyscall and RawSyscall6. They are patched to ask the
// hook, which is told where the stack of the goroutine lies: it can move while the hook
// works, and with it what arguments point to. The code between fork and exec, which must
// not run Go code, calls functions that do not ask.
//
// A function that is not found, or has another signature, is an error that names it.
//
// # What it does not do
//
// It works for Linux. It does not reach C code, nor assembly that makes system calls by
// itself. It changes no file of the user, of GOROOT or of the module cache.
package overlay
