//go:build linux && (amd64 || arm64)

package seccomp_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/crashsim/crashsim/faultfs/internal/seccomp"
)

const childVariable = "CRASHSIM_TEST_CALLS"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childVariable); dir != "" {
		makeCalls(dir)
		return
	}
	os.Exit(m.Run())
}

// makeCalls makes calls by several threads, and by a child.
func makeCalls(dir string) {
	f, err := os.Open(dir)
	if err != nil {
		panic(err)
	}
	unix.Sync()
	if err := unix.Syncfs(int(f.Fd())); err != nil {
		panic(err)
	}
	if err := unix.Syncfs(-1); !errors.Is(err, unix.EBADF) {
		panic(err)
	}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			runtime.LockOSThread()
			if err := unix.Syncfs(int(f.Fd())); err != nil {
				panic(err)
			}
		})
	}
	all.Wait()
	fmt.Println("done")
}

// watch runs a command and returns the calls that were seen.
func watch(t *testing.T, cmd *exec.Cmd) (calls []seccomp.Call, fds []string) {
	t.Helper()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	w, err := seccomp.Start(cmd, nil, func(c seccomp.Call) {
		name, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", c.Thread, c.Descriptor))
		calls, fds = append(calls, c), append(fds, name)
	})
	if errors.Is(err, seccomp.ErrUnavailable) {
		t.Skip(err)
	}
	require.NoError(t, err)
	late := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
	defer late.Stop()
	waited := cmd.Wait()
	require.NoError(t, w.Close())
	require.NoError(t, w.Close())
	require.NoError(t, waited)
	return calls, fds
}

func TestCallsOfAllThreadsAreSeen(t *testing.T) {
	dir := t.TempDir()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), childVariable+"="+dir)
	calls, fds := watch(t, cmd)
	require.Len(t, calls, 7)
	require.True(t, calls[0].All)
	require.Equal(t, dir, fds[1])
	require.Equal(t, -1, calls[2].Descriptor)
	for i, c := range calls[1:] {
		require.False(t, c.All)
		if i != 1 {
			require.Equal(t, dir, fds[1+i])
		}
	}
}

func TestCallsOfChildrenAreSeen(t *testing.T) {
	dir := t.TempDir()
	calls, fds := watch(t, exec.Command("/bin/sh", "-c", `(sync) && sh -c 'sync -f "$1"; exit 0' sh "$1" && exec sync`, "sh", dir))
	require.Len(t, calls, 3)
	require.Equal(t, []bool{true, false, true}, []bool{calls[0].All, calls[1].All, calls[2].All})
	require.Equal(t, dir, fds[1])
}

// TestA32BitCallIsSeen calls by way of the 32-bit entry of an amd64 kernel.
func TestA32BitCallIsSeen(t *testing.T) {
	gcc, err := exec.LookPath("gcc")
	if err != nil || runtime.GOARCH != "amd64" {
		t.Skip("needs gcc on amd64")
	}
	source, program := filepath.Join(t.TempDir(), "p.c"), filepath.Join(t.TempDir(), "p")
	require.NoError(t, os.WriteFile(source, []byte(`int main(void) {
	int failed;
	__asm__ volatile("int $0x80" : "=a"(failed) : "a"(36) : "memory"); /* sync */
	return failed;
}`), 0o600))
	out, err := exec.Command(gcc, "-o", program, source).CombinedOutput()
	require.NoError(t, err, "%s", out)
	if err := exec.Command(program).Run(); err != nil {
		t.Skip("the kernel has no 32-bit entry:", err)
	}
	calls, _ := watch(t, exec.Command(program))
	require.Len(t, calls, 1)
	require.True(t, calls[0].All)
}

func TestACommandThatCannotStartIsNotWatched(t *testing.T) {
	_, err := seccomp.Start(exec.Command("/no/such/program"), nil, func(seccomp.Call) {})
	require.Error(t, err)
	if errors.Is(err, seccomp.ErrUnavailable) {
		t.Skip(err)
	}
	require.ErrorIs(t, err, os.ErrNotExist)
}

// BenchmarkCall is a call that is not watched, in a program that is.
func BenchmarkCall(b *testing.B) {
	for _, watched := range []bool{false, true} {
		b.Run(fmt.Sprint("watched=", watched), func(b *testing.B) {
			// dd makes two calls for each byte.
			for b.Loop() {
				cmd := exec.Command("dd", "if=/dev/zero", "of=/dev/null", "bs=1", "count=200000")
				if !watched {
					require.NoError(b, cmd.Run())
					continue
				}
				w, err := seccomp.Start(cmd, nil, func(seccomp.Call) {})
				if err != nil {
					b.Skip(err)
				}
				require.NoError(b, cmd.Wait())
				require.NoError(b, w.Close())
			}
		})
	}
}
