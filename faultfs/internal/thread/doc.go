// Package thread runs functions on threads of their own: what such a function does to
// its thread, as to enter a namespace, reaches nothing else of the process.
//
// # Words
//
// A thread is one of the operating system. It is of its own ([Own]) from the beginning
// of a function to its end, runs no other goroutine, and ends with it.
//
// # Limits
//
// It works on Linux. What a function does to the whole process, such as to change its
// working directory before the thread has one of its own, reaches all of it.
package thread
