package persist

import (
	"math/big"
	"slices"
)

// group are open effects that needs connect, and the number of ways in which a cut
// can have some of them. It is counted effect by effect, in their order: the table
// tells apart only by effects that later ones have ties to.
type group struct {
	members []int32
	edge    []int32    // effects that later ones have ties to
	keys    []uint64   // which of the edge a cut has, a bit for each
	ways    []*big.Int // by key: how many choices of the members have just these
	total   *big.Int   // all ways
	gone    bool
}

// Bounds of the table of a group; one that would be larger is tangled.
const (
	maxEdge = 64
	maxKeys = 1 << 10
)

func (g *group) isTangled() bool { return g.keys == nil }

// add adds an effect to the group that it has ties to.
func (c *counter) add(r int32) {
	var g *group
	for _, l := range c.ties.back[r] {
		other := c.groupOf[l.other]
		switch {
		case other == nil || other == g:
		case g == nil:
			g = other
		default:
			g = c.merge(g, other)
		}
	}
	if g == nil {
		g = c.newGroup()
	}
	c.leave(g)
	g.members = append(g.members, r)
	c.groupOf[r] = g
	if !g.isTangled() {
		c.extend(g, r)
	}
	c.enter(g)
}

// newGroup returns a group of nothing, which has one way to be. It uses again what
// other groups have left: most live for a few ops.
func (c *counter) newGroup() *group {
	g := &group{total: new(big.Int)}
	if n := len(c.unused); n > 0 {
		g, c.unused = c.unused[n-1], c.unused[:n-1]
	}
	g.members, g.edge = g.members[:0], g.edge[:0]
	g.keys, g.ways = append(g.keys[:0], 0), append(g.ways[:0], c.number().SetInt64(1))
	g.total.SetInt64(1)
	g.gone = false
	return g
}

// number returns a number of any value.
func (c *counter) number() *big.Int {
	n := len(c.numbers)
	if n == 0 {
		return new(big.Int)
	}
	number := c.numbers[n-1]
	c.numbers = c.numbers[:n-1]
	return number
}

// drop ends a group.
func (c *counter) drop(g *group) {
	const few = 64 // long numbers and tables are not kept
	if g.isTangled() || len(g.keys) > 2 || g.total.BitLen() > few {
		return
	}
	c.numbers = append(c.numbers, g.ways...)
	c.unused = append(c.unused, g)
}

// enter lets a group count.
func (c *counter) enter(g *group) {
	if g.isTangled() {
		c.tangled[g] = true
		return
	}
	g.total.SetInt64(0)
	for _, n := range g.ways {
		g.total.Add(g.total, n)
	}
	c.product.Mul(c.product, g.total)
}

// leave lets a group not count any more.
func (c *counter) leave(g *group) {
	if g.isTangled() {
		delete(c.tangled, g)
		return
	}
	if g.total.BitLen() > 1 {
		c.product.Quo(c.product, g.total)
	}
	g.total.SetInt64(1)
}

// merge makes two groups one, which does not count yet.
func (c *counter) merge(g, h *group) *group {
	c.leave(g)
	c.leave(h)
	if len(h.members) > len(g.members) {
		g, h = h, g
	}
	for _, r := range h.members {
		c.groupOf[r] = g
	}
	g.members = append(g.members, h.members...)
	defer c.drop(h)
	if g.isTangled() || h.isTangled() || len(g.edge)+len(h.edge) > maxEdge || len(g.keys)*len(h.keys) > c.keys {
		g.tangle()
		return g
	}
	keys := make([]uint64, 0, len(g.keys)*len(h.keys))
	ways := make([]*big.Int, 0, cap(keys))
	for i, a := range g.keys {
		for k, b := range h.keys {
			keys = append(keys, a|b<<len(g.edge))
			ways = append(ways, new(big.Int).Mul(g.ways[i], h.ways[k]))
		}
	}
	g.edge = append(g.edge, h.edge...)
	g.keys, g.ways = keys, ways
	return g
}

func (g *group) tangle() { g.edge, g.keys, g.ways = nil, nil, nil }

// extend adds an effect to the table, and forgets the edge that nothing to come
// has ties to.
func (c *counter) extend(g *group, r int32) {
	needs, neededBy := c.edges(g, r)
	g.edge = append(g.edge, r)
	if len(g.edge) > maxEdge {
		g.tangle()
		return
	}
	bit := uint64(1) << (len(g.edge) - 1)
	for i := range len(g.keys) {
		key, n := g.keys[i], g.ways[i]
		may, must := key&needs == needs, key&neededBy != 0
		switch {
		case may && must:
			g.keys[i] |= bit
		case may:
			g.keys, g.ways = append(g.keys, key|bit), append(g.ways, c.number().Set(n))
		case must:
			n.SetInt64(0) // what needs the effect cannot have what it needs
		}
	}
	c.forget(g, r)
	if len(g.keys) > c.keys {
		g.tangle()
	}
}

// edges returns, as bits of the edge, what an effect needs and what needs it.
func (c *counter) edges(g *group, r int32) (needs, neededBy uint64) {
	for _, l := range c.ties.back[r] {
		i := slices.Index(g.edge, l.other)
		switch {
		case i < 0: // closed, or not there yet
		case l.needs:
			needs |= 1 << i
		default:
			neededBy |= 1 << i
		}
	}
	return needs, neededBy
}

// forget takes from the edge what has no ties to effects after one, and makes
// of keys that are then the same one.
func (c *counter) forget(g *group, after int32) {
	edge := g.edge[:0]
	var kept []int
	for i, r := range g.edge {
		if c.ties.last[r] > after {
			edge, kept = append(edge, r), append(kept, i)
		}
	}
	if len(kept) == 0 && len(g.keys) == 2 { // what is alone
		g.edge, g.keys[0], g.keys = edge, 0, g.keys[:1]
		g.ways[0].Add(g.ways[0], g.ways[1])
		c.numbers = append(c.numbers, g.ways[1])
		g.ways = g.ways[:1]
		return
	}
	g.edge = edge
	place := make(map[uint64]int)
	keys, ways := g.keys[:0], g.ways[:0]
	for i, key := range g.keys {
		short := uint64(0)
		for k, bit := range kept {
			short |= key >> bit & 1 << k
		}
		if g.ways[i].Sign() == 0 {
			continue
		}
		at, known := place[short]
		if known {
			ways[at].Add(ways[at], g.ways[i])
			c.numbers = append(c.numbers, g.ways[i])
			continue
		}
		place[short] = len(keys)
		keys, ways = append(keys, short), append(ways, g.ways[i])
	}
	g.keys, g.ways = keys, ways
}

// raiseLow closes the effects that a crash point forces, and counts the groups anew
// that lose some.
func (c *counter) raiseLow(rises []rise) {
	touched := c.touched[:0]
	for _, s := range rises {
		c.low[s.cell] = s.to
		for v := s.from + 1; v <= s.to; v++ {
			r := c.ties.number(need{s.cell, v})
			if g := c.groupOf[r]; g != nil {
				c.groupOf[r] = nil
				touched = append(touched, g)
			}
		}
	}
	c.touched = touched
	again := c.again[:0]
	for _, g := range touched {
		if g.gone {
			continue
		}
		g.gone = true
		c.leave(g)
		for _, r := range g.members {
			if c.groupOf[r] == g {
				c.groupOf[r] = nil
				again = append(again, r)
			}
		}
		c.drop(g)
	}
	c.again = again
	slices.Sort(again)
	for _, r := range again {
		c.add(r)
	}
}
