package search

import (
	"cmp"
	"context"
	"math/rand/v2"
	"slices"

	"github.com/crashsim/crashsim/faultfs/persist"
)

// Cube is a part of a crash point's cuts of which one run of the checker
// stands for all: its newest cut is what the run saw.
type Cube[T any] struct {
	Point   int             // the crash point
	Part    persist.Part    // the part that the run began with
	Taken   []persist.Bound // what the run chose beyond the part; valid during the visit
	Losses  int             // of the newest cut; the others lose more
	Outcome T
	Ran     bool // the checker ran; otherwise an earlier run had seen the same
}

// Kept returns a copy of the cube that lasts longer than the visit.
func (c *Cube[T]) Kept() Cube[T] {
	k := *c
	k.Taken = slices.Clone(c.Taken)
	return k
}

// Whole returns the cube as a part of its crash point.
func (c *Cube[T]) Whole() persist.Part {
	part := c.Part
	for _, t := range c.Taken {
		part = part.And(t)
	}
	return part
}

// Job is a part of a crash point that is waiting to be judged.
type Job struct {
	Point int
	Part  persist.Part
}

// Attempt is a job that needs a run of the checker, and then what the run did.
type Attempt[T any] struct {
	Job
	Empty   bool            // the part holds no cut: there was no run
	Steps   []persist.Step  // what the run read, each cell once
	Taken   []persist.Bound // what it chose beyond the part
	Outcome T

	node     int32          // where the tree ends that it was walked down
	expected []persist.Step // the way there
}

// Options say what a search judges, and how.
type Options[T any] struct {
	// Run runs the checker for each attempt, and fills it in.
	Run func([]*Attempt[T])
	// Visit is called for each cube, from one goroutine and in an order that
	// does not depend on the number of workers. It returns false to end the search.
	Visit func(*Cube[T]) bool
	// Budget ends the search; nil means that nothing does.
	Budget *Budget
	// Start is what the crash before a later life left; nil for a first life.
	Start *persist.Box
	// Tree is a tree of an earlier search with the same checker; nil means an
	// empty one.
	Tree *Tree[T]
	// Progress, if set, is called after each batch of runs.
	Progress func(Stats)
}

// Search judges every cut of every crash point: fewest losses first, each
// part by one run of the checker or by the memory of one. Everything but the
// runs happens on one goroutine, in one order, whatever the number of workers.
type Search[T any] struct {
	Options[T]
	plan *persist.Plan

	box     *persist.Box
	levels  [][]Job // by losses
	waiting int     // jobs in levels
	room    int     // how many may wait
	dropped int     // losses of the first job for which there was no room, -1 if there was for all
	tree    *Tree[T]
	private bool // the checker is not deterministic: runs are not shared
	strange *Strange
	stats   Stats
	left    []rest // reused
	pool    []*Attempt[T]
}

// rest is a part of what a cube left over.
type rest struct {
	losses int
	part   persist.Part
}

// Stats counts what a search did.
type Stats struct {
	Cases  int // parts judged: cases that the checker can tell apart
	Runs   int // runs of the checker
	Losses int // every case with at most so many losses was judged, -1 if not even those with none
	Done   bool
	Full   bool // there was no room for all that was still to be judged
}

// Strange is how a checker turned out not to be deterministic: what it was
// expected to read, and what it read.
type Strange struct {
	Expected []persist.Cell
	Read     []persist.Cell
}

const (
	batchSize = 512     // runs between two looks at the tree
	treeRoom  = 1 << 16 // nodes that a tree may have, besides some for each op
	nodesByOp = 32

	// maxWaiting bounds the jobs that wait, and with them the memory of a
	// search that no budget ends: some 200 bytes each.
	maxWaiting = 1 << 22
)

// New returns a search of a plan in which nothing waits to be judged yet.
func New[T any](plan *persist.Plan, o Options[T]) *Search[T] {
	s := &Search[T]{Options: o, plan: plan, box: plan.NewBox(), tree: o.Tree, room: maxWaiting, dropped: -1}
	if s.tree == nil {
		s.tree = NewTree[T]()
	}
	if s.Budget == nil {
		s.Budget = &Budget{MaxLosses: -1}
	}
	if s.Start != nil {
		s.box.Seat(s.Start)
	}
	return s
}

// Stats returns what the search has done so far.
func (s *Search[T]) Stats() Stats { return s.stats }

// Strange returns how the checker turned out not to be deterministic, nil if it
// did not.
func (s *Search[T]) Strange() *Strange { return s.strange }

// Grown returns the tree that the search has made, for another search with the
// same checker.
func (s *Search[T]) Grown() *Tree[T] { return s.tree }

// Push lets a part of a crash point wait to be judged, unless it is empty.
func (s *Search[T]) Push(j Job) {
	s.box.Move(j.Point)
	if s.box.RestrictTo(j.Part) {
		s.push(s.box.Losses(), j)
	}
}

// Explore judges all parts, or as many as the budget allows.
func (s *Search[T]) Explore(ctx context.Context) {
	s.PushFresh(0, s.plan.Points(), false)
	s.Work(ctx)
}

// PushFresh lets what is new at each crash point, from one on and before
// another, wait to be judged; with whole, all that is there at the first.
func (s *Search[T]) PushFresh(from, until int, whole bool) {
	if whole && from < until {
		s.box.Move(from)
		s.push(s.box.Losses(), Job{from, persist.Part{}})
		from++
	}
	for point := from; point < until; point++ {
		s.box.Fresh(point, func(part persist.Part, losses int) { s.push(losses, Job{point, part}) })
	}
}

// Work judges what waits, and what is left of it, or as much as the budget
// allows.
func (s *Search[T]) Work(ctx context.Context) {
	s.stats.Losses = -1
	for level := 0; level < len(s.levels); level++ {
		if s.Budget.MaxLosses >= 0 && level > s.Budget.MaxLosses && s.waits() {
			return
		}
		if s.dropped >= 0 && level >= s.dropped {
			s.stats.Full = true
			return
		}
		jobs := s.levels[level]
		s.levels[level] = nil
		s.waiting -= len(jobs)
		if byPoint := func(a, b Job) int { return cmp.Compare(a.Point, b.Point) }; !slices.IsSortedFunc(jobs, byPoint) {
			slices.SortStableFunc(jobs, byPoint)
		}
		if !s.level(ctx, level, jobs) {
			return
		}
		s.stats.Losses = level
	}
	s.stats.Full = s.dropped >= 0
	s.stats.Done = !s.stats.Full
}

// waits reports whether any job is waiting.
func (s *Search[T]) waits() bool {
	return slices.ContainsFunc(s.levels, func(jobs []Job) bool { return len(jobs) > 0 })
}

// push lets a job wait. Where too many wait it is dropped, and the search ends
// before the first level that is not whole.
func (s *Search[T]) push(losses int, j Job) {
	if s.dropped >= 0 && losses >= s.dropped {
		return
	}
	if s.waiting >= s.room {
		s.dropped = losses
		return
	}
	s.waiting++
	for len(s.levels) <= losses {
		s.levels = append(s.levels, nil)
	}
	s.levels[losses] = append(s.levels[losses], j)
}

// level judges parts of the same losses. It returns false where the budget or
// the visitor ended it.
func (s *Search[T]) level(ctx context.Context, losses int, jobs []Job) bool {
	for len(jobs) > 0 {
		if ctx.Err() != nil || s.Budget.spent(s.stats.Runs) {
			s.levels[losses] = jobs
			return false
		}
		attempts, later, ok := s.claim(ctx, losses, jobs)
		if !ok {
			return false
		}
		s.Run(attempts)
		if s.Progress != nil {
			s.Progress(s.stats)
		}
		for _, a := range attempts {
			if !a.Empty && !s.finishRun(losses, a) {
				return false
			}
		}
		s.release(attempts)
		if len(s.tree.nodes) > treeRoom+nodesByOp*len(s.plan.Trace().Ops) {
			s.tree = NewTree[T]()
		}
		jobs = later
	}
	return true
}

// release ends a round: a claim on a place that its run did not come to, since
// the checker is not deterministic, is void.
func (s *Search[T]) release(attempts []*Attempt[T]) {
	for _, a := range attempts {
		if !s.private && s.tree.nodes[a.node].kind == claimed {
			s.tree.nodes[a.node].kind = unknown
		}
	}
	s.pool = append(s.pool, attempts...)
}

// claim walks each job down the tree. Those that end at a leaf are judged;
// those that end where no run has been are attempts, the first of each such
// place; the others wait for these.
func (s *Search[T]) claim(ctx context.Context, losses int, jobs []Job) (attempts []*Attempt[T], later []Job, ok bool) {
	limit := s.Budget.batch(s.stats.Runs)
	var taken []persist.Bound
	var way []persist.Step
	for i, j := range jobs {
		if len(attempts) == limit {
			return attempts, append(later, jobs[i:]...), true
		}
		if s.private {
			attempts = append(attempts, s.attempt(j))
			continue
		}
		if ctx.Err() != nil {
			return attempts, append(later, jobs[i:]...), true
		}
		s.box.Move(j.Point)
		s.box.RestrictTo(j.Part)
		taken, way = taken[:0], way[:0]
		at := int32(0)
		for s.tree.nodes[at].kind == reads {
			cell := s.tree.nodes[at].cell
			value, bound, split := s.box.Choose(cell)
			if split {
				taken = append(taken, bound)
			}
			way = append(way, persist.Step{Cell: cell, Value: value})
			at = s.tree.next(at, value)
		}
		switch n := &s.tree.nodes[at]; {
		case n.kind == leaf:
			c := Cube[T]{Point: j.Point, Part: j.Part, Taken: taken, Losses: losses, Outcome: s.tree.leafs[n.index]}
			if !s.finish(&c) {
				return nil, nil, false
			}
		case n.kind == claimed:
			later = append(later, j)
		default:
			n.kind = claimed
			a := s.attempt(j)
			a.node, a.expected = at, append(a.expected, way...)
			attempts = append(attempts, a)
		}
	}
	return attempts, later, true
}

func (s *Search[T]) attempt(j Job) *Attempt[T] {
	if n := len(s.pool); n > 0 {
		a := s.pool[n-1]
		s.pool = s.pool[:n-1]
		*a = Attempt[T]{Job: j, expected: a.expected[:0], Steps: a.Steps[:0], Taken: a.Taken[:0]}
		return a
	}
	return &Attempt[T]{Job: j}
}

// finishRun notes what a run read and judges its part.
func (s *Search[T]) finishRun(losses int, a *Attempt[T]) bool {
	s.stats.Runs++
	if !s.private && !s.tree.add(a.node, a.expected, a.Steps, a.Outcome) {
		s.private = true
		s.strange = &Strange{Expected: s.tree.sequence(a.Steps)}
		for _, step := range a.Steps {
			s.strange.Read = append(s.strange.Read, step.Cell)
		}
	}
	return s.finish(&Cube[T]{
		Point: a.Point, Part: a.Part, Taken: a.Taken, Losses: losses, Outcome: a.Outcome, Ran: true,
	})
}

// finish judges a cube and puts what is left of its part on the list: for each
// choice in turn, the earlier ones kept, an older version taken. The part that
// keeps the most choices comes first: its run reads what the others have in
// common, so that these then need no more than a round of runs.
func (s *Search[T]) finish(c *Cube[T]) bool {
	s.stats.Cases++
	if !s.Visit(c) {
		return false
	}
	if len(c.Taken) == 0 {
		return true
	}
	s.box.Move(c.Point)
	s.box.RestrictTo(c.Part)
	left := s.left[:0]
	kept := c.Part
	for i, choice := range c.Taken {
		older := choice.Older()
		if losses, ok := s.box.Try(older); ok {
			left = append(left, rest{losses, kept.And(older)})
		}
		if i < len(c.Taken)-1 {
			kept = kept.And(choice)
			s.box.Restrict(choice)
		}
	}
	for _, r := range slices.Backward(left) {
		s.push(r.losses, Job{c.Point, r.part})
	}
	s.left = left
	return true
}

// Sample judges so many cuts drawn at random from what is still waiting. It
// adds to the runs, not to the cases: what it covers is not counted.
func (s *Search[T]) Sample(rng *rand.Rand, n int) {
	var waiting []Job
	for _, jobs := range s.levels {
		waiting = append(waiting, jobs...)
	}
	for len(waiting) > 0 && n > 0 {
		attempts := make([]*Attempt[T], 0, batchSize)
		for ; n > 0 && len(attempts) < batchSize; n-- {
			attempts = append(attempts, &Attempt[T]{Job: s.draw(rng, waiting[rng.IntN(len(waiting))])})
		}
		s.Run(attempts)
		for _, a := range attempts {
			s.stats.Runs++
			s.box.Move(a.Point)
			s.box.RestrictTo(a.Part)
			c := Cube[T]{Point: a.Point, Part: a.Part, Taken: a.Taken, Losses: s.box.Losses(), Outcome: a.Outcome, Ran: true}
			if !s.Visit(&c) {
				return
			}
		}
	}
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
