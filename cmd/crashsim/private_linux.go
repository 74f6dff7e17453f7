package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/crashsim/crashsim/runner/process"
)

// A command that runs programs consists of three processes:
//
//   - the outer one, which the user started. It waits, and passes signals on;
//   - the init, the first process of a PID namespace and a mount namespace. When
//     it ends, however it ends, the kernel ends all that is left in the namespace:
//     daemons that programs have left too. It ends when the outer one or the inner
//     one does;
//   - the inner one, which does the work. Nobody outside sees its mounts.
//
// Where the system allows no PID namespace, the init has a mount namespace alone, and
// ends what is left to it when the inner or the outer process has ended. Where the
// system allows neither, the outer process does the work. What is left there if the
// init, or the process that does the work, is killed is ended and removed by the
// guardian of package process, and if that is killed too, by the next run.

// privateEnv says to a run of this command which of the three it is.
const privateEnv = "CRASHSIM_PRIVATE"

// Values of privateEnv.
const (
	asInit     = "init"      // of a PID namespace
	asInitOnly = "mount"     // of a mount namespace alone
	asInner    = "inner"     // behind it stands, after a colon, the number of the init
	tryMount   = "try mount" // the outer process, which shall do without a PID namespace
	asAll      = "all"       // the outer process, which shall do without an init
)

// lifeline is the descriptor of a socket that the outer process holds the other
// end of: when it ends, so does that process.
const lifeline = 3

// inPrivate runs the command once more, with its processes and mounts to itself,
// and reports whether that was done, and with which exit status.
//
// A signal may have ended the context before there was anybody to pass it on to.
func inPrivate(ctx context.Context, stderr io.Writer) (status int, done bool) {
	role := os.Getenv(privateEnv)
	_ = os.Unsetenv(privateEnv) // it is not for the programs that are run
	switch role {
	case asInit, asInitOnly:
		return beInit(ctx, role == asInit, stderr), true
	case asAll:
		return 0, false
	}
	if init, ok := strings.CutPrefix(role, asInner+":"); ok {
		if init == strconv.Itoa(os.Getppid()) {
			process.AloneWith(os.Getppid())
		}
		return 0, false
	}
	roles := []string{asInit, asInitOnly}
	if role == tryMount {
		roles = roles[1:]
	}
	signals := passedOn()
	defer signal.Stop(signals)
	for _, role := range roles {
		if ctx.Err() != nil {
			break
		}
		if status, done := runInit(role, signals, stderr); done {
			return status, true
		}
	}
	return 0, false
}

// runInit starts an init, waits for its end, and passes signals on to it. It
// reports whether there could be such an init.
func runInit(role string, signals <-chan os.Signal, stderr io.Writer) (status int, done bool) {
	ours, theirs, err := socketPair()
	if err != nil {
		return 0, false
	}
	defer ours.Close()
	// The parent's death is told to the child when the thread ends that made it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd := again(role)
	cmd.ExtraFiles = []*os.File{theirs} // the first of them is number 3, the lifeline
	// In a session of its own it has no terminal: Ctrl-C reaches it once, through this
	// process, and nothing stops it when it writes while another process reads there.
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS, Setsid: true}
	if role == asInit {
		cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWPID
	}
	if id := os.Geteuid(); id != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: id, Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	}
	err = cmd.Start()
	_ = theirs.Close()
	if err != nil {
		return 0, false
	}
	// The init says when it has its namespaces, and heeds signals. One that does not
	// say so was not allowed to, or was killed.
	n, _ := ours.Read(make([]byte, 1))
	defer passTo(cmd.Process, signals)()
	err = cmd.Wait()
	if n == 0 && exitCode(err) == exitNoNamespace {
		return 0, false
	}
	return statusOfChild(err, stderr), true
}

// exitNoNamespace is the exit status of an init that cannot have a PID namespace
// with a /proc of its own.
const exitNoNamespace = 125

// socketPair returns two connected sockets that no program inherits.
func socketPair() (ours, theirs *os.File, err error) {
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, err
	}
	return os.NewFile(uintptr(pair[0]), "lifeline"), os.NewFile(uintptr(pair[1]), "lifeline"), nil
}

// again is this command once more, in another role.
func again(role string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe")
	cmd.Args = os.Args
	cmd.Env = append(os.Environ(), privateEnv+"="+role)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	return cmd
}

// passedOn returns a channel for the signals that end a command. Those that
// whoever started it wants to be ignored stay so.
func passedOn() chan os.Signal {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, endingSignals()...)
	return signals
}

// passTo passes signals on to a process, which has a session of its own so that a
// terminal's Ctrl-C reaches it once, until stop is called.
func passTo(p *os.Process, signals <-chan os.Signal) (stop func()) {
	over := make(chan struct{})
	go func() {
		for {
			select {
			case s := <-signals:
				_ = p.Signal(s)
			case <-over:
				return
			}
		}
	}()
	return func() { close(over) }
}

// beInit is what an init does: it starts the inner process, ends with it, and waits
// for the processes that others have left to it.
func beInit(ctx context.Context, withPIDs bool, stderr io.Writer) int {
	syscall.CloseOnExec(lifeline)
	outer := os.NewFile(lifeline, "lifeline")
	// Nothing is told the outside from here on.
	_ = syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, "")
	if withPIDs {
		const flags = syscall.MS_NOSUID | syscall.MS_NODEV | syscall.MS_NOEXEC
		if os.Getpid() != 1 || syscall.Mount("proc", "/proc", "proc", flags, "") != nil {
			return exitNoNamespace
		}
	}
	signals := passedOn()
	if ctx.Err() != nil {
		return exitInterrupted
	}
	inner := again(asInner + ":" + strconv.Itoa(os.Getpid()))
	// Without a PID namespace, this is the next best: it ends with its parent.
	runtime.LockOSThread()
	inner.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := inner.Start(); err != nil {
		_, _ = fmt.Fprintf(stderr, "crashsim: %v\n", err)
		return exitUsage
	}
	defer passTo(inner.Process, signals)()
	_, _ = outer.Write([]byte{1})
	go func() {
		_, _ = outer.Read(make([]byte, 1))
		_ = inner.Process.Kill() // the outer process is no more
	}()
	if withPIDs {
		return waitForInner(inner.Process.Pid, stderr)
	}
	_ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
	defer endChildren()
	return waitForInner(inner.Process.Pid, stderr)
}

// waitForInner waits for the end of the inner process, and meanwhile for that of the
// processes that others have left to this one. A check can stop the inner process,
// which would then wait for ever: it goes on at once.
func waitForInner(inner int, stderr io.Writer) int {
	for {
		var state syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &state, syscall.WUNTRACED, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err == nil && state.Stopped():
			if pid == inner {
				_ = syscall.Kill(inner, syscall.SIGCONT)
			}
		case err != nil:
			_, _ = fmt.Fprintf(stderr, "crashsim: wait: %v\n", err)
			return exitUsage
		case pid == inner:
			return statusOfInner(state, stderr)
		}
	}
}

// endChildren ends all that has been left to this process.
func endChildren() {
	for {
		var children []string
		lists, _ := filepath.Glob("/proc/self/task/*/children")
		for _, list := range lists {
			text, _ := os.ReadFile(list)
			children = append(children, strings.Fields(string(text))...)
		}
		if len(children) == 0 {
			return
		}
		for _, child := range children {
			if pid, err := strconv.Atoi(child); err == nil {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
		_, _ = syscall.Wait4(-1, nil, 0, nil)
	}
}

// statusOfInner is the exit status of a command whose work ended so.
func statusOfInner(state syscall.WaitStatus, stderr io.Writer) int {
	switch {
	case !state.Signaled():
		return state.ExitStatus()
	case state.Signal() == syscall.SIGINT, state.Signal() == syscall.SIGTERM, state.Signal() == syscall.SIGHUP:
		_, _ = fmt.Fprintln(stderr, "crashsim: interrupted")
		return exitInterrupted
	}
	_, _ = fmt.Fprintf(stderr, "crashsim: the process that does the work was ended by a signal (%v), so that there is no verdict; the system does that when memory runs out\n", state.Signal())
	return exitUsage
}

// exitCode is the exit status of a process that Wait has returned this for, -1 if
// a signal ended it or nothing is known.
func exitCode(err error) int {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &exit):
		return exit.ExitCode()
	}
	return -1
}

func statusOfChild(err error, stderr io.Writer) int {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return statusOfInner(exit.Sys().(syscall.WaitStatus), stderr)
	}
	if err != nil {
		_, _ = fmt.Fprintf(stderr, "crashsim: %v\n", err)
		return exitUsage
	}
	return exitOK
}
