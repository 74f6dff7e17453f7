package runner

import (
	"context"
	"fmt"
	"slices"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/model"
	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner/repair"
)

// Fix finds a smallest set of syncs with which the scenario keeps its promise
// under a model, or says that none is enough. Syncs are added in all lives of the
// program: the workload, the recovery, and what it works on after a kill. Faults and
// damage are no part of it, the crash in recovery is; of the options, the budgets are heeded, and where
// one ends a search there is no answer but an error.
func (s Scenario) Fix(ctx context.Context, m model.Model, o Options) (repair.Repair, error) {
	o = o.aside()
	program := s.Trace
	if program == nil {
		var err error
		if program, err = s.Record(); err != nil {
			return repair.Repair{}, err
		}
	}
	found, err := repair.Fix(program, s.judgeOf(ctx, m, o, true))
	if err == nil && len(found.Beyond) > 0 {
		found.Change, err = s.change(ctx, found.Variant, m, o)
	}
	return found, err
}

// change says what kind of change a program needs that has every sync which could
// be added and is broken all the same. It takes one thing away at a time, and what
// makes the program right is what is wrong with it: the crash in recovery; that
// the power fails, and not only the process; that a call persists in parts; that a
// write does.
func (s Scenario) change(ctx context.Context, program repair.Variant, m model.Model, o Options) (string, error) {
	var err error
	var kinds []oracle.Kind // that were found last
	right := func(under model.Model, depth Depth) bool {
		if err == nil {
			variant := o
			variant.Depth = depth
			kinds, err = s.judgeOf(ctx, under, variant, false)(program)
		}
		return err == nil && len(kinds) == 0
	}
	const whole = 1 << 20 // what is written at once to a file that is no longer persists as a whole
	kill, strict := model.MustParse("kill"), model.MustParse("strict")
	strictWhole := strict
	strictWhole.Unit = whole
	change := ""
	switch {
	case (s.Recover != nil || s.WorkOn != nil) && right(m, Times(0)):
		change = "it is the recovery that breaks it, when it is interrupted or the program was killed first, and syncs in it do not help: it must bear to be run again, and must not destroy what it still needs"
	case !right(kill, Times(0)) && !slices.ContainsFunc(kinds, func(k oracle.Kind) bool { return k != oracle.Lost && k != oracle.Stale }):
		change = "the program says that it is done before it has made the calls that do it: a process that is killed then has told the world what is not so. Say it afterwards"
	case len(kinds) > 0:
		change = "the order of the calls is wrong: a process that is killed between two of them leaves what is wrong, with nothing lost. Change everything with one call, such as a rename of a new file, or write down first what will be done"
	case right(strict, Times(0)):
		change = "a single call persists in parts, such as the size of an append and its data: add a checksum, so that what is incomplete can be told, or write a new file and rename it"
	case right(strictWhole, Times(0)):
		change = "a write is torn: part of it persists and part does not. Write a new file and rename it, or keep a copy elsewhere until it is done; a checksum can tell that it happened"
	default:
		change = "a single call persists in parts, and what is there before is destroyed by then: write a new file and rename it"
	}
	return change, err
}

// judgeOf returns what judges variants of the scenario's program under a model,
// each as far as its first failure. Strict says that the oracle has yet to show that it
// can fail.
func (s Scenario) judgeOf(ctx context.Context, m model.Model, o Options, strict bool) repair.VariantJudge {
	s.Faults, s.Damage, s.Declared = nil, nil, nil
	o.Models, o.Faults, o.Sweep, o.Failures, o.First = []model.Model{m}, nil, false, "", true
	o.Strict, o.Enough, o.onlyLosses, o.Found = strict, Claim{}, true, nil
	return func(v repair.Variant) ([]oracle.Kind, error) {
		s.Trace, s.variant = v.Program, &v
		results, err := Run(ctx, s, o)
		if err != nil {
			return nil, err
		}
		r := &results[0]
		if r.Outcome.Verdict == Broken {
			o.Strict = false // the oracle has shown that it can fail
		}
		if r.Outcome.Verdict == Unknown {
			return nil, fmt.Errorf("scenario %s under %s: %s", s.Name, m, r.Why)
		}
		return r.Outcome.Kinds, nil
	}
}

// amend lets a run of the program in a later life make the syncs of the variant that
// is judged.
func (s *Scenario) amend(fs *faultfs.FS, life repair.Life) {
	if v := s.variant; v != nil {
		fs.SyncAfter(func(op *faultfs.Op) []string { return v.SyncAfter(life, op) })
	}
}
