package persist

import (
	"slices"

	"github.com/crashsim/crashsim/faultfs"
)

// bundling bundles versions of cells: all of a bundle are on the disk, or none of them is.
// So a plan with bundles has some of the cuts of the plan without.
type bundling struct {
	byFile bool
	of     [][]int32 // the bundle of each version of each cell, -1 for none; by file one for all versions; nil for none at all
	all    [][]need  // the bundles; by file, the versions say nothing
}

// presence is what became of a bundle in a box.
type presence uint8

const (
	open   presence = iota // nothing is decided
	absent                 // nothing of it is on the disk
	there                  // all of it is
)

// Free returns the plan of all cuts that a plan with bundles was made from, and any
// other plan itself.
func (p *Plan) Free() *Plan {
	if p.free != nil {
		return p.free
	}
	return p
}

// WholeFiles returns a plan of those cuts in which each file is whole or untouched:
// at each crash point it has everything that was done to its data, size and mode, or
// only what syncs have forced. Each name in a directory is a file of its own here.
func (p *Plan) WholeFiles() *Plan {
	t := &bundling{byFile: true, of: make([][]int32, len(p.cells))}
	p = p.Free()
	if p.below != nil && p.below.bundles != nil {
		t.all = append(t.all, p.below.bundles.all...)
		copy(t.of, p.below.bundles.of)
	}
	bundles := map[faultfs.Ino]int32{}
	for i, c := range p.cells[p.first:] {
		id := p.first + Cell(i)
		bundle, known := bundles[c.ino]
		if !known || c.kind == nameCell {
			bundle = int32(len(t.all))
			t.all = append(t.all, nil)
			if c.kind != nameCell {
				bundles[c.ino] = bundle
			}
		}
		t.of[id] = []int32{bundle}
		t.all[bundle] = append(t.all[bundle], need{cell: id})
	}
	return p.bundled(t)
}

// WholeOps returns a plan of those cuts in which each op is there with all of its
// effects, or with none. Ops that overlap others are free.
func (p *Plan) WholeOps() *Plan {
	t := &bundling{of: make([][]int32, len(p.cells))}
	p = p.Free()
	if p.below != nil && p.below.bundles != nil {
		t.all = append(t.all, p.below.bundles.all...)
		copy(t.of, p.below.bundles.of)
	}
	for i, c := range p.cells[p.first:] {
		of := make([]int32, len(c.versions))
		for v := range of {
			of[v] = -1
		}
		t.of[p.first+Cell(i)] = of
	}
	overlapped := p.overlapped()
	for op, effects := range p.ops {
		if len(effects) < 2 || overlapped[op] {
			continue
		}
		for _, e := range effects {
			t.of[e.cell][e.version] = int32(len(t.all))
		}
		t.all = append(t.all, effects)
	}
	bundled := p.bundled(t)
	bundled.raisePoints(p)
	return bundled
}

// overlapped says of each op whether it runs at the same time as another one.
func (p *Plan) overlapped() []bool {
	ops := p.trace.Ops
	overlapped := make([]bool, len(ops))
	var end faultfs.Edge // of all ops before
	for i := range ops {
		overlapped[i] = ops[i].Begin < end
		end = max(end, ops[i].End)
	}
	begin := end // of all ops behind
	for i := range slices.Backward(ops) {
		overlapped[i] = overlapped[i] || begin < ops[i].End
		begin = min(begin, ops[i].Begin)
	}
	return overlapped
}

func (p *Plan) bundled(t *bundling) *Plan {
	bundled := *p
	bundled.bundles, bundled.free = t, p
	return &bundled
}

// raisePoints lays the points of the plan without bundles again: where a sync has forced a part
// of an op, all of it is there.
func (p *Plan) raisePoints(free *Plan) {
	p.points = nil
	b := newBounds(p)
	for _, at := range free.points {
		for _, s := range at.high {
			b.setHigh(s.cell, s.to)
		}
		for _, s := range at.low {
			b.raise(need{s.cell, s.to})
		}
		b.emit(at.op)
		p.points[len(p.points)-1].marks = at.marks
	}
}

// raised adds what is bundled with versions of a cell above one, up to another, where these
// are on the disk.
func (t *bundling) raised(work []need, id Cell, above, to Version) []need {
	if t.of[id] == nil {
		return work
	}
	for v := above + 1; v <= to; v++ {
		if bundle := t.of[id][v]; bundle >= 0 {
			work = append(work, t.all[bundle]...)
		}
	}
	return work
}

// join decides the bundles of versions of a cell above one, up to another: they are all
// there, or absent. What is in them is to be raised, or lowered, in its turn.
func (b *Box) join(id Cell, above, to Version, become presence) {
	t := b.plan.bundles
	if t.of[id] == nil {
		return
	}
	if t.byFile {
		b.decide(t.of[id][0], become)
		return
	}
	for v := above + 1; v <= to; v++ {
		if bundle := t.of[id][v]; bundle >= 0 {
			b.decide(bundle, become)
		}
	}
}

func (b *Box) decide(bundle int32, become presence) {
	if b.presences[bundle] != open {
		return // what is in it was raised or lowered then; what contradicts it fails
	}
	b.presences[bundle] = become
	b.trail = append(b.trail, Bound{Cell: -1 - Cell(bundle)})
	for _, n := range b.plan.bundles.all[bundle] {
		switch {
		case b.plan.bundles.byFile && become == there:
			n.version = b.top[n.cell]
		case b.plan.bundles.byFile:
			n.version = b.bottom[n.cell]
		case become == absent:
			n.version--
		}
		b.work = append(b.work, n)
	}
}

// remember notes the bounds that the box has without restrictions.
func (b *Box) remember() {
	if b.plan.bundles != nil && b.plan.bundles.byFile {
		b.bottom, b.top = append(b.bottom[:0], b.lo...), append(b.top[:0], b.hi...)
	}
}
