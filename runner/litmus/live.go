package litmus

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/model"
	"github.com/crashsim/crashsim/oracle"
)

// faultsSection is the section of the archive that says which calls fail.
const faultsSection = "faults"

// maxFaults bounds the faults of a file: each op is compared with each.
const maxFaults = 1 << 8

// faultLine is a fault, and where it stands.
type faultLine struct {
	faultfs.Fault
	line int // in the file, counted from one
}

// inject reads the section "faults", whose heading is the given line.
func (t *Test) inject(section string, heading int) error {
	for line, text := range linesOf(section, heading) {
		fault, err := faultfs.ParseFault(text)
		if err == nil && len(t.faults) == maxFaults {
			err = fmt.Errorf("more than %d faults", maxFaults)
		}
		if err != nil {
			return &faultfs.TextError{File: t.File, Line: line, Err: err}
		}
		t.faults = append(t.faults, faultLine{fault, line})
	}
	return nil
}

// checkFaults refuses a fault that strikes nothing under any preset or model
// of the file: what is expected of it would hold of anything.
func (t *Test) checkFaults() error {
	if t.faults == nil {
		return nil
	}
	models := t.Models()
	for _, p := range model.Presets() {
		models = append(models, p.Model)
	}
	tried := map[faultfs.SyncFailure]bool{}
	fired := make([]int, len(t.faults))
	for _, m := range models {
		if tried[m.Failure] {
			continue
		}
		tried[m.Failure] = true
		for i, n := range t.run(m).fired {
			fired[i] += n
		}
	}
	if i := slices.Index(fired, 0); i >= 0 {
		return &faultfs.TextError{File: t.File, Line: t.faults[i].line, Err: errors.New("the fault makes no op fail, under any model")}
	}
	return nil
}

// live is a program that has run.
type live struct {
	trace   *faultfs.Trace
	results map[string]string // by label: the errno of the op before the mark
	fired   []int             // how many ops each fault made fail
	after   *faultfs.FS       // what the program left in the page cache
}

// Record returns the trace of the test's program under a model. Where the file
// has faults, that depends on how the model says that syncs fail; else it is
// Trace.
func (t *Test) Record(m model.Model) *faultfs.Trace {
	return t.run(m).trace
}

// run performs the ops one after the other, whatever they return.
func (t *Test) run(m model.Model) *live {
	if t.faults == nil {
		return &live{trace: t.Trace}
	}
	faults := make([]faultfs.Fault, len(t.faults))
	for i := range t.faults {
		faults[i] = t.faults[i].Fault
	}
	e := t.Trace.Edit()
	disk := e.FS()
	disk.Inject(m.Failure, faults...)
	l := &live{results: map[string]string{}}
	var last error
	for i := range t.Trace.Ops {
		op := &t.Trace.Ops[i]
		done, err := e.Keep(faultfs.OpNum(i))
		if op.Kind == faultfs.OpMark {
			l.results[op.Label] = errnoName(last)
			continue
		}
		if last = err; err == nil && done.Failed() {
			last = done.Errno
		}
	}
	l.trace, l.fired = e.Trace(), disk.Fired()
	l.after = faultfs.Unrecorded(disk.Checkpoint().Trace().Base())
	return l
}

// errnoName returns how traces and faults write the errno in an error, "" if
// there is none.
func errnoName(err error) string {
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return ""
	}
	return strings.TrimPrefix(faultfs.Fault{Errno: errno}.String(), "* err=")
}

// checkErrno refuses what result never returns.
func checkErrno(name string) error {
	if name == "" {
		return nil
	}
	text := "* err=" + name
	if f, err := faultfs.ParseFault(text); err != nil || f.String() != text {
		return fmt.Errorf("no call fails with %.40q", name)
	}
	return nil
}

// content returns what the running program has of a regular file, nil if there
// is none.
func (l *live) content(path string) any {
	info, _, err := l.after.LstatIfPossible(path)
	if err != nil || !info.Mode().IsRegular() {
		return nil
	}
	data, err := oracle.ReadFile(l.after, path)
	if err != nil {
		return nil
	}
	return string(data)
}
