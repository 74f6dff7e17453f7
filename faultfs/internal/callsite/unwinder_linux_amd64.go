package callsite

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"
)

// Unwinder reads the stacks of threads that wait for an answer. It can be used
// by several goroutines.
type Unwinder struct {
	untouched uint64

	mu      sync.Mutex
	threads map[int]*thread
	spaces  map[int]*space // by process
	stacks  map[string][]Frame
	notes   []string
}

// New returns an unwinder that opens no file on a device, as in st_dev: that of
// the mount that asks, which would wait for itself. Zero: any may be opened.
func New(device uint64) *Unwinder {
	return &Unwinder{untouched: device, threads: map[int]*thread{}, spaces: map[int]*space{}, stacks: map[string][]Frame{}}
}

// thread is what is open of a thread. The kernel gives no number to two threads
// as long as one of its files is open: what is no more fails with ESRCH.
type thread struct {
	dir     int // /proc/TID
	call    int // /proc/TID/syscall
	process int
	program unix.Statx_t // which file it runs
	space   *space
}

// Bounds of what an unwinder remembers, and of a stack.
const (
	mostThreads = 256
	mostSpaces  = 64
	mostStacks  = 1 << 14
	mostFrames  = 256
)

var (
	errMemory   = fmt.Errorf("%w: the stack cannot be read", ErrUnavailable)
	errRegister = fmt.Errorf("%w: a register that nobody has saved is needed", ErrUnavailable)
)

// Stack returns the stack of a thread that waits inside a system call, given by
// its number in /proc. What is returned is shared and must not be changed. The
// error is ErrUnavailable, wrapped, where nothing can be read; where only the
// outer part cannot, there is no error, and a note if the site is in it. See Notes.
func (u *Unwinder) Stack(tid int) ([]Frame, error) {
	stack, err := u.read(tid)
	if errors.Is(err, errNoCode) {
		// Something was mapped since, or the program was replaced by itself.
		u.forget(tid)
		stack, err = u.read(tid)
	}
	if _, found := Site(stack); err != nil && !found {
		u.note(err)
	}
	if len(stack) > 0 {
		return stack, nil
	}
	if err != nil && !errors.Is(err, ErrUnavailable) {
		err = fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return nil, err
}

// Notes returns what could not be read and why, each reason once, in order.
func (u *Unwinder) Notes() []string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Clone(u.notes)
}

func (u *Unwinder) note(err error) {
	const most = 20
	if errors.Is(err, unix.ESRCH) || errors.Is(err, os.ErrNotExist) || errors.Is(err, errWorker) {
		return // calls that the kernel makes, or that end a process, have no caller
	}
	text := err.Error()
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.notes) < most && !slices.Contains(u.notes, text) {
		u.notes = append(u.notes, text)
	}
}

// Close closes what is open of threads.
func (u *Unwinder) Close() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.closeThreads()
	clear(u.spaces)
}

func (u *Unwinder) closeThreads() {
	for _, t := range u.threads {
		t.close()
	}
	clear(u.threads)
}

func (t *thread) close() {
	_ = unix.Close(t.dir)
	_ = unix.Close(t.call)
}

// forget makes the next stack of a thread start from what is mapped then.
func (u *Unwinder) forget(tid int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if t := u.threads[tid]; t != nil {
		delete(u.spaces, t.process)
		t.close()
		delete(u.threads, tid)
	}
}

// unwinding is the walk over one stack.
type unwinding struct {
	untouched uint64
	space     *space
	memory    memory

	sp, pc      uint64
	values      [registers]uint64
	known       uint32 // bits of registers
	switched    bool   // to another stack
	interrupted bool   // the address is that of an instruction, not behind a call
}

// register returns the value of a register in the present frame.
func (u *unwinding) register(reg uint64) (uint64, bool) {
	if reg == regSP {
		return u.sp, true
	}
	if reg >= registers || u.known&(1<<reg) == 0 {
		return 0, false
	}
	return u.values[reg], true
}

var unwindings = sync.Pool{New: func() any { return new(unwinding) }}

func (u *Unwinder) read(tid int) ([]Frame, error) {
	t, sp, pc, err := u.where(tid)
	if err != nil {
		return nil, err
	}
	w := unwindings.Get().(*unwinding)
	defer unwindings.Put(w)
	w.untouched, w.space, w.sp, w.pc, w.known, w.switched, w.interrupted = u.untouched, t.space, sp, pc, 0, false, false
	w.memory.tid, w.memory.window, w.memory.windows = tid, nil, 0

	// Threads stand in few places: the stack of a way that was seen is there.
	var way [mostFrames * 8]byte
	var steps [mostFrames]*step
	n, more := 0, true
	for more && n < mostFrames {
		at := w.pc
		if !w.interrupted {
			at--
		}
		w.interrupted = false
		s := w.space.step(at, w)
		binary.LittleEndian.PutUint64(way[8*n:], at)
		steps[n] = s
		n++
		more, err = w.leave(s)
	}
	return u.stack(w.space, way[:8*n], steps[:n]), err
}

// stack returns the frames of steps; those of the same way share them.
func (u *Unwinder) stack(s *space, way []byte, steps []*step) []Frame {
	key := strconv.Itoa(s.id) + string(way)
	u.mu.Lock()
	defer u.mu.Unlock()
	if known, ok := u.stacks[key]; ok {
		return known
	}
	var frames []Frame
	for _, s := range steps {
		frames = append(frames, s.frames...)
	}
	if len(u.stacks) >= mostStacks {
		clear(u.stacks)
	}
	u.stacks[key] = frames
	return frames
}

// where finds out where a thread stands.
func (u *Unwinder) where(tid int) (t *thread, sp, pc uint64, err error) {
	for again := false; ; again = true {
		if t, err = u.thread(tid); err != nil {
			return nil, 0, 0, err
		}
		sp, pc, err = t.position()
		if err == nil {
			return t, sp, pc, nil
		}
		// A number that was given to another thread since is looked at anew.
		u.forget(tid)
		if again || !errors.Is(err, unix.ESRCH) {
			return nil, 0, 0, err
		}
	}
}

// thread returns what is known of a thread, as long as it runs the same program.
func (u *Unwinder) thread(tid int) (*thread, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if t := u.threads[tid]; t != nil {
		program, err := runs(t.dir)
		if err == nil && same(&program, &t.program) {
			return t, nil
		}
		delete(u.spaces, t.process)
		t.close()
		delete(u.threads, tid)
	}
	t, err := openThread(tid)
	if err != nil {
		return nil, err
	}
	if t.space = u.spaces[t.process]; t.space == nil || !same(&t.program, &t.space.program) {
		if t.space, err = readSpace(tid); err != nil {
			t.close()
			return nil, err
		}
		t.space.program = t.program
		if len(u.spaces) >= mostSpaces {
			clear(u.spaces)
		}
		u.spaces[t.process] = t.space
	}
	if len(u.threads) >= mostThreads {
		u.closeThreads()
	}
	u.threads[tid] = t
	return t, nil
}

func openThread(tid int) (*thread, error) {
	dir, err := unix.Open("/proc/"+strconv.Itoa(tid), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("%w: thread %d: %w", ErrUnavailable, tid, err)
	}
	t := &thread{dir: dir, call: -1}
	if t.program, err = runs(dir); err == nil {
		t.call, err = unix.Openat(dir, "syscall", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	}
	if err == nil {
		t.process, err = processOf(dir)
	}
	if err != nil {
		t.close()
		return nil, whyNot(tid, err)
	}
	return t, nil
}

// processOf reads the process that a thread belongs to.
func processOf(dir int) (int, error) {
	fd, err := unix.Openat(dir, "status", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	defer unix.Close(fd)
	var text [4096]byte
	n, err := unix.Read(fd, text[:])
	if err != nil {
		return 0, err
	}
	_, rest, _ := bytes.Cut(text[:n], []byte("\nTgid:\t"))
	number, _, _ := bytes.Cut(rest, []byte("\n"))
	return strconv.Atoi(string(number))
}

// runs returns the file that a thread runs. It is not asked of the file system:
// that may be the one that waits for this.
func runs(dir int) (st unix.Statx_t, err error) {
	err = unix.Statx(dir, "exe", unix.AT_STATX_DONT_SYNC, unix.STATX_INO|unix.STATX_MTIME|unix.STATX_SIZE, &st)
	return st, err
}

func same(a, b *unix.Statx_t) bool {
	return a.Ino == b.Ino && a.Dev_major == b.Dev_major && a.Dev_minor == b.Dev_minor && a.Mtime == b.Mtime && a.Size == b.Size
}

// position reads the stack pointer and the program counter of a thread.
func (t *thread) position() (sp, pc uint64, err error) {
	c, err := standing(func(text []byte) (int, error) { return unix.Pread(t.call, text, 0) }, func() string { return nameOf(t.dir) })
	return c.sp, c.pc, err
}

// nameOf returns the name of a thread, "" if it has ended.
func nameOf(dir int) string {
	fd, err := unix.Openat(dir, "comm", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return ""
	}
	defer unix.Close(fd)
	var text [32]byte
	n, _ := unix.Read(fd, text[:]) // none is a name too
	return string(text[:max(n, 0)])
}
