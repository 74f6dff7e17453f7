package thread

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// Own runs a function on a thread of its own, which ends with the function, and returns
// at once. The thread is never the first one of the process, which stands for the whole
// process in /proc.
func Own(f func()) {
	go func() {
		runtime.LockOSThread() // and never unlocked: so the thread ends with f
		if unix.Gettid() != unix.Getpid() {
			f()
			return
		}
		// While this goroutine keeps the first thread, another one gets another.
		began := make(chan struct{})
		Own(func() {
			close(began)
			f()
		})
		<-began
		runtime.UnlockOSThread()
	}()
}
