package search

import (
	"cmp"
	"encoding/binary"
	"slices"

	"github.com/crashsim/crashsim/faultfs/persist"
)

// sets remembers runs of a checker that does not read in one order, as one with
// goroutines or threads may: by what was read, in whatever order. A run that read
// these values of these cells, and nothing else, stands for each disk that holds
// them.
type sets[T any] struct {
	all  []*cellSet[T]
	runs int
}

// cellSet are the runs that read the same cells.
type cellSet[T any] struct {
	cells    []persist.Cell // rising
	outcomes map[string]T   // by their values
}

// setRuns is how many runs are remembered; then all are forgotten, which costs runs
// and never a verdict.
const setRuns = 1 << 16

// sortReads sorts what a run has read by its cells: runs that read the same then look
// the same.
func sortReads(read []persist.Read) {
	slices.SortFunc(read, func(a, b persist.Read) int { return cmp.Compare(a.Cell, b.Cell) })
}

// valuesOf are values as a key.
func valuesOf(key []byte, value persist.Version) []byte {
	return binary.AppendVarint(key, int64(value))
}

// add remembers a run, whose reads are in order. It returns what an earlier run came to
// that has read the same.
func (x *sets[T]) add(read []persist.Read, outcome T) (before T, again bool) {
	if x.runs >= setRuns {
		x.all, x.runs = nil, 0
	}
	var key []byte
	for _, s := range read {
		key = valuesOf(key, s.Value)
	}
	i := slices.IndexFunc(x.all, func(set *cellSet[T]) bool {
		return slices.EqualFunc(set.cells, read, func(c persist.Cell, s persist.Read) bool { return c == s.Cell })
	})
	if i < 0 {
		set := &cellSet[T]{outcomes: map[string]T{}}
		for _, s := range read {
			set.cells = append(set.cells, s.Cell)
		}
		i = len(x.all)
		x.all = append(x.all, set)
	}
	if before, again = x.all[i].outcomes[string(key)]; again {
		return before, true
	}
	x.all[i].outcomes[string(key)] = outcome
	x.runs++
	return outcome, false
}

// alone says that the checker does not read in one order. What the tree knows is
// remembered by what was read.
func (s *Search[T]) alone() {
	s.private = true
	var read []persist.Read
	s.tree.each(0, &read, func(outcome T) {
		read := slices.Clone(read)
		sortReads(read)
		s.sets.add(read, outcome)
	})
}

// each calls f for each leaf at or below a node; read is then what leads there.
func (t *Tree[T]) each(at int32, read *[]persist.Read, f func(T)) {
	n := &t.nodes[at]
	switch n.kind {
	case leaf:
		f(t.leafs[n.index])
		return
	case unknown, claimed:
		return
	}
	below := func(value persist.Version, child int32) {
		*read = append(*read, persist.Read{Cell: n.cell, Value: value})
		t.each(child, read, f)
		*read = (*read)[:len(*read)-1]
	}
	if n.child != 0 {
		below(n.value, n.child)
	}
	if n.index == 0 {
		return
	}
	fan := &t.fans[n.index-1]
	for value, child := range fan.dense {
		if child != 0 {
			below(persist.Version(value), child)
		}
	}
	values := make([]persist.Version, 0, len(fan.more))
	for value := range fan.more {
		values = append(values, value)
	}
	slices.Sort(values)
	for _, value := range values {
		below(value, fan.more[value])
	}
}

// remembered looks for a run that has read what the newest cut of a job's subset holds. If
// there is one, the job is where that run would have left it.
func (s *Search[T]) remembered(t *task[T]) (outcome T, ok bool) {
	var key []byte
	for _, set := range s.sets.all {
		key = key[:0]
		s.box.Move(t.Point)
		if !s.box.RestrictTo(t.Subset) {
			return outcome, false
		}
		taken := t.stand.taken[:0]
		for _, cell := range set.cells {
			value, bound, split := s.box.Choose(cell)
			if split {
				taken = append(taken, bound)
			}
			key = valuesOf(key, value)
		}
		t.stand.taken = taken
		if outcome, ok = set.outcomes[string(key)]; ok {
			t.stand.nodes = t.stand.nodes[:0]
			return outcome, true
		}
	}
	return outcome, false
}

// remember remembers the run of a job, and lets the job be where a run is that reads the
// same in the order of the cells: so that what is left does not depend on the order.
func (s *Search[T]) remember(t *task[T]) {
	a := t.stand.ran
	sortReads(a.Reads)
	s.box.Move(t.Point)
	s.box.RestrictTo(t.Subset)
	t.stand.taken = t.stand.taken[:0]
	for _, one := range a.Reads {
		if _, bound, split := s.box.Choose(one.Cell); split {
			t.stand.taken = append(t.stand.taken, bound)
		}
	}
	if before, again := s.sets.add(a.Reads, a.Outcome); again && s.Again != nil {
		s.Again(before, a.Outcome)
	}
}
