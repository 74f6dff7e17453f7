//go:build amd64 || arm64

package inprocess

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"

	"github.com/hanwen/go-fuse/v2/fuse"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/mount"
)

// The variables of the package syscall that "crashsim test" builds. Without it they are
// variables of this package, and nil.

//go:linkname hook syscall.crashsimHook
var hook func(trap, a1, a2, a3, a4, a5, a6, lo, hi uintptr) (r1, r2 uintptr, err syscall.Errno, done bool)

//go:linkname execHook syscall.crashsimExec
var execHook func(argv0, dir string, files []uintptr) error

//go:linkname kernel syscall.crashsimKernel
var kernel func(trap, a1, a2, a3, a4, a5, a6 uintptr) (r1, r2 uintptr, err syscall.Errno)

//go:linkname bounds syscall.crashsimBounds
var bounds func() (lo, hi uintptr)

// ErrUnavailable is the error of Open in a process without the door.
var ErrUnavailable = errors.New("package os is the ordinary one: run the test with crashsim test")

// Available reports whether this process has the door.
func Available() bool { return kernel != nil }

func init() {
	if Available() {
		hook, execHook = answer, mayStart
	}
}

// Descriptors of a virtual directory are numbers that the kernel never gives. Each
// directory has a range of its own.
const (
	firstDescriptor = 1 << 30
	perDirectory    = 1 << 20
	mostDirectories = 1 << 10
)

// slots are where virtual directories stand: what has descriptors, and the directory
// that stands there now.
var slots struct {
	sync.Mutex
	at    [mostDirectories]atomic.Pointer[slot]
	count atomic.Int32 // of the directories that are open
}

type slot struct {
	number int
	table  table
	dir    atomic.Pointer[Dir]
}

// Dir is a virtual directory.
type Dir struct {
	path   string
	fs     *faultfs.FS
	direct mount.Direct
	slot   *slot

	mu         sync.Mutex
	generation uint64
	parents    map[faultfs.Ino]faultfs.Ino // of directories that a path has led through
	refused    []string

	locks locks
	maps  maps
}

// prefix begins the paths of virtual directories.
const prefix = "/crashsim-"

// Open lets the files of a file system stand below a virtual directory. The error is
// ErrUnavailable in a process without the door. The first call sees that calls of all kinds
// arrive; one that does not is an error that names it.
func Open(fs *faultfs.FS) (*Dir, error) {
	if !Available() {
		return nil, ErrUnavailable
	}
	if err := arrives(); err != nil {
		return nil, err
	}
	return open(fs)
}

func open(fs *faultfs.FS) (*Dir, error) {
	slots.Lock()
	defer slots.Unlock()
	for i := range slots.at {
		s := slots.at[i].Load()
		if s == nil {
			s = &slot{number: i}
			slots.at[i].Store(s)
		}
		if s.dir.Load() != nil {
			continue
		}
		d := &Dir{path: prefix + number(i+1), fs: fs, direct: mount.NewDirect(fs), slot: s, parents: map[faultfs.Ino]faultfs.Ino{}}
		s.dir.Store(d)
		slots.count.Add(1)
		return d, nil
	}
	return nil, errors.New("there are too many virtual directories")
}

// number is a small number in decimal.
func number(n int) string {
	text := ""
	for ; n > 0; n /= 10 {
		text = string(rune('0'+n%10)) + text
	}
	return text
}

// Path is the absolute path of the directory.
func (d *Dir) Path() string { return d.path }

// Exit closes what is open, as the end of a process does: each descriptor is a close. Who
// still has one gets EIO from then on.
func (d *Dir) Exit() {
	for _, f := range d.slot.table.kill() {
		if f.flushes() {
			d.direct.Flush(nil, &fuse.FlushIn{Fh: f.fh})
		}
		d.release(f)
	}
	d.locks.reset()
	d.maps.reset()
}

// Close ends the directory: there is nothing at its path any more.
func (d *Dir) Close() {
	d.Exit()
	slots.Lock()
	defer slots.Unlock()
	if d.slot.dir.CompareAndSwap(d, nil) {
		slots.count.Add(-1)
	}
}

// Refused says what was asked that cannot be done here, and could on a mount, since the
// last call of it.
func (d *Dir) Refused() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := d.refused
	d.refused = nil
	return all
}

// refuse notes a call that cannot be done here.
func (d *Dir) refuse(what string, errno syscall.Errno) syscall.Errno {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.refused = append(d.refused, what)
	return errno
}

// slotOf returns the slot of a descriptor, nil for one of the kernel's.
func slotOf(fd int32) *slot {
	if fd < firstDescriptor {
		return nil
	}
	i := (int(fd) - firstDescriptor) / perDirectory
	if i >= mostDirectories {
		return nil
	}
	return slots.at[i].Load()
}

// dirAt returns the directory that an absolute path lies in, and the rest of the path; nil if
// it lies in none.
func dirAt(path string) (*Dir, string) {
	rest, ok := strings.CutPrefix(path, prefix)
	if !ok {
		return nil, ""
	}
	end := strings.IndexByte(rest, '/')
	if end < 0 {
		end = len(rest)
	}
	n := 0
	for _, c := range []byte(rest[:end]) {
		if c < '0' || c > '9' || n > mostDirectories {
			return nil, ""
		}
		n = n*10 + int(c-'0')
	}
	if n < 1 || n > mostDirectories || rest[0] == '0' {
		return nil, ""
	}
	s := slots.at[n-1].Load()
	if s == nil {
		return nil, ""
	}
	return s.dir.Load(), rest[end:]
}

// mayStart says why a process must not be started, nil if it may.
func mayStart(argv0, dir string, files []uintptr) error {
	if slots.count.Load() == 0 {
		return nil
	}
	in := func(path string) *Dir {
		if d, _ := dirAt(path); d != nil {
			return d
		}
		return nil
	}
	d, what := in(dir), "a program that is started in the directory"
	if d == nil {
		d, what = in(argv0), "a program that lies in the directory and is started"
	}
	for _, fd := range files {
		if s := slotOf(int32(fd)); s != nil && d == nil {
			d, what = s.dir.Load(), "a program that is started with an open file of the directory"
			if d == nil {
				return syscall.EBADF
			}
		}
	}
	if d == nil {
		return nil
	}
	d.refuse(what, syscall.ENOTSUP)
	return startError(what)
}

// startError says why a program was not started.
type startError string

func (e startError) Error() string {
	return string(e) + " cannot see it: its files live in this process, as package os is in memory"
}

func (e startError) Unwrap() error { return syscall.ENOTSUP }

// memory is what the arguments of a call can point to. The stack of the caller lay from lo
// to hi when it called; it can have moved since.
type memory struct{ lo, hi uintptr }

// onStack reports whether an address lay on the stack.
func (m memory) onStack(addr uintptr) bool { return addr >= m.lo && addr < m.hi }

// now returns where an address is now. The stack cannot move in a function that does not
// split it: until such a caller returns, the answer stays true.
//
//go:nosplit
//go:norace
func (m memory) now(addr uintptr) uintptr {
	if addr < m.lo || addr >= m.hi {
		return addr
	}
	_, hi := bounds()
	return addr - m.hi + hi
}

//go:nosplit
//go:norace
func pointer(addr uintptr) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&addr)) }

// read copies from the caller's memory.
//
//go:nosplit
//go:norace
func (m memory) read(p []byte, addr uintptr) {
	from := m.now(addr)
	for i := range p {
		p[i] = *(*byte)(pointer(from + uintptr(i)))
	}
}

// write copies into the caller's memory.
//
//go:nosplit
//go:norace
func (m memory) write(addr uintptr, p []byte) {
	to := m.now(addr)
	for i := range p {
		*(*byte)(pointer(to + uintptr(i))) = p[i]
	}
}

// view returns the caller's memory as a slice: itself, or a copy where it lies on the
// stack, which back brings home.
func (m memory) view(addr uintptr, n int) (p []byte, back func(n int)) {
	if n == 0 {
		return nil, func(int) {}
	}
	if m.onStack(addr) {
		p = make([]byte, n)
		m.read(p, addr)
		return p, func(n int) { m.write(addr, p[:n]) }
	}
	return unsafe.Slice((*byte)(pointer(addr)), n), func(int) {}
}

// text returns a text that ends with a zero byte, cut to what no path may be.
func (m memory) text(addr uintptr) string {
	n := m.length(addr)
	p := make([]byte, n)
	m.read(p, addr)
	return unsafe.String(unsafe.SliceData(p), n)
}

//go:nosplit
//go:norace
func (m memory) length(addr uintptr) int {
	from := m.now(addr)
	n := 0
	for n < tooLong && *(*byte)(pointer(from + uintptr(n))) != 0 {
		n++
	}
	return n
}

// starts reports whether a text begins with the prefix of virtual directories.
//
//go:nosplit
//go:norace
func (m memory) starts(addr uintptr) bool {
	from := m.now(addr)
	for i := range len(prefix) {
		if *(*byte)(pointer(from + uintptr(i))) != prefix[i] {
			return false
		}
	}
	return true
}

// tooLong is the length of a path that is too long for Linux.
const tooLong = 4096

// kernel asks the kernel.
//
//go:nosplit
//go:norace
func (c *call) kernel() (r1, r2 uintptr, err syscall.Errno) {
	m := c.memory
	return kernel(c.trap, m.now(c.a[0]), m.now(c.a[1]), m.now(c.a[2]), m.now(c.a[3]), m.now(c.a[4]), m.now(c.a[5]))
}
