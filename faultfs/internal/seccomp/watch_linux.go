//go:build linux && (amd64 || arm64)

package seccomp

import (
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/crashsim/crashsim/faultfs/internal/thread"
)

// Watch sees calls of a program, from Start to Close.
type Watch struct {
	listener int
	wake     [2]int // a pipe whose closing ends the watch
	release  chan struct{}
	done     chan struct{}
	close    sync.Once
	seen     func(Call)
	err      error // why it ended early
}

// Start starts a command and calls seen for each call of it, or of what it has
// started, that is watched; the call goes on when seen returns. seen is called by
// one goroutine. The thread from which the command is started calls enter before, if it
// is not nil, as to be in other namespaces. The caller waits for the command, and then calls Close.
func Start(cmd *exec.Cmd, enter func() error, seen func(Call)) (*Watch, error) {
	w := &Watch{release: make(chan struct{}), done: make(chan struct{}), seen: seen}
	if err := unix.Pipe2(w.wake[:], unix.O_CLOEXEC); err != nil {
		return nil, err
	}
	started := make(chan error)
	thread.Own(func() { w.start(cmd, enter, started) })
	if err := <-started; err != nil {
		w.closePipe()
		return nil, err
	}
	go w.serve()
	return w, nil
}

// start runs on a thread of its own, which is never used again: its filter
// cannot be taken away.
func (w *Watch) start(cmd *exec.Cmd, enter func() error, started chan<- error) {
	if enter != nil {
		if err := enter(); err != nil {
			started <- err
			return
		}
	}
	listener, err := install()
	if err != nil {
		started <- err
		return
	}
	w.listener = listener
	if err := cmd.Start(); err != nil {
		unix.Close(listener)
		started <- err
		return
	}
	started <- nil
	// A program that is to end with its parent ends with this thread.
	<-w.release
}

// install gives the present thread the filter.
func install() (int, error) {
	code := program()
	fprog := unix.SockFprog{Len: uint16(len(code)), Filter: &code[0]}
	set := func() (uintptr, error) {
		// Only a signal that kills interrupts a call that stands still (Linux 5.19), so
		// that none is seen twice; and the filter is no reason to slow the program down.
		const usual = unix.SECCOMP_FILTER_FLAG_NEW_LISTENER | unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW
		for _, flags := range []uintptr{usual | unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, usual} {
			fd, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags, uintptr(unsafe.Pointer(&fprog)))
			if errno == 0 {
				return fd, nil
			}
			if errno != unix.EINVAL {
				return 0, errno
			}
		}
		return 0, unix.EINVAL
	}
	fd, err := set()
	if errors.Is(err, unix.EACCES) {
		// Who may not give others a filter may give it to who can gain no privileges.
		if err = unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err == nil {
			fd, err = set()
		}
	}
	runtime.KeepAlive(code)
	if err != nil {
		why := "the kernel or a sandbox forbids it"
		if errors.Is(err, unix.EBUSY) {
			why = "who has started crashsim watches calls in the same way"
		}
		return -1, fmt.Errorf("%w: seccomp: %w: %s", ErrUnavailable, err, why)
	}
	return int(fd), nil
}

// Close ends the watch, when the program has ended. What it has left running
// fails in the calls that were watched from then on. The error is that of a watch
// that could not see everything.
func (w *Watch) Close() error {
	w.close.Do(func() {
		_ = unix.Close(w.wake[1])
		<-w.done
		_ = unix.Close(w.wake[0])
		_ = unix.Close(w.listener)
		close(w.release)
	})
	return w.err
}

func (w *Watch) closePipe() {
	_ = unix.Close(w.wake[0])
	_ = unix.Close(w.wake[1])
}

// serve answers calls until the watch is closed.
func (w *Watch) serve() {
	defer close(w.done)
	for {
		ready := []unix.PollFd{{Fd: int32(w.listener), Events: unix.POLLIN}, {Fd: int32(w.wake[0]), Events: unix.POLLIN}}
		_, err := unix.Poll(ready, -1)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			w.err = fmt.Errorf("watch of sync and syncfs: %w", err)
			return
		case ready[0].Revents&unix.POLLIN != 0:
			if err := w.answer(); err != nil {
				w.err = fmt.Errorf("watch of sync and syncfs: %w", err)
				return
			}
		case ready[1].Revents != 0 || ready[0].Revents != 0:
			return
		}
	}
}

// answer lets one call go on.
func (w *Watch) answer() error {
	var n notification
	if err := ioctl(w.listener, receive, unsafe.Pointer(&n)); err != nil {
		if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EINTR) {
			return nil // a signal has ended the call
		}
		return err
	}
	w.seen(call(&n))
	r := response{id: n.id, flags: unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE}
	if err := ioctl(w.listener, send, unsafe.Pointer(&r)); err != nil && !errors.Is(err, unix.ENOENT) {
		return err
	}
	return nil
}

// notification and response are struct seccomp_notif and seccomp_notif_resp of
// the kernel.
type notification struct {
	id    uint64
	pid   uint32
	flags uint32
	nr    int32
	arch  uint32
	ip    uint64
	args  [6]uint64
}

type response struct {
	id    uint64
	val   int64
	err   int32
	flags uint32
}

// Requests of ioctl, as linux/seccomp.h has them: direction, size, '!' and number.
const (
	receive = 3<<30 | 80<<16 | '!'<<8
	send    = 3<<30 | 24<<16 | '!'<<8 | 1
)

func ioctl(fd int, request uintptr, arg unsafe.Pointer) error {
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), request, uintptr(arg)); errno != 0 {
		return errno
	}
	return nil
}

func call(n *notification) Call {
	c := Call{Thread: int(n.pid), Descriptor: int(int32(n.args[0]))}
	for _, a := range entries {
		if a.arch == n.arch && uint32(n.nr) == a.sync {
			c.All = true
		}
	}
	return c
}

// entry is a way into the kernel: an architecture, and the numbers that the calls
// have there.
type entry struct{ arch, sync, syncfs uint32 }

// x32 marks the numbers of calls by way of x32, which has the architecture of amd64.
const x32 = 0x40000000

// entries are the ways into the kernels that this package runs on.
var entries = []entry{
	{unix.AUDIT_ARCH_X86_64, 162, 306},
	{unix.AUDIT_ARCH_X86_64, 162 | x32, 306 | x32},
	{unix.AUDIT_ARCH_I386, 36, 344},
	{unix.AUDIT_ARCH_AARCH64, 81, 267},
	{unix.AUDIT_ARCH_ARM, 36, 373},
}

// Offsets in struct seccomp_data.
const (
	numberAt = 0
	archAt   = 4
)

// program is the filter: for each entry, is it this one, and one of these calls?
// Everything else goes on at once.
func program() []unix.SockFilter {
	load := func(at uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: at}
	}
	equal := func(k uint32, yes, no uint8) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jt: yes, Jf: no, K: k}
	}
	back := func(k uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: k}
	}
	var code []unix.SockFilter
	for _, a := range entries {
		code = append(code,
			load(archAt), equal(a.arch, 0, 4),
			load(numberAt), equal(a.sync, 1, 0), equal(a.syncfs, 0, 1),
			back(unix.SECCOMP_RET_USER_NOTIF))
	}
	return append(code, back(unix.SECCOMP_RET_ALLOW))
}
