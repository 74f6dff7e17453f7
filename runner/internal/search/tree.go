package search

import (
	"github.com/crashsim/crashsim/faultfs/persist"
)

// Tree is the decision tree of a checker that reads deterministically: a node
// is what is read next, an edge the value seen, a leaf the outcome. It is
// shared by all crash points and is only a cache: forgetting it costs runs,
// never a verdict.
type Tree[T any] struct {
	nodes []node
	fans  []fan
	leafs []T
}

// node is a place in the tree, by its index; the root is node 0.
type node struct {
	cell  persist.Cell
	value persist.Version // the first edge, which is often the only one
	child int32
	index int32 // of the outcome, of a leaf; of the further edges plus one, of a node that reads
	kind  nodeKind
}

type nodeKind uint8

const (
	unknown nodeKind = iota // no run has been here
	claimed                 // a run is on its way
	reads
	leaf
)

// fan holds the edges of a node after the first.
type fan struct {
	edges int
	dense []int32                   // by value, while that is no waste
	more  map[persist.Version]int32 // the rest
}

// NewTree returns an empty tree.
func NewTree[T any]() *Tree[T] { return &Tree[T]{nodes: make([]node, 1)} }

// next returns the node behind an edge, made if need be.
func (t *Tree[T]) next(at int32, value persist.Version) int32 {
	n := &t.nodes[at]
	if n.child != 0 && n.value == value {
		return n.child
	}
	made := int32(len(t.nodes))
	if n.child == 0 {
		n.value, n.child = value, made
	} else {
		if n.index == 0 {
			t.fans = append(t.fans, fan{})
			n.index = int32(len(t.fans))
		}
		if child := t.fans[n.index-1].link(value, made); child != made {
			return child
		}
	}
	t.nodes = append(t.nodes, node{})
	return made
}

// link returns the node behind an edge; one that is not there is made to lead
// to the given node.
func (f *fan) link(value persist.Version, made int32) int32 {
	if int(value) < len(f.dense) && f.dense[value] != 0 {
		return f.dense[value]
	}
	if f.more != nil {
		if child, ok := f.more[value]; ok {
			return child
		}
	}
	const slack = 8
	f.edges++
	if int(value) < slack+4*f.edges {
		if more := int(value) + 1 - len(f.dense); more > 0 {
			f.dense = append(f.dense, make([]int32, more)...)
		}
		f.dense[value] = made
		return made
	}
	if f.more == nil {
		f.more = map[persist.Version]int32{}
	}
	f.more[value] = made
	return made
}

// add adds a run, and appends to nodes where each of its choices was made. It
// returns false where the tree knows that the same values led to another read:
// the checker is not deterministic.
func (t *Tree[T]) add(a *Attempt[T], nodes []int32) ([]int32, bool) {
	at := int32(0)
	for _, s := range a.Reads {
		n := &t.nodes[at]
		if n.kind == unknown || n.kind == claimed {
			n.kind, n.cell = reads, s.Cell
		}
		if n.kind != reads || n.cell != s.Cell {
			return nodes, false
		}
		if k := len(nodes); k < len(a.Taken) && a.Taken[k].Cell == s.Cell {
			nodes = append(nodes, at)
		}
		at = t.next(at, s.Value)
	}
	n := &t.nodes[at]
	if n.kind == leaf || n.kind == reads {
		return nodes, n.kind == leaf
	}
	n.kind, n.index = leaf, int32(len(t.leafs))
	t.leafs = append(t.leafs, a.Outcome)
	return nodes, true
}

// sequence returns the reads that lead along the given steps as far as the
// tree knows them, and the read that it expects next.
func (t *Tree[T]) sequence(path []persist.Read) []persist.Cell {
	var cells []persist.Cell
	at := int32(0)
	for _, s := range path {
		n := &t.nodes[at]
		if n.kind != reads {
			return cells
		}
		cells = append(cells, n.cell)
		if n.cell != s.Cell {
			return cells
		}
		at = t.next(at, s.Value)
	}
	if n := &t.nodes[at]; n.kind == reads {
		cells = append(cells, n.cell)
	}
	return cells
}
