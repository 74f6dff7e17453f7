package process

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// runs runs a command in a shell of its own, which is the definition, and in a
// forked one, in directories of the same contents.
func runs(t *testing.T, text string, timeout time.Duration) (texts, errs [2]string, fresh bool) {
	t.Helper()
	for i := range 2 {
		place := t.TempDir()
		dir := filepath.Join(place, "1")
		require.NoError(t, os.Mkdir(dir, 0o777))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "small"), []byte("7\n"), 0o644))
		require.NoError(t, os.WriteFile(filepath.Join(dir, marksFile), []byte("saved\n"), 0o644))
		out := &output{}
		var err error
		if i == 0 {
			c := command{args: Shell(text), dir: dir, output: out, timeout: timeout, env: []string{
				"CRASHSIM_MARKS=" + filepath.Join(dir, marksFile), "CRASHSIM_MARK=" + filepath.Join(dir, markFile),
			}}
			err = c.run(t.Context())
		} else {
			require.True(t, forkable(Shell(text)), text)
			f, err2 := newForker(text, place)
			require.NoError(t, err2)
			defer f.close()
			// What one run does to its shell, the next one does not see.
			_, _ = f.run("1", &output{}, timeout)
			if fresh, err = f.run("1", out, timeout); !fresh {
				require.NotErrorIs(t, err, errForker)
			}
		}
		texts[i] = strings.ReplaceAll(out.raw(), place, "PLACE")
		if err != nil {
			errs[i] = err.Error()
		}
	}
	return texts, errs, fresh
}

func TestForkedRunIsLikeOneInAShellOfItsOwn(t *testing.T) {
	for _, text := range []string{
		"exit 0", "exit 3", "true", "false", "read n <small && echo $n && exit 0",
		`echo "$CRASHSIM_DIR $CRASHSIM_MARKS $CRASHSIM_MARK $PWD"; pwd; cat "$CRASHSIM_MARKS"`,
		"env | grep CRASHSIM | sort", "no-such-program", "cat no-such-file", "echo out; echo err >&2; exit 1",
		"cd /; umask 077; set -e; false; echo not here", "x=1; export x; readonly y=2; echo ${x}${y:-}; exit 1",
		"trap 'echo trapped' EXIT; exit 4", "exec cat small", "exec 7>own; echo seven >&7; exec 7>&-; cat own",
		"echo no 8 >&8", "echo no 9 >&9", "cat", "read x; echo \"got $x\"", "for i in 1 2 3; do echo $i; done; exit $#",
		"printf 'no newline'", "f() { return 5; }; f", "( exit 6 )", "echo a | grep b", "echo a | cat; exit 2", "# a comment",
		"set -- a b; echo $2; shift; echo $1", "alias x=y; unset PATH; exit 9", "exit 200", "sh -c 'exit 137'; exit $?",
		"head -c 200000 /dev/zero | tr '\\0' x", "echo 'quoted \\ text' \"$(echo sub)\"", "cat <<E\nhere\nE", "set -u; echo $nothing",
		"sleep 0.01 & wait; echo waited", "exit 0 # ) & evil",
	} {
		texts, errs, fresh := runs(t, text, time.Minute)
		require.Equal(t, texts[0], texts[1], text)
		require.Equal(t, errs[0], errs[1], text)
		require.True(t, fresh, text)
	}
}

func TestForkedRunThatTakesTooLongIsEnded(t *testing.T) {
	for _, text := range []string{"sleep 1000", "sleep 1000 & wait", "while :; do :; done", "trap '' TERM INT HUP; sleep 1000; sleep 1000"} {
		texts, errs, _ := runs(t, text, 300*time.Millisecond)
		require.Equal(t, texts[0], texts[1], text)
		require.Equal(t, "timeout after 300ms", errs[1], text)
		require.Equal(t, errs[0], errs[1], text)
	}
}

// What a run leaves running is ended with it, and its shell is of no more use:
// what is left may have said something that nobody is to hear.
func TestForkedRunLeavesNothingRunning(t *testing.T) {
	place := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(place, "1"), 0o777))
	f, err := newForker(`sleep 1000 & echo $! >pid; ( sleep 1000 & echo $! >>pid ); exit 0`, place)
	require.NoError(t, err)
	defer f.close()
	fresh, err := f.run("1", &output{}, time.Minute)
	require.NoError(t, err)
	require.False(t, fresh)
	text, err := os.ReadFile(filepath.Join(place, "1", "pid"))
	require.NoError(t, err)
	pids := strings.Fields(string(text))
	require.Len(t, pids, 2)
	for _, p := range pids {
		pid, err := strconv.Atoi(p)
		require.NoError(t, err)
		require.Eventually(t, func() bool {
			stat, err := os.ReadFile("/proc/" + p + "/stat")
			return err != nil || strings.Contains(string(stat), ") Z ")
		}, 5*time.Second, 10*time.Millisecond, "%d", pid)
	}
}

// Where the shell is gone nothing is known of the run: that is no verdict.
func TestForkerThatIsGoneIsNoVerdict(t *testing.T) {
	place := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(place, "1"), 0o777))
	f, err := newForker(`kill -9 $(ps -o ppid= -p $(sh -c 'echo $PPID'))`, place)
	require.NoError(t, err)
	defer f.close()
	require.NoError(t, syscall.Kill(f.cmd.Process.Pid, syscall.SIGKILL))
	fresh, err := f.run("1", &output{}, time.Minute)
	require.False(t, fresh)
	require.ErrorIs(t, err, errForker)
}

// A command that a fork would not run as a new shell does has a new one.
func TestWhatIsNotForkable(t *testing.T) {
	for _, args := range [][]string{
		Shell("kill -9 $$"), Shell("echo ${$}"), Shell("if true"), Shell(`echo last \`), Shell("echo 'open"), Shell(") ; evil ; ("), {"/bin/true"}, {"/bin/sh", "file"},
	} {
		require.False(t, forkable(args), "%q", args)
	}
	// What is whole by itself and not inside of something else is noticed at the start.
	_, err := newForker("cat <<E\nno end", t.TempDir())
	require.Error(t, err)
}

func TestEndOfAnOutputIsFoundWhereverItFalls(t *testing.T) {
	for n := 1; n < 30; n++ {
		out := &output{}
		copyUntil(out, &slowReader{text: []byte("some text, and ENENDEN then END behind"), n: n}, []byte("END "))
		require.Equal(t, "some text, and ENENDEN then ", out.raw())
	}
	out := &output{}
	copyUntil(out, strings.NewReader("no end"), []byte("END"))
	require.Equal(t, "no end", out.raw())
}

// slowReader returns a few bytes at a time.
type slowReader struct {
	text []byte
	n    int
}

func (r *slowReader) Read(p []byte) (int, error) {
	n := copy(p[:min(r.n, len(p))], r.text)
	r.text = r.text[n:]
	return n, nil
}
