//go:build linux && amd64

package callsite_test

import (
	"errors"
	"io"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/stretchr/testify/require"

	"github.com/crashsim/crashsim/faultfs/internal/callsite"
)

// looker is a file system in which directories can be made, and nothing else:
// while one is, it reads the stack of who makes it.
type looker struct {
	fuse.RawFileSystem
	u *callsite.Unwinder

	mu     sync.Mutex
	last   uint64
	found  map[string][]callsite.Frame
	errs   map[string]error
	during func(tid int) // called for each, instead of reading the stack
}

func (l *looker) attr(node uint64) fuse.Attr {
	return fuse.Attr{Ino: node, Mode: fuse.S_IFDIR | 0o755, Nlink: 1}
}

func (l *looker) Lookup(<-chan struct{}, *fuse.InHeader, string, *fuse.EntryOut) fuse.Status {
	return fuse.ENOENT
}

func (l *looker) Access(<-chan struct{}, *fuse.AccessIn) fuse.Status { return fuse.OK }

func (l *looker) GetAttr(_ <-chan struct{}, in *fuse.GetAttrIn, out *fuse.AttrOut) fuse.Status {
	out.Attr = l.attr(in.NodeId)
	return fuse.OK
}

func (l *looker) Mkdir(_ <-chan struct{}, in *fuse.MkdirIn, name string, out *fuse.EntryOut) fuse.Status {
	if l.during != nil {
		l.during(int(in.Pid))
	} else {
		stack, err := l.u.Stack(int(in.Pid))
		l.mu.Lock()
		l.found[name], l.errs[name] = stack, err
		l.mu.Unlock()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last++
	out.NodeId, out.Attr = l.last, l.attr(l.last)
	return fuse.OK
}

// seen returns the stacks that were read, by the names of the directories. None
// of them is in error.
func (l *looker) seen(t *testing.T) map[string][]callsite.Frame {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for name, err := range l.errs {
		require.NoError(t, err, name)
	}
	require.Empty(t, l.u.Notes())
	return l.found
}

// look serves a looker while t runs, and returns the directory.
func look(t testing.TB, during func(u *callsite.Unwinder, tid int)) (*looker, string) {
	t.Helper()
	l := &looker{
		RawFileSystem: fuse.NewDefaultRawFileSystem(), u: callsite.New(0), last: 1,
		found: map[string][]callsite.Frame{}, errs: map[string]error{},
	}
	if during != nil {
		l.during = func(tid int) { during(l.u, tid) }
	}
	dir := t.TempDir()
	server, err := fuse.NewServer(l, dir, &fuse.MountOptions{Name: "looker", DirectMountStrict: true, DisableXAttrs: true, Logger: log.New(io.Discard, "", 0)})
	if err != nil {
		t.Skipf("needs FUSE: %v", err)
	}
	go server.Serve()
	require.NoError(t, server.WaitMount())
	t.Cleanup(func() {
		require.NoError(t, server.Unmount())
		l.u.Close()
	})
	return l, dir
}

// build builds a Go program, or skips the test where that needs a C compiler
// and there is none.
func build(t testing.TB, dir string, cgo bool, args ...string) string {
	t.Helper()
	if cgo {
		if _, err := exec.LookPath("gcc"); err != nil {
			t.Skip("needs gcc")
		}
	}
	program := filepath.Join(t.TempDir(), "program")
	cmd := exec.Command("go", append(append([]string{"build", "-o", program}, args...), dir)...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if cgo {
		cmd.Env = append(os.Environ(), "CGO_ENABLED=1")
	}
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return program
}

// run runs a program that makes directories in a mount, and returns what it
// prints.
func run(t testing.TB, args ...string) []byte {
	t.Helper()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var stdout, stderr safeBuffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	require.NoError(t, cmd.Start())
	timer := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	err := cmd.Wait()
	require.NoError(t, err, "%s", stderr.data)
	return stdout.data
}

// safeBuffer is what one process writes.
type safeBuffer struct{ data []byte }

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.data = append(b.data, p...)
	if len(b.data) > 16<<20 {
		return 0, errors.New("too much output")
	}
	return len(p), nil
}

// device is the device of a file.
func device(info os.FileInfo) uint64 { return info.Sys().(*syscall.Stat_t).Dev }
