//go:build unix

package descriptors

import (
	"os"
	"syscall"
)

// least is how many files the program must be able to open at once: to be
// initialised, to wait for a process, and to say what is wrong.
const least = 16

func init() {
	if !enough() {
		_, _ = syscall.Write(syscall.Stderr, []byte("crashsim: too many open files: this process may open only a few more; raise the limit, as with \"ulimit -n 1024\"\n"))
		os.Exit(2)
	}
}

// enough reports whether so many files can be opened now.
func enough() bool {
	var opened [least]int
	n := 0
	for n < least {
		fd, err := syscall.Open("/", syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
		if err != nil {
			break
		}
		opened[n] = fd
		n++
	}
	for _, fd := range opened[:n] {
		_ = syscall.Close(fd)
	}
	return n == least
}
