package runner

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/persist"
	"github.com/crashsim/crashsim/oracle"
)

// Run records a scenario once and judges every crash state of it under each
// model, or as many as the budget of the options allows. An error means that
// there was nothing to judge: the workload failed, or does not do the same
// twice, or the context was cancelled.
func Run(ctx context.Context, s Scenario, o Options) ([]Result, error) {
	trace, err := s.prepare()
	if err != nil {
		return nil, err
	}
	var results []Result
	for _, model := range o.models(&s) {
		r := judgeModel(ctx, &s, trace, model, &o)
		if err := ctx.Err(); err != nil {
			return results, err
		}
		if o.Failures != "" {
			if err := storeFailures(o.Failures, &r); err != nil {
				return results, err
			}
		}
		results = append(results, r)
	}
	return results, nil
}

// models returns the models to run under.
func (o *Options) models(s *Scenario) []persist.Model {
	if o.Models != nil {
		return o.Models
	}
	var models []persist.Model
	for _, p := range persist.Presets() {
		if _, ok := s.Declared[p.Name]; ok {
			models = append(models, p.Model)
		}
	}
	if models == nil {
		models = []persist.Model{persist.Default()}
	}
	return models
}

// settleRuns and settleFactor say how long the search for further kinds of
// failures goes on after the first one was found, in runs: so many, and so
// many times as it took to find it.
const (
	settleRuns   = 5000
	settleFactor = 4
)

// judging is a scenario being judged under a model.
type judging struct {
	*Scenario
	options *Options
	plan    *persist.Plan
	pool    *pool
	box     *persist.Box
	result  *Result
	found   map[oracle.Kind]bool
	runs    func() int
	first   int // runs when the first failure was found, -1 before
	settled bool
}

func judgeModel(ctx context.Context, s *Scenario, trace *faultfs.Trace, model persist.Model, o *Options) Result {
	plan := persist.Lower(trace, model)
	cuts, exact := plan.Count()
	r := Result{
		Scenario: s.Name, Model: model, Plan: plan, Declared: s.declared(model),
		Coverage: Coverage{
			Ops: len(trace.Ops), Cells: plan.Cells(), Points: plan.Points(), Cuts: cuts.String(), CutsExact: exact,
		},
	}
	j := judging{
		Scenario: s, options: o, plan: plan, pool: newPool(s, plan, o), box: plan.NewBox(),
		result: &r, found: map[oracle.Kind]bool{}, first: -1,
	}
	defer j.pool.close()
	if r.Why = j.questions(); r.Why != "" {
		return r
	}
	e := newExplorer(plan, j.pool.runAll, j.visit, o.budget())
	j.runs = func() int { return e.stats.Runs }
	if o.Progress != nil {
		e.progress = func(stats Stats) { o.Progress(Progress{s.Name, model, stats}) }
	}
	e.explore(ctx)
	if !e.stats.Done && !j.settled && o.Samples > 0 {
		e.sample(rand.New(rand.NewPCG(o.Seed, 0)), o.Samples)
	}
	j.conclude(e.stats, e.strange)
	return r
}

func (o *Options) budget() *budget {
	b := &budget{maxRuns: o.MaxRuns, maxLosses: -1}
	if o.MaxLosses > 0 {
		b.maxLosses = o.MaxLosses
	}
	if o.MaxTime > 0 {
		b.deadline = time.Now().Add(o.MaxTime)
	}
	return b
}

// questions asks the oracle whether it can be believed: it must accept the
// disk on which nothing is lost and the disk before the first op, and reject
// an empty one once something was promised. It returns what is wrong with it.
func (j *judging) questions() string {
	last := j.plan.Points() - 1
	for _, q := range []struct {
		point int
		disk  string
	}{{last, "on which nothing is lost"}, {0, "before the first op"}} {
		if got := j.pool.once(q.point, persist.Part{}).outcome; got.wrong() {
			return fmt.Sprintf("the oracle rejects the disk %s: %s", q.disk, got.violations[0])
		}
	}
	promised := j.plan.Marks(last)
	if len(promised) == 0 {
		return ""
	}
	if got := judgeEmpty(j.Scenario, promised); !got.wrong() {
		return "the oracle accepts an empty disk after something was promised: it cannot fail"
	}
	return ""
}

// judgeEmpty judges an empty disk. An oracle that panics there has rejected it.
func judgeEmpty(s *Scenario, marks []string) (j *judgement) {
	defer func() {
		if r := recover(); r != nil {
			j = panicked(r)
		}
	}()
	return s.judge(faultfs.New(), listMarks(marks))
}

// visit looks at a case that was judged. It returns false where the search can
// end: each kind of failure has its smallest example.
func (j *judging) visit(c *cube[*judgement]) bool {
	if c.outcome == nil {
		return j.goesOn()
	}
	for _, v := range c.outcome.violations {
		if j.found[v.Kind] {
			continue
		}
		j.found[v.Kind] = true
		f := j.failure(c, v)
		if v.Kind.Warning() {
			j.result.Warnings = append(j.result.Warnings, f)
			continue
		}
		j.result.Failures = append(j.result.Failures, f)
		if j.first < 0 {
			j.first = j.runs()
		}
	}
	return j.goesOn()
}

func (j *judging) goesOn() bool {
	if j.options.All || j.first < 0 || j.runs() < settleRuns+settleFactor*j.first {
		return true
	}
	j.settled = true
	return false
}

// failure makes a failure of a case, and judges the case again: a checker that
// changes its mind is flaky.
func (j *judging) failure(c *cube[*judgement], v oracle.Violation) *Failure {
	j.box.Move(c.point)
	j.box.RestrictTo(c.part)
	for _, t := range c.taken {
		j.box.Restrict(t)
	}
	f := &Failure{
		Kind: v.Kind, Violations: c.outcome.violations, After: j.plan.After(c.point),
		Marks: j.plan.Marks(c.point), Lost: j.box.Lost(), Stack: c.outcome.stack, point: c.point,
	}
	pinned, err := j.plan.Pin(c.point, f.Lost)
	if err != nil {
		panic("crashsim: bug: a case that was judged is no legal cut: " + err.Error())
	}
	var steps []persist.Step
	if v.Kind != oracle.Hung {
		again := j.pool.once(c.point, pinned)
		steps = again.steps
		if got := kindsOf(again.outcome); !slices.Equal(got, kindsOf(c.outcome)) {
			j.note("the checker is flaky: the same case gave %v, and %v when judged again", kindsOf(c.outcome), got)
		}
	}
	f.Story = tellStory(j.plan, j.box, f, v, steps)
	return f
}

func kindsOf(j *judgement) []oracle.Kind {
	var kinds []oracle.Kind
	if j != nil {
		for _, v := range j.violations {
			kinds = append(kinds, v.Kind)
		}
	}
	slices.Sort(kinds)
	return slices.Compact(kinds)
}

func (j *judging) note(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(j.result.Notes, text) {
		j.result.Notes = append(j.result.Notes, text)
	}
}

// conclude writes the verdict.
func (j *judging) conclude(stats Stats, odd *strange) {
	r := j.result
	r.Coverage.Cases, r.Coverage.Runs = stats.Cases, stats.Runs
	r.Coverage.Exhaustive = stats.Done
	r.Coverage.Bound = bound(stats, j.settled, j.options)
	if odd != nil {
		j.note("the checker is not deterministic: after the same reads it read %s where it had read %s before; runs were not shared",
			j.reads(odd.read, odd.expected), j.reads(odd.expected, odd.read))
	}
	switch {
	case len(r.Failures) > 0:
		kinds := make([]oracle.Kind, len(r.Failures))
		for i, f := range r.Failures {
			kinds[i] = f.Kind
		}
		r.Outcome = Breaks(kinds...)
	case stats.Done:
		r.Outcome = Keeps()
	default:
		r.Why = "no failure found, but not every case was judged: " + r.Coverage.Bound
	}
}

// reads shows a sequence of reads from where it parts from another.
func (j *judging) reads(cells, other []persist.Cell) string {
	same := 0
	for same < len(cells) && same < len(other) && cells[same] == other[same] {
		same++
	}
	var names []string
	for _, c := range cells[same:min(len(cells), same+3)] {
		names = append(names, j.plan.Name(c))
	}
	if len(names) == 0 {
		return "nothing more"
	}
	return strings.Join(names, ", ")
}

// bound states what was judged where it is not everything.
func bound(stats Stats, settled bool, o *Options) string {
	if stats.Done {
		return ""
	}
	var judged string
	switch stats.Losses {
	case -1:
		judged = "not even all cases without losses were judged"
	case 0:
		judged = "all cases without losses were judged"
	case 1:
		judged = "all cases with at most 1 loss were judged"
	default:
		judged = fmt.Sprintf("all cases with at most %d losses were judged", stats.Losses)
	}
	switch {
	case settled:
		return judged + "; the search ended with the smallest example of each kind of failure found"
	case o.MaxLosses > 0 && stats.Losses == o.MaxLosses:
		return judged + ", as asked"
	case stats.Full:
		return judged + ", then there was no room for the parts still to judge"
	}
	return judged + ", then the budget was spent"
}
