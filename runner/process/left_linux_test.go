package process

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/mount"
)

// victimVariable says to the test binary that it is a victim, and what it does: it
// uses this package as a Go test does, until it is killed.
const victimVariable = "CRASHSIM_TEST_VICTIM"

// noSpaceVariable says to a victim that it cannot make PID namespaces.
const noSpaceVariable = "CRASHSIM_TEST_NO_SPACE"

// daemon leaves a process that is in no group of the command's, and says that it is
// there.
const daemon = `setsid sh -c 'echo up >>"$PHASE"; exec sleep 1000' </dev/null >/dev/null 2>&1 & `

// victims are what a victim does. Each leaves a daemon and goes on for ever.
var victims = map[string]func() error{
	"check that is forked": func() error { return victimChecks(daemon + "while :; do :; done") },
	"check that is not":    func() error { return victimChecks(daemon + ": $$; while :; do :; done") },
	"check that looks at its disk": func() error {
		return victimChecks(daemon + `while :; do ls -R . >/dev/null; cat "$CRASHSIM_MARKS"; done`)
	},
	"check of many processes": func() error {
		return victimChecks(daemon + "sleep 1000 & ( trap '' TERM HUP INT; sleep 1000 & sleep 1000 ) & sleep 1000")
	},
	"shell that stands by": func() error {
		if err := victimChecks("exit 0"); err != nil {
			return err
		}
		return errors.Join(os.WriteFile(os.Getenv("PHASE"), []byte("up\n"), 0o600), wait())
	},
	"program": func() error {
		_, err := Record(context.Background(), Program{Args: Shell(daemon + "while :; do echo x >>f; done")})
		return err
	},
}

func wait() error {
	time.Sleep(time.Hour)
	return errors.New("it was not killed")
}

func victimChecks(check string) error {
	c, err := NewChecker(Options{Timeout: time.Hour})
	if err != nil {
		return err
	}
	return c.on(faultfs.New(), func() []string { return []string{"saved"} }, Shell(check), &output{})
}

func init() {
	beVictim = func() {
		if what := os.Getenv(victimVariable); what != "" {
			victimOf(what)
		}
	}
}

// victimOf is what the test binary does as a victim, until it is killed.
func victimOf(what string) {
	noOwnSpace.Store(os.Getenv(noSpaceVariable) != "")
	err := victims[what]()
	if errors.Is(err, mount.ErrUnavailable) {
		os.Exit(exitSkip)
	}
	fmt.Fprintln(os.Stderr, "it was not killed:", err)
	os.Exit(1)
}

const exitSkip = 77

// startVictim starts a victim and returns when its daemon is there. What it starts is
// known by the file in which it says that.
func startVictim(t *testing.T, what, phase string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(self)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	cmd.WaitDelay = time.Second
	cmd.Env = append(os.Environ(), victimVariable+"="+what, "PHASE="+phase, "TMPDIR="+os.TempDir())
	require.NoError(t, cmd.Start())
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	for began := time.Now(); ; time.Sleep(time.Millisecond) {
		if text, _ := os.ReadFile(phase); len(text) > 0 {
			return cmd
		}
		if len(ended) > 0 || time.Since(began) > time.Minute {
			err := <-ended
			if cmd.ProcessState.ExitCode() == exitSkip {
				t.Skip("nothing can be mounted here")
			}
			require.NoError(t, err, errs.String())
		}
	}
}

// started returns the processes that have a variable which begins so, with what they
// are.
func started(t *testing.T, variable string) (found []string) {
	t.Helper()
	names, err := filepath.Glob("/proc/[0-9]*/environ")
	require.NoError(t, err)
	for _, name := range names {
		text, _ := os.ReadFile(name)
		if pid := filepath.Base(filepath.Dir(name)); bytes.Contains(text, []byte(variable)) && pid != strconv.Itoa(os.Getpid()) {
			line, _ := os.ReadFile("/proc/" + pid + "/cmdline")
			found = append(found, pid+" "+strings.ReplaceAll(string(line), "\x00", " "))
		}
	}
	return found
}

// leftIn says what there is of runs in a directory for temporary files: processes that
// they have started, which have a variable, mounts and directories.
func leftIn(t *testing.T, dir, variable string) (left []string) {
	t.Helper()
	left = started(t, variable)
	table, err := os.ReadFile("/proc/self/mountinfo")
	require.NoError(t, err)
	for line := range strings.Lines(string(table)) {
		if strings.Contains(line, dir) {
			left = append(left, line)
		}
	}
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, entry := range entries {
		left = append(left, entry.Name())
	}
	return left
}

// requireNothingLeft requires that soon nothing is left.
func requireNothingLeft(t *testing.T, dir, variable string) {
	t.Helper()
	for began := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		left := leftIn(t, dir, variable)
		if len(left) == 0 {
			return
		}
		if time.Since(began) > time.Minute {
			require.Empty(t, left)
		}
	}
}

// eachVictim runs a test with each victim, where PID namespaces can be made and where
// they cannot.
func eachVictim(t *testing.T, test func(t *testing.T, root, variable string, victim *exec.Cmd)) {
	for _, without := range []string{"", "1"} {
		for what := range victims {
			t.Run(map[string]string{"": "", "1": "no namespace, "}[without]+what, func(t *testing.T) {
				t.Setenv(noSpaceVariable, without)
				root := inTemp(t)
				phase := filepath.Join(t.TempDir(), "phase")
				victim := startVictim(t, what, phase)
				require.NotEmpty(t, leftIn(t, root, "PHASE="+phase), "there is something to be ended")
				test(t, root, "PHASE="+phase, victim)
			})
		}
	}
}

// A test binary that is killed takes all with it: checks, the shells that fork
// them, daemons that they have left, mounts and directories.
func TestWhatAKilledTestHasStartedEnds(t *testing.T) {
	eachVictim(t, func(t *testing.T, root, variable string, victim *exec.Cmd) {
		require.NoError(t, victim.Process.Signal(syscall.SIGKILL))
		requireNothingLeft(t, root, variable)
	})
}

// Where the guardian is killed too, the next run ends and removes what is left.
func TestWhatAKilledTestHasLeftEndsWithTheNextRun(t *testing.T) {
	eachVictim(t, func(t *testing.T, root, variable string, victim *exec.Cmd) {
		children, err := os.ReadFile(childrenOf(victim.Process.Pid))
		require.NoError(t, err)
		tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", victim.Process.Pid))
		require.NoError(t, err)
		for _, task := range tasks {
			text, _ := os.ReadFile(task)
			children = append(children, text...)
		}
		guardians := 0
		for child := range strings.FieldsSeq(string(children)) {
			line, _ := os.ReadFile("/proc/" + child + "/cmdline")
			if strings.HasPrefix(string(line), guardianName) {
				pid, err := strconv.Atoi(child)
				require.NoError(t, err)
				require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
				guardians++
			}
		}
		require.Positive(t, guardians)
		require.NoError(t, victim.Process.Signal(syscall.SIGKILL))
		for began := time.Now(); ; time.Sleep(10 * time.Millisecond) {
			p, err := newTempDir()
			require.NoError(t, err)
			require.NoError(t, p.remove())
			left := leftIn(t, root, variable)
			if len(left) == 0 {
				return
			}
			if time.Since(began) > time.Minute { // the lock is held until its last thread is no more
				require.Empty(t, left)
			}
		}
	})
}

// A daemon that a check leaves does not live to see the next check.
func TestDaemonsEndWithTheirCheck(t *testing.T) {
	if own, err := ownSpace(); err != nil || !own {
		t.Skipf("PID namespaces cannot be made: %v", err)
	}
	inTemp(t)
	c, err := NewChecker(Options{})
	if errors.Is(err, mount.ErrUnavailable) {
		t.Skip(err)
	}
	require.NoError(t, err)
	phase := filepath.Join(t.TempDir(), "phase")
	t.Setenv("PHASE", phase)
	for _, check := range []string{
		daemon + `while [ ! -e "$PHASE" ]; do sleep 0.01; done; exit 3`,
		daemon + `: $$; while [ ! -e "$PHASE" ]; do sleep 0.01; done; exit 3`,
	} {
		disk := faultfs.New()
		for range 2 {
			require.EqualError(t, c.on(disk, func() []string { return nil }, Shell(check), &output{}), "exit status 3")
			for _, left := range started(t, "PHASE="+phase) {
				require.NotContains(t, left, "sleep 1000", check)
			}
			require.NoError(t, os.Remove(phase))
		}
	}
	require.NoError(t, c.Close())
}

// A daemon that a program leaves ends with the recording.
func TestDaemonsEndWithTheirProgram(t *testing.T) {
	root := inTemp(t)
	phase := filepath.Join(t.TempDir(), "phase")
	t.Setenv("PHASE", phase)
	trace, err := Record(t.Context(), Program{Args: Shell(daemon + `while [ ! -e "$PHASE" ]; do sleep 0.01; done; echo x >f`)})
	if errors.Is(err, mount.ErrUnavailable) {
		t.Skip(err)
	}
	require.NoError(t, err)
	require.NotEmpty(t, trace.Ops)
	require.Empty(t, leftIn(t, root, "PHASE="+phase))
}
