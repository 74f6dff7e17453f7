package persist

import (
	"cmp"
	"slices"
)

// ties are the effects of a plan in the order in which crash points let them
// persist, and which of them needs which.
type ties struct {
	effects []need
	first   []int32   // by crash point, and one more: the first effect that is new there
	of      [][]int32 // by own cell and version less one: the number of the effect
	low     Cell      // the first own cell

	back [][]tie // by effect: ties with effects before it
	last []int32 // by effect: the last effect that has a tie with it
}

// tie is a tie of an effect with one before it: the later one needs the
// other, or the other way round.
type tie struct {
	other int32
	needs bool // the later one needs the other
}

func newTies(p *Plan) *ties {
	l := &ties{low: p.first, of: make([][]int32, len(p.cells)-int(p.first))}
	l.order(p)
	l.back, l.last = make([][]tie, len(l.effects)), make([]int32, len(l.effects))
	for r := range l.effects {
		l.last[r] = int32(r)
	}
	c := newChain(p, l)
	for r := range l.effects {
		this := int32(r)
		first, second := c.highest(p, l, this)
		for n := range l.needs(p, this) {
			by := first
			if n == first {
				by = second
			}
			switch {
			case n > this:
				l.join(n, this, false)
			case c.place[n] < 0 || by < 0 || c.below[by] < c.place[n]:
				l.join(this, n, true)
			}
		}
	}
	return l
}

// join notes a tie of two effects.
func (l *ties) join(later, other int32, needs bool) {
	l.back[later] = append(l.back[later], tie{other, needs})
	l.last[other] = max(l.last[other], later)
}

// number returns the number of an effect, -1 where no crash point has it.
func (l *ties) number(n need) int32 {
	if of := l.of[n.cell-l.low]; int(n.version) <= len(of) {
		return of[n.version-1]
	}
	return -1
}

// order numbers the effects: those of a point in the order in which ops made
// them.
func (l *ties) order(p *Plan) {
	place := l.places(p)
	byPlace := func(a, b need) int { return cmp.Compare(place(a), place(b)) }
	for i := range p.points {
		from := len(l.effects)
		l.first = append(l.first, int32(from))
		for _, s := range p.points[i].high {
			for v := s.from + 1; v <= s.to; v++ {
				l.effects = append(l.effects, need{s.cell, v})
			}
		}
		if fresh := l.effects[from:]; len(fresh) > 1 {
			slices.SortFunc(fresh, byPlace)
		}
	}
	l.first = append(l.first, int32(len(l.effects)))
	for id := range l.of {
		l.of[id] = l.of[id][:0]
	}
	for r, e := range l.effects {
		l.of[e.cell-l.low] = append(l.of[e.cell-l.low], int32(r))
	}
}

// places returns where an effect stands among those of all ops, in their order. It
// uses the room of the numbers.
func (l *ties) places(p *Plan) func(need) int32 {
	all := 0
	for _, effects := range p.ops {
		all += len(effects)
	}
	room := make([]int32, all)
	for id := range l.of {
		n := len(p.cells[int(p.first)+id].versions) - 1
		l.of[id], room = room[:n:n], room[n:]
	}
	next := int32(0)
	for _, effects := range p.ops {
		for _, e := range effects {
			l.of[e.cell-l.low][e.version-1] = next
			next++
		}
	}
	return func(e need) int32 { return l.of[e.cell-l.low][e.version-1] }
}

// needs calls f with the numbers of what an effect needs: the version before it
// in its cell, and what the rules say.
func (l *ties) needs(p *Plan, r int32) func(f func(int32) bool) {
	return func(f func(int32) bool) {
		e := l.effects[r]
		if e.version > 1 && !f(l.number(need{e.cell, e.version - 1})) {
			return
		}
		for _, n := range p.cells[e.cell].versions[e.version].needs {
			if n.version == 0 {
				continue // it is on every disk
			}
			if other := l.number(n); other >= 0 && other != r && !f(other) {
				return
			}
		}
	}
}

// chain is the longest chain of effects of which each needs the one before it.
// Where a journal keeps names in order it holds most of them, and tells which
// ties follow from others: without those, few effects have ties with what comes
// much later.
type chain struct {
	place []int32 // by effect: where in the chain it stands, -1 where it does not
	below []int32 // by effect: the last place of the chain that it needs, or has; -1 for none
}

func newChain(p *Plan, l *ties) *chain {
	n := len(l.effects)
	c := &chain{place: make([]int32, n), below: make([]int32, n)}
	depth, under := make([]int32, n), make([]int32, n)
	top := int32(-1)
	for r := range int32(n) {
		under[r], c.place[r] = -1, -1
		for other := range l.needs(p, r) {
			if other < r && depth[other] >= depth[r] {
				depth[r], under[r] = depth[other]+1, other
			}
		}
		if top < 0 || depth[r] > depth[top] {
			top = r
		}
	}
	for r := top; r >= 0; r = under[r] {
		c.place[r] = depth[r]
	}
	for r := range int32(n) {
		c.below[r] = c.place[r]
		for other := range l.needs(p, r) {
			if other < r {
				c.below[r] = max(c.below[r], c.below[other])
			}
		}
	}
	return c
}

// highest returns the two of what an effect needs that reach highest in the chain,
// -1 where there is none. What they need of the chain, the effect needs anyway.
func (c *chain) highest(p *Plan, l *ties, r int32) (first, second int32) {
	first, second = -1, -1
	for other := range l.needs(p, r) {
		switch {
		case other > r || other == first || other == second:
		case first < 0 || c.below[other] > c.below[first]:
			first, second = other, first
		case second < 0 || c.below[other] > c.below[second]:
			second = other
		}
	}
	return first, second
}
