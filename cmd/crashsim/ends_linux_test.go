package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
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

// Where the standard error is what nobody reads, as after "2>&1 | head -n 1", a
// command ends in the same way. One error is told once, whichever process tells it.
func TestAClosedErrorOutputEndsARecordingAlike(t *testing.T) {
	skipWithoutFUSE(t)
	r, w, err := os.Pipe()
	require.NoError(t, err)
	require.NoError(t, r.Close())
	cmd := crashsim(t, "exec", "--check", "true", "--", "sh", "-c", "echo new >f; echo saved")
	cmd.Stdout, cmd.Stderr = w, w
	_ = cmd.Run()
	require.NoError(t, w.Close())
	require.Equal(t, exitOutputClosed, cmd.ProcessState.ExitCode())
}

func TestAFullOutputIsToldOnce(t *testing.T) {
	skipWithoutFUSE(t)
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	require.NoError(t, err)
	defer full.Close()
	var errs bytes.Buffer
	cmd := crashsim(t, "exec", "--check", "true", "--", "sh", "-c", "echo new >f; echo saved")
	cmd.Stdout, cmd.Stderr = full, &errs
	_ = cmd.Run()
	require.Equal(t, exitUsage, cmd.ProcessState.ExitCode())
	require.Equal(t, "saved\ncrashsim: write /dev/stdout: no space left on device\n", errs.String())
}

// A check cannot stop the process that waits for it.
func TestACheckThatStopsCrashsimIsNoEndlessWait(t *testing.T) {
	skipWithoutFUSE(t)
	for _, role := range []string{"", tryMount} {
		cmd := crashsim(t, "exec", "--check", "kill -STOP $PPID; true", "--", "sh", "-c", "echo new >f; echo saved")
		cmd.Env = append(cmd.Env, privateEnv+"="+role)
		late := time.AfterFunc(lived, func() { _ = cmd.Process.Kill() })
		text, status := saidBy(t, cmd)
		require.True(t, late.Stop(), "it goes on and on: %s", text)
		require.Zero(t, status, text)
	}
}

// A terminal on which "stty tostop" was said stops a process in the background that
// writes to it: none of ours is one.
func TestATerminalStopsNothingThatWrites(t *testing.T) {
	skipWithoutFUSE(t)
	terminal, tty, err := pty.Open()
	require.NoError(t, err)
	defer terminal.Close()
	defer tty.Close()
	modes, err := unix.IoctlGetTermios(int(tty.Fd()), unix.TCGETS)
	require.NoError(t, err)
	modes.Lflag |= unix.TOSTOP
	require.NoError(t, unix.IoctlSetTermios(int(tty.Fd()), unix.TCSETS, modes))
	cmd := crashsim(t, "exec", "--check", "true", "--", "sh", "-c", "echo new >f; echo saved")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = tty, tty, tty
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	require.NoError(t, cmd.Start())
	late := time.AfterFunc(lived, func() { _ = cmd.Process.Kill() })
	go func() { _, _ = io.Copy(io.Discard, terminal) }()
	require.NoError(t, cmd.Wait())
	require.True(t, late.Stop(), "it was stopped")
}
