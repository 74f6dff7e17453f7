package runner

import (
	"context"
	"math"
	"math/rand/v2"
	"time"

	"github.com/crashsim/crashsim/faultfs/model"
	"github.com/crashsim/crashsim/faultfs/persist"
	"github.com/crashsim/crashsim/runner/internal/search"
)

// This file says what part of the budget each pass has in a round, and what can be
// claimed in the end.

// round is which cases are judged: first all of them, fewest losses first. What a budget
// cuts off is then judged as people reason about it, a family of cases in each round,
// and at last at random.
type round uint8

const (
	byLosses round = iota
	tornWrites
	wholeFiles
	wholeOps
	atRandom
)

// defaultDraws is how many cuts are drawn at random where a budget ended the search and
// the options do not say how many.
const defaultDraws = 1000

// The parts of a model's time that the search by losses may take, and all of the search.
// The rest is for blame and for the stories of failures.
const (
	lossesShare = 0.6
	searchShare = 0.85
)

// narrow returns the plan of the cases that the round judges.
func (r round) narrow(plan *persist.Plan) *persist.Plan {
	switch r {
	case wholeFiles:
		return plan.WholeFiles()
	case wholeOps:
		return plan.WholeOps()
	}
	return plan
}

// turn is the part of the budget that something has.
type turn struct {
	until time.Time // zero: any time
	runs  int       // that the model may have had at the end of the turn; zero: any number
	draws int       // cuts to be drawn at random
}

// part returns the turn of the next of so many things that share one equally.
func (t turn) part(things, used int) turn {
	things = max(things, 1)
	if !t.until.IsZero() {
		now := time.Now()
		t.until = now.Add(t.until.Sub(now) / time.Duration(things))
	}
	if t.runs > 0 {
		t.runs = used + (max(t.runs-used, 0)+things-1)/things
	}
	t.draws = (t.draws + things - 1) / things
	return t
}

// share does the next of so many things that share the turn at hand. It returns false
// where the turn is over: then the others are not judged either.
func (j *judging) share(ctx context.Context, left int, do func()) bool {
	if j.finished(ctx) {
		j.missed()
		return false
	}
	all := j.turn
	j.turn = all.part(left, j.total.Runs)
	do()
	j.turn = all
	return true
}

// finished reports whether there is nothing left to look for, or no budget for it.
func (j *judging) finished(ctx context.Context) bool {
	t := &j.turn
	return j.allFound || ctx.Err() != nil || !t.until.IsZero() && !time.Now().Before(t.until) || t.runs > 0 && j.total.Runs >= t.runs
}

// everything is what is reached where all cases of a round were judged.
const everything = math.MaxInt

// reach notes that of something that was not judged as a whole, all cases were judged that have
// at most so many losses.
func (j *judging) reach(losses int) { j.reached = min(j.reached, max(losses, -1)) }

// missed notes that some cases of the round were not judged.
func (j *judging) missed() {
	j.short = true
	if j.round == byLosses {
		j.reach(-1)
	}
}

// dealt is what was reached with all passes, and with the power cut alone: so many
// losses, or cuts drawn at random, or everything.
type dealt struct{ all, alone int }

// deal deals the blows of some passes to a program, for a round.
func (j *judging) deal(ctx context.Context, p *program, passes []pass) (d dealt) {
	outer := j.reached
	j.reached = everything
	if j.round == byLosses {
		j.reached = outer // what is not claimed of one need not be judged of another
	}
	for i, do := range passes {
		all := j.turn
		j.short, j.drawn = false, 0
		j.turn = all.part(len(passes)-i, j.total.Runs)
		j.turn.draws = all.draws
		if j.finished(ctx) {
			j.missed()
		} else {
			do(j, ctx, p)
		}
		j.turn = all
		switch {
		case j.short && j.round == atRandom:
			j.reach(j.drawn)
		case j.short && j.round != byLosses:
			j.reach(-1)
		}
		if i == 0 {
			d.alone = j.reached
		}
	}
	d.all = j.reached
	return d
}

// crashesRecovery reports whether recoveries are to be crashed.
func (j *judging) crashesRecovery() bool {
	return j.scenario.Recover != nil && j.options.Depth.times() > 0
}

// kills reports whether the program is to be killed before the power fails.
func (j *judging) kills() bool {
	return j.scenario.restarts() && j.options.Depth.times() > 0 && j.result.Model.Cache != model.CacheKept
}

// rots reports whether data at rest is to be damaged: where the page cache is kept, no
// disk is read.
func (j *judging) rots() bool {
	return j.scenario.Damage != nil && j.result.Model.Cache != model.CacheKept
}

// asked reports whether the options ask for no more losses than were judged.
func (j *judging) asked() bool {
	return j.options.MaxLosses > 0 && j.reached >= j.options.MaxLosses
}

// draws is how many cuts are to be drawn at random where not all was judged.
func (j *judging) draws() int {
	switch o := j.options; {
	case o.Samples > 0:
		return o.Samples
	case o.onlyLosses || o.Samples < 0:
		return 0
	case o.Enough != Claim{}:
		return o.Enough.Random
	case j.asked():
		return 0
	}
	return defaultDraws
}

// random returns where the draws of an exploration come from.
func (j *judging) random() *rand.Rand {
	j.sequences++
	return rand.New(rand.NewPCG(j.seed(), j.sequences-1))
}

func (j *judging) seed() uint64 {
	if o := j.options; o.Samples <= 0 && o.Enough.Random > 0 {
		return o.Enough.Seed
	}
	return j.options.Seed
}

// left is what is left of the budget for an exploration of cases that have lost so much
// already.
func (j *judging) left(losses int) *search.Budget {
	b := *j.budget
	b.Deadline, b.MaxRuns, b.MaxLosses = j.turn.until, 0, -1
	if j.turn.runs > 0 {
		b.MaxRuns = max(j.turn.runs-j.total.Runs, 0)
		b.None = b.MaxRuns == 0
	}
	if j.round != byLosses {
		return &b
	}
	o := j.options
	most := j.reached
	if o.MaxLosses > 0 {
		most = min(most, o.MaxLosses)
	}
	if (o.Enough != Claim{}) {
		most = min(most, o.Enough.FewerLosses-1)
	}
	if most < everything {
		b.MaxLosses = max(most-losses, 0)
	}
	return &b
}
