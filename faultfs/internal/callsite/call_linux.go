package callsite

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Call is the system call that a thread waits in.
type Call struct {
	Number int64
	Args   [6]uint64

	sp, pc uint64
}

// CallOf returns the system call that a thread waits in, given by its number in
// /proc. The error is ErrUnavailable, wrapped.
func CallOf(tid int) (Call, error) {
	dir := "/proc/" + strconv.Itoa(tid)
	return standing(func(text []byte) (int, error) {
		data, err := os.ReadFile(dir + "/syscall")
		return copy(text, data), err
	}, func() string {
		name, _ := os.ReadFile(dir + "/comm") // "" is a name too
		return string(name)
	})
}

// errWorker is the error of a thread of the kernel that works for io_uring: it is in
// no system call.
var errWorker = fmt.Errorf("%w: a worker of io_uring", ErrUnavailable)

// standing reads where a thread stands. A request can be read before the thread that
// made it has come to rest.
func standing(read func([]byte) (int, error), name func() string) (Call, error) {
	const patience = 100 * time.Millisecond
	var text [256]byte
	for wait, spent := 5*time.Microsecond, time.Duration(0); ; wait *= 2 {
		n, err := read(text[:])
		if err != nil {
			return Call{}, whyNot(0, err)
		}
		if c, ok := parseCall(text[:n]); ok {
			return c, nil
		}
		if strings.HasPrefix(name(), "iou-") {
			return Call{}, errWorker
		}
		if spent > patience {
			return Call{}, fmt.Errorf("%w: the thread does not stand still", ErrUnavailable)
		}
		time.Sleep(wait)
		spent += wait
	}
}

// parseCall reads /proc/TID/syscall: the number of the call, its arguments, the
// stack pointer and the program counter; of a thread that is in none, -1 and the
// last two; or "running".
func parseCall(text []byte) (Call, bool) {
	fields := bytes.Fields(text)
	if len(fields) != 3 && len(fields) != 9 {
		return Call{}, false
	}
	c := Call{}
	number, err := strconv.ParseInt(string(fields[0]), 10, 64)
	c.Number = number
	rest := fields[1:]
	for i := range len(rest) - 2 {
		if err == nil {
			c.Args[i], err = strconv.ParseUint(string(rest[i]), 0, 64)
		}
	}
	if err == nil {
		c.sp, err = strconv.ParseUint(string(rest[len(rest)-2]), 0, 64)
	}
	if err == nil {
		c.pc, err = strconv.ParseUint(string(rest[len(rest)-1]), 0, 64)
	}
	return c, err == nil && c.pc != 0
}

// whyNot is the error of a thread that cannot be looked at.
func whyNot(tid int, err error) error {
	if errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM) {
		return fmt.Errorf("%w: no permission to read the process (it runs as another user, with set-user-ID, or the kernel's Yama forbids it): %w", ErrUnavailable, err)
	}
	if errors.Is(err, unix.ENOENT) {
		err = unix.ESRCH // the kernel's own threads, and those that end, run nothing
	}
	return fmt.Errorf("%w: thread %d: %w", ErrUnavailable, tid, err)
}
