//go:build linux

package thread_test

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/crashsim/crashsim/faultfs/internal/thread"
)

// The main goroutine is on the first thread of the process when a package is
// initialised, and stays there.
func init() { runtime.LockOSThread() }

var own, first = make(chan int, 1), unix.Gettid() == unix.Getpid()

func TestMain(m *testing.M) {
	thread.Own(func() { own <- unix.Gettid() })
	m.Run()
}

func TestAThreadOfItsOwnIsNotTheFirst(t *testing.T) {
	require.True(t, first, "the test stands on what it means to")
	require.NotEqual(t, unix.Getpid(), <-own)
}

func TestThreadsThatLiveAtOnceAreDifferent(t *testing.T) {
	const many = 8
	seen, end := make(chan int), make(chan struct{})
	defer close(end)
	threads := map[int]bool{}
	for range many {
		thread.Own(func() {
			seen <- unix.Gettid()
			<-end
		})
		threads[<-seen] = true
	}
	require.Len(t, threads, many)
	require.NotContains(t, threads, unix.Getpid())
}
