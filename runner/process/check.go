package process

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/afero"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/mount"
	"github.com/crashsim/crashsim/oracle"
)

// Checker runs commands on disks that a crash left. It has a temporary directory for the
// disks, which Close removes. Its methods may be called from several goroutines
// at once, each with a disk of its own.
type Checker struct {
	options Options
	temp    *tempDir
	windows *windows

	mu     sync.Mutex
	mounts map[*faultfs.FS]*mounted
	fit    map[string]bool // whether a shell that stands by may run a command, where that is known
	err    error           // the first thing that kept a command from running
}

// Options say how a Checker runs its commands.
type Options struct {
	_ struct{} // written with field names: fields may be added

	// Timeout is how long a command may take; zero means ten seconds. One that
	// takes longer is Hung.
	Timeout time.Duration
	// Materialise copies each disk into a directory and runs commands there,
	// rather than on a mount.
	Materialise bool
	// At is the absolute path at which commands see the disks; "" chooses one that is
	// the same in all runs. See mount.NewView.
	At string
}

const defaultTimeout = 10 * time.Second

// mounted is a disk at a directory.
type mounted struct {
	window *window
	mount  *mount.Mount

	mu    sync.Mutex
	marks func() []string // of the run at hand
}

// NewChecker makes a checker, and sees that it can work: the error is
// mount.ErrUnavailable, wrapped, where nothing can be mounted.
func NewChecker(o Options) (*Checker, error) {
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	temp, err := newTempDir()
	if err != nil {
		return nil, err
	}
	c := &Checker{options: o, temp: temp, mounts: map[*faultfs.FS]*mounted{}, fit: map[string]bool{}}
	if c.windows, err = newWindows(temp, o.At); err != nil {
		return nil, errors.Join(err, temp.remove())
	}
	if o.Materialise {
		return c, nil
	}
	probe := faultfs.New()
	if _, err := c.at(probe); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, c.leave(probe)
}

// Close unmounts and removes everything. It returns what kept a command from
// running as it should, if anything did: then no verdict can be relied on.
func (c *Checker) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	err := c.err
	for fs, m := range c.mounts {
		// One that was taken away while checks ran has shown them something else.
		err = errors.Join(err, m.mount.Alive(), m.mount.Close())
		c.windows.put(m.window)
		delete(c.mounts, fs)
	}
	return errors.Join(err, c.windows.close(), c.temp.remove())
}

// at returns the mount of a disk, and makes it if need be.
func (c *Checker) at(fs *faultfs.FS) (*mounted, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if m := c.mounts[fs]; m != nil {
		return m, nil
	}
	window, err := c.windows.get()
	if err != nil {
		return nil, err
	}
	m := &mounted{window: window}
	m.mount, err = window.serve(fs, mount.Options{Marks: markFile, Text: marksFile, Says: m.says})
	if err != nil {
		c.windows.put(window)
		return nil, err
	}
	c.mounts[fs] = m
	return m, nil
}

// says are the marks as a file holds them.
func (m *mounted) says() []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	return marksText(m.marks())
}

func (m *mounted) of(marks func() []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.marks = marks
}

func marksText(marks []string) []byte {
	if len(marks) == 0 {
		return nil
	}
	return []byte(strings.Join(marks, "\n") + "\n")
}

// leave ends the mount of a disk.
func (c *Checker) leave(fs *faultfs.FS) error {
	c.mu.Lock()
	m := c.mounts[fs]
	delete(c.mounts, fs)
	c.mu.Unlock()
	if m == nil {
		return nil
	}
	err := errors.Join(m.mount.Alive(), m.mount.Close())
	c.windows.put(m.window)
	return err
}

// ofRunner returns a disk as a command needs it. Only the disk that the runner hands out
// can be mounted: the error for any other is oracle.ErrNoVerdict, wrapped.
func ofRunner(disk afero.Fs) (*faultfs.FS, error) {
	fs, ok := disk.(*faultfs.FS)
	if !ok {
		return nil, oracle.Unjudged(fmt.Errorf("a command checks the disk that the runner hands out, and no %T around it", disk))
	}
	return fs, nil
}

// Oracle returns the oracle that asks a command. It judges only the disk that the runner
// hands out: for another file system around that disk there is no verdict.
func (c *Checker) Oracle(args []string) (oracle.Oracle, error) {
	args, err := absolute(args)
	if err != nil {
		return nil, err
	}
	return oracle.Func(func(disk afero.Fs, marks oracle.Marks) []oracle.Violation {
		out := &output{}
		fs, err := ofRunner(disk)
		if err == nil {
			err = c.on(fs, marks.All, args, out)
		}
		return judged(out, err)
	}), nil
}

// Recover returns the recovery that a command does. It is crashed itself.
func (c *Checker) Recover(args []string) (func(disk afero.Fs) error, error) {
	args, err := absolute(args)
	if err != nil {
		return nil, err
	}
	if c.options.Materialise {
		return nil, errors.New("a recovery that is to be crashed cannot be materialised: let the check do it")
	}
	return func(disk afero.Fs) error {
		fs, err := ofRunner(disk)
		if err != nil {
			return err
		}
		out := &output{}
		err = c.on(fs, func() []string { return nil }, args, out)
		if fs.Trace() != nil { // it is recorded once, and comes no more
			if left := c.leave(fs); left != nil {
				return c.spoiled(left)
			}
		}
		if err != nil && !errors.Is(err, oracle.ErrNoVerdict) {
			return &recoveryError{out.said(err), killed(err)}
		}
		return err
	}, nil
}

// recoveryError is a recovery that failed, in the words that it said.
type recoveryError struct {
	said   string
	killed bool
}

func (e *recoveryError) Error() string { return e.said }

func (e *recoveryError) Is(target error) bool { return e.killed && target == oracle.ErrDoubtful }

// fromOutside are signals that a system sends which is short of memory, or which shuts
// down, or a person.
var fromOutside = []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT}

// killed reports whether a signal has ended a command, or what it ran last, that
// somebody else may have sent.
func killed(err error) bool {
	exit := exitStatus(0)
	return errors.As(err, &exit) && slices.Contains(fromOutside, syscall.Signal(exit-128))
}

// on runs a command on a disk. The error is that of the command: errTimeout,
// wrapped, or an exitStatus. Or it is oracle.ErrNoVerdict, wrapped: then the
// command could not be run as it should.
func (c *Checker) on(disk *faultfs.FS, marks func() []string, args []string, out *output) (err error) {
	at, err := c.present(disk, marks)
	if err != nil {
		return c.spoiled(err)
	}
	defer func() {
		if left := at.done(); left != nil {
			err = c.spoiled(left)
		}
	}()
	err = undisturbed(func() error { return c.runAt(at, args, out) })
	exit := exitStatus(0)
	switch {
	case err == nil:
		return nil
	case !errors.Is(err, errTimeout) && !errors.As(err, &exit):
		return c.spoiled(err)
	}
	// Was it the program, or what it stands on?
	if broken := errors.Join(at.intact(), checkSpace(c.temp.dir)); broken != nil {
		return c.spoiled(broken)
	}
	return err
}

// runAt runs a command where a disk stands.
func (c *Checker) runAt(at *presented, args []string, out *output) error {
	f, err := c.forker(at.window, args)
	if err != nil {
		return err
	}
	if f != nil {
		ended := atWork(at.workspace)
		fresh, err := f.run(out, c.options.Timeout)
		if strays := ended(!fresh); strays != nil {
			f.close()
			return strays
		}
		if !fresh {
			f.close()
		} else {
			at.window.standBy(commandKey(args), f)
		}
		return err
	}
	command := command{
		args: args, dir: at.dir, workspace: at.workspace, start: at.window.start, output: out, timeout: c.options.Timeout, check: true,
		env: []string{"CRASHSIM_MARKS=" + at.marks, "CRASHSIM_MARK=" + filepath.Join(at.dir, markFile)},
	}
	err = command.run(context.Background())
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return statusOf(exit)
	}
	return err
}

// statusOf is the exit status of a command as a shell tells it, so that a check
// says the same whether a shell that stands by has run it or not.
func statusOf(exit *exec.ExitError) exitStatus {
	if wait, ok := exit.Sys().(syscall.WaitStatus); ok && wait.Signaled() {
		return exitStatus(128 + int(wait.Signal()))
	}
	return exitStatus(exit.ExitCode())
}

// spoiled notes what kept a command from running as it should, and returns it as
// what ends the run.
func (c *Checker) spoiled(err error) error {
	err = oracle.Unjudged(err)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.err = err
	}
	return err
}

func commandKey(args []string) string { return strings.Join(args, "\x00") }

// forker returns a shell that stands by for a command in a window, and starts one if
// need be; nil where the command needs a shell of its own for each run. Nobody else has
// that shell until it is given back to the window.
func (c *Checker) forker(w *window, args []string) (*forker, error) {
	if c.options.Materialise || !c.forkable(args) {
		return nil, nil
	}
	key := commandKey(args)
	if f := w.take(key); f != nil {
		return f, nil
	}
	f, err := newForker(args[2], c.temp.dir, w.dir, w.start)
	if err == nil || mount.Exhausted(err) {
		return f, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fit[key] = false
	return nil, nil
}

// forkable reports whether a command may be run by a shell that stands by.
func (c *Checker) forkable(args []string) bool {
	key := commandKey(args)
	c.mu.Lock()
	defer c.mu.Unlock()
	fit, known := c.fit[key]
	if !known {
		fit = forkable(args)
		c.fit[key] = fit
	}
	return fit
}

// presented is a disk that stands at a directory.
type presented struct {
	window    *window
	dir       string
	workspace string       // of those who work there: see household
	marks     string       // the name of the file of marks
	intact    func() error // says what has become of it, if it is not what it was
	done      func() error // takes it away
}

// present lets a disk stand at a directory, with the marks in a file.
func (c *Checker) present(disk *faultfs.FS, marks func() []string) (*presented, error) {
	if c.options.Materialise {
		return c.materialise(disk, marks())
	}
	m, err := c.at(disk)
	if err != nil {
		return nil, err
	}
	m.of(marks)
	dir := m.window.dir
	return &presented{m.window, dir, m.window.workspace, filepath.Join(dir, marksFile), m.mount.Alive, func() error { return nil }}, nil
}

// materialise copies a disk into a directory, and lets that stand in a window.
func (c *Checker) materialise(disk *faultfs.FS, marks []string) (at *presented, err error) {
	window, err := c.windows.get()
	if err != nil {
		return nil, err
	}
	own, err := c.windows.newDirectory()
	if err != nil {
		c.windows.put(window)
		return nil, err
	}
	at = &presented{
		window: window, dir: filepath.Join(own, "disk"), marks: filepath.Join(own, "marks"),
		intact: func() error { return checkSpace(own) },
	}
	at.workspace = at.dir
	bound := false
	at.done = func() error {
		var err error
		if bound {
			err = window.view.Unbind() // else another disk would stand upon this one
		}
		err = errors.Join(err, removeWithMounts(own))
		c.windows.put(window)
		return err
	}
	err = errors.Join(copyOut(disk, at.dir), os.WriteFile(at.marks, marksText(marks), 0o600))
	if err == nil && window.view != nil {
		if err = window.view.Bind(at.dir); err == nil {
			at.dir, at.workspace, bound = window.dir, window.workspace, true
		}
	}
	if err != nil {
		return nil, errors.Join(err, at.done())
	}
	return at, nil
}

// judged is what a check says that has printed out and ended with err.
func judged(out *output, err error) []oracle.Violation {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, oracle.ErrNoVerdict):
		return oracle.NoVerdict(err)
	case errors.Is(err, errTimeout):
		return []oracle.Violation{{Kind: oracle.Hung, Detail: "the check did not end: " + out.said(err)}}
	}
	if kind, detail := out.kind(); kind != oracle.NoKind {
		return []oracle.Violation{{Kind: kind, Detail: detail, Doubtful: killed(err)}}
	}
	return []oracle.Violation{{Kind: oracle.Refused, Detail: "the check failed: " + out.said(err), Doubtful: killed(err)}}
}

// WriteDisk writes a disk into a directory, which it makes. If it fails, nothing of the
// directory is left.
func WriteDisk(disk *faultfs.FS, dir string) error {
	if _, err := os.Lstat(dir); err == nil {
		return &os.PathError{Op: "write a disk to", Path: dir, Err: fs.ErrExist}
	}
	err := copyOut(disk, dir)
	if err != nil {
		err = errors.Join(err, removeTree(dir))
	}
	return err
}

// copyOut writes a disk into a directory that it makes. Names of one inode stay
// names of one. A path can be as long as the system allows on the disk itself: it is
// walked from the directory on, whose own path does not count.
func copyOut(disk *faultfs.FS, dir string) (err error) {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	seen := map[any]string{}
	return afero.Walk(disk, "/", func(path string, info fs.FileInfo, err error) error {
		if err != nil {
			return err
		}
		to := strings.TrimPrefix(path, "/")
		switch {
		case to == "":
			return root.Chmod(".", info.Mode().Perm()|0o700)
		case info.IsDir():
			if err := root.Mkdir(to, 0o700); err != nil {
				return err
			}
			return root.Chmod(to, info.Mode().Perm()|0o700)
		case info.Mode()&fs.ModeSymlink != 0:
			target, err := disk.ReadlinkIfPossible(path)
			if err != nil {
				return err
			}
			return root.Symlink(target, to)
		}
		if info.Mode()&(fs.ModeNamedPipe|fs.ModeSocket) != 0 {
			return makeSpecial(root, to, info.Mode())
		}
		if first, again := seen[info.Sys()]; again && info.Sys() != nil {
			return root.Link(first, to)
		}
		seen[info.Sys()] = to
		data, err := afero.ReadFile(disk, path)
		if err != nil {
			return err
		}
		if err := root.WriteFile(to, data, 0o600); err != nil {
			return err
		}
		return root.Chmod(to, info.Mode().Perm())
	})
}
