package persist

import (
	"slices"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/internal/pagecache"
)

const pageSize = pagecache.PageSize

// losses is what is known of data that syncs failed to write. It is kept only
// for traces in which that happens: a nil *losses knows of none.
type losses struct {
	written map[Cell]Version // newest version that a sync has written
	off     map[Cell]Version // newest version that no later sync will write: its page is clean
	void    []voided
}

// voided are versions after one and up to another that the disk refused, so
// that nothing can have waited for them.
type voided struct {
	cell        Cell
	after, upTo Version
}

func newLosses() *losses {
	return &losses{written: map[Cell]Version{}, off: map[Cell]Version{}}
}

// hold reports whether a version is one that syncs do not write any more.
func (x *losses) hold(id Cell, v Version) bool { return x != nil && v <= x.off[id] }

// wrote notes that a sync wrote a version.
func (x *losses) wrote(id Cell, v Version) {
	if x != nil {
		x.written[id] = max(x.written[id], v)
	}
}

// rewritten notes that a data unit was written to: all of its page is dirty
// again, also the units whose contents no sync would have written.
func (x *losses) rewritten(l *lowerer, c *cell) {
	if x == nil || len(x.off) == 0 {
		return
	}
	n := l.node(c.ino)
	page := c.unit * l.model.Unit / pageSize
	for u := page * pageSize / l.model.Unit; u*l.model.Unit < (page+1)*pageSize; u++ {
		if id := n.units.get(u); id != noCell && x.off[id] > 0 {
			delete(x.off, id)
			l.markDirty(id, l.cells[id])
		}
	}
}

// voidNeeds drops the needs for versions that the disk refused: metadata may
// persist although the data did not.
func (x *losses) voidNeeds(cells []*cell) {
	if x == nil {
		return
	}
	refused := func(n need) bool {
		return slices.ContainsFunc(x.void, func(v voided) bool {
			return v.cell == n.cell && v.after < n.version && n.version <= v.upTo
		})
	}
	for _, c := range cells {
		for i := range c.versions {
			v := &c.versions[i]
			if slices.ContainsFunc(v.needs, refused) {
				v.needs = slices.DeleteFunc(slices.Clone(v.needs), refused)
			}
		}
	}
}

// losingSync adds what a sync that failed to write data does: to the units
// that it lost, and, where it returned no error, to all else that it forces.
func (l *lowerer) losingSync(num faultfs.OpNum, op *faultfs.Op) {
	f := forcer{lowerer: l, num: num, began: op.Begin}
	if l.model.Failure.Page != faultfs.PageDirty {
		inos := []faultfs.Ino{op.Ino}
		if op.Kind == faultfs.OpSync {
			inos = l.dirtyFiles()
		}
		for _, ino := range inos {
			if units := f.lostUnits(ino, op.Lost); len(units) > 0 {
				f.lose(ino, units, op)
			}
		}
		l.endEffects(l.ops[num])
	}
	if !op.Failed() {
		l.sync(num, op)
	}
}

// dirtyFiles returns the files that have dirty data, rising.
func (l *lowerer) dirtyFiles() []faultfs.Ino {
	var inos []faultfs.Ino
	for _, id := range l.dirty {
		if c := l.cells[id]; c.kind == dataCell && l.isDirty[id] {
			inos = append(inos, c.ino)
		}
	}
	slices.Sort(inos)
	return slices.Compact(inos)
}

// lost is a data unit that a sync found dirty and failed to write, and its
// newest version that had been made by then.
type lost struct {
	id      Cell
	unit    int64
	version Version
}

// lostUnits returns the units in the span that the sync found dirty, rising.
func (f *forcer) lostUnits(ino faultfs.Ino, span faultfs.Span) []lost {
	n := f.inodes[ino]
	if n == nil {
		return nil
	}
	var found []lost
	for _, unit := range n.units.from(span.From / f.model.Unit) {
		if unit*f.model.Unit >= span.To {
			break
		}
		id := n.units.get(unit)
		c := f.lowerer.cells[id]
		v := c.newest()
		for !f.returned(c.versions[v].op) {
			v--
		}
		if v > max(f.losses.written[id], f.losses.off[id]) {
			found = append(found, lost{id, unit, v})
		}
	}
	return found
}

// lose takes lost units from the dirty ones and, where the page cache goes back
// to what the disk holds, gives them that as a version of their own. What the running
// program sees then, faultfs/inject.go says: see package pagecache.
func (f *forcer) lose(ino faultfs.Ino, units []lost, op *faultfs.Op) {
	reverts := f.model.Failure.Page == faultfs.PageReverted
	for _, u := range units {
		x := f.losses
		x.void = append(x.void, voided{u.id, x.written[u.id], u.version})
		x.off[u.id] = u.version
		if reverts || op.Evicted {
			old := make([]byte, f.model.Unit)
			f.fill(f.lowerer.cells[u.id], x.written[u.id], old, 0)
			f.persisted(f.addVersion(f.num, u.id, version{patch: old}))
		}
	}
	if reverts {
		f.shrink(ino, units)
	}
	if reverts || op.Evicted {
		f.hideBeyond(ino, units)
	}
}

// hideBeyond gives units that hold again what the disk does a version without
// what that has at or behind the size: the program would find zeros there if
// the file grew.
func (f *forcer) hideBeyond(ino faultfs.Ino, units []lost) {
	size := f.of(ino).size
	for _, u := range units {
		if f.hasData(ino, u.unit, size) {
			from := max(size-u.unit*f.model.Unit, 0)
			f.addVersion(f.num, u.id, version{from: int32(from), zeroes: true})
		}
	}
}

// persisted says that the disk holds a version from here on.
func (f *forcer) persisted(made need) {
	f.force(made)
	f.losses.wrote(made.cell, made.version)
	delete(f.losses.off, made.cell)
	f.isDirty[made.cell] = false
}

// shrink lets the size fall back as pagecache says.
func (f *forcer) shrink(ino faultfs.Ino, units []lost) {
	s, n := f.of(ino), f.inodes[ino]
	if n.size == noCell {
		return
	}
	synced := f.lowerer.cells[n.size].versions[f.losses.written[n.size]].value
	pages := map[int64]bool{}
	for _, u := range units {
		for off := u.unit * f.model.Unit; off < (u.unit+1)*f.model.Unit; off = (off/pageSize + 1) * pageSize {
			pages[off/pageSize] = true
		}
	}
	end := pagecache.SizeAfterLoss(s.size, synced, func(page int64) bool { return pages[page] })
	if end < s.size {
		s.size = end
		f.persisted(f.addVersion(f.num, n.size, version{value: end}))
	}
}
