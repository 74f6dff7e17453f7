package persist

import "slices"

// Bound keeps a cell between two versions, both included.
type Bound struct {
	Cell   Cell
	Lo, Hi Version
}

// Box is a set of cuts at a crash point: bounds for every cell, closed under
// the needs. It is never empty unless Restrict says so. A box is not safe for
// concurrent use.
type Box struct {
	plan   *Plan
	at     int
	lo, hi []Version
	losses int
	marks  int     // made before the last life began
	trail  []Bound // bounds to put back, the newest last
	work   []need

	// Of a plan with bundles:
	presences   []presence // by bundle
	bottom, top []Version  // by file: the bounds without restrictions

	counter *counter // of the box's own cuts, nil until they are counted
}

// NewBox returns the box of all cuts at the first crash point.
func (p *Plan) NewBox() *Box {
	b := &Box{plan: p, lo: make([]Version, len(p.cells)), hi: make([]Version, len(p.cells))}
	if p.bundles != nil {
		b.presences = make([]presence, len(p.bundles.all))
		b.remember()
	}
	return b
}

// Move makes the box that of all cuts at a crash point. It costs what was
// restricted since, and what changed between the two points.
func (b *Box) Move(point int) {
	b.Widen()
	if b.at == point {
		return
	}
	points := b.plan.points
	for b.at < point {
		b.at++
		for _, s := range points[b.at].high {
			b.hi[s.cell] = s.to
		}
		for _, s := range points[b.at].low {
			b.lo[s.cell] = s.to
		}
	}
	for b.at > point {
		for _, s := range points[b.at].high {
			b.hi[s.cell] = s.from
		}
		for _, s := range points[b.at].low {
			b.lo[s.cell] = s.from
		}
		b.at--
	}
	b.remember()
}

// StartFrom puts the box of a later life on what a crash in the life before it left:
// the cuts of a box of that life. It stays at its own crash point. The box of a first life
// has nothing below it: with nil it stays as it is.
func (b *Box) StartFrom(below *Box) {
	if below == nil {
		return
	}
	b.Widen()
	copy(b.lo, below.lo)
	copy(b.hi, below.hi)
	b.marks = below.made()
	b.remember()
}

// Still returns the box as it is now; it does not follow the receiver.
func (b *Box) Still() *Box {
	c := *b
	c.lo, c.hi, c.trail, c.work, c.presences = slices.Clone(b.lo), slices.Clone(b.hi), nil, nil, slices.Clone(b.presences)
	c.counter = nil
	return &c
}

// made returns how many of the plan's marks were made before the crash. Lives
// after the first make none.
func (b *Box) made() int {
	if b.plan.below != nil {
		return b.marks
	}
	return b.plan.points[b.at].marks
}

// Below returns the bounds that the box leaves to the cells of the life before,
// as a subset of the crash point at which that life ended: its newest cut alone.
func (b *Box) Below() Subset {
	var subset Subset
	for id := range b.plan.first {
		subset = subset.And(Bound{id, b.hi[id], b.hi[id]})
	}
	return subset
}

// Point returns the crash point at which the box is.
func (b *Box) Point() int { return b.at }

// Losses returns how many effects that the running program saw are missing in
// the newest cut of the box. Every other cut of the box misses more.
func (b *Box) Losses() int { return b.losses }

// Widen takes back all restrictions since the last Move.
func (b *Box) Widen() { b.undo(0) }

func (b *Box) undo(to int) {
	for i := len(b.trail) - 1; i >= to; i-- {
		t := b.trail[i]
		if t.Cell < 0 {
			b.presences[-1-t.Cell] = open
			continue
		}
		b.losses += int(b.hi[t.Cell] - t.Hi)
		b.lo[t.Cell], b.hi[t.Cell] = t.Lo, t.Hi
	}
	b.trail = b.trail[:to]
}

// Restrict keeps only the cuts that respect the bound. Where none does it
// returns false, and the box is as it was before.
func (b *Box) Restrict(bound Bound) bool {
	to := len(b.trail)
	if b.raise(bound.Cell, bound.Lo) && b.lower(bound.Cell, bound.Hi) {
		return true
	}
	b.undo(to)
	return false
}

// raise closes the low bounds under the needs.
func (b *Box) raise(id Cell, to Version) bool {
	b.work = append(b.work[:0], need{id, to})
	for len(b.work) > 0 {
		n := b.work[len(b.work)-1]
		b.work = b.work[:len(b.work)-1]
		from := b.lo[n.cell]
		if n.version <= from {
			continue
		}
		if n.version > b.hi[n.cell] {
			return false
		}
		b.trail = append(b.trail, Bound{n.cell, from, b.hi[n.cell]})
		b.lo[n.cell] = n.version
		versions := b.plan.cells[n.cell].versions
		for v := versions[n.version].prevNeeds; v > from; v = versions[v-1].prevNeeds {
			b.work = append(b.work, versions[v].needs...)
		}
		if b.presences != nil {
			b.join(n.cell, from, n.version, there)
		}
	}
	return true
}

// lower closes the high bounds under the needs.
func (b *Box) lower(id Cell, to Version) bool {
	b.work = append(b.work[:0], need{id, to})
	for len(b.work) > 0 {
		n := b.work[len(b.work)-1]
		b.work = b.work[:len(b.work)-1]
		from := b.hi[n.cell]
		if n.version >= from {
			continue
		}
		if n.version < b.lo[n.cell] {
			return false
		}
		b.trail = append(b.trail, Bound{n.cell, b.lo[n.cell], from})
		b.hi[n.cell] = n.version
		b.losses += int(from - n.version)
		versions := b.plan.cells[n.cell].versions
		for v := versions[from].prevNeeded; v > n.version; v = versions[v-1].prevNeeded {
			for _, by := range versions[v].neededBy {
				b.work = append(b.work, need{by.cell, by.version - 1})
			}
		}
		if b.presences != nil {
			b.join(n.cell, n.version, from, absent)
		}
	}
	return true
}

// Bound returns the versions that the box leaves to a cell.
func (b *Box) Bound(id Cell) Bound { return Bound{id, b.lo[id], b.hi[id]} }

// Has reports whether the plan has a cell, or a question about the marks, with that number.
func (b *Box) Has(id Cell) bool {
	if id < 0 {
		return -int64(id) <= int64(questions(len(b.plan.byIndex)))
	}
	return int(id) < len(b.lo)
}

// Choose gives a cell the newest value that the box allows. It returns a
// number for the value (see Step) and the versions that have it; split says
// that the box held cuts with other values before, all of them older.
//
// A negative cell is a question about the marks, which the box's crash point
// answers.
func (b *Box) Choose(id Cell) (value Version, taken Bound, split bool) {
	if id < 0 {
		return b.plan.answer(id, b.made()), Bound{}, false
	}
	hi := b.hi[id]
	value = b.plan.value(id, hi)
	lo := b.lo[id]
	if lo == hi {
		return value, Bound{id, lo, hi}, false
	}
	from := hi
	for from > lo && b.plan.value(id, from-1) == value {
		from--
	}
	if from == lo {
		return value, Bound{id, lo, hi}, false
	}
	b.raise(id, from)
	return value, Bound{id, from, hi}, true
}

// Older returns the bound that keeps the cuts that a choice left out.
func (c Bound) Older() Bound { return Bound{c.Cell, 0, c.Lo - 1} }

// Subset is a subset of a crash point's box: what respects a list of bounds. Subsets
// share memory with those that they were made from, and never change. The zero
// Subset is the whole box.
type Subset struct{ last *link }

// link is the last of a list of bounds.
type link struct {
	before *link
	bound  Bound
}

// And returns what of the subset respects one more bound.
func (p Subset) And(more Bound) Subset {
	if l := p.last; l != nil && l.bound.Cell == more.Cell {
		both := Bound{more.Cell, max(l.bound.Lo, more.Lo), min(l.bound.Hi, more.Hi)}
		return Subset{&link{l.before, both}}
	}
	return Subset{&link{p.last, more}}
}

// Join returns the subset that respects the bounds of both.
func (p Subset) Join(q Subset) Subset {
	for l := q.last; l != nil; l = l.before {
		p = p.And(l.bound)
	}
	return p
}

// RestrictTo keeps the cuts of a subset. Where there are none it returns false,
// and the box is as it was before.
func (b *Box) RestrictTo(subset Subset) bool {
	to := len(b.trail)
	for l := subset.last; l != nil; l = l.before {
		if !b.Restrict(l.bound) {
			b.undo(to)
			return false
		}
	}
	return true
}

// Fresh moves the box to a crash point and calls f for each part of it that
// holds cases not found at the point before, with the losses of its newest
// cut. The parts are disjoint and none is empty. Where the marks changed, the
// whole box is one part. It costs what is new at the point: the high bounds of a box
// are closed under the needs, so that each version up to them is in some cut, and to
// keep only the cuts that have it loses nothing.
func (b *Box) Fresh(point int, f func(subset Subset, losses int)) {
	b.Move(point)
	at := &b.plan.points[point]
	if point == 0 || at.marks != b.plan.points[point-1].marks {
		f(Subset{}, 0)
		return
	}
	var missing Subset // the subset on which the effects so far are missing
	for _, s := range at.high {
		if b.hi[s.cell] > s.from {
			f(missing.And(Bound{s.cell, s.from + 1, s.to}), b.losses)
		}
		before := Bound{s.cell, 0, s.from}
		if !b.Restrict(before) {
			break // this effect is there in every case left
		}
		missing = missing.And(before)
	}
	b.Widen()
}

// Try returns the losses that the box would have with a bound, which it is not
// given; false says that it would be empty.
func (b *Box) Try(bound Bound) (losses int, ok bool) {
	to := len(b.trail)
	ok = b.Restrict(bound)
	losses = b.losses
	b.undo(to)
	return losses, ok
}
