package runner

import (
	"context"
	"fmt"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/persist"
	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner/repair"
)

// Fix finds a smallest set of syncs with which the scenario keeps its promise
// under a model, or says that none is enough. Faults and damage are no part of
// it, the crash in recovery is; of the options, the budgets are heeded, and where
// one ends a search there is no answer but an error.
func (s Scenario) Fix(ctx context.Context, model persist.Model, o Options) (repair.Repair, error) {
	program := s.Trace
	if program == nil {
		var err error
		if program, err = Record(s); err != nil {
			return repair.Repair{}, err
		}
	}
	return repair.Fix(program, s.judgeOf(ctx, model, o))
}

// judgeOf returns what judges variants of the scenario's program under a model,
// each as far as its first failure.
func (s Scenario) judgeOf(ctx context.Context, model persist.Model, o Options) repair.Judge {
	s.Faults, s.Media, s.Declared = nil, nil, nil
	o.Models, o.Faults, o.Sweep, o.Failures, o.First = []persist.Model{model}, nil, false, "", true
	return func(program *faultfs.Trace) ([]oracle.Kind, error) {
		s.Trace = program
		results, err := Run(ctx, s, o)
		if err != nil {
			return nil, err
		}
		r := &results[0]
		if r.Outcome.Verdict == Unknown {
			return nil, fmt.Errorf("scenario %s under %s: %s", s.Name, model, r.Why)
		}
		return r.Outcome.Kinds, nil
	}
}
