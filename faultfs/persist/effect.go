package persist

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/crashsim/crashsim/faultfs"
)

// Effect is a version of a cell that an op made.
type Effect struct {
	Op      faultfs.OpNum
	Index   int // among the effects of the op, from zero
	Cell    Cell
	Version Version
}

// Effects returns the effects of an op, in the order in which they are made.
func (p *Plan) Effects(op faultfs.OpNum) []Effect {
	effects := make([]Effect, len(p.ops[op]))
	for i, e := range p.ops[op] {
		effects[i] = Effect{op, i, e.cell, e.version}
	}
	return effects
}

// effect returns a version of a cell as an effect.
func (p *Plan) effect(n need) Effect {
	if n.cell < p.first {
		return p.below.effect(n)
	}
	op := p.cells[n.cell].versions[n.version].op
	return Effect{op, slices.Index(p.ops[op], n), n.cell, n.version}
}

// What says which part of its op an effect is: the data of some bytes, a size,
// a mode, or a name that it makes or removes.
func (p *Plan) What(e Effect) string {
	c := p.cells[e.Cell]
	v := &c.versions[e.Version]
	switch c.kind {
	case dataCell:
		from := c.unit*p.model.Unit + int64(v.from)
		if v.zeroes {
			return fmt.Sprintf("clearing of the data [%d,%d)", from, (c.unit+1)*p.model.Unit)
		}
		return fmt.Sprintf("data [%d,%d)", from, from+int64(len(v.patch)))
	case sizeCell:
		return fmt.Sprintf("size %d", v.value)
	case modeCell:
		return fmt.Sprintf("mode %04o", v.value)
	}
	if v.value == 0 {
		return fmt.Sprintf("removal of the name %q", c.name)
	}
	return fmt.Sprintf("name %q", c.name)
}

// Name says what a cell is: "the size of /log", or "the size of inode 3" where
// no path is known. A negative cell is a question about the marks.
func (p *Plan) Name(id Cell) string {
	switch {
	case id < 0:
		return "the marks"
	case id < p.first:
		return p.below.Name(id)
	}
	c := p.cells[id]
	op := &p.trace.Ops[c.versions[1].op] // what is never changed is no cell
	of := op.Path
	if of == "" {
		of = fmt.Sprintf("inode %d", c.ino)
	}
	switch c.kind {
	case dataCell:
		return fmt.Sprintf("the data of %s from %d", of, c.unit*p.model.Unit)
	case sizeCell:
		return "the size of " + of
	case modeCell:
		return "the mode of " + of
	}
	if op.Kind == faultfs.OpLink || (op.Kind == faultfs.OpRename || op.Kind == faultfs.OpExchange) && op.ToDir == c.ino && op.ToName == c.name {
		of = op.To
	}
	return "the name " + of
}

// Lost returns the effects that the running program saw and that the newest
// cut of the box lacks, in the order of the trace.
func (b *Box) Lost() []Effect {
	var lost []Effect
	seen := map[Cell]bool{}
	for _, t := range b.trail {
		if seen[t.Cell] || t.Cell < b.plan.first {
			continue
		}
		seen[t.Cell] = true
		for v := b.hi[t.Cell] + 1; v <= t.Hi; v++ {
			lost = append(lost, b.plan.effect(need{t.Cell, v}))
		}
	}
	sortEffects(lost)
	return lost
}

func sortEffects(effects []Effect) {
	slices.SortFunc(effects, func(a, b Effect) int {
		return cmp.Or(cmp.Compare(a.Op, b.Op), cmp.Compare(a.Index, b.Index))
	})
}

// Newest returns the effect by which a cell has its value in the newest cut of
// the box; false says that it has the value it had before the run.
func (b *Box) Newest(id Cell) (Effect, bool) {
	if id < b.plan.first || b.hi[id] == 0 {
		return Effect{}, false
	}
	return b.plan.effect(need{id, b.hi[id]}), true
}

// Pin returns the part of a crash point that is the single cut on which the
// given effects are lost and all others are there. It fails where no legal cut
// is like that.
func (p *Plan) Pin(point int, lost []Effect) (Subset, error) {
	box := p.NewBox()
	box.Move(point)
	high := slices.Clone(box.hi)
	missing := map[Cell]int{}
	for _, e := range lost {
		if e.Version < 1 || e.Version > box.hi[e.Cell] {
			return Subset{}, fmt.Errorf("effect %d of op %d is not there to be lost", e.Index, e.Op)
		}
		high[e.Cell] = min(high[e.Cell], e.Version-1)
		missing[e.Cell]++
	}
	var subset Subset
	for i, v := range high[p.first:] {
		id := p.first + Cell(i)
		if missing[id] != int(box.hi[id]-v) {
			return Subset{}, fmt.Errorf("the lost effects are not the newest of their cells")
		}
		subset = subset.And(Bound{id, v, v})
	}
	if !box.RestrictTo(subset) {
		return Subset{}, fmt.Errorf("the model does not allow that these effects are lost and the others are not")
	}
	return subset, nil
}
