// Package mapped sees what programs store into files that they have mapped: the
// kernel tells a FUSE file system of such stores only when it writes pages back,
// which is later than the calls that came after them.
//
// # Words
//
// A page is dirty from the first store to it until the kernel has written it back.
// The page cache is where the kernel keeps the contents of pages; all processes
// that map a file, and those that read it with the cache, share it. A helper
// ([Helper]) is a process that reads dirty pages there. It is this program, run once
// more, which does nothing else: the process that serves a file system must never
// use it.
//
// # Why nothing waits for itself
//
// The helper asks for pages while calls of the program wait for their answers, and
// so hold what the kernel has locked for them. It reads a page that is in the page
// cache, which needs no lock on the file, writes nothing back, and asks the server
// only for a page that has just left the cache. It finds files by number in a
// directory of its own, so that it waits for no directory that programs use.
//
// # Limits
//
// It needs cachestat(2), of Linux 6.5; files that are served without a cache can be
// mapped since 6.6. Of several stores to one page between two calls, the last is
// seen. Up to Linux 6.15, a page that the kernel is just writing back by itself may
// be seen one call too late.
package mapped

import "errors"

// Page is a page of a file, or as much of it as the file has, given by the number of
// the file.
type Page struct {
	File   uint64
	Offset int64 // in bytes
	Data   []byte
}

// PageSize is the size of a page, in bytes.
const PageSize = 4096

// ErrUnavailable is the error of a helper that cannot be started, wrapped with
// the reason.
var ErrUnavailable = errors.New("stores to mapped files cannot be seen")
