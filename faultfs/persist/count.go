package persist

import (
	"context"
	"math/big"
	"math/bits"
	"slices"
)

// Count returns the number of cases by cut: the legal cuts of all crash points,
// where two points with the same marks and the same cut count once. The count
// knows nothing of what a checker reads: it is independent of any search.
//
// The time grows with the trace, and with the length of the numbers, where the
// needs form chains and trees, as those of all presets do. Where they are too
// tangled to count, or when the context ends, exact is false, and no more cuts
// than the returned number are legal.
func (p *Plan) Count(ctx context.Context) (cuts *big.Int, exact bool) {
	return p.CountBefore(ctx, len(p.points))
}

// CountBefore is Count of the crash points before one: what is left of Count are the
// cases that are new from there on.
func (p *Plan) CountBefore(ctx context.Context, point int) (cuts *big.Int, exact bool) {
	c := newCounter(ctx, p)
	c.until = min(point, len(p.points))
	return c.count()
}

func (c *counter) count() (cuts *big.Int, exact bool) {
	for at := range c.until {
		if c.ctx.Err() != nil {
			c.giveUp(at)
			return c.total, false
		}
		c.point(at)
	}
	c.endStretch()
	return c.total, c.exact
}

// counter counts the cuts of the points of a plan, one after the other. The
// effects that are open at a point, so that a cut may have them or not, fall into
// groups that no need connects: the cuts are the product of what each group
// allows.
type counter struct {
	ctx   context.Context
	plan  *Plan
	until int  // the crash points that are counted end before this one
	box   *Box // for groups that are counted by trying
	ties  *ties

	low     []Version // by cell: oldest version that the last point allows
	groupOf []*group  // by effect; nil: it is not open
	product *big.Int  // of the groups that are not tangled
	tangled map[*group]bool

	// A stretch are points with the same marks whose low bounds are the same: the
	// cuts of each are among those of the next one. Its cuts are counted at its
	// end, less those that the stretch before has counted already.
	marks int
	total *big.Int
	exact bool
	work  int // cells that counting by trying may still look at
	keys  int // most keys of a table

	unused  []*group // that ended
	numbers []*big.Int
	touched []*group // room for raiseLow
	again   []int32
}

func newCounter(ctx context.Context, p *Plan) *counter {
	l := newTies(p)
	return &counter{
		ctx: ctx, plan: p, until: len(p.points), box: p.NewBox(), ties: l,
		low:     make([]Version, len(p.cells)),
		groupOf: make([]*group, len(l.effects)), product: big.NewInt(1), tangled: map[*group]bool{},
		marks: -1, total: new(big.Int), exact: true, work: maxWork, keys: maxKeys,
	}
}

// point goes on to a crash point.
func (c *counter) point(number int) {
	at := &c.plan.points[number]
	sameMarks := at.marks == c.marks
	if !sameMarks || len(at.low) > 0 {
		c.endStretch()
	}
	c.marks = at.marks
	c.box.Move(number)
	before := c.box.before(at)
	c.raiseLow(at.low)
	if sameMarks && len(at.low) > 0 && before {
		// What the stretch before has counted and is still allowed.
		if old, exact := c.cuts(); exact {
			c.total.Sub(c.total, old)
		}
	}
	c.box.Widen()
	for r := c.ties.first[number]; r < c.ties.first[number+1]; r++ {
		e := c.ties.effects[r]
		if e.version > c.low[e.cell] {
			c.add(r)
		}
	}
}

// before keeps the cuts of the box that have no effect that is new at the box's
// point; false says that there are none.
func (b *Box) before(at *point) bool {
	for _, s := range at.high {
		if !b.Restrict(Bound{s.cell, 0, s.from}) {
			return false
		}
	}
	return true
}

// endStretch adds the cuts of the point at hand.
func (c *counter) endStretch() {
	if c.marks < 0 {
		return // no point yet
	}
	n, exact := c.cuts()
	c.total.Add(c.total, n)
	c.exact = c.exact && exact
}

// cuts returns the number of cuts of the box at hand, or more than that.
func (c *counter) cuts() (n *big.Int, exact bool) {
	if len(c.tangled) == 0 {
		return c.product, true
	}
	n, exact = new(big.Int).Set(c.product), true
	for g := range c.tangled {
		m, ok := c.try(g)
		n.Mul(n, m)
		exact = exact && ok
	}
	return n, exact
}

// giveUp counts as if there were no needs from a crash point on, and rounds up to
// powers of two.
func (c *counter) giveUp(number int) {
	c.exact = false
	c.box.Move(max(number-1, 0))
	size := func(id Cell) int { return bits.Len64(uint64(c.box.hi[id] - c.box.lo[id])) }
	var length, longest uint
	for id := range c.box.hi {
		length += uint(size(Cell(id)))
	}
	longest = length
	for at := number; at < c.until; at++ {
		p := &c.plan.points[at]
		seen := map[Cell]bool{}
		for _, s := range slices.Concat(p.high, p.low) {
			if !seen[s.cell] {
				seen[s.cell] = true
				length -= uint(size(s.cell))
			}
		}
		c.box.Move(at)
		for id := range seen {
			length += uint(size(id))
		}
		longest = max(longest, length)
	}
	points := big.NewInt(int64(c.until - number + 1))
	c.total.Add(c.total, points.Lsh(points, longest))
}
