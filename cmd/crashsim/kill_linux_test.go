package main

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/stretchr/testify/require"
)

// killsVariable says how many runs TestARunLeavesNothingBehindHoweverItEnds ends.
const killsVariable = "CRASHSIM_KILLS"

func kills(t *testing.T) int {
	text := os.Getenv(killsVariable)
	if text == "" {
		return len(endings) // each once
	}
	n, err := strconv.Atoi(text)
	require.NoError(t, err, killsVariable)
	return n
}

// ending is a way in which a run ends before its time.
type ending struct {
	name string
	end  func(v *victim)
}

var endings = []ending{
	{"SIGKILL of the outer process", func(v *victim) { v.signal(syscall.SIGKILL, 0) }},
	{"SIGKILL of the init", func(v *victim) { v.signal(syscall.SIGKILL, 1) }},
	{"SIGKILL of the inner process", func(v *victim) { v.signal(syscall.SIGKILL, 2) }},
	{"SIGKILL of all", func(v *victim) { v.signal(syscall.SIGKILL, -1) }},
	{"SIGTERM", func(v *victim) { v.signal(syscall.SIGTERM, 0) }},
	{"SIGINT", func(v *victim) { v.signal(syscall.SIGINT, 0) }},
	{"SIGINT twice", func(v *victim) {
		v.signal(syscall.SIGINT, 0)
		v.signal(syscall.SIGINT, 0)
	}},
	{"SIGHUP", func(v *victim) { v.signal(syscall.SIGHUP, 0) }},
	{"SIGQUIT", func(v *victim) { v.signal(syscall.SIGQUIT, 0) }},
	{"closed terminal", func(v *victim) { _ = v.terminal.Close() }},
}

// phases are what a run is doing when it is ended; in the last one, anything: it
// starts, or closes what it has opened.
var phases = []string{"recording", "recovery", "checking", ""}

// victim is a run that is to be ended.
type victim struct {
	cmd      *exec.Cmd
	terminal io.Closer
	family   []int // the processes of the run, the outer one first, as they were found
	role     string
	done     chan error
}

// signal sends a signal to one of the three processes of a run, or to all that it
// has. A run without namespaces has one.
func (v *victim) signal(s syscall.Signal, which int) {
	if which < 0 {
		for _, pid := range v.family {
			_ = syscall.Kill(pid, s)
		}
		return
	}
	if v.role == asAll { // what comes next are shells
		which = 0
	}
	if which < len(v.family) {
		_ = syscall.Kill(v.family[which], s)
	}
}

// lived is how long what was ended may take to be gone.
const lived = 30 * time.Second

// However a run ends, whatever it did: all its processes end, those too that
// programs and checks have sent away; nothing is mounted; and the next run removes
// what files it has left. That is so where the system allows no namespaces, too.
func TestARunLeavesNothingBehindHoweverItEnds(t *testing.T) {
	skipWithoutFUSE(t)
	random := rand.New(rand.NewPCG(uint64(os.Getpid()), 1))
	for i := range kills(t) {
		how, phase := endings[i%len(endings)], phases[random.IntN(len(phases))]
		mode := modes[random.IntN(len(modes))]
		name := fmt.Sprintf("%s, %s, %s", how.name, phase, mode.name)
		t.Setenv("TMPDIR", t.TempDir())
		// Without a PID namespace, daemons stay if all are killed that could end them.
		daemons := mode.role == "" || !strings.HasSuffix(how.name, "all")
		v := start(t, mode.role, daemons)
		v.waitFor(phase, random)
		v.family = descendants(v.cmd.Process.Pid)
		how.end(v)
		select {
		case <-v.done:
		case <-time.After(lived):
			require.FailNow(t, "it does not end", name+describe(v.family))
		}
		_ = v.terminal.Close()
		requireGone(t, v.family, name)
		requireNothingLeft(t, name)
	}
}

// modes are what the system allows a run.
var modes = []struct{ name, role string }{
	{"all namespaces", ""}, {"all namespaces", ""}, {"a mount namespace", tryMount}, {"no namespaces", asAll},
}

// start starts a run whose program, recovery and check say what they do, and leave
// daemons.
func start(t *testing.T, role string, daemons bool) *victim {
	t.Helper()
	daemon := "setsid sleep 1000 >/dev/null 2>&1 &"
	if !daemons {
		daemon = ""
	}
	v := &victim{role: role, done: make(chan error, 1)}
	v.cmd = crashsim(t, "exec",
		"--recover", `echo recovery >>"$PHASE"; echo r >r; sync r; `+daemon+` sleep 0.01`,
		"--check", `echo checking >>"$PHASE"; `+daemon+` sleep 0.01; [ ! -s "$CRASHSIM_MARKS" ] || [ -e 6 ]`,
		"--", "sh", "-c", `echo recording >>"$PHASE"; `+daemon+` for i in 1 2 3 4 5 6; do echo $i >$i; sleep 0.01; done; echo saved`)
	v.cmd.Env = append(v.cmd.Env, "PHASE="+phaseFile())
	if role != "" {
		v.cmd.Env = append(v.cmd.Env, privateEnv+"="+role)
	}
	terminal, tty, err := pty.Open()
	require.NoError(t, err)
	v.terminal = terminal
	v.cmd.Stdin, v.cmd.Stdout, v.cmd.Stderr = tty, tty, tty
	v.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	require.NoError(t, v.cmd.Start())
	require.NoError(t, tty.Close())
	go func() { _, _ = io.Copy(io.Discard, terminal) }()
	go func() { v.done <- v.cmd.Wait() }()
	t.Cleanup(func() {
		_ = v.cmd.Process.Kill()
		_ = terminal.Close()
	})
	return v
}

func phaseFile() string { return filepath.Join(os.TempDir(), "phase") }

// waitFor waits until a run is in a phase, and then a little, at random. A run that
// is over by then is ended all the same.
func (v *victim) waitFor(phase string, random *rand.Rand) {
	if phase == "" {
		time.Sleep(time.Duration(random.IntN(800)) * time.Millisecond)
		return
	}
	for began := time.Now(); time.Since(began) < lived && len(v.done) == 0; time.Sleep(time.Millisecond) {
		text, _ := os.ReadFile(phaseFile())
		if bytes.Contains(text, []byte(phase)) {
			break
		}
	}
	time.Sleep(time.Duration(random.IntN(30)) * time.Millisecond)
}

// descendants returns a process and its descendants, parents first.
func descendants(pid int) []int {
	children := map[int][]int{}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, name := range stats {
		stat, err := os.ReadFile(name)
		if err != nil {
			continue
		}
		var parent int
		_, _ = fmt.Sscanf(string(stat[bytes.LastIndexByte(stat, ')')+1:]), " %s %d", new(string), &parent)
		child, _ := strconv.Atoi(filepath.Base(filepath.Dir(name)))
		children[parent] = append(children[parent], child)
	}
	family := []int{pid}
	for i := 0; i < len(family); i++ {
		family = append(family, children[family[i]]...)
	}
	return family
}

// alive returns those processes that have a thread which is not dead.
func alive(pids []int) []int {
	return slices.DeleteFunc(slices.Clone(pids), func(pid int) bool {
		threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
		return !slices.ContainsFunc(threads, func(name string) bool {
			stat, err := os.ReadFile(name)
			if err != nil {
				return false
			}
			rest := string(stat[bytes.LastIndexByte(stat, ')')+1:])
			return !strings.HasPrefix(rest, " Z") && !strings.HasPrefix(rest, " X")
		})
	})
}

func requireGone(t *testing.T, pids []int, name string) {
	t.Helper()
	for began := time.Now(); len(alive(pids)) > 0; time.Sleep(5 * time.Millisecond) {
		if time.Since(began) > lived {
			require.FailNow(t, "processes are left", name+describe(alive(pids)))
		}
	}
}

// describe tells of processes what they are doing.
func describe(pids []int) string {
	var b strings.Builder
	for _, pid := range pids {
		for _, file := range []string{"cmdline", "stat", "stack"} {
			text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, file))
			fmt.Fprintf(&b, "\n%d %s: %q", pid, file, text)
		}
	}
	return b.String()
}

// requireNothingLeft requires that the next run finds nothing in its way and leaves
// nothing. What was killed with the last one may take a moment to end, where there
// are no namespaces.
func requireNothingLeft(t *testing.T, name string) {
	t.Helper()
	var left []string
	for began := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		next := crashsim(t, "record", "-o", filepath.Join(os.TempDir(), "trace"), "--", "true")
		late := time.AfterFunc(lived, func() { _ = next.Process.Kill() })
		out, err := next.CombinedOutput()
		late.Stop()
		require.NoError(t, err, "%s: %s", name, out)
		require.Empty(t, mountsIn(t, os.TempDir()), name)
		left, err = filepath.Glob(filepath.Join(os.TempDir(), "crashsim-*"))
		require.NoError(t, err)
		if len(left) == 0 {
			return
		}
		if time.Since(began) > lived {
			require.Empty(t, left, name)
		}
	}
}
