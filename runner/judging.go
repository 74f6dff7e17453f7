package runner

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/crashsim/crashsim/faultfs/persist"
	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner/internal/search"
)

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
