package search

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/crashsim/crashsim/faultfs/persist"
)

// Cube is a subset of a crash point's cuts of which one run of the checker
// stands for all: its newest cut is what the run saw.
type Cube[T any] struct {
	Point   int             // the crash point
	Subset  persist.Subset  // the subset that the run began with
	Taken   []persist.Bound // what the run chose beyond the subset; valid during the visit
	Losses  int             // of the newest cut; the others lose more
	Outcome T
	Ran     bool // the checker ran; otherwise an earlier run had seen the same
}

// Kept returns a copy of the cube that lasts longer than the visit.
func (c *Cube[T]) Kept() Cube[T] {
	k := *c
	k.Taken = append([]persist.Bound(nil), c.Taken...) // of nothing it is nil, whatever memory it had
	return k
}

// Whole returns the cube as a subset of its crash point.
func (c *Cube[T]) Whole() persist.Subset {
	subset := c.Subset
	for _, t := range c.Taken {
		subset = subset.And(t)
	}
	return subset
}

// Job is a subset of a crash point that is waiting to be judged.
type Job struct {
	Point  int
	Subset persist.Subset
}

// Attempt is a job that needs a run of the checker, and then what the run did.
type Attempt[T any] struct {
	Job
	Empty   bool            // the subset holds no cut: there was no run
	Skipped bool            // there was no run, since the time was over
	Reads   []persist.Read  // what the run read, each cell once
	Taken   []persist.Bound // what it chose beyond the subset
	Outcome T
}

// Options say what a search judges, and how.
type Options[T any] struct {
	// Run runs the checker for each attempt, and fills it in. Once the context
	// ends it starts no more runs, and marks the attempts that are left as skipped.
	Run func(context.Context, []*Attempt[T])
	// Workers is how many runs are made at once; zero means one. What is found does
	// not depend on it.
	Workers int
	// Batch, if it is set, says how many runs may be given to Run at once, where those are made
	// elsewhere, and many at a time; without it, slow runs are given in small batches.
	Batch func() int
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
	// Again, if set, is called with what two runs came to that read the same values,
	// where the checker does not read in one order.
	Again func(before, again T)
	// Progress, if set, is called after each batch of runs.
	Progress func(Stats)
}

// Search judges every cut of every crash point: fewest losses first, each
// part by one run of the checker or by the memory of one. Jobs are judged one
// after the other, in one order. While one waits for its run, those behind it
// are run ahead; what was not needed after all is thrown away and not counted.
// So the number of workers changes nothing but the time.
type Search[T any] struct {
	Options[T]
	plan *persist.Plan

	box      *persist.Box
	levels   [][]task[T] // by losses
	waiting  int         // tasks in levels
	capacity int         // how many may wait
	dropped  int         // losses of the first job that was dropped, -1 if there was for all
	single   bool        // what is left of a job's part is not judged
	tree     *Tree[T]
	trees    int32 // how many trees were thrown away
	private  bool  // the checker does not read in one order: runs are shared by what they read
	sets     sets[T]
	strange  *Strange
	stats    Stats

	ahead   int           // how many jobs are looked at to find some to run
	pace    time.Duration // one run of the checker takes about so long
	claims  []int32       // nodes that a run is on its way to
	batch   []*Attempt[T] // the runs of a batch, and their tasks
	batchOf []*task[T]
	waiters []*task[T]  // that wait for a run of the batch
	left    []remainder // reused, as is all below
	stands  []*standing[T]
	used    []*Attempt[T]
}

// task is a job, and how far it has come.
type task[T any] struct {
	Job
	stand *standing[T] // nil: it stands at node
	node  int32        // where its way down the tree begins: it reads what leads there as its parent did
	tree  int32        // the number of the tree that the node is of
}

// standing is how far a job was walked down the tree before its turn.
type standing[T any] struct {
	at    int32
	tree  int32
	taken []persist.Bound
	nodes []int32     // where each of these was taken
	ran   *Attempt[T] // the run that it needs, made ahead
}

// remainder is a subset of what a cube left over.
type remainder struct {
	losses int
	subset persist.Subset
	node   int32
}

// Stats counts what a search did.
type Stats struct {
	Cases  int // parts judged: cases that the checker can tell apart
	Runs   int // runs of the checker
	Losses int // every case with at most so many losses was judged, -1 if not even those with none
	Done   bool
	Full   bool // not all that was still to be judged could be kept
	// Waiting, said in progress only, is how many parts are known that wait to be judged.
	Waiting int
}

// Strange is how a checker turned out not to read in one order: what it was
// expected to read, and what it read.
type Strange struct {
	Expected []persist.Cell
	Read     []persist.Cell
}

const (
	treeNodes = 1 << 16 // nodes that a tree may have, besides some for each op
	nodesByOp = 32

	// maxWaiting bounds the jobs that wait, and with them the memory of a
	// search that no budget ends: some jobBytes each.
	maxWaiting = 1 << 22
	jobBytes   = 200
)

// New returns a search of a plan in which nothing waits to be judged yet.
func New[T any](plan *persist.Plan, o Options[T]) *Search[T] {
	s := &Search[T]{Options: o, plan: plan, box: plan.NewBox(), tree: o.Tree, capacity: maxWaiting, dropped: -1, ahead: minAhead}
	if s.tree == nil {
		s.tree = NewTree[T]()
	}
	if s.Budget == nil {
		s.Budget = &Budget{MaxLosses: -1}
	}
	if s.Budget.Memory > 0 {
		s.capacity = int(min(s.Budget.Memory/jobBytes, maxWaiting))
	}
	s.Workers = max(s.Workers, 1)
	s.box.StartFrom(s.Start)
	return s
}

// Stats returns what the search has done so far.
func (s *Search[T]) Stats() Stats { return s.stats }

// Strange returns how the checker turned out not to read in one order, nil if it
// does.
func (s *Search[T]) Strange() *Strange { return s.strange }

// Grown returns the tree that the search has made, for another search with the
// same checker.
func (s *Search[T]) Grown() *Tree[T] { return s.tree }

// Explore judges all parts, or as many as the budget allows.
func (s *Search[T]) Explore(ctx context.Context) {
	s.PushFresh(0, s.plan.Points(), false)
	s.Work(ctx)
}

// Push lets a subset of a crash point wait to be judged, unless it is empty.
func (s *Search[T]) Push(j Job) {
	s.box.Move(j.Point)
	if s.box.RestrictTo(j.Subset) {
		s.push(s.box.Losses(), task[T]{Job: j})
	}
}

// PushFresh lets what is new at each crash point, from one on and before
// another, wait to be judged; with whole, all that is there at the first.
func (s *Search[T]) PushFresh(from, until int, whole bool) {
	if whole && from < until {
		s.box.Move(from)
		s.push(s.box.Losses(), task[T]{Job: Job{from, persist.Subset{}}})
		from++
	}
	for point := from; point < until; point++ {
		s.box.Fresh(point, func(subset persist.Subset, losses int) { s.push(losses, task[T]{Job: Job{point, subset}}) })
	}
}

// PushWhole lets all that is there at each crash point, from one on and before another,
// wait to be judged.
func (s *Search[T]) PushWhole(from, until int) {
	for point := from; point < until; point++ {
		s.box.Move(point)
		s.push(s.box.Losses(), task[T]{Job: Job{point, persist.Subset{}}})
	}
}

// Work judges what waits, and what is left of it, or as much as the budget
// allows.
func (s *Search[T]) Work(ctx context.Context) {
	ctx, cancel := s.Budget.context(ctx)
	defer cancel()
	s.stats.Losses = -1
	for level := 0; level < len(s.levels); level++ {
		if s.Budget.MaxLosses >= 0 && level > s.Budget.MaxLosses && s.waits() {
			return
		}
		if s.dropped >= 0 && level >= s.dropped {
			s.stats.Full = true
			return
		}
		tasks := s.levels[level]
		s.levels[level] = nil
		s.waiting -= len(tasks)
		byPoint := func(a, b task[T]) int { return cmp.Compare(a.Point, b.Point) }
		if !slices.IsSortedFunc(tasks, byPoint) {
			slices.SortStableFunc(tasks, byPoint)
		}
		if done, ended := s.level(ctx, level, tasks); ended {
			s.levels[level] = tasks[done:]
			return
		}
		s.stats.Losses = level
	}
	s.stats.Full = s.dropped >= 0
	s.stats.Done = !s.stats.Full
}

// waits reports whether any job is waiting.
func (s *Search[T]) waits() bool {
	return slices.ContainsFunc(s.levels, func(tasks []task[T]) bool { return len(tasks) > 0 })
}

// push lets a job wait. Where too many wait it is dropped, and the search ends
// before the first level that is not whole.
func (s *Search[T]) push(losses int, t task[T]) {
	if s.dropped >= 0 && losses >= s.dropped {
		return
	}
	if s.waiting >= s.capacity {
		s.dropped = losses
		return
	}
	s.waiting++
	for len(s.levels) <= losses {
		s.levels = append(s.levels, nil)
	}
	s.levels[losses] = append(s.levels[losses], t)
}

// level judges jobs of the same losses, in order. It returns how many it has
// judged, and whether the budget or the visitor has ended it there.
func (s *Search[T]) level(ctx context.Context, losses int, tasks []task[T]) (done int, ended bool) {
	for i := range tasks {
		t := &tasks[i]
		if i&63 == 0 {
			if ctx.Err() != nil {
				return i, true
			}
			s.tell(len(tasks) - i)
		}
		stand := s.standing(t)
		if !s.private {
			s.walk(t)
			if n := &s.tree.nodes[stand.at]; n.kind == leaf {
				if !s.finish(t, losses, s.tree.leafs[n.index], false) {
					return i + 1, true
				}
				continue
			}
		} else if outcome, ok := s.remembered(t); ok {
			if !s.finish(t, losses, outcome, false) {
				return i + 1, true
			}
			continue
		}
		if s.Budget.spent(s.stats.Runs) {
			return i, true
		}
		if stand.ran == nil {
			if ctx.Err() != nil {
				return i, true
			}
			s.runAhead(ctx, losses, tasks[i:])
		}
		switch {
		case stand.ran.Skipped:
			s.drop(stand)
			return i, true
		case stand.ran.Empty:
			s.forget(t)
		case !s.finishRun(t, losses):
			return i + 1, true
		}
	}
	return len(tasks), false
}

// finishRun notes what the run of a job read and judges its part.
func (s *Search[T]) finishRun(t *task[T], losses int) bool {
	a := t.stand.ran
	s.stats.Runs++
	t.stand.taken = append(t.stand.taken[:0], a.Taken...)
	t.stand.nodes = t.stand.nodes[:0]
	if !s.private {
		ok := false
		if t.stand.nodes, ok = s.tree.add(a, t.stand.nodes); !ok {
			s.alone()
			s.strange = &Strange{Expected: s.tree.sequence(a.Reads)}
			for _, read := range a.Reads {
				s.strange.Read = append(s.strange.Read, read.Cell)
			}
		}
	}
	if s.private {
		s.remember(t)
	}
	more := s.finish(t, losses, a.Outcome, true)
	if len(s.tree.nodes) > treeNodes+nodesByOp*len(s.plan.Trace().Ops) {
		s.tree = NewTree[T]()
		s.trees++
	}
	return more
}

// finish judges a cube and puts what is left of its part on the list: for each
// choice in turn, the earlier ones kept, an older version taken. The part that
// keeps the most choices comes first: its run reads what the others have in
// common. Each reads what the run read up to that choice, and so its way down
// the tree begins there.
func (s *Search[T]) finish(t *task[T], losses int, outcome T, ran bool) bool {
	s.stats.Cases++
	taken, nodes := t.stand.taken, t.stand.nodes
	c := Cube[T]{Point: t.Point, Subset: t.Subset, Taken: taken, Losses: losses, Outcome: outcome, Ran: ran}
	if !s.Visit(&c) {
		return false
	}
	if len(taken) == 0 || s.single {
		s.forget(t)
		return true
	}
	s.box.Move(t.Point)
	s.box.RestrictTo(t.Subset)
	left := s.left[:0]
	kept := t.Subset
	for i, choice := range taken {
		older := choice.Older()
		if losses, ok := s.box.Try(older); ok {
			r := remainder{losses: losses, subset: kept.And(older)}
			if len(nodes) == len(taken) {
				r.node = nodes[i]
			}
			left = append(left, r)
		}
		if i < len(taken)-1 {
			kept = kept.And(choice)
			s.box.Restrict(choice)
		}
	}
	for _, r := range slices.Backward(left) {
		s.push(r.losses, task[T]{Job: Job{t.Point, r.subset}, node: r.node, tree: s.trees})
	}
	s.left = left
	s.forget(t)
	return true
}
