package search

import (
	"context"
	"time"
)

const (
	batchSize = 512              // runs of a batch, at most
	minAhead  = 4                // jobs that are looked at at least, to find some to run
	slowRun   = time.Millisecond // from here on a worker is not left idle where a run may be needed
	batchTime = 100 * time.Millisecond
)

// standing returns how far a job has come.
func (s *Search[T]) standing(t *task[T]) *standing[T] {
	if t.stand != nil {
		return t.stand
	}
	if n := len(s.stands); n > 0 {
		t.stand = s.stands[n-1]
		s.stands = s.stands[:n-1]
	} else {
		t.stand = &standing[T]{}
	}
	if t.tree != s.trees {
		t.node = 0 // the tree was thrown away
	}
	*t.stand = standing[T]{at: t.node, tree: s.trees, taken: t.stand.taken[:0], nodes: t.stand.nodes[:0]}
	return t.stand
}

// forget ends a job.
func (s *Search[T]) forget(t *task[T]) {
	s.drop(t.stand)
	s.stands = append(s.stands, t.stand)
	t.stand = nil
}

// drop forgets the run of a job.
func (s *Search[T]) drop(st *standing[T]) {
	if st.ran != nil {
		s.used = append(s.used, st.ran)
		st.ran = nil
	}
}

// walk goes on with a job's way down the tree as far as runs have been.
func (s *Search[T]) walk(t *task[T]) {
	st := t.stand
	if st.tree != s.trees {
		st.at, st.tree, st.taken, st.nodes = 0, s.trees, st.taken[:0], st.nodes[:0]
	}
	nodes := s.tree.nodes
	if nodes[st.at].kind != reads {
		return
	}
	s.box.Move(t.Point)
	s.box.RestrictTo(t.Subset)
	for _, b := range st.taken {
		s.box.Restrict(b)
	}
	at := st.at
	for s.tree.nodes[at].kind == reads {
		cell := s.tree.nodes[at].cell
		value, bound, split := s.box.Choose(cell)
		if split {
			st.taken = append(st.taken, bound)
			st.nodes = append(st.nodes, at)
		}
		at = s.tree.next(at, value)
	}
	st.at = at
}

// runAhead runs the checker for the first of the given jobs, and in the same
// batch for those behind it that need a run: each that stands where no run has
// been, the first of each such place. The others wait for these, unless a worker
// would be idle.
func (s *Search[T]) runAhead(ctx context.Context, losses int, tasks []task[T]) {
	s.batch, s.batchOf, s.waiters, s.claims = s.batch[:0], s.batchOf[:0], s.waiters[:0], s.claims[:0]
	limit := s.limit()
	looked := s.collect(ctx, tasks, limit, s.ahead)
	idle := s.Workers > 1 && s.pace > slowRun
	if idle && len(tasks) == looked {
		for next := losses + 1; next < len(s.levels) && len(s.batch) < limit; next++ {
			s.collect(ctx, s.levels[next], limit, s.ahead)
		}
	}
	if 4*len(s.batch) >= looked {
		s.ahead = min(2*s.ahead, 4*batchSize)
	} else {
		s.ahead = max(s.ahead/2, minAhead)
	}
	if idle {
		s.ahead = max(s.ahead, 4*s.Workers)
		for _, t := range s.waiters {
			if s.Batch != nil { // a run that may not be needed is not worth the way
				break
			}
			if len(s.batch)%s.Workers == 0 || len(s.batch) >= limit {
				break
			}
			s.add(t)
		}
	}
	for _, at := range s.claims {
		if s.tree.nodes[at].kind == claimed {
			s.tree.nodes[at].kind = unknown
		}
	}
	start := time.Now()
	s.Run(ctx, s.batch)
	if ctx.Err() == nil {
		s.pace = time.Since(start) * time.Duration(min(s.Workers, len(s.batch))) / time.Duration(len(s.batch))
	}
	for i, t := range s.batchOf {
		t.stand.ran = s.batch[i]
		if i > 0 && t.stand.ran.Skipped {
			s.drop(t.stand)
		}
	}
	s.tell(len(tasks))
}

// tell tells how far the search has come, with so many jobs at hand.
func (s *Search[T]) tell(atHand int) {
	if s.Progress != nil {
		now := s.stats
		now.Waiting = s.waiting + atHand
		s.Progress(now)
	}
}

// limit returns how many runs there may be in a batch. Slow ones are made in
// small batches, so that what is found is seen soon.
func (s *Search[T]) limit() int {
	limit := s.Budget.batch(s.stats.Runs)
	if s.private { // which runs will be needed is not known
		limit = min(limit, s.Workers)
	}
	if s.Batch != nil {
		return min(limit, max(s.Batch(), 1))
	}
	if s.pace > 0 {
		limit = min(limit, max(int(batchTime/s.pace), 1)*s.Workers)
	}
	return limit
}

// collect takes jobs that need a run into the batch, and returns at how many it
// has looked.
func (s *Search[T]) collect(ctx context.Context, tasks []task[T], limit, most int) (looked int) {
	for i := range tasks {
		if looked == most || len(s.batch) >= limit || looked > 0 && ctx.Err() != nil {
			return looked
		}
		t := &tasks[i]
		looked++
		stand := s.standing(t)
		if s.private {
			if stand.ran == nil {
				if _, ok := s.remembered(t); !ok {
					s.add(t)
				}
			}
			continue
		}
		s.walk(t)
		switch n := &s.tree.nodes[stand.at]; {
		case n.kind == leaf:
		case n.kind == claimed && stand.ran == nil:
			s.waiters = append(s.waiters, t)
		case n.kind != claimed:
			n.kind = claimed
			s.claims = append(s.claims, stand.at)
			if stand.ran == nil {
				s.add(t)
			}
		}
	}
	return looked
}

// add takes a job into the batch.
func (s *Search[T]) add(t *task[T]) {
	var a *Attempt[T]
	if n := len(s.used); n > 0 {
		a = s.used[n-1]
		s.used = s.used[:n-1]
	} else {
		a = &Attempt[T]{}
	}
	*a = Attempt[T]{Job: t.Job, Reads: a.Reads[:0], Taken: a.Taken[:0]}
	s.batch = append(s.batch, a)
	s.batchOf = append(s.batchOf, t)
}
