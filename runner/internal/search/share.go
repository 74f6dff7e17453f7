package search

import (
	"cmp"
	"context"
	"math/big"
	"slices"

	"github.com/crashsim/crashsim/faultfs/persist"
)

// Shard says which part of a search is judged here, of several that are judged apart.
type Shard struct {
	Index, Count int // from zero, and how many there are; a Count below 2: everything
	Turn         int // a number that lets small searches go to different shards
	// Most is how many runs each of the shards may make, all the same, to find
	// parts of about equal size. With none, what reads the same at the beginning, and so
	// a whole search in which nothing is known yet, goes to one shard.
	Most int
}

// RunsToShare is how many runs a shard of so many may make that the others make too,
// so that a large search falls into parts of about equal size.
func RunsToShare(shards int) int { return runsByShard * shards }

const (
	runsByShard = 16
	uneven      = 0.04    // a shard may have so much more than its share
	weighed     = 1 << 11 // where more jobs wait, they count the same
)

// herd are jobs that stand at one node of the tree: one run of the checker may be
// enough for all.
type herd[T any] struct {
	tasks  []*sized[T]
	weight float64
	first  int // the herds in the order in which they came up
}

// sized is a job with its losses, and about how many runs it may take.
type sized[T any] struct {
	task[T]
	losses int
	weight float64
	read   []persist.Cell // what a run read that began where the job's way did; nil: not known
}

// Share keeps, of all that waits to be judged, what one shard judges. All shards of a
// search come to the same division without a word: they begin with the same runs of
// the checker, each of the job that seems largest, and then deal out the nodes of the
// tree at which jobs stand, with all that is below, the largest first. So what one
// shard runs no other runs, but for those at the beginning.
//
// A checker that is not deterministic is not divided: every shard keeps all. It
// returns false where the visitor ended the search, or the budget's time did.
func (s *Search[T]) Share(ctx context.Context, shard Shard) bool {
	if shard.Count < 2 {
		return true
	}
	d := division[T]{Search: s, herds: map[int32]*herd[T]{}, tree: s.trees}
	if !d.place(d.waiters()) {
		return false
	}
	for runs := 0; runs < shard.Most && len(d.herds) > 0; runs++ {
		h := d.next(shard, runs)
		if h == nil {
			break
		}
		if !d.run(ctx, h) {
			d.back(nil)
			return false
		}
		if s.private {
			break
		}
	}
	if s.private {
		d.back(nil)
		return true
	}
	_, owners := d.deal(shard)
	d.back(func(h *herd[T]) bool { return owners[h] == shard.Index })
	return true
}

// division is a search while it is divided.
type division[T any] struct {
	*Search[T]
	herds map[int32]*herd[T] // by node
	known int                // herds that there were
	tree  int32              // the number of the tree of the nodes
}

// waiters takes what waits.
func (d *division[T]) waiters() []*sized[T] {
	var tasks []*sized[T]
	for losses, level := range d.levels {
		for i := range level {
			tasks = append(tasks, &sized[T]{task: level[i], losses: losses})
		}
		d.levels[losses] = nil
	}
	d.waiting = 0
	return tasks
}

// place lets jobs stand with those that need the same run. What needs none is judged.
// It returns false where the visitor ended the search.
func (d *division[T]) place(tasks []*sized[T]) bool {
	equal := len(tasks) > weighed
	for len(tasks) > 0 {
		for i, t := range tasks {
			stand := d.standing(&t.task)
			if d.private {
				d.push(t.losses, t.task)
				continue
			}
			d.walk(&t.task)
			if n := &d.Search.tree.nodes[stand.at]; n.kind == leaf {
				if !d.finish(&t.task, t.losses, d.Search.tree.leafs[n.index], false) {
					for _, left := range tasks[i+1:] {
						d.push(left.losses, left.task)
					}
					return false
				}
				continue
			}
			d.join(t, stand.at, equal)
		}
		if d.private {
			return true
		}
		tasks = d.waiters()
	}
	return true
}

// join lets a job stand at a node.
func (d *division[T]) join(t *sized[T], at int32, equal bool) {
	t.weight = 1
	if !equal {
		t.weight = d.weigh(t)
	}
	h := d.herds[at]
	if h == nil {
		h = &herd[T]{first: d.known}
		d.known++
		d.herds[at] = h
	}
	h.tasks = append(h.tasks, t)
	h.weight += t.weight
}

// weigh returns about how many runs a job may take: at most one for each cut, and, where
// a run has shown what is read, at most one for each choice of what is still open of that.
func (d *division[T]) weigh(t *sized[T]) float64 {
	const most = 1e200
	d.box.Move(t.Point)
	d.box.RestrictTo(t.Subset)
	for _, b := range t.stand.taken {
		d.box.Restrict(b)
	}
	weight := 1.0
	for _, cell := range t.read {
		if b := d.box.Bound(cell); weight < most {
			weight *= float64(b.Hi-b.Lo) + 1
		}
	}
	cuts, exact := d.box.Count()
	if f, _ := new(big.Float).SetInt(cuts).Float64(); cuts.Sign() > 0 && (f < weight && exact || t.read == nil) {
		weight = f
	}
	return min(weight, most)
}

// inOrder returns the herds, the largest first.
func (d *division[T]) inOrder() []*herd[T] {
	herds := make([]*herd[T], 0, len(d.herds))
	for _, h := range d.herds {
		herds = append(herds, h)
	}
	slices.SortFunc(herds, func(a, b *herd[T]) int {
		return cmp.Or(cmp.Compare(b.weight, a.weight), cmp.Compare(a.first, b.first))
	})
	return herds
}

// next returns the herd to run for, so that the shards have about the same to do: one
// that is large as far as is known, or the largest. It returns nil where they have, or
// would have no less if they made more runs that all of them make.
func (d *division[T]) next(shard Shard, runs int) *herd[T] {
	load, _ := d.deal(shard)
	mean := 0.0
	for _, l := range load {
		mean += l / float64(shard.Count)
	}
	herds := d.inOrder()
	for _, h := range herds {
		if h.weight > uneven*mean && h.tasks[0].read == nil {
			return h
		}
	}
	if slices.Max(load) <= (1+uneven)*mean || runs >= shard.Count && float64(runs) >= uneven*mean {
		return nil
	}
	return herds[0]
}

// run makes the run that a herd waits for, and lets its jobs go on. It returns false
// where the search ended.
func (d *division[T]) run(ctx context.Context, h *herd[T]) bool {
	for at, other := range d.herds {
		if other == h {
			delete(d.herds, at)
		}
	}
	slices.SortStableFunc(h.tasks, func(a, b *sized[T]) int { return cmp.Compare(a.losses, b.losses) })
	t := h.tasks[0]
	stand := d.standing(&t.task)
	d.batch, d.batchOf = d.batch[:0], d.batchOf[:0]
	d.add(&t.task)
	d.Run(ctx, d.batch)
	stand.ran = d.batch[0]
	rest := h.tasks[1:]
	var read []persist.Cell
	for _, r := range stand.ran.Reads {
		if r.Cell >= 0 {
			read = append(read, r.Cell)
		}
	}
	more := true
	switch {
	case stand.ran.Skipped:
		d.drop(stand)
		rest, more = h.tasks, false
	case stand.ran.Empty:
		d.forget(&t.task)
	default:
		more = d.finishRun(&t.task, t.losses)
	}
	if d.tree != d.trees { // it was thrown away, and all nodes with it
		d.tree = d.trees
		for _, other := range d.inOrder() {
			rest = append(rest, other.tasks...)
		}
		clear(d.herds)
	}
	if !more || d.private {
		for _, left := range rest {
			d.push(left.losses, left.task)
		}
		return more
	}
	left := d.waiters()
	for _, t := range left {
		t.read = read
	}
	return d.place(append(rest, left...))
}

// deal gives each herd to a shard, the largest first, to the shard that has least, and
// returns what each shard has.
func (d *division[T]) deal(shard Shard) (load []float64, owners map[*herd[T]]int) {
	owners = map[*herd[T]]int{}
	load = make([]float64, shard.Count)
	for _, h := range d.inOrder() {
		least := shard.Turn % shard.Count
		for k := range load {
			if i := (k + shard.Turn) % shard.Count; load[i] < load[least] {
				least = i
			}
		}
		owners[h] = least
		load[least] += h.weight
	}
	return load, owners
}

// back lets the jobs of herds wait again, and of all herds with nil; the others are
// forgotten.
func (d *division[T]) back(mine func(*herd[T]) bool) {
	for _, h := range d.inOrder() {
		for _, t := range h.tasks {
			switch {
			case mine == nil || mine(h):
				d.push(t.losses, t.task)
			case t.stand != nil:
				d.forget(&t.task)
			}
		}
	}
	clear(d.herds)
}
