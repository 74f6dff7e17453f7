package runner

import (
	"context"
	"time"
)

// This file says in which order the cases of all passes are judged.

// judge judges the program round by round, and notes what can be claimed.
func (j *judging) judge(ctx context.Context, p *program) {
	o, passes := j.options, j.passes()
	budget := turn{until: j.budget.Deadline, runs: o.MaxRuns}
	j.turn = budget
	if more := !o.onlyLosses && (o.Enough == Claim{} || o.Enough.besides() != nil); more {
		j.turn.runs = (3*budget.runs + 3) / 4
		if o.MaxTime > 0 {
			j.turn.until = j.until.Add(-time.Duration((1 - lossesShare) * float64(o.MaxTime)))
		}
	}
	j.reached = everything
	d := j.deal(ctx, p, passes)
	if j.interrupted() && (len(passes) > 1 || d.all == everything) {
		d.all = -1 // whether the last of them came to its end is not known
	}
	j.claim, j.alone = upTo(d.all), upTo(d.alone)
	j.claim.Pairs = o.Pairs
	if j.claim.Exhaustive || o.sharded() {
		return
	}
	j.reached = d.all
	rounds := j.rounds()
	draws := j.draws()
	for i, r := range rounds {
		if j.allFound || ctx.Err() != nil {
			break
		}
		j.round, j.turn, j.sequences = r, budget, 0
		if r == atRandom && o.Samples > 0 {
			j.turn.runs = 0 // they come on top
		}
		j.turn = j.turn.part(len(rounds)-i, j.total.Runs)
		j.turn.draws = draws
		seen := j.result.Coverage
		j.result.Coverage = seen.without()
		d := j.deal(ctx, p, passes)
		j.result.Coverage.most(&seen)
		j.claim.reaches(r, d.all, draws, j.seed())
		if !j.alone.Exhaustive {
			j.alone.reaches(r, d.alone, draws, j.seed())
		}
	}
}

// passes are the blows that can be dealt to the program, the power cut first.
func (j *judging) passes() []pass {
	passes := []pass{(*judging).cutPower}
	if j.crashesRecovery() {
		passes = append(passes, (*judging).crashRecovery)
	}
	if j.kills() {
		passes = append(passes, (*judging).kill)
	}
	if len(j.given()) > 0 || j.options.Sweep {
		passes = append(passes, (*judging).fail)
	}
	if j.rots() {
		passes = append(passes, (*judging).rot)
	}
	return append(passes, j.pairs()...)
}

// pairs are the pairs of blows that are asked for. They come after the blows alone.
func (j *judging) pairs() []pass {
	if j.options.Pairs == 0 {
		return nil
	}
	passes := []pass{(*judging).failTwice}
	if j.crashesRecovery() {
		passes = append(passes, (*judging).failRecovery)
	}
	if j.rots() && j.crashesRecovery() {
		passes = append(passes, (*judging).crashDamaged)
	}
	return passes
}

// rounds are the rounds that follow the one by losses.
func (j *judging) rounds() []round {
	o := j.options
	var rounds []round
	add := func(r round, wanted bool) {
		if wanted {
			rounds = append(rounds, r)
		}
	}
	any := !o.onlyLosses && o.Enough == Claim{} && !j.asked()
	add(tornWrites, any || o.Enough.TornWrites)
	add(wholeFiles, any || o.Enough.WholeFiles)
	add(wholeOps, any || o.Enough.WholeOps)
	add(atRandom, j.draws() > 0)
	return rounds
}

// without returns the coverage with nothing counted that happened besides the power cut.
func (c Coverage) without() Coverage {
	c.Recoveries, c.Faults, c.Kills, c.Damages, c.Pairs = 0, 0, 0, 0, 0
	return c
}

// most takes over what another round has counted more of.
func (c *Coverage) most(d *Coverage) {
	c.Recoveries, c.Faults = max(c.Recoveries, d.Recoveries), max(c.Faults, d.Faults)
	c.Kills, c.Damages, c.Pairs = max(c.Kills, d.Kills), max(c.Damages, d.Damages), max(c.Pairs, d.Pairs)
}
