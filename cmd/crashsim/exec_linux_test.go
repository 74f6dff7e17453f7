package main

import (
	"bytes"
	"errors"
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

// saidBy returns what a run says on both outputs, and its exit status.
func saidBy(t *testing.T, cmd *exec.Cmd) (text string, status int) {
	t.Helper()
	out, err := cmd.CombinedOutput()
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) {
		require.NoError(t, err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// A daemon that a check has left does not work on the disks of later checks, however
// it has got away and wherever it finds them.
func TestDaemonsOfACheckAreEndedBeforeTheNextOne(t *testing.T) {
	skipWithoutFUSE(t)
	spoil := `'while :; do echo spoiled >'"$CRASHSIM_DIR"'/f; done'`
	for name, daemon := range map[string]string{
		"none":                   "",
		"setsid":                 "setsid sh -c " + spoil + " >/dev/null 2>&1 &",
		"setsid with its output": "setsid sh -c " + spoil + " &",
		"empty environment":      "setsid env -i PATH=$PATH sh -c " + spoil + " >/dev/null 2>&1 &",
		"forked twice":           "( setsid sh -c 'sh -c \"$0\" & exec sleep 100' " + spoil + " >/dev/null 2>&1 & )",
		"another directory":      "( cd /; set -- " + spoil + "; CRASHSIM_DIR=/ setsid sh -c \"$1\" >/dev/null 2>&1 & )",
	} {
		for _, role := range []string{"", tryMount} {
			t.Run(name+" "+role, func(t *testing.T) {
				run := crashsim(t, "exec", "--workers", "2", "--setup", "echo old >f", "--check", `case $(cat f) in old) [ ! -s $CRASHSIM_MARKS ];; new) ;; *) exit 1; esac || exit 1; `+daemon,
					"--", "sh", "-c", "echo new >g; sync g; for i in 1 2; do echo $i >$i; done; mv g f; sync .; echo saved")
				run.Env = append(run.Env, privateEnv+"="+role)
				text, status := saidBy(t, run)
				require.Zero(t, status, text)
				require.Contains(t, text, "sh        kept")
			})
		}
	}
}

// What a program leaves running is ended, and is no error.
func TestAProgramThatLeavesChildrenIsRecorded(t *testing.T) {
	skipWithoutFUSE(t)
	trace := filepath.Join(t.TempDir(), "trace")
	text, status := saidBy(t, crashsim(t, "record", "-o", trace, "--", "sh", "-c",
		"echo a >f; sleep 1000 & setsid sleep 1000 & setsid env -i /bin/sleep 1000 & sync f; echo saved"))
	require.Zero(t, status, text)
	recorded, err := os.ReadFile(trace)
	require.NoError(t, err)
	require.Contains(t, string(recorded), "mark saved")
}

// endAt starts a run, waits until its program has begun, and does something to it.
func endAt(t *testing.T, do func(run *exec.Cmd, family []int)) (text string, status int) {
	t.Helper()
	t.Setenv("TMPDIR", t.TempDir())
	run := crashsim(t, "record", "-o", filepath.Join(t.TempDir(), "trace"), "--", "sh", "-c", `echo begun >"$PHASE"; sleep 1000`)
	run.Env = append(run.Env, "PHASE="+phaseFile())
	var out bytes.Buffer
	run.Stdout, run.Stderr = &out, &out
	require.NoError(t, run.Start())
	late := time.AfterFunc(lived, func() { _ = run.Process.Kill() })
	defer late.Stop()
	require.Eventually(t, func() bool {
		text, err := os.ReadFile(phaseFile())
		return err == nil && len(text) > 0
	}, lived, time.Millisecond)
	family := descendants(run.Process.Pid)
	do(run, family)
	_ = run.Wait()
	requireGone(t, family, "record")
	return out.String(), run.ProcessState.ExitCode()
}

func TestAnInterruptedRecordingSaysSo(t *testing.T) {
	skipWithoutFUSE(t)
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		text, status := endAt(t, func(run *exec.Cmd, _ []int) { _ = run.Process.Signal(s) })
		require.Equal(t, exitInterrupted, status, text)
		require.Equal(t, "crashsim: interrupted\n", text)
	}
}

func TestAnInnerProcessThatWasKilledIsReported(t *testing.T) {
	skipWithoutFUSE(t)
	for _, which := range []int{1, 2} {
		text, status := endAt(t, func(_ *exec.Cmd, family []int) {
			require.NoError(t, syscall.Kill(family[which], syscall.SIGKILL))
		})
		require.Equal(t, exitUsage, status, text)
		require.Contains(t, text, "the process that does the work was ended by a signal (killed), so that there is no verdict")
	}
}

// A command that is run by another program does not start that program once more.
func TestACommandInATestDoesNotStartTheTestAgain(t *testing.T) {
	if fuse, err := condition("fuse"); err != nil || !fuse {
		t.Skip("no FUSE file system can be mounted here")
	}
	before := os.Args
	os.Args = []string{"crashsim", "version"} // what would be run, and would succeed
	defer func() { os.Args = before }()
	var out, errs bytes.Buffer
	status := run([]string{"exec", "--model", "posix", "--setup", "echo old >f", "--check", "old-or-new:f", "--", "sh", "-c", "echo new >f; echo saved"}, &out, &errs)
	require.Equal(t, exitWrong, status, errs.String())
	require.Contains(t, out.String(), "torn")
}
