package search

import (
	"context"
	"math/rand/v2"

	"github.com/crashsim/crashsim/faultfs/persist"
)

// Sample judges so many cuts drawn at random from what is still waiting, and
// returns how many it has judged before the budget's time or the visitor ended
// it. It adds to the runs, not to the cases: what it covers is not counted.
func (s *Search[T]) Sample(ctx context.Context, rng *rand.Rand, n int) (judged int) {
	ctx, cancel := s.Budget.context(ctx)
	defer cancel()
	var waiting []Job
	for _, tasks := range s.levels {
		for i := range tasks {
			waiting = append(waiting, tasks[i].Job)
		}
	}
	for len(waiting) > 0 && judged < n {
		attempts := make([]*Attempt[T], 0, batchSize)
		for len(attempts) < min(n-judged, s.limit(), batchSize) {
			attempts = append(attempts, &Attempt[T]{Job: s.draw(rng, waiting[rng.IntN(len(waiting))])})
		}
		s.Run(ctx, attempts)
		for _, a := range attempts {
			if a.Skipped {
				return judged
			}
			s.stats.Runs++
			judged++
			s.box.Move(a.Point)
			s.box.RestrictTo(a.Part)
			c := Cube[T]{Point: a.Point, Part: a.Part, Taken: a.Taken, Losses: s.box.Losses(), Outcome: a.Outcome, Ran: true}
			if !s.Visit(&c) {
				return judged
			}
		}
	}
	return judged
}

// draw narrows a job down to one cut: every cell, in random order, is given a
// version at random among those that the earlier choices leave.
func (s *Search[T]) draw(rng *rand.Rand, j Job) Job {
	s.box.Move(j.Point)
	s.box.RestrictTo(j.Part)
	part := j.Part
	for _, i := range rng.Perm(s.plan.Cells()) {
		b := s.box.Bound(persist.Cell(i))
		if b.Lo == b.Hi {
			continue
		}
		v := b.Lo + persist.Version(rng.IntN(int(b.Hi-b.Lo)+1))
		b.Lo, b.Hi = v, v
		s.box.Restrict(b)
		part = part.And(b)
	}
	return Job{j.Point, part}
}
