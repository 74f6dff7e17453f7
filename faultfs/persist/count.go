package persist

import (
	"math/big"
	"slices"
)

// Count returns the number of cases by cut: legal cuts of all crash points,
// where two points with the same marks and the same cut count once. It is
// exact where the needs fall into parts small enough to count; otherwise exact
// is false, and no more cuts than that are legal. The count knows nothing of
// what a checker reads: it is independent of any search.
func (p *Plan) Count() (cuts *big.Int, exact bool) {
	c := counter{box: p.NewBox(), place: make([]int32, len(p.cells)), exact: true}
	total := new(big.Int)
	for point := range p.points {
		total.Add(total, c.fresh(point))
	}
	return total, c.exact
}

// counter counts the cuts of boxes.
type counter struct {
	box   *Box
	open  []Cell  // cells that the point's box leaves open
	place []int32 // by cell: where it stands in open, plus one
	exact bool
	work  int // cells that splits may still look at, for this count
}

// maxWork bounds the work of one count.
const maxWork = 1 << 18

// fresh counts the cases of a point that are none of the point before.
func (c *counter) fresh(point int) *big.Int {
	c.move(point)
	at := &c.box.plan.points[point]
	sameMarks := point > 0 && at.marks == c.box.plan.points[point-1].marks
	if sameMarks && len(at.high) == 0 {
		return new(big.Int)
	}
	n, exact := c.count(c.open)
	if !exact {
		c.exact = false
		return n
	}
	if !sameMarks {
		return n
	}
	for _, s := range at.high {
		if !c.box.Restrict(Bound{s.cell, 0, s.from}) {
			c.box.Widen()
			return n
		}
	}
	old, exact := c.count(c.open)
	c.box.Widen()
	if !exact {
		c.exact = false
		return n
	}
	return n.Sub(n, old)
}

// move goes to a crash point and keeps the list of open cells up to date.
func (c *counter) move(point int) {
	c.box.Move(point)
	at := &c.box.plan.points[point]
	for _, steps := range [][]step{at.high, at.low} {
		for _, s := range steps {
			isOpen := c.box.lo[s.cell] < c.box.hi[s.cell]
			switch i := c.place[s.cell]; {
			case isOpen && i == 0:
				c.open = append(c.open, s.cell)
				c.place[s.cell] = int32(len(c.open))
			case !isOpen && i > 0:
				last := c.open[len(c.open)-1]
				c.open[i-1], c.place[last] = last, i
				c.open = c.open[:len(c.open)-1]
				c.place[s.cell] = 0
			}
		}
	}
}

// count counts the cuts of the box, all cells but the given ones being fixed.
// Where that is too much work it returns the number of cuts that there would
// be without needs.
func (c *counter) count(cells []Cell) (n *big.Int, exact bool) {
	c.work = maxWork
	n = c.parts(cells)
	if c.work >= 0 {
		return n, true
	}
	n = big.NewInt(1)
	for _, id := range cells {
		n.Mul(n, c.span(id))
	}
	return n, false
}

func (c *counter) span(id Cell) *big.Int { return big.NewInt(int64(c.box.hi[id]-c.box.lo[id]) + 1) }

// parts multiplies the counts of the parts into which the needs divide the
// cells.
func (c *counter) parts(cells []Cell) *big.Int {
	n := big.NewInt(1)
	for _, part := range c.divide(cells) {
		if c.work < 0 {
			return n
		}
		if len(part) == 1 {
			n.Mul(n, c.span(part[0]))
		} else {
			n.Mul(n, c.split(part))
		}
	}
	return n
}

// split counts a part whose cells need each other: it halves the versions of
// the widest cell.
func (c *counter) split(part []Cell) *big.Int {
	if c.work -= len(part); c.work < 0 {
		return new(big.Int)
	}
	widest := slices.MaxFunc(part, func(a, b Cell) int {
		return int(c.box.hi[a]-c.box.lo[a]) - int(c.box.hi[b]-c.box.lo[b])
	})
	middle := (c.box.lo[widest] + c.box.hi[widest]) / 2
	n := new(big.Int)
	to := len(c.box.trail)
	if c.box.Restrict(Bound{widest, 0, middle}) {
		n.Add(n, c.parts(part))
		c.box.undo(to)
	}
	if c.box.Restrict(Bound{widest, middle + 1, c.box.hi[widest]}) {
		n.Add(n, c.parts(part))
		c.box.undo(to)
	}
	return n
}

// divide returns the open cells in parts that no need connects.
func (c *counter) divide(cells []Cell) [][]Cell {
	parent := make(map[Cell]Cell, len(cells))
	for _, id := range cells {
		if c.box.lo[id] < c.box.hi[id] {
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
		versions := c.box.plan.cells[id].versions
		for v := c.box.lo[id] + 1; v <= c.box.hi[id]; v++ {
			for _, n := range versions[v].needs {
				if _, ok := parent[n.cell]; ok && n.version > c.box.lo[n.cell] {
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
