package runner

import (
	"slices"

	"github.com/crashsim/crashsim/faultfs/persist"
)

// tree is the decision tree of a checker that reads deterministically: a node
// is what is read next, an edge the value seen, a leaf the outcome. It is
// shared by all crash points and is only a cache: forgetting it costs runs,
// never a verdict.
type tree[T any] struct {
	nodes []node
	leafs []T
}

// node is a place in the tree, by its index; the root is node 0.
type node struct {
	cell  persist.Cell
	kind  nodeKind
	leaf  int32           // its outcome, of a leaf
	value persist.Version // the first edge, which is often the only one
	child int32
	edges int
	dense []int32                   // the others by value, while that is no waste
	more  map[persist.Version]int32 // the rest
}

type nodeKind uint8

const (
	unknown nodeKind = iota // no run has been here
	reads
	leaf
)

func newTree[T any]() *tree[T] { return &tree[T]{nodes: make([]node, 1)} }

// next returns the node behind an edge, made if need be.
func (t *tree[T]) next(at int32, value persist.Version) int32 {
	n := &t.nodes[at]
	if n.child != 0 && n.value == value {
		return n.child
	}
	if int(value) < len(n.dense) && n.dense[value] != 0 {
		return n.dense[value]
	}
	if child, ok := n.more[value]; ok {
		return child
	}
	made := int32(len(t.nodes))
	n.link(value, made)
	t.nodes = append(t.nodes, node{})
	return made
}

// link adds an edge.
func (n *node) link(value persist.Version, child int32) {
	const slack = 8
	n.edges++
	switch {
	case n.child == 0:
		n.value, n.child = value, child
	case int(value) < slack+4*n.edges:
		for len(n.dense) <= int(value) {
			n.dense = append(n.dense, 0)
		}
		n.dense[value] = child
	default:
		if n.more == nil {
			n.more = map[persist.Version]int32{}
		}
		n.more[value] = child
	}
}

// add adds a run that was expected to begin with the given steps, which lead
// to a node. It returns false where the tree knows that the same values led to
// another read: the checker is not deterministic.
func (t *tree[T]) add(at int32, expected, steps []persist.Step, outcome T) bool {
	if len(steps) < len(expected) || !slices.Equal(expected, steps[:len(expected)]) {
		return false
	}
	for _, s := range steps[len(expected):] {
		n := &t.nodes[at]
		if n.kind == unknown {
			n.kind, n.cell = reads, s.Cell
		}
		if n.kind != reads || n.cell != s.Cell {
			return false
		}
		at = t.next(at, s.Value)
	}
	n := &t.nodes[at]
	if n.kind != unknown {
		return n.kind == leaf
	}
	n.kind, n.leaf = leaf, int32(len(t.leafs))
	t.leafs = append(t.leafs, outcome)
	return true
}

// sequence returns the reads that lead along the given steps as far as the
// tree knows them, and the read that it expects next.
func (t *tree[T]) sequence(steps []persist.Step) []persist.Cell {
	var cells []persist.Cell
	at := int32(0)
	for _, s := range steps {
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
