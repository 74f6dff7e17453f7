package process

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/afero"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/mount"
	"github.com/crashsim/crashsim/oracle"
)

// Checker runs commands on disks that a crash left. It has a place for the
// disks, which Close removes. Its methods may be called from several goroutines
// at once, each with a disk of its own.
type Checker struct {
	options Options
	place   *place

	mu     sync.Mutex
	mounts map[*faultfs.FS]*mounted
	shells map[string]*shells // by command
	count  int
	err    error // the first thing that kept a command from running
}

// Options say how a Checker runs its commands.
type Options struct {
	// Timeout is how long a command may take; zero means ten seconds. One that
	// takes longer is Hung.
	Timeout time.Duration
	// Materialise copies each disk into a directory and runs commands there,
	// rather than on a mount.
	Materialise bool
}

const defaultTimeout = 10 * time.Second

// mounted is a disk at a directory.
type mounted struct {
	dir   string
	mount *mount.Mount

	mu    sync.Mutex
	marks func() []string // of the run at hand
}

// NewChecker makes a checker, and sees that it can work: the error is
// mount.ErrUnavailable, wrapped, where nothing can be mounted.
func NewChecker(o Options) (*Checker, error) {
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	place, err := newPlace()
	if err != nil {
		return nil, err
	}
	c := &Checker{options: o, place: place, mounts: map[*faultfs.FS]*mounted{}, shells: map[string]*shells{}}
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
	for _, known := range c.shells {
		for _, f := range known.idle {
			f.close()
		}
	}
	clear(c.shells)
	for fs, m := range c.mounts {
		// One that was taken away while checks ran has shown them something else.
		err = errors.Join(err, m.mount.Alive(), m.mount.Close())
		delete(c.mounts, fs)
	}
	return errors.Join(err, c.place.remove())
}

// at returns the mount of a disk, and makes it if need be.
func (c *Checker) at(fs *faultfs.FS) (*mounted, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if m := c.mounts[fs]; m != nil {
		return m, nil
	}
	dir, err := c.directory()
	if err != nil {
		return nil, err
	}
	m := &mounted{dir: dir}
	m.mount, err = mount.Serve(fs, dir, mount.Options{Marks: markFile, Text: marksFile, Says: m.says})
	if err != nil {
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

// directory makes a directory for one disk. The checker is locked.
func (c *Checker) directory() (string, error) {
	c.count++
	dir := filepath.Join(c.place.dir, strconv.Itoa(c.count))
	return dir, os.Mkdir(dir, 0o700)
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
	return errors.Join(m.mount.Alive(), m.mount.Close(), os.Remove(m.dir))
}

// Oracle returns the oracle that asks a command.
func (c *Checker) Oracle(args []string) (oracle.Oracle, error) {
	args, err := absolute(args)
	if err != nil {
		return nil, err
	}
	return oracle.Func(func(disk afero.Fs, marks oracle.Marks) []oracle.Violation {
		out := &output{}
		return judged(out, c.on(disk.(*faultfs.FS), marks.All, args, out))
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
		fs := disk.(*faultfs.FS)
		out := &output{}
		err := c.on(fs, func() []string { return nil }, args, out)
		if fs.Trace() != nil { // it is recorded once, and comes no more
			if left := c.leave(fs); left != nil {
				return c.spoiled(left)
			}
		}
		if err != nil && !errors.Is(err, oracle.ErrNoVerdict) {
			return errors.New(out.said(err))
		}
		return err
	}, nil
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
	err = c.runAt(at, args, out)
	exit := exitStatus(0)
	switch {
	case err == nil:
		return nil
	case !errors.Is(err, errTimeout) && !errors.As(err, &exit):
		return c.spoiled(err)
	}
	// Was it the program, or what it stands on?
	if broken := at.intact(); broken != nil {
		return c.spoiled(broken)
	}
	return err
}

// runAt runs a command where a disk stands.
func (c *Checker) runAt(at *presented, args []string, out *output) error {
	f, err := c.forker(args)
	if err != nil {
		return err
	}
	if f != nil {
		ended := atWork(at.dir)
		fresh, err := f.run(filepath.Base(at.dir), out, c.options.Timeout)
		if strays := ended(!fresh); strays != nil {
			f.close()
			return strays
		}
		if !fresh {
			f.close()
		} else {
			c.rest(args, f)
		}
		return err
	}
	command := command{
		args: args, dir: at.dir, output: out, timeout: c.options.Timeout, check: true,
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

// shells are the shells of one command that stand by.
type shells struct {
	none bool // the command needs a shell of its own for each run
	idle []*forker
}

// forker returns a shell that stands by for a command, and starts one if need be;
// nil where the command needs a shell of its own for each run. Nobody else has
// that shell until it is given back to rest.
func (c *Checker) forker(args []string) (*forker, error) {
	if c.options.Materialise {
		return nil, nil
	}
	known, f := c.standing(args)
	if f != nil || known == nil {
		return f, nil
	}
	f, err := newForker(args[2], c.place.dir)
	if err == nil || mount.Exhausted(err) {
		return f, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	known.none = true
	return nil, nil
}

// standing returns the shells of a command, nil if it has none, and takes one of
// them that stands by, nil if none does.
func (c *Checker) standing(args []string) (*shells, *forker) {
	key := strings.Join(args, "\x00")
	c.mu.Lock()
	defer c.mu.Unlock()
	known := c.shells[key]
	if known == nil {
		known = &shells{none: !forkable(args)}
		c.shells[key] = known
	}
	n := len(known.idle)
	switch {
	case known.none:
		return nil, nil
	case n == 0:
		return known, nil
	}
	f := known.idle[n-1]
	known.idle = known.idle[:n-1]
	return known, f
}

// rest lets a shell stand by again.
func (c *Checker) rest(args []string, f *forker) {
	c.mu.Lock()
	defer c.mu.Unlock()
	known := c.shells[strings.Join(args, "\x00")]
	if known == nil { // closed by now
		f.close()
		return
	}
	known.idle = append(known.idle, f)
}

// presented is a disk that stands at a directory.
type presented struct {
	dir    string
	marks  string       // the name of the file of marks
	intact func() error // says what has become of it, if it is not what it was
	done   func() error // takes it away
}

// present lets a disk stand at a directory, with the marks in a file.
func (c *Checker) present(disk *faultfs.FS, marks func() []string) (*presented, error) {
	if !c.options.Materialise {
		m, err := c.at(disk)
		if err != nil {
			return nil, err
		}
		m.of(marks)
		return &presented{m.dir, filepath.Join(m.dir, marksFile), m.mount.Alive, func() error { return nil }}, nil
	}
	c.mu.Lock()
	place, err := c.directory()
	c.mu.Unlock()
	if err != nil {
		return nil, err
	}
	at := &presented{
		dir: filepath.Join(place, "disk"), marks: filepath.Join(place, "marks"),
		intact: func() error { return room(place) }, done: func() error { return removeWithMounts(place) },
	}
	if err := errors.Join(copyOut(disk, at.dir), os.WriteFile(at.marks, marksText(marks()), 0o600)); err != nil {
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
		return []oracle.Violation{{Kind: kind, Detail: detail}}
	}
	return []oracle.Violation{{Kind: oracle.Refused, Detail: "the check failed: " + out.said(err)}}
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
