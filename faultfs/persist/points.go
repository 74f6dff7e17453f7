package persist

import (
	"cmp"
	"slices"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/model"
)

// point is a moment at which power can be cut, as what changed since the point
// before: the bounds of cells, and the marks that were made.
type point struct {
	op    faultfs.OpNum // the op that returned just before; -1 at the first point
	high  []rise
	low   []rise
	marks int // so many of the plan's marks were made
}

// rise is a bound of a cell that rose.
type rise struct {
	cell     Cell
	from, to Version
}

// edge is where an op begins or returns.
type edge struct {
	at    faultfs.Edge
	op    faultfs.OpNum
	isEnd bool
}

// layPoints finds the crash points: before the first op, and after each op, but for
// those between stores that one look has seen: nobody knows in which order these came.
// Where nothing depends on that order, the point behind them covers those between them.
// Where ops overlap, there is one more before a sync returns or a mark is made
// while ops with effects have begun since the point before; and, where the
// cache is kept, so that a later point does not cover an earlier one, before
// another op with effects begins.
func (l *lowerer) layPoints() {
	for i := range l.trace.Setup {
		if l.below != nil {
			break
		}
		if op := &l.trace.Setup[i]; op.Kind == faultfs.OpMark && !op.Failed() {
			l.marks = append(l.marks, op.Label)
		}
	}
	b := newBounds(l.Plan)
	b.emit(-1)
	effects := false // of ops begun since the last point, other than the one that ends
	last := faultfs.OpNum(-1)
	forced := l.forced
	for _, e := range l.edges() {
		op := &l.trace.Ops[e.op]
		if !e.isEnd {
			if effects && l.model.Cache == model.CacheKept && len(l.ops[e.op]) > 0 {
				b.emit(last)
			}
			b.begin(e.op)
			effects = effects || len(l.ops[e.op]) > 0
			continue
		}
		if effects && (op.Kind.Syncs() || op.Kind == faultfs.OpMark) && (!op.Failed() || op.Loses()) {
			b.emit(last)
		}
		for len(forced) > 0 && forced[0].sync < e.op {
			forced = forced[1:]
		}
		for i := 0; i < len(forced) && forced[i].sync == e.op; i++ {
			b.raise(forced[i].need)
		}
		if op.Kind == faultfs.OpMark && !op.Failed() && l.below == nil {
			l.marks = append(l.marks, op.Label)
		}
		if l.trace.SeenWithNext(e.op) {
			continue
		}
		b.emit(e.op)
		effects, last = false, e.op
	}
	if l.below == nil {
		l.labelMarks()
	}
}

// edges returns the edges of the trace in order.
func (l *lowerer) edges() []edge {
	edges := make([]edge, 0, 2*len(l.trace.Ops))
	for i := range l.trace.Ops {
		op := &l.trace.Ops[i]
		edges = append(edges, edge{op.Begin, faultfs.OpNum(i), false}, edge{op.End, faultfs.OpNum(i), true})
	}
	byTime := func(a, b edge) int { return cmp.Compare(a.at, b.at) }
	if !slices.IsSortedFunc(edges, byTime) {
		slices.SortStableFunc(edges, byTime)
	}
	return edges
}

// bounds are the bounds of every cell while the points are laid.
type bounds struct {
	*Plan
	high, low  []Version
	begun      []bool
	prefix     faultfs.OpNum // all ops before this one have begun
	holes      int           // ops at or behind prefix that have begun
	highs      []rise        // since the last point
	lows       []rise
	rises      []rise // of the points laid
	work       []need
	highBefore map[Cell]Version
	lowBefore  map[Cell]Version
}

func newBounds(p *Plan) *bounds {
	return &bounds{
		Plan: p, high: make([]Version, len(p.cells)), low: make([]Version, len(p.cells)),
		begun:      make([]bool, len(p.trace.Ops)),
		highBefore: map[Cell]Version{}, lowBefore: map[Cell]Version{},
	}
}

// begin lets the effects of an op persist.
func (b *bounds) begin(op faultfs.OpNum) {
	b.begun[op] = true
	if op != b.prefix {
		b.holes++
		b.recompute()
		return
	}
	if !b.untold(op) {
		first := op
		for first > 0 && b.untold(first-1) {
			first--
		}
		for ; first <= op; first++ {
			for _, e := range b.ops[first] {
				b.setHigh(e.cell, e.version)
			}
		}
	}
	for b.prefix++; int(b.prefix) < len(b.begun) && b.begun[b.prefix]; b.prefix++ {
		b.holes--
	}
	if b.holes > 0 || b.prefix > op+1 {
		b.recompute()
	}
}

// recompute finds the high bounds where ops have begun out of the order in
// which they took effect: a version needs every one before it in its cell, and
// what its needs name, to have been begun.
func (b *bounds) recompute() {
	high := make([]Version, len(b.cells))
	for i, c := range b.cells[b.first:] {
		id := b.first + Cell(i)
		for high[id] < c.newest() && b.begun[c.versions[high[id]+1].op] {
			high[id]++
		}
	}
	for again := true; again; {
		again = false
		for i, c := range b.cells[b.first:] {
			id := b.first + Cell(i)
			for v := Version(1); v <= high[id]; v++ {
				for _, n := range c.versions[v].needs {
					if n.version > high[n.cell] {
						high[id], again = v-1, true
					}
				}
			}
		}
	}
	for id := b.first; int(id) < len(high); id++ {
		b.setHigh(id, high[id])
	}
}

func (b *bounds) setHigh(id Cell, v Version) {
	if b.high[id] == v {
		return
	}
	if _, noted := b.highBefore[id]; !noted {
		b.highBefore[id] = b.high[id]
		b.highs = append(b.highs, rise{cell: id})
	}
	b.high[id] = v
	if b.model.Cache == model.CacheKept {
		b.setLow(id, v)
	}
}

func (b *bounds) setLow(id Cell, v Version) {
	if _, noted := b.lowBefore[id]; !noted {
		b.lowBefore[id] = b.low[id]
		b.lows = append(b.lows, rise{cell: id})
	}
	b.low[id] = v
}

// raise raises a low bound, and those of what the versions below it need.
func (b *bounds) raise(n need) {
	b.work = append(b.work[:0], n)
	for len(b.work) > 0 {
		n := b.work[len(b.work)-1]
		b.work = b.work[:len(b.work)-1]
		from := b.low[n.cell]
		if n.version <= from {
			continue
		}
		b.setLow(n.cell, n.version)
		versions := b.cells[n.cell].versions
		for v := versions[n.version].prevNeeds; v > from; v = versions[v-1].prevNeeds {
			b.work = append(b.work, versions[v].needs...)
		}
		if b.bundles != nil {
			b.work = b.bundles.raised(b.work, n.cell, from, n.version)
		}
	}
}

// keep copies steps to where those of all points lie, one behind the other.
func (b *bounds) keep(rises []rise) []rise {
	if len(rises) == 0 {
		return nil
	}
	from := len(b.rises)
	b.rises = append(b.rises, rises...)
	return b.rises[from:len(b.rises):len(b.rises)]
}

// emit lays a point here.
func (b *bounds) emit(op faultfs.OpNum) {
	at := point{op: op, marks: len(b.marks), high: b.keep(b.highs), low: b.keep(b.lows)}
	for i := range at.high {
		id := at.high[i].cell
		at.high[i].from, at.high[i].to = b.highBefore[id], b.high[id]
	}
	for i := range at.low {
		id := at.low[i].cell
		at.low[i].from, at.low[i].to = b.lowBefore[id], b.low[id]
	}
	b.points = append(b.points, at)
	b.highs, b.lows = b.highs[:0], b.lows[:0]
	clear(b.highBefore)
	clear(b.lowBefore)
}
