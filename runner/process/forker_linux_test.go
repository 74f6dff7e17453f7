package process

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// runs runs a command in a shell of its own, which is the definition, and in a
// forked one, in directories of the same contents.
func runs(t *testing.T, text string, timeout time.Duration) (texts, errs [2]string, fresh bool) {
	t.Helper()
	for i := range 2 {
		temp := t.TempDir()
		dir := filepath.Join(temp, "1")
		require.NoError(t, os.Mkdir(dir, 0o777))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "small"), []byte("7\n"), 0o644))
		require.NoError(t, os.WriteFile(filepath.Join(dir, marksFile), []byte("saved\n"), 0o644))
		out := &output{}
		var err error
		if i == 0 {
			c := command{args: Shell(text), dir: dir, output: out, timeout: timeout, check: true, env: []string{
				"CRASHSIM_MARKS=" + filepath.Join(dir, marksFile), "CRASHSIM_MARK=" + filepath.Join(dir, markFile),
			}}
			err = c.run(t.Context())
		} else {
			require.True(t, forkable(Shell(text)), text)
			f, err2 := newForker(text, temp, dir, (*exec.Cmd).Start)
			require.NoError(t, err2)
			defer f.close()
			// What one run does to its shell, the next one does not see.
			if again, _ := f.run(&output{}, timeout); !again {
				f.close()
				f, err2 = newForker(text, temp, dir, (*exec.Cmd).Start)
				require.NoError(t, err2)
				defer f.close()
			}
			if fresh, err = f.run(out, timeout); !fresh {
				require.NotErrorIs(t, err, errForker)
			}
		}
		texts[i] = strings.ReplaceAll(out.raw(), temp, "TEMP")
		if err != nil {
			errs[i] = err.Error()
		}
	}
	return texts, errs, fresh
}

func TestForkedRunIsLikeOneInAShellOfItsOwn(t *testing.T) {
	own, err := ownSpace()
	require.NoError(t, err)
	late := "0.1"
	if own {
		late = "1000" // it is ended first, however busy the machine is
	}
	for _, text := range []string{
		"exit 0", "exit 3", "true", "false", "read n <small && echo $n && exit 0",
		`echo "$CRASHSIM_DIR $CRASHSIM_MARKS $CRASHSIM_MARK $PWD"; pwd; cat "$CRASHSIM_MARKS"`,
		"env | grep CRASHSIM | sort", "no-such-program", "cat no-such-file", "echo out; echo err >&2; exit 1",
		"cd /; umask 077; set -e; false; echo not here", "x=1; export x; readonly y=2; echo ${x}${y:-}; exit 1",
		"trap 'echo trapped' EXIT; exit 4", "exec cat small", "exec 7>own; echo seven >&7; exec 7>&-; cat own",
		"echo no 8 >&8", "echo no 9 >&9", "cat", "read x; echo \"got $x\"", "for i in 1 2 3; do echo $i; done; exit $#",
		"printf 'no newline'", "f() { return 5; }; f", "( exit 6 )", "echo a | grep b", "echo a | cat; exit 2", "# a comment",
		"set -- a b; echo $2; shift; echo $1", "unset PATH; exit 9", "exit 200", "sh -c 'exit 137'; exit $?",
		"head -c 200000 /dev/zero | tr '\\0' x", "echo 'quoted \\ text' \"$(echo sub)\"", "cat <<E\nhere\nE", "set -u; echo $nothing",
		"sleep 0.01 & wait; echo waited", "exit 0 # ) & evil", "exit 0 # } evil",
		// What only a loop, a function, a terminal or a shell with jobs would heed.
		"break; echo torn; exit 1", "continue; echo torn; exit 1", "while :; do break 2; done; echo torn; exit 1", "return 3; echo no",
		`echo "$-"`, "set -o", "set | grep -c CRASHSIM_", "( : </dev/tty ) 2>&1; echo $?", "read x </dev/tty; echo \"got $x\"", "cut -d' ' -f 7 /proc/self/stat",
		"grep '^Sig[IBC]' /proc/self/status", "trap 'echo t' HUP; trap", "jobs; wait %1; echo $?", "unset CRASHSIM_DIR; env | grep -c CRASHSIM",
		// What is left running ends with the check, and what it would say is not waited for.
		"sleep 1000 & exit 0", "{ sleep 1000; echo torn: late; } & exit 1",
		// What gets away ends with the check too, or else is waited for, a little.
		"setsid sh -c 'echo >up; sleep 2' & while [ ! -e up ]; do sleep 0.01; done; rm up; exit 0",
		"setsid sh -c 'echo >up; sleep " + late + "; echo late' & while [ ! -e up ]; do sleep 0.01; done; rm up; exit 1",
	} {
		texts, errs, fresh := runs(t, text, time.Minute)
		require.Equal(t, texts[0], texts[1], text)
		require.Equal(t, errs[0], errs[1], text)
		leaves := strings.HasPrefix(text, "sleep 1000") || strings.HasPrefix(text, "{ sleep") || own && strings.HasPrefix(text, "setsid")
		require.Equal(t, !leaves, fresh, text)
	}
}

func TestForkedRunThatTakesTooLongIsEnded(t *testing.T) {
	for _, text := range []string{"sleep 1000", "sleep 1000 & wait", "while :; do :; done", "trap '' TERM INT HUP; sleep 1000; sleep 1000", "kill -STOP 0"} {
		texts, errs, _ := runs(t, text, 300*time.Millisecond)
		require.Equal(t, texts[0], texts[1], text)
		require.Equal(t, "timeout after 300ms", errs[1], text)
		require.Equal(t, errs[0], errs[1], text)
	}
}

// What a run leaves running is ended with it, and its shell is of no more use:
// what is left may have said something that nobody is to hear.
func TestForkedRunLeavesNothingRunning(t *testing.T) {
	temp := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(temp, "1"), 0o777))
	f, err := newForker(`sleep 1000 & echo $! >pid; ( sleep 1000 & echo $! >>pid ); exit 0`, temp, filepath.Join(temp, "1"), (*exec.Cmd).Start)
	require.NoError(t, err)
	defer f.close()
	fresh, err := f.run(&output{}, time.Minute)
	require.NoError(t, err)
	require.False(t, fresh)
	text, err := os.ReadFile(filepath.Join(temp, "1", "pid"))
	require.NoError(t, err)
	pids := strings.Fields(string(text))
	require.Len(t, pids, 2)
	require.Eventually(t, func() bool { return len(started(t, "CRASHSIM_DIR="+temp)) == 0 }, time.Minute, 10*time.Millisecond)
}

// Where the shell is gone nothing is known of the run: that is no verdict.
func TestForkerThatIsGoneIsNoVerdict(t *testing.T) {
	temp := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(temp, "1"), 0o777))
	f, err := newForker(`kill -9 $(ps -o ppid= -p $(sh -c 'echo $PPID'))`, temp, filepath.Join(temp, "1"), (*exec.Cmd).Start)
	require.NoError(t, err)
	defer f.close()
	require.NoError(t, syscall.Kill(f.cmd.Process.Pid, syscall.SIGKILL))
	fresh, err := f.run(&output{}, time.Minute)
	require.False(t, fresh)
	require.ErrorIs(t, err, errForker)
}

// A command that a fork would not run as a new shell does has a new one.
func TestWhatIsNotForkable(t *testing.T) {
	for _, args := range [][]string{
		Shell("kill -9 $$"), Shell("echo ${$}"), Shell("echo $!"), Shell("alias hi='echo hi'\nhi"), Shell("local x"), Shell("if true"), Shell(`echo last \`), Shell("echo 'open"), Shell(") ; evil ; ("), {"/bin/true"}, {"/bin/sh", "file"},
	} {
		require.False(t, forkable(args), "%q", args)
	}
	// What is whole by itself and not inside of something else is noticed at the start.
	_, err := newForker("cat <<E\nno end", t.TempDir(), t.TempDir(), (*exec.Cmd).Start)
	require.Error(t, err)
}

// A run whose shell ends in the midst of it is no verdict either, and does not go
// on.
func TestRunEndsWithItsForker(t *testing.T) {
	temp := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(temp, "1"), 0o777))
	f, err := newForker("sleep 1000 & echo up; sleep 1000", temp, filepath.Join(temp, "1"), (*exec.Cmd).Start)
	require.NoError(t, err)
	defer f.close()
	ran := 0
	out := &output{next: writerFunc(func([]byte) {
		ran = len(started(t, "CRASHSIM_DIR="+temp))
		f.kill()
	})}
	fresh, err := f.run(out, time.Minute)
	require.False(t, fresh)
	require.ErrorIs(t, err, errForker)
	require.Positive(t, ran)
	require.Eventually(t, func() bool { return len(started(t, "CRASHSIM_DIR="+temp)) == 0 }, time.Minute, 10*time.Millisecond)
}

// writerFunc is told of what is written.
type writerFunc func([]byte)

func (w writerFunc) Write(p []byte) (int, error) {
	w(p)
	return len(p), nil
}

// What a run that got away says later is not said by the next one.
func TestRunsDoNotShareTheirOutput(t *testing.T) {
	noOwnSpace.Store(true) // else nothing could get away
	t.Cleanup(func() { noOwnSpace.Store(false) })
	temp := t.TempDir()
	f, err := newForker(`if [ ! -e gone ]; then
	setsid sh -c 'trap "" PIPE; echo >gone; while [ ! -e up ]; do sleep 0.01; done; echo late; echo >said' & while [ ! -e gone ]; do sleep 0.01; done; exit 3
else
	echo up >up; while [ ! -e said ]; do sleep 0.01; done; echo mine
fi`, temp, temp, (*exec.Cmd).Start)
	require.NoError(t, err)
	defer f.close()
	fresh, err := f.run(&output{}, time.Minute)
	require.EqualError(t, err, "exit status 3")
	require.True(t, fresh)
	out := &output{}
	_, err = f.run(out, time.Minute)
	require.NoError(t, err)
	require.Equal(t, "mine\n", out.raw())
}

// The shell opens its output by a name, which leads there in any PID namespace.
func TestForkedRunNeedsNoProc(t *testing.T) {
	temp := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(temp, "1"), 0o777))
	require.NotContains(t, loop("exit 0", temp, temp), "/proc")
	f, err := newForker("echo said; exit 3", temp, filepath.Join(temp, "1"), (*exec.Cmd).Start)
	require.NoError(t, err)
	defer f.close()
	for range 3 {
		out := &output{}
		_, err = f.run(out, time.Minute)
		require.EqualError(t, err, "exit status 3")
		require.Equal(t, "said\n", out.raw())
	}
	left, err := filepath.Glob(filepath.Join(temp, "pipe-*"))
	require.NoError(t, err)
	require.Empty(t, left, "a pipe goes with its run")
}

// A shell that one worker has taken is no other's, and each worker gets the answer
// to what it asked.
func TestWorkersDoNotShareAShell(t *testing.T) {
	c, err := NewChecker(Options{Materialise: true})
	require.NoError(t, err)
	c.options.Materialise = false // the directories here are no disks
	args := Shell(`read n <small; echo "said $n"; exit "$n"`)
	const workers, each = 16, 100
	var done sync.WaitGroup
	var all []*window
	for i := range workers {
		w, err := c.windows.get()
		require.NoError(t, err)
		dir, err := c.windows.newDirectory()
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, "small"), []byte(strconv.Itoa(i)+"\n"), 0o644))
		if w.view == nil {
			w.dir = dir
		} else {
			require.NoError(t, w.view.Bind(dir))
		}
		all = append(all, w)
		done.Go(func() {
			for range each {
				f, err := c.forker(w, args)
				if !assert.NoError(t, err) {
					return
				}
				out := &output{}
				fresh, err := f.run(out, time.Minute)
				assert.True(t, fresh)
				assert.Equal(t, fmt.Sprintf("said %d\n", i), out.raw())
				if i > 0 {
					assert.EqualError(t, err, fmt.Sprintf("exit status %d", i))
				}
				w.standBy(commandKey(args), f)
			}
		})
	}
	done.Wait()
	for _, w := range all {
		require.Len(t, w.idle[commandKey(args)], 1)
		c.windows.put(w)
	}
	require.NoError(t, c.Close())
}

// A check cannot take the answer of its shell away, nor give one itself: what a
// process has open can be opened through /proc if it is a pipe.
func TestAForkedRunCannotAnswerForItsShell(t *testing.T) {
	if _, err := os.Stat("/proc/self/fd"); err != nil {
		t.Skip(err)
	}
	temp := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(temp, "1"), 0o777))
	f, err := newForker(fmt.Sprintf(`read -r n <own
( echo 7 >/proc/%[1]d/fd/$n ) 2>/dev/null && echo opened
( timeout 1 cat </proc/%[1]d/fd/$n ) 2>/dev/null && echo opened
exit 3`, os.Getpid()), temp, filepath.Join(temp, "1"), (*exec.Cmd).Start)
	require.NoError(t, err)
	defer f.close()
	conn, err := f.jobs.SyscallConn()
	require.NoError(t, err)
	require.NoError(t, conn.Control(func(fd uintptr) {
		require.NoError(t, os.WriteFile(filepath.Join(temp, "1", "own"), fmt.Appendln(nil, fd), 0o600))
	}))
	for range 2 {
		out := &output{}
		_, err := f.run(out, time.Minute)
		require.EqualError(t, err, "exit status 3")
		require.NotContains(t, out.raw(), "opened")
	}
}
