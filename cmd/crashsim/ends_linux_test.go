package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// Whoever stops reading ends any command, quietly, and with the same status.
func TestAClosedPipeEndsEveryCommandAlike(t *testing.T) {
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	commands := [][]string{
		{"list"}, {"models"}, {"help"}, {"run", "rename-without-fsync", "--model", "ext4"}, {"run", "rename-without-fsync", "--model", "ext4", "--json"},
		{"states", "testdata/litmus/pub-append-chrome.txtar"}, {"litmus", "testdata/litmus/pub-append-chrome.txtar"}, {"trace", "append-log"},
		{"explain", "rename-without-fsync"}, {"fix", "rename-without-fsync"}, {"audit", "rename-without-fsync-fixed", "--model", "ext4"},
		{"mutate", "rename-without-fsync-fixed", "--model", "ext4"}, {"diff", "rename-without-fsync", "just-before-fsync-partial"}, {"schema"},
		{"demo"}, {"demo", "rename"}, {"demo", "rename", "--auto", "--delay", "1ns"}, {"run", "rename-without-fsync", "--model", "ext4", "--report", "/dev/stdout"},
	}
	if fuse, err := condition("fuse"); err == nil && fuse {
		commands = append(commands, []string{"exec", "--setup", "echo old >f", "--check", "old-or-new:f", "--", "sh", "-c", "echo new >f; echo saved"})
	}
	for _, args := range commands {
		r, w, err := os.Pipe()
		require.NoError(t, err)
		require.NoError(t, r.Close())
		cmd := crashsim(t, args...)
		cmd.Dir = root
		var errs bytes.Buffer
		cmd.Stdout, cmd.Stderr = w, &errs
		err = cmd.Run()
		require.NoError(t, w.Close())
		var ended *exec.ExitError
		require.True(t, errors.As(err, &ended), "%q ended with %v", args, err)
		require.Equal(t, exitOutputClosed, ended.ExitCode(), "%q: %s", args, errs.String())
		if args[0] != "exec" { // it shows what the program prints
			require.Empty(t, errs.String(), args)
		}
	}
}
