package process

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/creack/pty"
)

// A forker is a shell that stands by and forks for each run of a command. To
// start a program costs several times what a fork does, and the command of a
// small check is run by the shell anyway.
//
// Each run has a process group of its own, which is why the shell has a terminal:
// without one, it keeps no jobs. What a run leaves behind is ended with it.
type forker struct {
	cmd      *exec.Cmd
	terminal *os.File
	jobs     *os.File // a line for each run
	results  *bufio.Reader
	output   *os.File
	closers  []io.Closer
}

// forkable reports whether a forked shell runs a command as a new one would. The
// number of the shell is not that of the fork, and a last line that goes on must
// not go on with what stands behind the command there.
func forkable(args []string) bool {
	if len(args) != 3 || args[0] != shell || args[1] != "-c" {
		return false
	}
	text := args[2]
	return !strings.Contains(text, "$$") && !strings.HasSuffix(text, "\\") && !strings.Contains(text, "${$") && exec.Command(shell, "-n", "-c", text).Run() == nil
}

// loop is what the shell of a forker does: of each line that it is told, the first
// word is the directory of a run below a place, and the second what ends its
// output. The command begins on the second line, as it does in a shell of its own,
// so that errors name the same lines. A run has one variable that is its own, and
// not exported.
func loop(text, place string) string {
	return "set -m; echo ready >&9; while read -r CRASHSIM_DIR CRASHSIM_END <&8; do CRASHSIM_DIR=" + quoted(place+"/") + `$CRASHSIM_DIR; ` +
		"CRASHSIM_MARKS=$CRASHSIM_DIR/" + marksFile + "; CRASHSIM_MARK=$CRASHSIM_DIR/" + markFile + "; ( " +
		strings.TrimSuffix(enter, "\n") + "\n" + text + "\n" +
		`) </dev/null >&7 2>&1 7>&- 8<&- 9>&- &
wait "$!"
echo "$! $?" >&9
printf '%s' "$CRASHSIM_END" >&7
done
`
}

// patience is how long a shell may take to do what takes it no time.
const patience = 10 * time.Second

// newForker starts a shell. An error says that commands have to be run without
// one: there is no terminal, or the command is not what it seems.
func newForker(text, place string) (f *forker, err error) {
	f = &forker{}
	defer func() {
		if err != nil {
			f.close()
		}
	}()
	open := func(file *os.File, err2 error) *os.File {
		if err = errors.Join(err, err2); err2 == nil {
			f.closers = append(f.closers, file)
		}
		return file
	}
	terminal, tty, err := pty.Open()
	if err != nil {
		return f, err
	}
	f.terminal = open(terminal, nil)
	defer func() { _ = tty.Close() }()
	var theirs [3]*os.File
	var ours [3]*os.File
	for i := range theirs {
		r, w, err := os.Pipe()
		if err != nil {
			return f, err
		}
		if ours[i], theirs[i] = r, w; i == 1 {
			ours[i], theirs[i] = w, r
		}
		open(ours[i], nil)
		defer func() { _ = theirs[i].Close() }()
	}
	f.output, f.jobs, f.results = ours[0], ours[1], bufio.NewReader(ours[2])
	f.cmd = exec.Command(shell, "-c", loop(text, place))
	// Extra files begin at 3, so that these are 7, 8 and 9.
	f.cmd.ExtraFiles = []*os.File{nil, nil, nil, nil, theirs[0], theirs[1], theirs[2]}
	f.cmd.Env = append(os.Environ(), "CRASHSIM_DIR=", "CRASHSIM_MARKS=", "CRASHSIM_MARK=")
	f.cmd.Stdin, f.cmd.Stdout, f.cmd.Stderr = tty, tty, tty
	f.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	err = f.cmd.Start()
	for _, file := range theirs {
		_ = file.Close() // so that the end of the shell is seen
	}
	if err != nil {
		f.cmd = nil
		return f, err
	}
	go func() { _, _ = io.Copy(io.Discard, terminal) }() // what it says of its jobs
	stop := time.AfterFunc(patience, f.kill)
	defer stop.Stop()
	if line, err := f.results.ReadString('\n'); err != nil || line != "ready\n" {
		return f, fmt.Errorf("the shell that is to run checks does not stand by: %q, %w", line, err)
	}
	return f, nil
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
		_ = f.cmd.Wait()
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

// run runs the command in a directory, and ends what it leaves running. The error
// is errTimeout, wrapped, an exitStatus, or errForker, wrapped; fresh says whether
// the forker can be used again.
func (f *forker) run(dir string, out io.Writer, timeout time.Duration) (fresh bool, err error) {
	end := rand.Text()[:endLength]
	var reading sync.WaitGroup
	reading.Go(func() { copyUntil(out, f.output, []byte(end)) })
	pid, status, late, err := f.tell(dir+" "+end+"\n", timeout)
	if err != nil {
		f.kill()
		_ = f.output.SetReadDeadline(time.Now())
		reading.Wait()
		return false, err
	}
	reading.Wait()
	// What is left of it may still print: then nobody listens any more.
	fresh = syscall.Kill(-pid, syscall.SIGKILL) != nil
	switch {
	case late:
		return fresh, fmt.Errorf("%w after %s", errTimeout, timeout)
	case status != 0:
		return fresh, exitStatus(status)
	}
	return fresh, nil
}

// endLength is how many letters end an output: so many are not said by chance.
const endLength = 12

// tell lets the shell run once, and returns the number of the run, its status, and
// whether it was ended because it took too long.
func (f *forker) tell(job string, timeout time.Duration) (pid, status int, late bool, err error) {
	if _, err := f.jobs.WriteString(job); err != nil {
		return 0, 0, false, fmt.Errorf("%w: %w", errForker, err)
	}
	var mu sync.Mutex
	over := false
	timer := time.AfterFunc(timeout, func() {
		mu.Lock()
		defer mu.Unlock()
		if !over {
			late = true
			f.endRun()
		}
	})
	deadline := time.AfterFunc(timeout+patience, f.kill) // it does not even die
	line, err := f.results.ReadString('\n')
	timer.Stop()
	deadline.Stop()
	mu.Lock()
	defer mu.Unlock()
	over = true
	if err != nil {
		return 0, 0, late, fmt.Errorf("%w: %w", errForker, err)
	}
	if _, err := fmt.Sscanf(line, "%d %d\n", &pid, &status); err != nil || pid <= 1 {
		return 0, 0, late, fmt.Errorf("%w: it says %q", errForker, line)
	}
	return pid, status, late, nil
}

// endRun ends the run at hand, with its process group: that of the shell's only
// child.
func (f *forker) endRun() {
	shell := strconv.Itoa(f.cmd.Process.Pid)
	children, err := os.ReadFile("/proc/" + shell + "/task/" + shell + "/children")
	ended := false
	for child := range strings.FieldsSeq(string(children)) {
		if pid, err := strconv.Atoi(child); err == nil && pid > 1 {
			ended = syscall.Kill(-pid, syscall.SIGKILL) == nil || ended
		}
	}
	if err != nil || !ended {
		f.kill() // without it there is no verdict
	}
}

// copyUntil copies what is read up to an end that nothing else says.
func copyUntil(to io.Writer, from io.Reader, end []byte) {
	var held []byte // what may be the beginning of the end
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		held = append(held, buf[:n]...)
		if i := bytes.Index(held, end); i >= 0 {
			_, _ = to.Write(held[:i])
			return
		}
		if done := len(held) - len(end) + 1; done > 0 {
			_, _ = to.Write(held[:done])
			held = append(held[:0], held[done:]...)
		}
		if err != nil {
			_, _ = to.Write(held)
			return
		}
	}
}
