package main

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

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
