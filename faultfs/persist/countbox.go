package persist

import (
	"cmp"
	"context"
	"math/big"
	"slices"
)

// Count returns the number of legal cuts in the box. It is made like the count of a
// plan, and looks only at the needs: parts into which a search has divided the
// cases of a plan must add up to the count of the plan. Where the needs are too tangled to
// count, exact is false, and no more cuts than the returned number are legal. Of a
// later life, and of a plan with bundles, it counts nothing, and exact is false.
func (b *Box) Count() (cuts *big.Int, exact bool) {
	if b.plan.below != nil || b.plan.bundles != nil {
		return new(big.Int), false
	}
	c := b.counter
	if c == nil {
		c = newCounter(context.Background(), b.plan)
		c.box = b
		own := *c.ties
		own.last = make([]int32, len(own.effects))
		c.ties, b.counter = &own, c
	}
	return c.ofBox()
}

// ofBox counts the cuts of the counter's box as it is, and leaves the counter as it
// was.
func (c *counter) ofBox() (cuts *big.Int, exact bool) {
	var open []int32
	for id, low := range c.box.lo {
		for v := low + 1; v <= c.box.hi[id]; v++ {
			open = append(open, c.ties.number(need{Cell(id), v}))
		}
	}
	slices.Sort(open)
	for _, r := range open {
		c.ties.last[r] = r
		for _, l := range c.ties.back[r] {
			c.ties.last[l.other] = r // it matters only of what is open
		}
	}
	c.product.SetInt64(1)
	c.work = maxWork
	for _, r := range open {
		c.add(r)
	}
	n, exact := c.cuts()
	n = new(big.Int).Set(n)
	for _, r := range open {
		g := c.groupOf[r]
		c.groupOf[r] = nil
		if !g.gone {
			g.gone = true
			c.leave(g)
			c.drop(g)
		}
	}
	return n, exact
}

// Bounds returns the bounds of the part, the newest last.
func (p Subset) Bounds() []Bound {
	var bounds []Bound
	for l := p.last; l != nil; l = l.before {
		bounds = append(bounds, l.bound)
	}
	slices.Reverse(bounds)
	return bounds
}

// Narrowed returns the bounds of the cells that the box has restricted since the last
// Move, by cell. Two boxes of a crash point hold the same cuts exactly if these are
// the same.
func (b *Box) Narrowed() []Bound {
	bounds := make([]Bound, 0, len(b.trail))
	for _, t := range b.trail {
		if t.Cell >= 0 { // and not a bundle: its bounds are there, too
			bounds = append(bounds, b.Bound(t.Cell))
		}
	}
	slices.SortFunc(bounds, func(a, c Bound) int { return cmp.Compare(a.Cell, c.Cell) })
	return slices.Compact(bounds)
}
