package persist

import (
	"bytes"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/model"
)

// write adds the effects of a write: for each unit in rising order a version
// of the unit and, where the unit's end of the write lies beyond the size so
// far, one of the size.
func (l *lowerer) write(num faultfs.OpNum, op *faultfs.Op) {
	s := l.of(op.Ino)
	before := s.size
	var inside []need // data that did not grow the file
	for data, off := op.Data, op.Off; len(data) > 0; {
		unit, from := off/l.model.Unit, off%l.model.Unit
		k := min(int64(len(data)), l.model.Unit-from)
		first := len(l.ops[num])
		made := l.addData(num, op.Ino, unit, version{from: int32(from), patch: data[:k:k]})
		data, off = data[k:], off+k
		if off > s.size {
			s.size = off
			grown := l.addVersion(num, l.sizeCell(op.Ino), version{value: off})
			if l.appendNeeds(unit, before) {
				l.require(grown, made)
			}
			if l.model.Append == model.AppendAll {
				l.requireAll([]need{grown}, inside)
				inside = nil // the size before needs them already
			}
		} else {
			inside = append(inside, made)
		}
		if op.Look != 0 { // which of its units were stored to first is not known
			l.together = append(l.together, l.ops[num][first:]...)
		} else {
			l.endEffects(l.ops[num][first:])
		}
	}
	if s.size != before {
		l.changed(num, true, op.Ino)
	}
}

// endLook says that the effects of stores that one look has seen are complete. They are
// one step. In which order they were made is not known, so that where that decides what
// a crash leaves, all of them are there or none.
func (l *lowerer) endLook() {
	effects := l.together
	l.together = nil
	if len(effects) == 0 || !l.ties() {
		l.endEffects(effects)
		return
	}
	if l.losses != nil { // what is lost is not needed: each need stands for itself
		l.requireAll(effects, effects)
		l.endEffects(effects)
		return
	}
	last := len(effects) - 1
	for i, e := range effects {
		l.require(e, effects[(i+last)%len(effects)])
	}
	l.endEffects(effects[last:])
}

// ties reports whether stores that one look has seen persist together.
func (p *Plan) ties() bool {
	return p.model.Order == model.OrderAll || p.model.Cache == model.CacheKept
}

// untold reports whether the next op was seen together with an op, and persists with it:
// nothing is known of the moment between them.
func (p *Plan) untold(op faultfs.OpNum) bool { return p.ties() && p.trace.SeenWithNext(op) }

// addData gives a data unit a version that the program made.
func (l *lowerer) addData(num faultfs.OpNum, ino faultfs.Ino, unit int64, v version) need {
	made := l.addVersion(num, l.dataCell(ino, unit), v)
	l.losses.rewritten(l, l.cells[made.cell])
	return made
}

// appendNeeds reports whether a size needs the data of the unit that it lets
// in, in a file that had the given size before the op.
func (l *lowerer) appendNeeds(unit, before int64) bool {
	switch l.model.Append {
	case model.AppendAll:
		return true
	case model.AppendAllocated:
		return unit*l.model.Unit/l.model.Block*l.model.Block >= before
	}
	return false
}

// truncate adds the effects of a truncate: a version of the size and, where it
// shrinks, one of each unit that changes.
func (l *lowerer) truncate(num faultfs.OpNum, op *faultfs.Op) {
	s := l.of(op.Ino)
	size := l.addVersion(num, l.sizeCell(op.Ino), version{value: op.Size})
	namespace := []need{size}
	if op.Size < s.size {
		tailEnd := (op.Size + l.model.Block - 1) / l.model.Block * l.model.Block
		for _, unit := range l.changedUnits(op.Ino, op.Size) {
			from := max(op.Size-unit*l.model.Unit, 0)
			made := l.addData(num, op.Ino, unit, version{from: int32(from), zeroes: true})
			tail := unit*l.model.Unit < tailEnd
			if l.model.Truncate == model.TruncateAtomic || !tail {
				l.require(made, size)
			}
			if l.model.Truncate != model.TruncateTail || !tail {
				l.require(size, made)
			}
			if !tail {
				namespace = append(namespace, made)
			}
		}
	}
	s.size = op.Size
	l.namespaceOp(num, namespace)
	l.endEffects(l.ops[num])
	l.changed(num, true, op.Ino)
}

// changedUnits returns the units of a file, as the program sees it, that hold
// anything but zeros at or behind a new size.
func (l *lowerer) changedUnits(ino faultfs.Ino, size int64) []int64 {
	candidates := l.node(ino).units
	if l.node(ino).typ == faultfs.NoType {
		for _, off := range l.base.Data(ino, size) {
			for unit := off / l.model.Unit; unit*l.model.Unit < off+pageSize; unit++ {
				if candidates.get(unit) == noCell && l.hasData(ino, unit, size) {
					l.dataCell(ino, unit)
				}
			}
		}
		candidates = l.node(ino).units
	}
	var changed []int64
	for _, unit := range candidates.from(size / l.model.Unit) {
		if l.hasData(ino, unit, size) {
			changed = append(changed, unit)
		}
	}
	return changed
}

// hasData reports whether a unit holds anything but zeros at or behind size.
func (l *lowerer) hasData(ino faultfs.Ino, unit, size int64) bool {
	from := max(size-unit*l.model.Unit, 0)
	if from >= l.model.Unit {
		return false
	}
	buf := make([]byte, l.model.Unit-from)
	if id := l.node(ino).units.get(unit); id != noCell {
		c := l.cells[id]
		l.fill(c, c.newest(), buf, from)
	} else {
		l.base.ReadAt(ino, buf, unit*l.model.Unit+from)
	}
	return len(bytes.TrimRight(buf, "\x00")) > 0
}
