package search

import (
	"context"
	"iter"
	"math/rand/v2"
	"slices"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/persist"
)

// chunk is how many cases are judged one by one before more are looked for.
const chunk = 1024

// one judges the newest cut of each part that is given, and nothing that is left of
// them. It returns how many it has judged, and whether that is all of them. What was
// judged before is judged again from memory. It adds to the runs, not to the cases.
func (s *Search[T]) one(ctx context.Context, jobs iter.Seq[Job]) (judged int, all bool) {
	ctx, cancel := s.Budget.context(ctx)
	defer cancel()
	stats, levels := s.stats, s.levels
	s.levels, s.single = nil, true
	defer func() {
		stats.Runs = s.stats.Runs
		s.stats, s.levels, s.single = stats, levels, false
	}()
	var tasks []lossy[T]
	for j := range jobs {
		if ctx.Err() != nil {
			return judged, false
		}
		s.box.Move(j.Point)
		if s.box.RestrictTo(j.Subset) {
			tasks = append(tasks, lossy[T]{s.box.Losses(), task[T]{Job: j}})
		}
		if len(tasks) == chunk {
			n, all := s.oneByOne(ctx, tasks)
			if judged += n; !all {
				return judged, false
			}
			tasks = tasks[:0]
		}
	}
	n, all := s.oneByOne(ctx, tasks)
	return judged + n, all
}

// lossy is a task with its losses.
type lossy[T any] struct {
	losses int
	task   task[T]
}

// oneByOne judges tasks in their order.
func (s *Search[T]) oneByOne(ctx context.Context, tasks []lossy[T]) (judged int, all bool) {
	var run []task[T]
	for len(tasks) > 0 {
		losses := tasks[0].losses
		run = run[:0]
		for len(tasks) > 0 && tasks[0].losses == losses {
			run = append(run, tasks[0].task)
			tasks = tasks[1:]
		}
		done, ended := s.level(ctx, losses, run)
		if judged += done; ended {
			return judged, false
		}
	}
	return judged, true
}

// Torn judges, from one crash point on and before another, the cases in which one write
// is torn in one place and all else is there: see tornParts; and those in which nothing is
// lost. It reports whether all of these cases were judged. It is meant for what a
// budget has cut off: large writes fall into more cases than any search can judge.
func (s *Search[T]) Torn(ctx context.Context, from, until int) (all bool) {
	_, all = s.one(ctx, s.tornJobs(from, until))
	return all
}

// tornJobs are the cases in which at most one write is torn.
func (s *Search[T]) tornJobs(from, until int) iter.Seq[Job] {
	return func(yield func(Job) bool) {
		var unsynced [][]persist.Effect // writes of which not all is forced yet
		for point := range until {
			if op := s.plan.After(point); op >= 0 && s.plan.Trace().Ops[op].Kind == faultfs.OpWrite {
				unsynced = append(unsynced, s.plan.Effects(op))
			}
			if point < from || !s.shows(point) && point > from {
				continue
			}
			s.box.Move(point)
			unsynced = slices.DeleteFunc(unsynced, s.forced)
			if !yield(Job{Point: point}) {
				return
			}
			for _, effects := range unsynced {
				for subset := range s.tornParts(point, effects) {
					if !yield(Job{point, subset}) {
						return
					}
				}
			}
		}
	}
}

// shows reports whether a crash point has cases that the one before has not.
func (s *Search[T]) shows(point int) bool {
	fresh := false
	s.box.Fresh(point, func(persist.Subset, int) { fresh = true })
	return fresh
}

// forced reports whether all effects are on the disk in each cut of the box.
func (s *Search[T]) forced(effects []persist.Effect) bool {
	return !slices.ContainsFunc(effects, func(e persist.Effect) bool { return s.box.Bound(e.Cell).Lo < e.Version })
}

// tornParts are the parts of a crash point in which one write is torn, and all else is
// there: of its effects, or of those on data alone, one run of neighbours is missing. So
// it is torn as a prefix, as a suffix or with one hole. The newest cut of a subset is the
// case.
func (s *Search[T]) tornParts(point int, effects []persist.Effect) iter.Seq[persist.Subset] {
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
	return func(yield func(persist.Subset) bool) {
		if s.runsOf(point, effects, yield) && len(once) < len(effects) {
			s.runsOf(point, once, yield)
		}
	}
}

// runsOf yields the parts of a crash point in which one run of neighbours among some
// effects is missing. It returns false where it was ended.
func (s *Search[T]) runsOf(point int, effects []persist.Effect, yield func(persist.Subset) bool) bool {
	for from := range effects {
		var subset persist.Subset
		for _, e := range effects[from:] {
			older := persist.Bound{Cell: e.Cell, Lo: 0, Hi: e.Version - 1}
			more := subset.And(older)
			if s.box.Move(point); !s.box.RestrictTo(more) {
				break // a sync has forced it
			}
			if subset = more; !yield(subset) {
				return false
			}
		}
	}
	return true
}

// Sample judges so many cuts drawn at random, from one crash point on and before
// another, and returns how many it has judged before the budget or the visitor ended it.
// Which cuts these are depends on nothing but the plan and the random numbers.
func (s *Search[T]) Sample(ctx context.Context, rng *rand.Rand, from, until, n int) (judged int) {
	var fresh []Job
	for point := from; point < until; point++ {
		s.box.Fresh(point, func(subset persist.Subset, _ int) { fresh = append(fresh, Job{point, subset}) })
	}
	if len(fresh) == 0 {
		return n
	}
	judged, _ = s.one(ctx, func(yield func(Job) bool) {
		for range n {
			if !yield(s.draw(rng, fresh[rng.IntN(len(fresh))])) {
				return
			}
		}
	})
	return judged
}

// draw narrows a job down to one cut: every cell, in random order, is given a
// version at random among those that the earlier choices leave.
func (s *Search[T]) draw(rng *rand.Rand, j Job) Job {
	s.box.Move(j.Point)
	s.box.RestrictTo(j.Subset)
	subset := j.Subset
	for _, i := range rng.Perm(s.plan.Cells()) {
		b := s.box.Bound(persist.Cell(i))
		if b.Lo == b.Hi {
			continue
		}
		v := b.Lo + persist.Version(rng.IntN(int(b.Hi-b.Lo)+1))
		b.Lo, b.Hi = v, v
		s.box.Restrict(b)
		subset = subset.And(b)
	}
	return Job{j.Point, subset}
}
