package main

import (
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crashsim/crashsim/faultfs/mount"
	"github.com/crashsim/crashsim/runner/process"
)

func skipWithoutFUSE(t *testing.T) {
	t.Helper()
	c, err := process.NewChecker(process.Options{})
	if errors.Is(err, mount.ErrUnavailable) {
		t.Skip(err)
	}
	require.NoError(t, err)
	require.NoError(t, c.Close())
}

// crashsim is the command in a process of its own; see TestMain.
func crashsim(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	return &exec.Cmd{Path: self, Args: append([]string{"crashsim"}, args...), Env: append(os.Environ(), "TMPDIR="+os.TempDir())}
}

// mountsIn returns what is mounted below a directory, as this process sees it.
func mountsIn(t *testing.T, dir string) (mounts []string) {
	t.Helper()
	text, err := os.ReadFile("/proc/self/mountinfo")
	require.NoError(t, err)
	for line := range strings.Lines(string(text)) {
		if strings.Contains(line, dir) {
			mounts = append(mounts, line)
		}
	}
	return mounts
}

// However a run ends, nothing is mounted afterwards, and the next run removes
// what files it has left.
func TestARunLeavesNothingBehindHoweverItEnds(t *testing.T) {
	skipWithoutFUSE(t)
	for _, private := range []string{"", "1"} { // with it, the mounts are everybody's
		for _, end := range []os.Signal{syscall.SIGKILL, syscall.SIGKILL, syscall.SIGKILL, syscall.SIGTERM, os.Interrupt} {
			t.Setenv("TMPDIR", t.TempDir())
			run := crashsim(t, "exec", "--check", `sleep 0.02; [ ! -s "$CRASHSIM_MARKS" ] || [ -e 6 ]`,
				"--", "sh", "-c", "for i in 1 2 3 4 5 6; do echo $i >$i; done; echo saved")
			if private != "" {
				run.Env = append(run.Env, privateEnv+"=1")
				run.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
			}
			require.NoError(t, run.Start())
			time.Sleep(time.Duration(rand.IntN(600)) * time.Millisecond)
			_ = run.Process.Signal(end)
			_ = run.Wait()
			// What was killed with the run may take a moment to end.
			var left []string
			for try := 0; try == 0 || try < 100 && len(left) > 0; try++ {
				out, err := crashsim(t, "exec", "--check", "true", "--", "true").CombinedOutput()
				require.NoError(t, err, "%s", out)
				require.Empty(t, mountsIn(t, os.TempDir()), "after %s", end)
				left, err = filepath.Glob(filepath.Join(os.TempDir(), "crashsim-*"))
				require.NoError(t, err)
			}
			require.Empty(t, left, "after %s", end)
		}
	}
}
