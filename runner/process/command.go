package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"
)

// Names of the files that a mount has besides those of its programs.
const (
	markFile   = ".crashsim-mark"
	stdoutFile = ".crashsim-stdout"
	marksFile  = ".crashsim-marks"
)

// enter changes the directory: the process that serves a mount must not start a
// program in it. A shell does, with what it is to do behind it.
const enter = "cd -- \"$CRASHSIM_DIR\" || exit 125\n"

// command is a process to be run on a directory.
type command struct {
	args      []string
	stdin     *os.File // nil for none
	stdout    string   // the standard output as a file in dir, "" for output
	dir       string
	workspace string // of those who work there: see household
	env       []string
	output    io.Writer // standard error too
	timeout   time.Duration
	start     func(*exec.Cmd) error // starts the process; nil: as any other
	check     bool                  // what it leaves running ends when it exits, and not when its output does
}

// waitDelay is how long a program's output is waited for when the program has
// ended, but something that it left running has not; and how long the output of
// what got away.
const waitDelay = time.Second

// errTimeout says that a process took too long.
var errTimeout = errors.New("timeout")

// run runs the process and ends whatever it leaves running. The error is
// errTimeout, wrapped, an *exec.ExitError, that of the context, or that it could not
// be started.
func (c *command) run(ctx context.Context) error {
	ended, interrupted := atWork(c.workspace), ctx
	ctx, tooLate := context.WithCancelCause(ctx)
	defer tooLate(nil)
	if c.timeout > 0 {
		defer afterAwake(c.timeout, func() { tooLate(errTimeout) })()
	}
	cmd, err := c.process(ctx)
	if err != nil {
		return errors.Join(err, ended(false))
	}
	r, w, err := os.Pipe()
	if err != nil {
		_ = ended(false) // nothing has begun
		return err
	}
	cmd.Stdout, cmd.Stderr = w, w
	if c.stdin != nil {
		cmd.Stdin = c.stdin
	}
	// This thread is to live as long as the process that it starts.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	end := func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.Cancel = end
	start := c.start
	if start == nil {
		start = (*exec.Cmd).Start
	}
	err = start(cmd)
	_ = w.Close()
	if err != nil {
		_ = ended(false)
		return errors.Join(err, r.Close())
	}
	read := make(chan error, 1)
	go func() {
		_, err := io.Copy(c.output, r)
		_ = r.Close() // where nobody can write, nobody is to wait
		read <- err
	}()
	err = cmd.Wait()
	late := context.Cause(ctx) == errTimeout
	var cut error
	complete := false
	if !c.check {
		select { // what it left running may have something to say
		case cut = <-read:
			complete = true
		case <-time.After(waitDelay):
		}
	}
	left := end() == nil // as a rule there is nothing left of its group
	strays := ended(left)
	if !complete {
		_ = r.SetReadDeadline(time.Now().Add(waitDelay))
		cut = <-read
	}
	switch {
	case strays != nil:
		return strays
	case interrupted.Err() != nil:
		return interrupted.Err()
	case late:
		return fmt.Errorf("%w after %s", errTimeout, c.timeout)
	case err == nil && !errors.Is(cut, os.ErrDeadlineExceeded):
		return cut
	}
	return err
}

// process makes the process that is to be started. It ends with the thread that starts
// it, and that of a check has a PID namespace to itself where that is possible.
func (c *command) process(ctx context.Context) (*exec.Cmd, error) {
	own := false
	if c.check {
		var err error
		if own, err = ownSpace(); err != nil {
			return nil, err
		}
	}
	args := c.shellArgs()
	if own {
		args = append([]string{"-c", ownShell, "sh", shell}, args...)
	}
	cmd := exec.CommandContext(ctx, shell, args...)
	cmd.Env = append(append(os.Environ(), "CRASHSIM_DIR="+c.dir, "PWD="+c.dir), c.env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	endWithParent(cmd.SysProcAttr)
	if own {
		inOwnSpace(cmd.SysProcAttr)
	}
	return cmd, nil
}

// ownShell is the first process of a PID namespace, in which a check runs. It has
// nothing to say of how the check ends, but its exit status. When it ends, so does
// all that the check has left.
const ownShell = `exec 9>&2 2>/dev/null; ( exec "$@" 2>&9 9>&- ); exit $?`

// shellArgs are the arguments of the shell that runs the command. What a shell
// is to run anyway it runs itself: to start a program takes most of the time of
// a small check.
func (c *command) shellArgs() []string {
	script := enter
	if c.stdout != "" {
		script += "exec >" + c.stdout + "\n"
	}
	if len(c.args) == 3 && c.args[0] == shell && c.args[1] == "-c" {
		return []string{"-c", script + c.args[2]}
	}
	return append([]string{"-c", script + `exec "$@"`, "sh"}, c.args...)
}

// absolute finds the program of a command before the directory changes.
func absolute(args []string) ([]string, error) {
	if len(args) == 0 {
		return nil, errors.New("no command")
	}
	path, err := exec.LookPath(args[0])
	if err != nil && !errors.Is(err, exec.ErrDot) {
		return nil, err
	}
	if path, err = filepath.Abs(path); err != nil {
		return nil, err
	}
	return append([]string{path}, args[1:]...), nil
}

// Shell returns the arguments of a command that the shell is to run.
func Shell(text string) []string { return []string{shell, "-c", text} }

const shell = "/bin/sh"
