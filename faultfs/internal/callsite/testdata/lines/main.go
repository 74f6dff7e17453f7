// Command lines makes directories in as many ways as Go has to call a function,
// and says on its standard output from where it made each. Its argument is the
// directory in which it makes them. That of each call is named after its number.
// A second argument is a program that takes its place at the end.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"syscall"
)

// Frame is a function as package runtime knows it.
type Frame struct {
	Func string
	File string
	Line int
}

var (
	mu     sync.Mutex
	stacks = map[string][]Frame{}
	dir    = os.Args[1]
)

// here notes the stack of its caller and returns the name that goes with it. It
// must stand on the line of the call that it is an argument of.
//
//go:noinline
func here() string {
	pcs := make([]uintptr, 200)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs)])
	var stack []Frame
	for {
		f, more := frames.Next()
		stack = append(stack, Frame{f.Function, f.File, f.Line})
		if !more {
			break
		}
	}
	mu.Lock()
	defer mu.Unlock()
	name := fmt.Sprint("n", len(stacks))
	stacks[name] = stack
	return filepath.Join(dir, name)
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func plain() { check(os.Mkdir(here(), 0o700)) }

func inlined() { check(os.Mkdir(here(), 0o700)) }

func inlinedTwice() { inlined() }

//go:noinline
func notInlined() { inlinedTwice() }

type store struct{ dir string }

func (s store) put() { check(os.Mkdir(here(), 0o700)) }

type embedding struct{ *store }

type putter interface{ put() }

func generic[T any](T) { check(os.Mkdir(here(), 0o700)) }

//go:noinline
func deep(n int) {
	var room [3000]byte
	room[n] = 1
	if n > 0 {
		deep(n - 1)
		runtime.KeepAlive(room[n/2])
		return
	}
	check(os.Mkdir(here(), 0o700))
}

func recovered() {
	defer func() {
		_ = recover()
		check(os.Mkdir(here(), 0o700))
	}()
	panic("as usual")
}

func deferred() {
	defer func() { check(os.Mkdir(here(), 0o700)) }()
	defer check(os.Mkdir(here(), 0o700))
}

func main() {
	plain()
	inlinedTwice()
	notInlined()
	func() { check(os.Mkdir(here(), 0o700)) }()
	for range func(yield func() bool) { yield() } {
		check(os.Mkdir(here(), 0o700))
	}
	s := store{dir}
	s.put()
	put := s.put
	put()
	for _, p := range []putter{s, embedding{&s}, &s} {
		p.put()
	}
	generic(1)
	generic("one")
	generic(embedding{})
	deep(20)
	recovered()
	deferred()
	check(syscall.Mkdir(here(), 0o700))
	check(errors.Join(os.MkdirAll(here(), 0o700), nil))
	slices.SortFunc([]int{2, 1}, func(a, b int) int { check(os.Mkdir(here(), 0o700)); return a - b })
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			inlinedTwice()
			check(os.Mkdir(here(), 0o700))
		})
	}
	all.Wait()
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		notInlined()
	}()
	<-done
	more()
	check(json.NewEncoder(os.Stdout).Encode(stacks))
	if len(os.Args) > 2 {
		check(syscall.Exec(os.Args[2], []string{os.Args[2], dir}, nil))
	}
}
