package search

import (
	"context"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/persist"
)

// tornParts calls f for each part of a crash point in which the write that was
// made just before is torn, and all else is there: of its effects, or of those on
// data alone, one run of neighbours is missing. So it is torn as a prefix, as a suffix or with
// one hole. The newest cut of the part is the case.
func (s *Search[T]) tornParts(point int, f func(part persist.Part, losses int)) {
	op := s.plan.After(point)
	if op < 0 || s.plan.Trace().Ops[op].Kind != faultfs.OpWrite {
		return
	}
	effects := s.plan.Effects(op)
	times := map[persist.Cell]int{}
	for _, e := range effects {
		times[e.Cell]++
	}
	var once []persist.Effect // without the sizes, of which a write that grows a file makes several
	for _, e := range effects {
		if times[e.Cell] == 1 {
			once = append(once, e)
		}
	}
	s.runsOf(point, effects, f)
	if len(once) < len(effects) {
		s.runsOf(point, once, f)
	}
}

// runsOf calls f for each part of a crash point in which one run of neighbours among
// some effects is missing.
func (s *Search[T]) runsOf(point int, effects []persist.Effect, f func(part persist.Part, losses int)) {
	for from := range effects {
		s.box.Move(point)
		var part persist.Part
		for _, e := range effects[from:] {
			older := persist.Bound{Cell: e.Cell, Lo: 0, Hi: e.Version - 1}
			if !s.box.Restrict(older) {
				break // a sync has forced it
			}
			part = part.And(older)
			f(part, s.box.Losses())
		}
	}
}

// Torn judges, from one crash point on and before another, the cases in which the
// write just before the crash is torn in one place: see tornParts. What the search
// has judged before is judged again from memory. It is meant for a search that a
// budget has ended: large writes fall into more cases than any search can judge. It
// reports whether all of these cases were judged. It adds to the runs, not to the
// cases.
func (s *Search[T]) Torn(ctx context.Context, from, until int) (all bool) {
	ctx, cancel := s.Budget.context(ctx)
	defer cancel()
	stats, levels, waiting, dropped := s.stats, s.levels, s.waiting, s.dropped
	s.levels, s.waiting, s.dropped, s.single = nil, 0, -1, true
	defer func() {
		runs := s.stats.Runs
		s.stats = stats
		s.stats.Runs = runs
		s.levels, s.waiting, s.dropped, s.single = levels, waiting, dropped, false
	}()
	for point := from; point < until; point++ {
		if ctx.Err() != nil {
			return false
		}
		s.tornParts(point, func(part persist.Part, losses int) {
			s.push(losses, task[T]{Job: Job{point, part}})
		})
	}
	if s.dropped >= 0 {
		return false
	}
	for losses, tasks := range s.levels {
		s.levels[losses] = nil
		if _, ended := s.level(ctx, losses, tasks); ended {
			return false
		}
	}
	return true
}
