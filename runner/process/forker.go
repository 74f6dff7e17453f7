package process

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// A forker is a shell that stands by and forks for each run of a command. To
// start a program costs several times what a fork does, and the command of a
// small check is run by the shell anyway.
//
// Each run has a process group of its own, which is why the shell begins with a
// terminal: without one, it keeps no jobs. The terminal is gone before the first
// run, so that no run has one. What a run leaves behind is ended with it.
type forker struct {
	cmd     *exec.Cmd
	first   bool          // of a PID namespace that it has to itself, with its runs
	gone    chan struct{} // closed when the shell, and with it its namespace, has ended
	jobs    *os.File      // a line for each run; the other end says how it ended
	results *bufio.Reader
	closers []io.Closer
	dir     string // where the pipes of runs are
	name    string // of its pipes, but for a number
	count   int    // of its runs
}

// forkers counts the forkers of this process, so that their pipes have names of
// their own.
var forkers atomic.Int64

// notForkable are what a forked shell says otherwise than a new one. It has the
// number of the shell that it was forked from, and that of the last run; it reads
// the command at once, before an alias is there; and it stands in a function.
var notForkable = []string{"$$", "${$", "$!", "${!", "alias", "local", "set -m"}

// forkable reports whether a forked shell runs a command as a new one would. A
// last line that goes on must not go on with what stands behind the command there.
func forkable(args []string) bool {
	if len(args) != 3 || args[0] != shell || args[1] != "-c" {
		return false
	}
	text := args[2]
	for _, not := range notForkable {
		if strings.Contains(text, not) {
			return false
		}
	}
	return !strings.HasSuffix(text, "\\") && exec.Command(shell, "-n", "-c", text).Run() == nil
}

// loop is what the shell of a forker does. The command is a function, so that a
// break in it is not one of the loop, and it begins on the second line, as it does
// in a shell of its own, so that errors name the same lines. Each line that the shell
// is told is the name of a pipe in a temporary directory where the output of a run goes: no two runs
// share that, since what has left the group of a run can go on to print. If it cannot be
// opened, the shell ends. It is opened for reading first: else the shell would wait
// for a reader for ever if this process was killed meanwhile. The runs work in dir.
func loop(text, pipes, dir string) string {
	return "CRASHSIM_CHECK() { set +m; trap - HUP; unset CRASHSIM_OUT; " + strings.TrimSuffix(enter, "\n") + "\n" + text + "\n" + `}
trap '' HUP
set -m
exec </dev/null >/dev/null 2>&1
echo ready >&9
read -r CRASHSIM_OUT <&8
while read -r CRASHSIM_OUT <&8; do
exec 6<>` + quoted(pipes+"/") + `"$CRASHSIM_OUT" 7>` + quoted(pipes+"/") + `"$CRASHSIM_OUT" 6>&-
CRASHSIM_DIR=` + quoted(dir) + `
CRASHSIM_MARKS=$CRASHSIM_DIR/` + marksFile + `
CRASHSIM_MARK=$CRASHSIM_DIR/` + markFile + `
( CRASHSIM_CHECK ) >&7 2>&1 7>&- 8<&- 9>&- &
echo "$!" >&9
wait "$!"
CRASHSIM_OUT=$?
exec 7>&-
echo "$CRASHSIM_OUT" >&9
done
`
}

// patience is how long a shell may take to do what takes it no time.
const patience = 10 * time.Second

// newForker starts a shell by start. Its runs work in dir, and their pipes are in
// place. An error says that commands have to be run without one: there is no terminal,
// or the command is not what it seems.
func newForker(text, pipes, dir string, start func(*exec.Cmd) error) (f *forker, err error) {
	f = &forker{dir: pipes, name: fmt.Sprintf("pipe-%d-", forkers.Add(1))}
	defer func() {
		if err != nil {
			f.close()
		}
	}()
	terminal, tty, err := pty.Open()
	if err != nil {
		return f, err
	}
	defer func() { _ = terminal.Close() }()
	defer func() { _ = tty.Close() }()
	ours, theirs, err := socketPair()
	if err != nil {
		return f, err
	}
	f.jobs, f.results, f.closers = ours, bufio.NewReader(ours), append(f.closers, ours)
	defer func() { _ = theirs.Close() }()
	if f.first, err = ownSpace(); err != nil {
		return f, err
	}
	cmd := exec.Command(shell, "-c", loop(text, pipes, dir))
	// Extra files begin at 3, so that these are 8 and 9.
	cmd.ExtraFiles = []*os.File{nil, nil, nil, nil, nil, theirs, theirs}
	// Where directories are those of one run, what it starts is known by it for ours.
	cmd.Env = append(os.Environ(), "CRASHSIM_DIR="+dir, "CRASHSIM_MARKS=", "CRASHSIM_MARK=")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = tty, tty, tty
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := f.start(cmd, start); err != nil {
		return f, err
	}
	_ = theirs.Close() // so that the end of the shell is seen
	defer afterAwake(patience, f.kill)()
	if line, err := f.results.ReadString('\n'); err != nil || line != "ready\n" {
		return f, fmt.Errorf("the shell that is to run checks does not stand by: %q, %w", line, err)
	}
	// The shell never minds the hangup, and goes on when it has come. It comes when
	// the last copy of the terminal is closed: a process that is being started
	// elsewhere has one for a moment longer.
	if err := terminal.Close(); err != nil {
		return f, err
	}
	if err := hungUp(tty); err != nil {
		return f, err
	}
	_, err = f.jobs.WriteString("go\n")
	return f, err
}

// start starts the shell on a thread that lives as long as it does: a process that is
// to end with its parent ends with the thread that has started it.
func (f *forker) start(cmd *exec.Cmd, start func(*exec.Cmd) error) error {
	endWithParent(cmd.SysProcAttr)
	if f.first {
		inOwnSpace(cmd.SysProcAttr)
	}
	started, gone := make(chan error), make(chan struct{})
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := start(cmd)
		started <- err
		if err == nil {
			_ = cmd.Wait()
			close(gone)
		}
	}()
	if err := <-started; err != nil {
		return err
	}
	f.cmd, f.gone = cmd, gone
	return nil
}

// socketPair returns two connected sockets that no program inherits. A check could
// open a pipe through /proc, and take what the shell says out of it; not so a socket.
func socketPair() (ours, theirs *os.File, err error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	syscall.CloseOnExec(pair[0])
	syscall.CloseOnExec(pair[1])
	if err := syscall.SetNonblock(pair[0], true); err != nil { // so that Close ends what waits
		return nil, nil, errors.Join(err, syscall.Close(pair[0]), syscall.Close(pair[1]))
	}
	return os.NewFile(uintptr(pair[0]), "shell"), os.NewFile(uintptr(pair[1]), "shell"), nil
}

// hungUp waits until the other side of a terminal is closed.
func hungUp(tty *os.File) error {
	fds := []unix.PollFd{{Fd: int32(tty.Fd())}}
	for began := time.Now(); time.Since(began) < patience; {
		n, err := unix.Poll(fds, int(patience.Milliseconds()))
		if err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("the terminal of a shell: %w", err)
		}
		if n > 0 {
			return nil
		}
	}
	return errors.New("the terminal of a shell does not close")
}

func (f *forker) kill() {
	if f.cmd != nil {
		_ = f.cmd.Process.Kill()
	}
}

// close ends the shell.
func (f *forker) close() {
	f.kill()
	if f.cmd != nil {
		<-f.gone
	}
	for _, c := range f.closers {
		_ = c.Close()
	}
}

// errForker says that the shell of a forker is gone, or talks nonsense: nothing is
// known of the run.
var errForker = errors.New("the shell that runs checks has ended")

// exitStatus is the status of a command that failed. One that a signal ended has
// the status that a shell gives it.
type exitStatus int

func (e exitStatus) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// run runs the command, and ends what it leaves running. The error
// is errTimeout, wrapped, an exitStatus, exec.ErrWaitDelay where something got
// away and may still print, or errForker, wrapped; fresh says whether the forker
// can be used again.
func (f *forker) run(out io.Writer, timeout time.Duration) (fresh bool, err error) {
	f.count++
	name := f.name + strconv.Itoa(f.count)
	r, w, err := namedPipe(filepath.Join(f.dir, name))
	if err != nil {
		return true, err
	}
	defer func() { _ = r.Close() }()
	read := make(chan error, 1)
	go func() {
		_, err := io.Copy(out, r)
		read <- err
	}()
	pid, status, late, err := f.send(name+"\n", timeout)
	_ = w.Close()
	_ = os.Remove(filepath.Join(f.dir, name))
	left, endErr := f.endLeft(pid, late)
	err = errors.Join(err, endErr)
	_ = r.SetReadDeadline(time.Now().Add(waitDelay))
	cut := <-read
	switch {
	case err != nil:
		f.kill()
		return false, err
	case late:
		return !left, fmt.Errorf("%w after %s", errTimeout, timeout)
	case status != 0:
		return !left, exitStatus(status)
	case cut != nil && !errors.Is(cut, os.ErrDeadlineExceeded):
		return !left, cut
	}
	return !left, nil
}

// namedPipe makes a pipe that another process can open by its name. A descriptor
// would have to be opened through /proc, which may be that of another PID namespace,
// where the number of this process is another's.
func namedPipe(name string) (r, w *os.File, err error) {
	if err := syscall.Mkfifo(name, 0o600); err != nil {
		return nil, nil, &os.PathError{Op: "mkfifo", Path: name, Err: err}
	}
	// Without O_NONBLOCK the first of the two would wait for the second.
	r, err = os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err == nil {
		w, err = os.OpenFile(name, os.O_WRONLY|syscall.O_NONBLOCK, 0)
	}
	if err != nil {
		if r != nil {
			_ = r.Close()
		}
		_ = os.Remove(name)
		return nil, nil, err
	}
	return r, w, nil
}

// send lets the shell run once, and returns the number of the run, its status, and
// whether it was ended because it took too long.
func (f *forker) send(job string, timeout time.Duration) (pid, status int, late bool, err error) {
	start := time.Now()
	defer afterAwake(timeout+patience, f.kill)() // it does not even die
	if _, err := f.jobs.WriteString(job); err != nil {
		return 0, 0, false, fmt.Errorf("%w: %w", errForker, err)
	}
	if pid, err = f.number(); err != nil || pid <= 1 {
		return 0, 0, false, fmt.Errorf("%w: run %d: %w", errForker, pid, err)
	}
	var mu sync.Mutex
	over := false
	stop := afterAwake(timeout, func() {
		mu.Lock()
		defer mu.Unlock()
		if !over {
			late = true
			f.endRun(pid)
		}
	})
	status, err = f.number()
	stop()
	mu.Lock()
	defer mu.Unlock()
	over = true
	if late && f.first {
		return pid, 0, true, nil // the shell has ended too
	}
	if err == nil && !late && f.stopped(pid, status) {
		time.Sleep(timeout - time.Since(start)) // nobody lets it go on
		late = true
	}
	return pid, status, late, err
}

// number reads the next number that the shell says.
func (f *forker) number() (int, error) {
	line, err := f.results.ReadString('\n')
	if err != nil {
		return 0, fmt.Errorf("%w: %w", errForker, err)
	}
	n, err := strconv.Atoi(strings.TrimSuffix(line, "\n"))
	if err != nil {
		return 0, fmt.Errorf("%w: it says %q", errForker, line)
	}
	return n, nil
}

// endRun ends the run at hand, which has that number. A shell that is the first
// process of a namespace ends with it, and all that is left in there.
func (f *forker) endRun(pid int) {
	if f.first {
		f.kill()
	} else {
		_ = syscall.Kill(-pid, syscall.SIGKILL)
	}
}

// endLeft ends what a run has left, and reports whether there was anything, as there
// is of a run that was late. Where the shell has no namespace to itself, what has
// left the group of the run stays.
func (f *forker) endLeft(pid int, late bool) (left bool, err error) {
	if !f.first {
		return pid > 1 && syscall.Kill(-pid, syscall.SIGKILL) == nil, nil
	}
	if !late {
		if left, err = hasLivingChildren(f.cmd.Process.Pid); err != nil || !left {
			return err != nil, err
		}
	}
	f.kill()
	select {
	case <-f.gone:
		return true, nil
	case <-time.After(patience):
		return true, errors.New("what a check has left running does not end")
	}
}

// stopped reports whether a run did not end, but was stopped by a signal: the
// shell waits no longer then. Of a run that has ended, the shell has taken the
// status, so that there is no process any more.
func (f *forker) stopped(pid, status int) bool {
	if status < 128+int(syscall.SIGSTOP) || status > 128+int(syscall.SIGTTOU) {
		return false
	}
	if f.first {
		living, err := hasLivingChildren(f.cmd.Process.Pid)
		return living && err == nil
	}
	return syscall.Kill(pid, 0) == nil
}
