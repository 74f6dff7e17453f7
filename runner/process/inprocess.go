package process

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/spf13/afero"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/inprocess"
	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner"
	"github.com/crashsim/crashsim/runner/show"
)

// doors are the virtual directories of the disks of a check.
type doors struct {
	mu sync.Mutex
	at map[*faultfs.FS]*inprocess.Dir
}

// dir returns the virtual directory of a disk, and makes it if need be.
func (p *doors) dir(fs *faultfs.FS) (*inprocess.Dir, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if d := p.at[fs]; d != nil {
		return d, nil
	}
	d, err := inprocess.Open(fs)
	if err == nil {
		p.at[fs] = d
	}
	return d, err
}

// leave ends the virtual directory of a disk.
func (p *doors) leave(fs *faultfs.FS) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if d := p.at[fs]; d != nil {
		d.Close()
		delete(p.at, fs)
	}
}

func (p *doors) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, d := range p.at {
		d.Close()
	}
	clear(p.at)
}

// on runs a function on the virtual directory of a disk. What it leaves open is closed. An
// error that is errRefused, wrapped, says that it asked for what cannot be had.
func (p *doors) on(fs *faultfs.FS, run func(dir string) error) error {
	d, err := p.dir(fs)
	if err != nil {
		return oracle.Unjudged(err)
	}
	defer func() {
		d.Exit()
		if fs.Trace() != nil { // it is recorded once, and comes no more
			p.leave(fs)
		}
	}()
	err = run(d.Path())
	if refused := d.Refused(); len(refused) > 0 {
		return fmt.Errorf("%w: %s cannot be had in the process of the test", errRefused, strings.Join(refused, ", "))
	}
	return err
}

// errRefused says that a function asked for what cannot be had.
var errRefused = oracle.Unjudged(errors.New("not here"))

// scenario is the program as package runner judges it, in this process.
func (d *Dir) scenario(p *doors) runner.Scenario {
	s := runner.Scenario{Name: d.Name, Declared: d.Declared}
	if d.Setup != nil {
		s.Setup = func(fs *faultfs.FS) error { return p.on(fs, d.Setup) }
	}
	s.Workload = func(fs *faultfs.FS) error {
		return p.on(fs, func(dir string) error { return d.Workload(dir, fs.Mark) })
	}
	if d.Recover != nil {
		s.Recover = func(disk afero.Fs) error { return p.on(disk.(*faultfs.FS), d.Recover) }
	}
	s.Oracle = oracle.Func(func(disk afero.Fs, marks oracle.Marks) []oracle.Violation {
		err := p.on(disk.(*faultfs.FS), func(dir string) error { return d.Check(dir, marks.All()) })
		return violationsOf(err)
	})
	return s
}

// violationsOf is what an error of a check says, as on a mount.
func violationsOf(err error) []oracle.Violation {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, oracle.ErrNoVerdict):
		return oracle.NoVerdict(err)
	}
	out := &output{}
	_, _ = fmt.Fprintln(out, err)
	if kind, detail := out.kind(); kind != oracle.NoKind {
		return []oracle.Violation{{Kind: kind, Detail: detail}}
	}
	return []oracle.Violation{{Kind: oracle.Refused, Detail: "the check failed: " + out.text()}}
}

// checkInProcess checks in this process. It returns why that cannot be done, "" if it was.
func (d *Dir) checkInProcess(t *testing.T, o runner.Options) (why string) {
	t.Helper()
	p := &doors{at: map[*faultfs.FS]*inprocess.Dir{}}
	t.Cleanup(p.close)
	s := d.scenario(p)
	if err := rehearse(&s); errors.Is(err, errRefused) {
		return strings.TrimPrefix(err.Error(), errRefused.Error()+": ")
	}
	runner.Check(t, s, o)
	return ""
}

// rehearse runs all functions once, without a crash, to see whether they ask for what
// cannot be had, and the program once more. Where it does something else then, the first
// recording is what is judged, with a note that says so. Other errors are told by those who
// run the functions again.
func rehearse(s *runner.Scenario) (err error) {
	defer func() {
		if recover() != nil {
			err = nil // it will panic again, where that is told
		}
	}()
	fs, err := recorded(s)
	if err != nil {
		return err
	}
	first, disk := fs.Trace(), fs.Fork()
	if s.Recover != nil {
		if err := s.Recover(disk); err != nil {
			return err
		}
	}
	for _, v := range s.Oracle.Judge(disk, allMarks(first.Marks())) {
		if v.Err != nil {
			return v.Err
		}
	}
	again, err := recorded(s)
	if err != nil {
		return err
	}
	if second := again.Trace(); !first.Same(second) {
		first.Notes = append(first.Notes, "the program did something else when it was recorded again ("+parted(first, second)+
			"); random names, the time, goroutines or the order of a map do that: what it did the first time is judged")
		s.Trace = first
	}
	return nil
}

// recorded runs the setup and the workload on a file system of their own.
func recorded(s *runner.Scenario) (*faultfs.FS, error) {
	fs := faultfs.New()
	if s.Setup != nil {
		if err := s.Setup(fs); err != nil {
			return nil, err
		}
	}
	fs = fs.Checkpoint()
	return fs, s.Workload(fs)
}

// parted says where two traces part.
func parted(first, second *faultfs.Trace) string {
	a, b := slices.Concat(first.Setup, first.Ops), slices.Concat(second.Setup, second.Ops)
	for i := range min(len(a), len(b)) {
		if a[i].Line() != b[i].Line() {
			return fmt.Sprintf("first %s, then %s", a[i].Call(), b[i].Call())
		}
	}
	return fmt.Sprintf("first %s, then %d", show.Count(len(a), "call"), len(b))
}

// allMarks are the marks of a program that was not cut short.
type allMarks []string

func (m allMarks) All() []string { return m }
func (m allMarks) Has(label string) bool {
	return m.Count(label) > 0
}
func (m allMarks) Count(label string) (n int) {
	for _, l := range m {
		if l == label {
			n++
		}
	}
	return n
}
