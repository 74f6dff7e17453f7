package runner

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/persist"
	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner/show"
)

// replayVariable names, in the environment of a test, the file of a stored failure:
// Check then judges that failure, and nothing else.
const replayVariable = "CRASHSIM_REPLAY"

// replayOnly judges the stored failure of a file, whatever the workload does by now.
func replayOnly(t TB, s *Scenario, o *Options, file string) {
	t.Helper()
	stored, err := readStored(file)
	if err != nil {
		t.Fatalf("%s: %v", replayVariable, err)
	}
	judge := func(t TB) {
		t.Helper()
		if stored.Scenario != s.Name {
			t.Skipf("%s: %s is of the scenario %q, not of %q: it is not judged here", replayVariable, file, stored.Scenario, s.Name)
			return
		}
		violations, err := stored.Judge(*s, *o)
		switch {
		case err != nil:
			t.Fatalf("%s is not judged: %v", file, err)
		case len(violations) == 0:
			t.Logf("%s: this failure no longer occurs", file)
		default:
			f := stored.failure(file, violations)
			t.Errorf("%s under %s: %s, as it was stored in %s\n  %s", s.Name, stored.Model, Breaks(f.Kind), file, f.Story)
		}
	}
	if tt, isT := t.(*testing.T); isT {
		tt.Run(stored.Model.String(), func(t *testing.T) { judge(t) })
	} else {
		judge(t)
	}
}

// failure is a stored failure that was judged again, with what is wrong now.
func (s *Stored) failure(file string, violations []oracle.Violation) *Failure {
	f := &Failure{
		Kind: s.Kind, Violations: violations, How: s.How, Story: s.Story, File: file,
		Crash: Crash{Plan: s.plan, After: s.plan.After(s.Point), Lost: s.Lost, point: s.Point},
		Pair:  s.Pair, Marks: s.plan.Marks(s.Point), fault: s.Fault, second: s.second, damage: s.damage,
	}
	if !slices.ContainsFunc(violations, func(v oracle.Violation) bool { return v.Kind == s.Kind }) {
		f.Kind = violations[0].Kind
		f.Story = show.Line(violations[0].String()) + "; when it was stored: " + s.Story
	}
	return f
}

// replay judges the failures stored by an earlier run. It returns those that still
// fail, where none should, as a result; nil where none does.
func (c *check) replay(t TB) *Result {
	t.Helper()
	if c.options.Failures == "" || c.scenario.declared(c.model).Verdict == Broken {
		return nil
	}
	files, err := filepath.Glob(filepath.Join(globQuoted(c.options.Failures), failureName(c.scenario.Name, c.model, "*")))
	if err != nil {
		t.Logf("%v", err)
	}
	plan := persist.Lower(c.take.trace, c.model)
	var failures []*Failure
	for _, file := range files {
		s, err := readStored(file)
		switch {
		case err != nil:
			t.Errorf("a stored failure cannot be read: %v", err)
			continue
		case !c.same(s):
			t.Logf("%s is of an older workload and is not replayed; remove it if the new one passes", file)
			continue
		}
		violations, err := s.Judge(*c.scenario, *c.options)
		if errors.Is(err, oracle.ErrNoVerdict) {
			t.Fatalf("%s: %v", file, err)
		}
		if err != nil {
			t.Logf("%s is not replayed: %v", file, err)
		}
		if len(violations) == 0 {
			continue
		}
		f := s.failure(file, violations)
		if s.How == "" { // it is of the same trace: effects of one plan are those of the other
			f.Plan = plan
		}
		failures = append(failures, f)
	}
	if failures == nil {
		return nil
	}
	return c.stillFails(plan, failures)
}

// stillFails is the result of a run that found nothing but failures that were known.
func (c *check) stillFails(plan *persist.Plan, failures []*Failure) *Result {
	kinds := make([]oracle.Kind, len(failures))
	for i, f := range failures {
		kinds[i] = f.Kind
	}
	r := &Result{
		Scenario: c.scenario.Name, Model: c.model, Plan: plan, Outcome: Breaks(kinds...), Declared: Keeps(), Failures: failures,
	}
	r.Coverage = Coverage{
		Ops: len(plan.Trace().Ops), Cells: plan.Cells(), Points: plan.Points(), Cases: len(failures), Runs: len(failures),
		Bound: fmt.Sprintf("only the failures stored in %s were judged, since they still occur", c.options.Failures),
	}
	return r
}

// same reports whether a stored failure is of what the workload does.
func (c *check) same(s *Stored) bool {
	now := c.take.trace
	if s.Fault != nil {
		run, err := c.take.with(context.Background(), c.scenario, *s.Fault, s.Model.Failure)
		if s.second != nil && c.scenario.Trace == nil {
			run = &faulty{}
			run.trace, err = c.scenario.recordWith(s.Model.Failure, *s.Fault, *s.second)
		}
		if err != nil || run.trace == nil {
			return false
		}
		now = run.trace
	}
	if !strings.Contains(s.How, killedAfter) || !c.scenario.restarts() {
		return s.Trace.Same(now)
	}
	same := false
	err := c.scenario.eachKill(now, s.Fault, s.Model.Failure, func(live *faultfs.FS, after faultfs.OpNum) bool {
		more, _ := c.scenario.goOn(live) // the trace tells how far it came
		same = s.Trace.Same(now.Then(after, more))
		return !same
	})
	return err == nil && same
}

// Judge runs a scenario's recovery and oracle on the disk of the failure and
// returns what is wrong with it, nothing if nothing is. Where recovery was
// crashed it is run up to there first; one that does something else by now is
// an error.
func (s *Stored) Judge(scenario Scenario, o Options) ([]oracle.Violation, error) {
	r, err := s.reach(scenario, o)
	if err != nil {
		return nil, err
	}
	defer r.close()
	outcome := r.pool.once(r.point, r.cut).Outcome
	if err := r.pool.scenario.unjudged.err(); err != nil {
		return nil, err
	}
	if outcome != nil {
		return outcome.violations, nil
	}
	return nil, nil
}

// reached is the last crash of a failure, with what runs the checker after it.
type reached struct {
	pool  *pool
	close func()
	point int
	cut   persist.Subset
	lost  []persist.Effect
}

// reach goes through the crashes of a failure, up to the last one.
func (s *Stored) reach(scenario Scenario, o Options) (*reached, error) {
	if s.damage != nil && scenario.Damage != nil {
		scenario.Oracle, scenario.rotten = scenario.Damage, true
	}
	_, watched := scenario.watched(context.Background())
	if watched.runs != nil && s.Fault != nil { // what marks acknowledge, the run without the fault says
		sound, err := scenario.prepare()
		if err != nil {
			return nil, err
		}
		watched.ofRun(sound.trace)
	}
	p := newPool(watched, s.plan, &o)
	p.damage = s.damage
	r := &reached{p, func() { p.close(); watched.unjudged.end() }, s.Point, s.subset, s.Lost}
	for i, c := range s.recoveryCrashes {
		plan, start, err := r.pool.relive(r.point, r.cut, c.fault)
		if err == nil {
			r.lost, r.cut, err = pin(plan, c)
		}
		if err != nil {
			r.close()
			return nil, fmt.Errorf("recovery, run for the %s time, is not what it was: %w", [...]string{"first", "second", "n-th"}[min(i, 2)], err)
		}
		r.pool, r.point = r.pool.later(plan, start), c.point
		r.pool.damage = s.damage
	}
	return r, nil
}

// relive runs recovery on a single cut of a crash point, with a fault if there is one, and
// returns what it did as the plan of a later life, and the cut.
func (p *pool) relive(point int, subset persist.Subset, fault *faultfs.Fault) (*persist.Plan, *persist.Box, error) {
	w := p.worker()
	if !w.disk.Begin(point, subset) {
		return nil, nil, errors.New("there is no such disk")
	}
	if p.scenario.Recover == nil {
		return nil, nil, errors.New("there is no recovery any more")
	}
	w.rot.damage.Store(p.damage)
	fs := faultfs.NewOn(w.rot)
	if fault != nil {
		fs.Inject(p.plan.Model().Failure, *fault)
	}
	if err := p.scenario.recover(fs); err != nil && fault == nil {
		return nil, nil, err
	}
	box := p.plan.NewBox()
	box.StartFrom(p.start)
	box.Move(point)
	box.RestrictTo(subset)
	return w.disk.Lower(fs.Trace()), box, nil
}
