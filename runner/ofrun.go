package runner

import (
	"fmt"
	"iter"
	"slices"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/oracle"
)

// This file shows runs in which nothing crashes to the oracles that learn from them what
// is right: see oracle.OfRun.

// runs are the runs that the oracles of a scenario have seen. They are used by one
// goroutine at a time: the one that makes pools.
type runs struct {
	sound *Scenario // that has seen the first run, which is the one without faults
	seen  map[*faultfs.Trace]*Scenario
}

// newRuns returns a place for runs, nil where no oracle wants to see any.
func (s *Scenario) newRuns() *runs {
	_, wants := s.Oracle.(oracle.OfRun)
	_, too := s.Damage.(oracle.OfRun)
	if !wants && !too {
		return nil
	}
	return &runs{seen: map[*faultfs.Trace]*Scenario{}}
}

// maxRunsSeen bounds the runs that are kept.
const maxRunsSeen = 64

// ofRun returns the scenario with oracles that have seen a run. Where they cannot be shown
// it, there is no verdict.
func (s *Scenario) ofRun(trace *faultfs.Trace) *Scenario {
	if s.runs == nil {
		return s
	}
	if known := s.runs.seen[trace]; known != nil {
		return known
	}
	of := *s
	of.runs = nil
	before := s
	if s.runs.sound != nil && slices.ContainsFunc(trace.Ops, func(op faultfs.Op) bool { return op.Injected }) {
		before = s.runs.sound
	}
	for _, o := range []struct{ had, has *oracle.Oracle }{{&before.Oracle, &of.Oracle}, {&before.Damage, &of.Damage}} {
		err := s.shown(trace, *o.had, o.has)
		if err != nil {
			s.lacks(fmt.Errorf("scenario %s: %w", s.Name, err))
			return &of
		}
	}
	if s.runs.sound == nil {
		s.runs.sound = &of
	}
	if len(s.runs.seen) >= maxRunsSeen {
		clear(s.runs.seen)
	}
	s.runs.seen[trace] = &of
	return &of
}

// shown shows a run to an oracle, if it wants to see it.
func (s *Scenario) shown(trace *faultfs.Trace, had oracle.Oracle, has *oracle.Oracle) (err error) {
	wants, ok := had.(oracle.OfRun)
	if !ok {
		return nil
	}
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the program was opened at a moment of a run in which nothing crashed, and panicked: %v", r)
		}
	}()
	var failed error
	seen, err := wants.OfRun(trace, s.moments(trace, &failed))
	if err == nil {
		err = failed
	}
	if err == nil {
		*has = seen
	}
	return err
}

// moments are what the program finds, started again without a crash: at the beginning,
// before and after each mark, where it was killed, and at the end. Where its recovery
// refuses, there is no such moment: the case without losses tells that.
func (s *Scenario) moments(trace *faultfs.Trace, failed *error) iter.Seq2[int, *faultfs.FS] {
	return func(yield func(int, *faultfs.FS) bool) {
		e := trace.Edit()
		setup := faultfs.Trace{Ops: trace.Setup}
		marks := len(setup.Marks())
		show := func() bool {
			again := e.FS().Fork()
			if s.recover(again) != nil {
				return true
			}
			return yield(marks, again)
		}
		if !show() {
			return
		}
		for i := range trace.Ops {
			op := &trace.Ops[i]
			mark := op.Kind == faultfs.OpMark && !op.Failed()
			if mark && i > 0 && !show() {
				return
			}
			if _, err := e.Keep(faultfs.OpNum(i)); err != nil {
				*failed = fmt.Errorf("the run cannot be made again after %s: %w", op.Call(), err)
				return
			}
			if mark {
				marks++
			}
			last := i == len(trace.Ops)-1
			if (mark || last || slices.Contains(trace.Kills(), faultfs.OpNum(i))) && !show() {
				return
			}
		}
	}
}
