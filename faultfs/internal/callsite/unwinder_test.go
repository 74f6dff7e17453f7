//go:build linux && amd64

package callsite_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crashsim/crashsim/faultfs/internal/callsite"
)

func TestAProcessThatRunsAnotherProgramIsReadAnew(t *testing.T) {
	l, dir := look(t, nil)
	first, second := build(t, "./testdata/lines", false), build(t, "./testdata/lines", false, "-gcflags=-l")
	// The programs stand at the same addresses, and make the same directories.
	run(t, first, dir, second)
	found := l.seen(t)
	require.Contains(t, found, "n0")
	for name, stack := range found {
		// Without inlining, the last program's frames are functions of their own.
		for _, f := range stack {
			require.NotEqual(t, "main.plain.Mkdir.func1", f.Func, name)
		}
	}
}

func TestAThreadThatIsNoMoreHasNoStack(t *testing.T) {
	cmd := exec.Command("true")
	require.NoError(t, cmd.Run())
	u := callsite.New(0)
	defer u.Close()
	_, err := u.Stack(cmd.Process.Pid)
	require.ErrorIs(t, err, callsite.ErrUnavailable)
	require.Empty(t, u.Notes())
}

func TestAProgramOnTheDeviceThatIsNotToBeTouchedIsNotRead(t *testing.T) {
	program := build(t, "./testdata/lines", false)
	st, err := os.Stat(program)
	require.NoError(t, err)
	var mu sync.Mutex
	var notes []string
	_, dir := look(t, func(_ *callsite.Unwinder, tid int) {
		u := callsite.New(device(st))
		defer u.Close()
		_, err := u.Stack(tid)
		mu.Lock()
		defer mu.Unlock()
		if err == nil {
			notes = append(notes, "was read")
		}
		notes = append(notes, u.Notes()...)
	})
	run(t, program, dir)
	mu.Lock()
	defer mu.Unlock()
	require.Contains(t, notes[0], "program: it stands on the mount itself")
}

// BenchmarkStack reads the stack of one call again and again.
func BenchmarkStack(b *testing.B) {
	for name, how := range map[string]struct {
		cgo  bool
		args []string
	}{"Go": {false, []string{"./testdata/lines"}}, "C": {}} {
		b.Run(name, func(b *testing.B) {
			done := false
			frames := 0
			_, dir := look(b, func(u *callsite.Unwinder, tid int) {
				if done {
					return
				}
				done = true
				for b.Loop() {
					stack, err := u.Stack(tid)
					if err != nil {
						b.Error(err)
						return
					}
					frames = len(stack)
				}
			})
			if how.args == nil {
				run(b, "/bin/mkdir", filepath.Join(dir, "d"))
			} else {
				run(b, build(b, how.args[0], how.cgo), dir)
			}
			b.ReportMetric(float64(frames), "frames")
		})
	}
}
