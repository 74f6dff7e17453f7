package runner

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"syscall"

	"github.com/spf13/afero"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/oracle"
)

// Record runs a scenario's setup and workload on a file system of their own
// and returns what they did. It does so twice: a workload that does not do the
// same again is refused, with the difference of the two traces.
func (s Scenario) Record() (*faultfs.Trace, error) {
	first, err := s.record()
	if err != nil {
		return nil, err
	}
	second, err := s.record()
	if err != nil {
		return nil, fmt.Errorf("the second recording: %w", err)
	}
	if !first.Same(second) {
		return nil, differs(s.Name, first, second)
	}
	return first, nil
}

// recording is what a scenario did: without a fault, and with each that was
// tried.
type recording struct {
	trace  *faultfs.Trace
	faulty map[takeKey]*faulty
	work   *work // nil: results are not kept
}

// faulty is what a scenario did when a fault struck.
type faulty struct {
	trace *faultfs.Trace // nil where it struck nothing
	did   string         // the text of the trace, but for the errors that calls failed with by the fault
}

// takeKey is a fault, and the behaviour of the file system on which it strikes.
type takeKey struct {
	fault faultfs.Fault
	how   faultfs.SyncFailure
}

// prepare records a scenario that is to be judged.
func (s *Scenario) prepare() (*recording, error) {
	if s.Oracle == nil {
		return nil, fmt.Errorf("scenario %s has no oracle", s.Name)
	}
	if err := s.checkDeclared(); err != nil {
		return nil, err
	}
	if s.Trace != nil {
		return &recording{trace: s.Trace, faulty: map[takeKey]*faulty{}}, nil
	}
	trace, err := s.Record()
	return &recording{trace: trace, faulty: map[takeKey]*faulty{}}, err
}

// with returns what the scenario does with a fault.
func (r *recording) with(ctx context.Context, s *Scenario, fault faultfs.Fault, how faultfs.SyncFailure) (*faulty, error) {
	if fault.Kind != faultfs.OpNone && !fault.Kind.Syncs() {
		how = faultfs.SyncFailure{} // it makes no difference
	}
	key := takeKey{fault, how}
	if known := r.faulty[key]; known != nil {
		return known, nil
	}
	trace, err := s.rerun(ctx, how, fault)
	if err != nil {
		return nil, fmt.Errorf("with the fault %q: %w", fault, err)
	}
	did := &faulty{trace: trace}
	if trace != nil {
		did.did = withoutErrors(trace)
	}
	r.faulty[key] = did
	return did, nil
}

// rerun records the workload once more, with a fault.
func (s *Scenario) rerun(ctx context.Context, how faultfs.SyncFailure, fault faultfs.Fault) (*faultfs.Trace, error) {
	switch {
	case s.Rerun != nil:
		return s.Rerun(ctx, how, fault)
	case s.Trace != nil:
		return nil, nil // it cannot run again
	}
	return s.recordWith(how, fault)
}

func (s *Scenario) record() (*faultfs.Trace, error) { return s.recordWith(faultfs.SyncFailure{}) }

// recordWith records the workload with faults. Where none of those given
// strikes it returns nil.
func (s *Scenario) recordWith(how faultfs.SyncFailure, faults ...faultfs.Fault) (trace *faultfs.Trace, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("scenario %s: the workload panicked: %v\n%s", s.Name, r, debug.Stack())
		}
	}()
	fs := faultfs.New()
	if s.Setup != nil {
		if err := s.Setup(fs); err != nil {
			return nil, fmt.Errorf("scenario %s: setup: %w", s.Name, err)
		}
	}
	fs = fs.Checkpoint()
	if len(faults) > 0 {
		fs.Inject(how, faults...)
	}
	if s.Workload != nil {
		err = s.Workload(fs)
	}
	struck := slices.ContainsFunc(fs.Fired(), func(n int) bool { return n > 0 })
	switch {
	case err != nil && !struck:
		return nil, fmt.Errorf("scenario %s: workload: %w", s.Name, err)
	case len(faults) > 0 && !struck:
		return nil, nil
	}
	fs.Crash()
	return fs.Trace(), nil
}

// judge is the checker: recovery, then the oracle.
func (s *Scenario) judge(disk afero.Fs, marks oracle.Marks) *judgement {
	if s.Recover != nil {
		if err := s.recovers(disk); err != nil {
			if s.rotten || errors.Is(err, oracle.ErrNoVerdict) {
				return nil // it has noticed, or nothing is known
			}
			return &judgement{violations: []oracle.Violation{{
				Kind: oracle.Refused, Detail: "recovery failed: " + err.Error(), Doubtful: errors.Is(err, oracle.ErrDoubtful),
			}}}
		}
	}
	violations := s.asks(disk, marks)
	if len(violations) == 0 {
		return nil // nothing is allocated while nothing is wrong
	}
	return &judgement{violations: violations}
}

// recovered is the judgement of a case with which nothing is wrong after
// recovery has changed it.
var recovered = &judgement{wrote: true}

// wrong reports whether a judgement breaks a promise, rather than warns.
func (j *judgement) wrong() bool {
	return j != nil && slices.ContainsFunc(j.violations, func(v oracle.Violation) bool { return !v.Kind.Warning() })
}

// listMarks are marks that nobody explores.
type listMarks []string

func (m listMarks) Has(label string) bool { return slices.Contains(m, label) }

func (m listMarks) Count(label string) int {
	n := 0
	for _, l := range m {
		if l == label {
			n++
		}
	}
	return n
}

func (m listMarks) All() []string { return m }

// withoutErrors is the text of a trace that does not say with which error an
// injected call failed.
func withoutErrors(trace *faultfs.Trace) string {
	t := *trace
	t.Ops = slices.Clone(t.Ops)
	for i := range t.Ops {
		if op := &t.Ops[i]; op.Injected && op.Failed() {
			op.Errno = syscall.EIO
		}
	}
	return string(t.Text())
}
