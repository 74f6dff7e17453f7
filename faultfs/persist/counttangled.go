package persist

import (
	"math/big"
	"slices"
)

// Bounds of the work of counting groups by trying, in cells looked at: of one
// count, and of all counts of a plan.
const (
	maxTry  = 1 << 18
	maxWork = 1 << 23
)

// try counts a tangled group in the box at hand: it halves the versions of a
// cell, and counts what is left of each half. Where that is too much work it
// returns the number of cuts that there would be without needs.
func (c *counter) try(g *group) (n *big.Int, exact bool) {
	cells := make([]Cell, len(g.members))
	for i, r := range g.members {
		cells[i] = c.ties.effects[r].cell
	}
	slices.Sort(cells)
	cells = slices.Compact(cells)
	t := trier{counter: c, work: min(maxTry, c.work)}
	c.work -= t.work
	n = t.parts(cells)
	c.work += max(t.work, 0)
	if t.work >= 0 {
		return n, true
	}
	n = big.NewInt(1)
	for _, id := range cells {
		n.Mul(n, t.span(id))
	}
	return n, false
}

// trier counts cuts of the box of a counter.
type trier struct {
	*counter
	work int // cells that splits may still look at
}

func (t *trier) span(id Cell) *big.Int { return big.NewInt(int64(t.box.hi[id]-t.box.lo[id]) + 1) }

// parts multiplies the counts of the parts into which the needs divide the
// cells.
func (t *trier) parts(cells []Cell) *big.Int {
	n := big.NewInt(1)
	for _, part := range t.divide(cells) {
		if t.work < 0 {
			return n
		}
		if len(part) == 1 {
			n.Mul(n, t.span(part[0]))
		} else {
			n.Mul(n, t.split(part))
		}
	}
	return n
}

// split counts a part whose cells need each other: it halves the versions of
// the widest cell.
func (t *trier) split(part []Cell) *big.Int {
	if t.work -= len(part); t.work < 0 {
		return new(big.Int)
	}
	widest := slices.MaxFunc(part, func(a, b Cell) int {
		return int(t.box.hi[a]-t.box.lo[a]) - int(t.box.hi[b]-t.box.lo[b])
	})
	middle := (t.box.lo[widest] + t.box.hi[widest]) / 2
	n := new(big.Int)
	to := len(t.box.trail)
	if t.box.Restrict(Bound{widest, 0, middle}) {
		n.Add(n, t.parts(part))
		t.box.undo(to)
	}
	if t.box.Restrict(Bound{widest, middle + 1, t.box.hi[widest]}) {
		n.Add(n, t.parts(part))
		t.box.undo(to)
	}
	return n
}

// divide returns the open cells in parts that no need connects.
func (t *trier) divide(cells []Cell) [][]Cell {
	parent := make(map[Cell]Cell, len(cells))
	for _, id := range cells {
		if t.box.lo[id] < t.box.hi[id] {
			parent[id] = id
		}
	}
	find := func(id Cell) Cell {
		for parent[id] != id {
			parent[id] = parent[parent[id]]
			id = parent[id]
		}
		return id
	}
	for _, id := range cells {
		if _, ok := parent[id]; !ok {
			continue
		}
		versions := t.box.plan.cells[id].versions
		for v := t.box.lo[id] + 1; v <= t.box.hi[id]; v++ {
			for _, n := range versions[v].needs {
				if _, ok := parent[n.cell]; ok && n.version > t.box.lo[n.cell] {
					parent[find(n.cell)] = find(id)
				}
			}
		}
	}
	index := map[Cell]int{}
	var parts [][]Cell
	for _, id := range cells {
		if _, ok := parent[id]; !ok {
			continue
		}
		root := find(id)
		i, ok := index[root]
		if !ok {
			i = len(parts)
			index[root] = i
			parts = append(parts, nil)
		}
		parts[i] = append(parts[i], id)
	}
	return parts
}
