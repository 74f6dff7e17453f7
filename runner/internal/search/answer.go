package search

import "github.com/crashsim/crashsim/faultfs/persist"

// Add adds a run that was made elsewhere: what it read, and what came of it. It
// returns false where the tree knows that the same values led to another read: the
// checker is not deterministic, and the tree cannot answer for it.
func (t *Tree[T]) Add(reads []persist.Read, outcome T) bool {
	_, same := t.add(&Attempt[T]{Reads: reads, Outcome: outcome}, nil)
	return same
}

// Way returns the cuts of an attempt's part that lead to the node at which the tree knows no
// more: the bounds of its cells that are narrower than at the crash point. All that is read
// of them below that node is read of no other cuts. It moves the box. With ok false, the
// tree knows the outcome, or the part is empty.
func (t *Tree[T]) Way(box *persist.Box, j Job) (bounds []persist.Bound, ok bool) {
	box.Move(j.Point)
	if !box.RestrictTo(j.Subset) {
		return nil, false
	}
	at := int32(0)
	for t.nodes[at].kind == reads {
		cell := t.nodes[at].cell
		if !box.Has(cell) {
			return nil, false
		}
		value, _, _ := box.Choose(cell)
		if at = t.known(at, value); at == 0 {
			return box.Narrowed(), true
		}
	}
	return box.Narrowed(), t.nodes[at].kind != leaf
}

// Size returns the number of nodes of the tree.
func (t *Tree[T]) Size() int { return len(t.nodes) }

// Answer fills in an attempt as a run of the checker would, and reports whether the
// tree knows enough for that. It moves the box.
func (t *Tree[T]) Answer(box *persist.Box, a *Attempt[T]) bool {
	box.Move(a.Point)
	if !box.RestrictTo(a.Subset) {
		a.Empty, a.Skipped = true, false
		return true
	}
	at := int32(0)
	for t.nodes[at].kind == reads {
		cell := t.nodes[at].cell
		if !box.Has(cell) { // who wrote that run judged something else
			break
		}
		value, bound, split := box.Choose(cell)
		if split {
			a.Taken = append(a.Taken, bound)
		}
		a.Reads = append(a.Reads, persist.Read{Cell: cell, Value: value})
		if at = t.known(at, value); at == 0 {
			break
		}
	}
	if n := &t.nodes[at]; n.kind == leaf {
		a.Outcome, a.Skipped = t.leafs[n.index], false
		return true
	}
	a.Reads, a.Taken = a.Reads[:0], a.Taken[:0]
	return false
}

// known returns the node behind an edge, 0 where there is none.
func (t *Tree[T]) known(at int32, value persist.Version) int32 {
	n := &t.nodes[at]
	if n.child != 0 && n.value == value {
		return n.child
	}
	if n.index == 0 {
		return 0
	}
	f := &t.fans[n.index-1]
	if int(value) < len(f.dense) && f.dense[value] != 0 {
		return f.dense[value]
	}
	return f.more[value]
}
