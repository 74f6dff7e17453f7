package faultfs

import (
	"io/fs"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/spf13/afero"
)

// ErrCrashed is the error of every call on a file system, or on a handle of
// it, after the power was cut or the run that it belonged to had ended. It is
// EIO to programs that look at errno.
var ErrCrashed error = crashedError{}

type crashedError struct{}

func (crashedError) Error() string        { return "the power was cut: this file system is gone" }
func (crashedError) Unwrap() error        { return syscall.EIO }
func (crashedError) Is(target error) bool { return target == syscall.EIO }

// closedError is both what package os says of a closed file and what the
// system call says.
type closedError struct{}

func (closedError) Error() string   { return "file already closed" }
func (closedError) Unwrap() []error { return []error{fs.ErrClosed, syscall.EBADF} }

// FS is a file system in memory, with inodes, open handles, hard links and
// symbolic links, that behaves as POSIX asks. It implements afero.Fs,
// afero.Symlinker and afero.Lstater, and offers LinkIfPossible for hard links
// and SyncAll for sync(2). Handles have, besides afero.File, a method
// Datasync() error for fdatasync(2); Sync on a handle of a directory is the
// directory sync.
//
// There is one user, who may do everything: modes are kept, never checked.
// Modes of new inodes lose the bits of the umask 022. Relative paths count
// from the root. Times are logical, so that two runs see the same.
//
// An FS is safe for concurrent use. Errors are *fs.PathError or *os.LinkError
// around a syscall.Errno.
type FS struct {
	mu         sync.Mutex
	vol        volume
	trace      *Trace // nil: nothing is recorded
	edge       atomic.Int64
	generation atomic.Uint64 // handles of an earlier life are dead
	dead       bool
	clock      int64
	looks      int // the number of the newest look that has seen a store into a map

	inject *injector // nil: no faults

	syncAfter func(op *Op) []string // nil: nothing is synced but what the program syncs

	// knownNames remembers, for paths in the trace, a name that led to an inode.
	knownNames map[Ino]knownName
}

var (
	_ afero.Fs        = (*FS)(nil)
	_ afero.Symlinker = (*FS)(nil)
)

// New returns an empty file system that records its trace.
func New() *FS { return NewOn(empty{}) }

// NewOn returns a file system that starts as base holds it and records what
// changes from there on in a trace of its own. The base must not change.
func NewOn(base Base) *FS {
	f := &FS{vol: newVolume(base), trace: &Trace{base: base}}
	f.vol.keeps = true // the trace holds the data of its ops, and never changes it
	return f
}

// Unrecorded returns a file system over base that records nothing, for runs
// whose ops nobody asks for. It can be Reset.
func Unrecorded(base Base) *FS { return &FS{vol: newVolume(base)} }

// Checkpoint makes everything that the file system holds durable and returns a
// file system that goes on from there, with a trace that begins there. The
// receiver is dead afterwards.
func (f *FS) Checkpoint() *FS {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.dead = true
	frozen := f.vol
	next := NewOn(&frozen)
	next.clock, next.looks = f.clock, f.looks
	if f.trace != nil {
		next.trace.Setup = joined(f.trace.Setup, f.trace.Ops)
		next.knownNames = f.knownNames
	}
	return next
}

// joined returns ops and after them more, whose edges it moves behind theirs.
func joined(ops, more []Op) []Op {
	var shift Edge
	if len(ops) > 0 {
		shift = ops[len(ops)-1].End
	}
	all := slices.Concat(ops, more)
	for i := len(ops); i < len(all); i++ {
		all[i].Begin += shift
		all[i].End += shift
	}
	return all
}

// Crash cuts the power for the program that uses the file system: every later
// call, also through handles that are still open, returns ErrCrashed and
// changes nothing.
func (f *FS) Crash() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.dead = true
}

// Reset brings a file system back to what its base holds; one that records
// begins a new trace there, without faults. Handles opened before return
// ErrCrashed from then on.
func (f *FS) Reset() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.generation.Add(1)
	f.dead = false
	f.clock = 0
	f.inject = nil
	if f.trace != nil {
		f.trace = &Trace{Setup: f.trace.Setup, base: f.vol.base}
	}
	clear(f.knownNames) // what is known of them was read before
	f.vol.reset()
}

// Fork returns a file system that goes on from what the receiver holds, in the
// page cache and not on any disk, with a trace that begins there; that of an
// unrecorded file system records nothing either. It reads through the receiver, which
// must not change while it is used.
func (f *FS) Fork() *FS {
	fork := NewOn(&f.vol)
	if f.trace == nil {
		fork = Unrecorded(&f.vol)
	}
	fork.clock, fork.looks = f.clock, f.looks
	fork.knownNames = maps.Clone(f.knownNames)
	return fork
}

// Changed reports whether the program has made a call that changes what the
// file system holds, since the beginning or the last Reset.
func (f *FS) Changed() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.vol.inodes) > 0
}

// Trace returns what was recorded so far, nil for an unrecorded file system.
// Ops that come later do not change it.
func (f *FS) Trace() *Trace {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.trace == nil {
		return nil
	}
	t := *f.trace
	t.Ops = slices.Clip(t.Ops)
	return &t
}

// Name returns "faultfs".
func (f *FS) Name() string { return "faultfs" }

// call is an op under way. It holds the file system's lock.
type call struct {
	f  *FS
	op Op

	byInode  bool  // an op given as data is about its inode, not about its path
	accepted int64 // bytes of a write, before it failed
	left     bool  // the lock was given back
}

// enter begins a call: it takes the lock and, where the file system records,
// notes the moment and the place.
func (f *FS) enter(kind OpKind, path string) call {
	c := call{f: f, op: Op{Kind: kind}}
	if f.trace != nil {
		c.op.Path = absolute(path)
		c.op.Site = callSite()
		c.op.Begin = Edge(f.edge.Add(1))
	}
	f.mu.Lock()
	return c
}

// absolute makes a relative path count from the root, as walk does.
func absolute(path string) string {
	if path == "" || path[0] == '/' {
		return path
	}
	return "/" + strings.TrimPrefix(path, "./")
}

// leave ends a call: the op goes into the trace, and the lock is given back.
func (c *call) leave(errno syscall.Errno) {
	c.record(errno)
	c.left = true
	c.f.mu.Unlock()
}

// record adds the op to the trace, if that is still kept. The lock is held.
func (c *call) record(errno syscall.Errno) {
	if c.f.trace != nil && errno != deadErrno && !c.f.dead {
		c.op.Errno = errno
		if errno == closedErrno {
			c.op.Errno = syscall.EBADF
		}
		if errno == 0 {
			c.f.rememberOp(&c.op)
		}
		c.op.End = Edge(c.f.edge.Add(1))
		c.f.trace.add(&c.op)
		c.f.looks = max(c.f.looks, c.op.Look)
		if errno == 0 && c.f.syncAfter != nil {
			c.f.addSyncs(c.op)
		}
	}
}

// failure makes the error of a call.
func (f *FS) failure(what, path string, errno syscall.Errno) error {
	if errno == 0 {
		return nil
	}
	switch errno {
	case deadErrno:
		return &fs.PathError{Op: what, Path: path, Err: ErrCrashed}
	case closedErrno:
		return &fs.PathError{Op: what, Path: path, Err: closedError{}}
	}
	return &fs.PathError{Op: what, Path: path, Err: errno}
}

// Errors that no system call returns stand for errors of this package inside it.
const (
	deadErrno   = ^syscall.Errno(0) // ErrCrashed
	closedErrno = ^syscall.Errno(1) // closedError
)

// tick advances the logical clock and stamps an inode with it.
func (f *FS) tick(ino Ino) {
	f.clock++
	f.vol.own(ino).mtime = f.clock
}

// SyncAll is sync(2): everything becomes durable.
func (f *FS) SyncAll() error {
	c := f.enter(OpSync, "")
	errno := deadErrno
	if !f.dead {
		errno = 0
	}
	if errno == 0 && f.inject != nil {
		errno = c.sync(0, new(int))
	}
	c.leave(errno)
	return f.failure("sync", "/", errno)
}

// Mark records that the world outside was told something: from here on, the
// program has acknowledged what the label stands for. A dead file system
// records no mark.
func (f *FS) Mark(label string) {
	c := f.enter(OpMark, "")
	c.op.Label = label
	c.leave(0)
}
