package runner

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/crashsim/crashsim/faultfs/model"

	"github.com/crashsim/crashsim/faultfs/persist"
	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner/internal/search"
)

// Run records a scenario once and judges every crash state of it under each
// model, or as many as the budget of the options allows. An error means that
// there was nothing to judge: the workload failed, or does not do the same
// twice; or the context ended: then the results so far are returned with its error,
// and the last of them says how far its search had come; or, as oracle.ErrNoVerdict, that something
// else than the program failed, so that no verdict could be relied on. Failures are
// stored when all models were judged. One that could not be stored is known all the
// same: see Result.Unstored.
func Run(ctx context.Context, s Scenario, o Options) ([]Result, error) {
	limits := o.limitsFrom(time.Now())
	take, err := s.prepare()
	if err != nil {
		return nil, err
	}
	var results []Result
	models := o.models(&s)
	for i, m := range models {
		if ctx.Err() != nil {
			break
		}
		r, err := verdict(ctx, &s, take, m, limits.share(&o, len(models)-i))
		if err != nil {
			return nil, err
		}
		limits.spend(&r)
		results = append(results, r)
	}
	if o.Failures != "" {
		for i := range results {
			_ = results[i].Store(o.Failures) // it is noted in the result
		}
	}
	return results, ctx.Err()
}

// models returns the models to run under.
func (o *Options) models(s *Scenario) []model.Model {
	if o.Models != nil {
		return o.Models
	}
	var models []model.Model
	for _, p := range model.Presets() {
		if _, ok := s.Declared[p.Name]; ok {
			models = append(models, p.Model)
		}
	}
	if models == nil {
		models = []model.Model{model.Default()}
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
	scenario *Scenario
	options  *Options
	budget   *search.Budget
	pool     *pool
	result   *Result
	found    map[oracle.Kind]bool
	failing  map[oracle.Kind]int // cases judged that fail like this
	total    search.Stats        // of all explorations that ended
	first    int                 // runs when the first failure was found, -1 before
	settled  bool
	until    time.Time // when the time of the model is over; zero: never
	cut      string    // the bound of the first exploration that a budget ended
}

// judgeModel judges a scenario under a model. What kept a case from being judged is
// noted in the scenario: see unjudged.
func judgeModel(ctx context.Context, s *Scenario, take *recording, m model.Model, o *Options) Result {
	start := time.Now()
	trace := take.trace
	plan := persist.Lower(trace, m)
	cuts, exact := plan.Count(ctx)
	r := Result{
		Scenario: s.Name, Model: m, Plan: plan, Command: s.Command, Declared: s.declared(m), scenario: s, timeout: o.Timeout,
		AtLeast: o.Sweep || o.Faults != nil || o.depth() > 1,
		AtMost:  o.Faults != nil && len(s.Faults) > 0 || o.depth() == 0 && s.restarts(),
		Coverage: Coverage{
			Ops: len(trace.Ops), Cells: plan.Cells(), Points: plan.Points(), Cuts: cuts.String(), CutsExact: exact,
		},
	}
	if r.AtLeast && r.Declared.Verdict == Kept && s.breaksSomewhere() {
		r.Declared = Outcome{} // what is known is known of the power cut alone
	}
	j := &judging{
		scenario: s, options: o, budget: o.budget(), pool: newPool(s, plan, o),
		result: &r, found: map[oracle.Kind]bool{}, failing: map[oracle.Kind]int{}, first: -1,
	}
	defer j.pool.close()
	j.pool.gone = ctx.Done()
	if o.MaxTime > 0 {
		j.until = start.Add(o.MaxTime)
		j.budget.Deadline = start.Add(time.Duration(searchShare * float64(o.MaxTime)))
	}
	if r.Why = j.refusesStart(); r.Why != "" {
		r.doubted = true
		return r
	}
	p := &program{take: take, trace: trace, plan: plan}
	for _, pass := range []pass{(*judging).cutPower, (*judging).crashRecovery, (*judging).kill, (*judging).fail, (*judging).rot} {
		pass(j, ctx, p)
	}
	if j.cut == "" && j.interrupted() {
		j.cut = "all cases of the power cut were judged, then the run was interrupted"
	}
	j.conclude()
	return r
}

// exploration begins to judge the crash states of a plan.
func (j *judging) exploration(plan *persist.Plan, how string) *exploration {
	pool := j.pool
	if plan != pool.plan {
		pool = j.pool.later(plan, nil)
	}
	return &exploration{judging: j, plan: plan, pool: pool, box: plan.NewBox(), how: how, runs: func() int { return 0 }}
}

// over reports whether there is nothing left to look for.
func (j *judging) over(ctx context.Context) bool { return j.settled || j.cut != "" || ctx.Err() != nil }

// ended notes how an exploration ended.
func (j *judging) ended(stats search.Stats, what string) {
	if j.cut == "" && !stats.Done {
		j.cut = what + bound(stats, j)
	}
}

// left is what is left of the budget, for cases that have lost so much already.
func (j *judging) left(losses int) *search.Budget {
	b := *j.budget
	if b.MaxRuns > 0 {
		b.MaxRuns = max(b.MaxRuns-j.total.Runs, 0)
		b.None = b.MaxRuns == 0
	}
	if b.MaxLosses >= 0 {
		b.MaxLosses = max(b.MaxLosses-losses, 0)
	}
	return &b
}

func (o *Options) budget() *search.Budget {
	b := &search.Budget{MaxRuns: o.MaxRuns, MaxLosses: -1, Memory: o.MaxMemory}
	if o.MaxLosses > 0 {
		b.MaxLosses = o.MaxLosses
	}
	if o.MaxTime > 0 {
		b.Deadline = time.Now().Add(o.MaxTime)
	}
	return b
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
func (j *judging) conclude() {
	r := j.result
	if trace := j.scenario.Trace; trace != nil {
		for _, n := range trace.Notes {
			j.note("%s", n)
		}
	}
	r.Coverage.Cases, r.Coverage.Runs = j.total.Cases, j.total.Runs
	r.Coverage.Exhaustive = j.cut == ""
	r.Coverage.Bound = j.cut
	r.settled = j.settled
	for _, f := range slices.Concat(r.Failures, r.Warnings) {
		f.Cases = j.failing[f.Kind]
	}
	switch {
	case len(r.Failures) > 0:
		kinds := make([]oracle.Kind, len(r.Failures))
		for i, f := range r.Failures {
			kinds[i] = f.Kind
		}
		r.Outcome = Breaks(kinds...)
	case j.cut == "":
		r.Outcome = Keeps()
	default:
		r.Why = "no failure found, but not every case was judged: " + r.Coverage.Bound
	}
}

// readNames shows a sequence of reads from where it parts from another.
func readNames(plan *persist.Plan, cells, other []persist.Cell) string {
	same := 0
	for same < len(cells) && same < len(other) && cells[same] == other[same] {
		same++
	}
	var names []string
	for _, c := range cells[same:min(len(cells), same+3)] {
		names = append(names, plan.Name(c))
	}
	if len(names) == 0 {
		return "nothing more"
	}
	return strings.Join(names, ", ")
}

// bound states what was judged where it is not everything.
func bound(stats search.Stats, j *judging) string {
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
	case j.settled:
		return judged + "; the search ended with the smallest example of each kind of failure found"
	case j.options.MaxLosses > 0 && stats.Losses == j.options.MaxLosses:
		return judged + ", as asked"
	case stats.Full:
		return judged + ", then there was no room for the parts still to judge"
	case j.interrupted():
		return judged + ", then the run was interrupted"
	}
	return judged + ", then the budget was spent"
}
