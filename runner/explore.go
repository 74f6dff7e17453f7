package runner

import (
	"cmp"
	"context"
	"math/rand/v2"
	"slices"

	"github.com/crashsim/crashsim/faultfs/persist"
)

// cube is a part of a crash point's cuts of which one run of the checker
// stands for all: its newest cut is what the run saw.
type cube[T any] struct {
	point   int
	part    persist.Part
	taken   []persist.Bound // what the run chose beyond the part
	losses  int             // of the newest cut; the others lose more
	outcome T
	ran     bool // the checker ran; otherwise an earlier run had seen the same
}

// job is a part that is waiting to be judged.
type job struct {
	point int
	part  persist.Part
}

// attempt is a job that needs a run of the checker, and then what the run did.
type attempt[T any] struct {
	job
	node     int32          // where the tree ends that it was walked down
	expected []persist.Step // the way there
	empty    bool
	steps    []persist.Step
	taken    []persist.Bound
	outcome  T
}

// explorer judges every cut of every crash point: fewest losses first, each
// part by one run of the checker or by the memory of one. Everything but the
// runs happens on one goroutine, in one order, whatever the number of workers.
type explorer[T any] struct {
	plan   *persist.Plan
	run    func([]*attempt[T]) // runs the checker for each attempt
	visit  func(*cube[T]) bool // false: that is enough
	budget *budget

	box      *persist.Box
	levels   [][]job // by losses
	waiting  int     // jobs in levels
	room     int     // how many may wait
	dropped  int     // losses of the first job for which there was no room, -1 if there was for all
	tree     *tree[T]
	private  bool // the checker is not deterministic: runs are not shared
	strange  *strange
	stats    Stats
	left     []rest // reused
	progress func(Stats)
	pool     []*attempt[T]
}

// rest is a part of what a cube left over.
type rest struct {
	losses int
	part   persist.Part
}

// Stats counts what an exploration did.
type Stats struct {
	Cases  int // parts judged: cases that the checker can tell apart
	Runs   int // runs of the checker
	Losses int // every case with at most so many losses was judged, -1 if not even those with none
	Done   bool
	Full   bool // there was no room for all that was still to be judged
}

// strange is how a checker turned out not to be deterministic: what it was
// expected to read, and what it read.
type strange struct {
	expected []persist.Cell
	read     []persist.Cell
}

const (
	batchSize = 512     // runs between two looks at the tree
	treeRoom  = 1 << 16 // nodes that a tree may have, besides some for each op
	nodesByOp = 32

	// maxWaiting bounds the jobs that wait, and with them the memory of a
	// search that no budget ends: some 200 bytes each.
	maxWaiting = 1 << 22
)

func newExplorer[T any](plan *persist.Plan, run func([]*attempt[T]), visit func(*cube[T]) bool, b *budget) *explorer[T] {
	return &explorer[T]{plan: plan, run: run, visit: visit, budget: b, box: plan.NewBox(), tree: newTree[T](), room: maxWaiting, dropped: -1}
}

// explore judges all parts, or as many as the budget allows.
func (e *explorer[T]) explore(ctx context.Context) {
	e.pushFresh(0, e.plan.Points(), false)
	e.work(ctx)
}

// pushFresh lets what is new at each crash point, from one on and before
// another, wait to be judged; with whole, all that is there at the first.
func (e *explorer[T]) pushFresh(from, until int, whole bool) {
	if whole && from < until {
		e.box.Move(from)
		e.push(e.box.Losses(), job{from, persist.Part{}})
		from++
	}
	for point := from; point < until; point++ {
		e.box.Fresh(point, func(part persist.Part, losses int) { e.push(losses, job{point, part}) })
	}
}

// work judges what waits, and what is left of it, or as much as the budget
// allows.
func (e *explorer[T]) work(ctx context.Context) {
	e.stats.Losses = -1
	for level := 0; level < len(e.levels); level++ {
		if e.budget.maxLosses >= 0 && level > e.budget.maxLosses && e.waits() {
			return
		}
		if e.dropped >= 0 && level >= e.dropped {
			e.stats.Full = true
			return
		}
		jobs := e.levels[level]
		e.levels[level] = nil
		e.waiting -= len(jobs)
		if byPoint := func(a, b job) int { return cmp.Compare(a.point, b.point) }; !slices.IsSortedFunc(jobs, byPoint) {
			slices.SortStableFunc(jobs, byPoint)
		}
		if !e.level(ctx, level, jobs) {
			return
		}
		e.stats.Losses = level
	}
	e.stats.Full = e.dropped >= 0
	e.stats.Done = !e.stats.Full
}

// waits reports whether any job is waiting.
func (e *explorer[T]) waits() bool {
	return slices.ContainsFunc(e.levels, func(jobs []job) bool { return len(jobs) > 0 })
}

// push lets a job wait. Where too many wait it is dropped, and the search ends
// before the first level that is not whole.
func (e *explorer[T]) push(losses int, j job) {
	if e.dropped >= 0 && losses >= e.dropped {
		return
	}
	if e.waiting >= e.room {
		e.dropped = losses
		return
	}
	e.waiting++
	for len(e.levels) <= losses {
		e.levels = append(e.levels, nil)
	}
	e.levels[losses] = append(e.levels[losses], j)
}

// level judges parts of the same losses. It returns false where the budget or
// the visitor ended it.
func (e *explorer[T]) level(ctx context.Context, losses int, jobs []job) bool {
	for len(jobs) > 0 {
		if ctx.Err() != nil || e.budget.spent(e.stats.Runs) {
			e.levels[losses] = jobs
			return false
		}
		attempts, later, ok := e.claim(ctx, losses, jobs)
		if !ok {
			return false
		}
		e.run(attempts)
		if e.progress != nil {
			e.progress(e.stats)
		}
		for _, a := range attempts {
			if !a.empty && !e.finishRun(losses, a) {
				return false
			}
		}
		e.release(attempts)
		if len(e.tree.nodes) > treeRoom+nodesByOp*len(e.plan.Trace().Ops) {
			e.tree = newTree[T]()
		}
		jobs = later
	}
	return true
}

// release ends a round: a claim on a place that its run did not come to, since
// the checker is not deterministic, is void.
func (e *explorer[T]) release(attempts []*attempt[T]) {
	for _, a := range attempts {
		if !e.private && e.tree.nodes[a.node].kind == claimed {
			e.tree.nodes[a.node].kind = unknown
		}
	}
	e.pool = append(e.pool, attempts...)
}

// claim walks each job down the tree. Those that end at a leaf are judged;
// those that end where no run has been are attempts, the first of each such
// place; the others wait for these.
func (e *explorer[T]) claim(ctx context.Context, losses int, jobs []job) (attempts []*attempt[T], later []job, ok bool) {
	limit := e.budget.batch(e.stats.Runs)
	var taken []persist.Bound
	var way []persist.Step
	for i, j := range jobs {
		if len(attempts) == limit {
			return attempts, append(later, jobs[i:]...), true
		}
		if e.private {
			attempts = append(attempts, e.attempt(j))
			continue
		}
		if ctx.Err() != nil {
			return attempts, append(later, jobs[i:]...), true
		}
		e.box.Move(j.point)
		e.box.RestrictTo(j.part)
		taken, way = taken[:0], way[:0]
		at := int32(0)
		for e.tree.nodes[at].kind == reads {
			cell := e.tree.nodes[at].cell
			value, bound, split := e.box.Choose(cell)
			if split {
				taken = append(taken, bound)
			}
			way = append(way, persist.Step{Cell: cell, Value: value})
			at = e.tree.next(at, value)
		}
		switch n := &e.tree.nodes[at]; {
		case n.kind == leaf:
			c := cube[T]{point: j.point, part: j.part, taken: taken, losses: losses, outcome: e.tree.leafs[n.index]}
			if !e.finish(&c) {
				return nil, nil, false
			}
		case n.kind == claimed:
			later = append(later, j)
		default:
			n.kind = claimed
			a := e.attempt(j)
			a.node, a.expected = at, append(a.expected, way...)
			attempts = append(attempts, a)
		}
	}
	return attempts, later, true
}

func (e *explorer[T]) attempt(j job) *attempt[T] {
	if n := len(e.pool); n > 0 {
		a := e.pool[n-1]
		e.pool = e.pool[:n-1]
		*a = attempt[T]{job: j, expected: a.expected[:0], steps: a.steps[:0], taken: a.taken[:0]}
		return a
	}
	return &attempt[T]{job: j}
}

// finishRun notes what a run read and judges its part.
func (e *explorer[T]) finishRun(losses int, a *attempt[T]) bool {
	e.stats.Runs++
	if !e.private && !e.tree.add(a.node, a.expected, a.steps, a.outcome) {
		e.private = true
		e.strange = &strange{expected: e.tree.sequence(a.steps)}
		for _, s := range a.steps {
			e.strange.read = append(e.strange.read, s.Cell)
		}
	}
	return e.finish(&cube[T]{
		point: a.point, part: a.part, taken: a.taken, losses: losses, outcome: a.outcome, ran: true,
	})
}

// finish judges a cube and puts what is left of its part on the list: for each
// choice in turn, the earlier ones kept, an older version taken. The part that
// keeps the most choices comes first: its run reads what the others have in
// common, so that these then need no more than a round of runs.
func (e *explorer[T]) finish(c *cube[T]) bool {
	e.stats.Cases++
	if !e.visit(c) {
		return false
	}
	if len(c.taken) == 0 {
		return true
	}
	e.box.Move(c.point)
	e.box.RestrictTo(c.part)
	left := e.left[:0]
	kept := c.part
	for i, choice := range c.taken {
		older := choice.Older()
		if losses, ok := e.box.Try(older); ok {
			left = append(left, rest{losses, kept.And(older)})
		}
		if i < len(c.taken)-1 {
			kept = kept.And(choice)
			e.box.Restrict(choice)
		}
	}
	for _, r := range slices.Backward(left) {
		e.push(r.losses, job{c.point, r.part})
	}
	e.left = left
	return true
}

// sample judges so many cuts drawn at random from what is still waiting. It
// adds to the runs, not to the cases: what it covers is not counted.
func (e *explorer[T]) sample(rng *rand.Rand, n int) {
	var waiting []job
	for _, jobs := range e.levels {
		waiting = append(waiting, jobs...)
	}
	for len(waiting) > 0 && n > 0 {
		attempts := make([]*attempt[T], 0, batchSize)
		for ; n > 0 && len(attempts) < batchSize; n-- {
			attempts = append(attempts, &attempt[T]{job: e.draw(rng, waiting[rng.IntN(len(waiting))])})
		}
		e.run(attempts)
		for _, a := range attempts {
			e.stats.Runs++
			e.box.Move(a.point)
			e.box.RestrictTo(a.part)
			c := cube[T]{point: a.point, part: a.part, taken: a.taken, losses: e.box.Losses(), outcome: a.outcome, ran: true}
			if !e.visit(&c) {
				return
			}
		}
	}
}

// draw narrows a job down to one cut: every cell, in random order, is given a
// version at random among those that the earlier choices leave.
func (e *explorer[T]) draw(rng *rand.Rand, j job) job {
	e.box.Move(j.point)
	e.box.RestrictTo(j.part)
	part := j.part
	for _, i := range rng.Perm(e.plan.Cells()) {
		b := e.box.Bound(persist.Cell(i))
		if b.Lo == b.Hi {
			continue
		}
		v := b.Lo + persist.Version(rng.IntN(int(b.Hi-b.Lo)+1))
		b.Lo, b.Hi = v, v
		e.box.Restrict(b)
		part = part.And(b)
	}
	return job{j.point, part}
}
