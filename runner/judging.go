package runner

import (
	"fmt"
	"slices"
	"time"

	"github.com/crashsim/crashsim/faultfs/persist"
	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner/internal/search"
)

// furtherRuns and settleFactor say how long the search for further kinds of
// failures goes on after the first one was found, in runs: so many, and so
// many times as it took to find it.
const (
	furtherRuns   = 5000
	furtherFactor = 4
)

// judging is a scenario being judged under a model.
type judging struct {
	scenario *Scenario
	options  *Options
	budget   *search.Budget
	pool     *pool
	result   *Result
	found    map[ground]bool
	findings []*finding   // that are told, one for each cause
	total    search.Stats // of all explorations that ended
	failures int          // that were found
	first    int          // runs when the first failure was found, -1 before
	allFound bool
	until    time.Time // when the time of the model is over; zero: never

	round     round // at hand, and what part of the budget it has, or the pass, or a part of that
	turn      turn
	reached   int    // losses up to which all cases of the round were judged, everything where all were
	short     bool   // some cases of the round were not judged
	drawn     int    // cuts that the pass has drawn at random
	sequences uint64 // of random numbers, in the round
	full      bool   // there was no room for all that was to be judged
	claim     Claim  // of all passes
	alone     Claim  // of the power cut alone

	damaged []*exploration // of damaged disks that recovery changed, for pairs of blows

	wavers  bool // the checker is not deterministic
	divided int  // searches that were divided among shards
	proof   proof
}

// exploration begins to judge the crash states of a plan; name tells its search from the
// others of the scenario.
func (j *judging) exploration(plan *persist.Plan, how, name string) *exploration {
	pool := j.pool
	plan = j.round.narrow(plan)
	if plan != pool.plan {
		pool = j.pool.later(plan, nil)
	}
	return &exploration{judging: j, plan: plan, pool: pool, box: plan.NewBox(), how: how, name: name, runs: func() int { return 0 }}
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
	r.Coverage.Claim = j.claimed()
	r.Coverage.Exhaustive = j.claim.Exhaustive
	if !r.Coverage.Exhaustive {
		r.Coverage.Bound = j.bound()
	}
	r.allFound, r.proof = j.allFound, j.proof
	if j.options.sharded() {
		j.concludeShard()
	}
	for _, f := range j.findings {
		f.failure.Cases = max(f.cases, 1)
	}
	switch {
	case len(r.Failures) > 0:
		kinds := make([]oracle.Kind, len(r.Failures))
		for i, f := range r.Failures {
			kinds[i] = f.Kind
		}
		r.Outcome = Breaks(kinds...)
	case !j.options.sharded() && (j.claim.Exhaustive || j.enough()):
		r.Outcome = Keeps()
	default:
		r.Why = "no failure found, but not every case was judged: " + r.Coverage.Bound
		if want := j.options.Enough; want != (Claim{}) {
			r.Why += "; enough would be: " + want.String()
		}
	}
}

// concludeShard says that a part of the cases was judged, and takes back what can be
// claimed of all.
func (j *judging) concludeShard() {
	r, name := j.result, j.options.shardName()
	r.AtMost = true
	switch {
	case !j.claim.Exhaustive:
		r.Coverage.Bound = "of the cases of shard " + name + ": " + r.Coverage.Bound
	case j.wavers: // shards that do not see the same may each leave a part to the others
		r.Coverage.Bound = "the checker is not deterministic, and its cases cannot be divided among shards"
	default:
		r.Coverage.Bound, r.shard = "the cases of shard "+name+" were judged", name
	}
	r.Coverage.Claim, r.Coverage.Exhaustive = Claim{}, false
}
