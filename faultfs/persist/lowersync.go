package persist

import (
	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/model"
)

// markDirty notes that a cell has an effect that no sync has forced.
func (l *lowerer) markDirty(id Cell, c *cell) {
	if l.isDirty[id] {
		return
	}
	l.isDirty[id] = true
	l.dirty = append(l.dirty, id)
	if c.kind == dataCell || c.kind == nameCell {
		s := l.of(c.ino)
		s.dirty = append(s.dirty, id)
	}
}

// movesDirectory reports whether an op gives a directory another name. Where
// none does, what was there before has the directories above it that it had,
// and the links of the base tell a sync nothing.
func (l *lowerer) movesDirectory(op faultfs.Op) bool {
	switch {
	case op.Failed():
		return false
	case op.Kind == faultfs.OpExchange && l.base.Type(op.Replaced) == faultfs.Directory:
		return true
	}
	return (op.Kind == faultfs.OpRename || op.Kind == faultfs.OpExchange) && l.base.Type(op.Ino) == faultfs.Directory
}

// findLinks notes the names below a directory of the base.
func (l *lowerer) findLinks(dir faultfs.Ino) {
	for _, name := range l.base.Names(dir) {
		ino := l.base.Entry(dir, name)
		if ino == 0 {
			continue
		}
		s := l.of(ino)
		s.links = append(s.links, nameKey{dir, name})
		if l.base.Type(ino) == faultfs.Directory {
			l.findLinks(ino)
		}
	}
}

// sync notes what a sync forces: effects of ops that had returned before it
// began.
func (l *lowerer) sync(num faultfs.OpNum, op *faultfs.Op) {
	f := forcer{lowerer: l, num: num, began: op.Begin, only: op.Only}
	if op.Kind == faultfs.OpSync {
		l.dirty = f.cells(l.dirty)
		return
	}
	isDir := l.typ(op.Ino) == faultfs.Directory
	f.inode(op.Ino, op.Kind == faultfs.OpFsync || isDir)
	switch l.model.Sync {
	case model.SyncName, model.SyncOwn:
		f.seen = map[faultfs.Ino]bool{}
		f.names(op.Ino)
	case model.SyncInode:
		dataOnly := op.Kind == faultfs.OpFdatasync && !isDir
		f.namespaceUpTo(f.lastChange(op.Ino, dataOnly))
	case model.SyncJournal:
		f.namespaceUpTo(num)
	}
}

// forcer is a sync at work.
type forcer struct {
	*lowerer
	num   faultfs.OpNum
	began faultfs.Edge
	only  faultfs.Span         // the data that is forced; empty: all
	seen  map[faultfs.Ino]bool // directories that were looked at
}

// returned reports whether an op had returned before the sync began.
func (f *forcer) returned(op faultfs.OpNum) bool {
	return op < 0 || f.trace.Ops[op].End < f.began
}

func (f *forcer) force(n need) {
	f.forced = append(f.forced, force{f.num, n})
}

// cell forces the newest version of a cell that had been made by then, and
// reports whether none newer is left.
func (f *forcer) cell(id Cell) bool {
	c := f.lowerer.cells[id]
	v := c.newest()
	for !f.returned(c.versions[v].op) {
		v--
	}
	if v > 0 && !f.losses.hold(id, v) {
		f.force(need{id, v})
		f.losses.wrote(id, v)
	}
	return v == c.newest()
}

// cells forces those of the given cells that are dirty, and returns those that
// still are.
func (f *forcer) cells(ids []Cell) []Cell {
	left := ids[:0]
	for _, id := range ids {
		if !f.isDirty[id] {
			continue
		}
		f.isDirty[id] = false
		if !f.cell(id) {
			f.isDirty[id] = true
			left = append(left, id)
		}
	}
	return left
}

// inode forces what an inode itself holds: its data and size, or its names,
// and with everything its mode too.
func (f *forcer) inode(ino faultfs.Ino, everything bool) {
	n := f.inodes[ino]
	if n == nil {
		return
	}
	if s := f.state[ino]; s != nil {
		s.dirty = f.data(s.dirty)
	}
	if n.size != noCell {
		f.cell(n.size)
	}
	if everything && n.perm != noCell {
		f.cell(n.perm)
	}
}

// data forces the given cells of a file or directory, and returns those that are
// still dirty. Where the sync is limited, a unit is forced that lies in it as a whole.
func (f *forcer) data(dirty []Cell) []Cell {
	if f.only.Empty() {
		return f.cells(dirty)
	}
	var inside, outside []Cell
	for _, id := range dirty {
		c := f.lowerer.cells[id]
		from := c.unit * f.model.Unit
		if c.kind == dataCell && f.only.From <= from && from+f.model.Unit <= f.only.To {
			inside = append(inside, id)
		} else {
			outside = append(outside, id)
		}
	}
	return append(outside, f.cells(inside)...)
}

// names forces the names of an inode and, of the directories that hold them
// and those above, what the model says: that they exist, or their names too.
func (f *forcer) names(ino faultfs.Ino) {
	for _, key := range f.of(ino).links {
		if id, ok := f.lowerer.names[key]; ok {
			c := f.lowerer.cells[id]
			if newest := c.newest(); f.returned(c.versions[newest].op) {
				f.force(need{id, newest})
			}
		}
		f.above(key.dir)
	}
}

func (f *forcer) above(dir faultfs.Ino) {
	if dir == faultfs.Root || f.seen[dir] {
		return
	}
	f.seen[dir] = true
	if f.model.Sync == model.SyncOwn {
		f.names(dir)
		return
	}
	if made := f.of(dir).made; made.cell != noCell && f.returned(f.lowerer.cells[made.cell].versions[made.version].op) {
		f.force(made)
	}
	for _, key := range f.of(dir).links {
		f.above(key.dir)
	}
}

// lastChange returns the newest op that changed an inode and had returned, -1
// if there is none.
func (f *forcer) lastChange(ino faultfs.Ino, dataOnly bool) faultfs.OpNum {
	changes := f.of(ino).changes
	for i := len(changes) - 1; i >= 0; i-- {
		if (changes[i].data || !dataOnly) && f.returned(changes[i].op) {
			return changes[i].op
		}
	}
	return -1
}

// namespaceUpTo forces the namespace effects of ops up to the given one.
func (f *forcer) namespaceUpTo(last faultfs.OpNum) {
	done := true // everything before this effect has been forced
	for i := f.nsForced; i < len(f.namespace) && f.namespace[i].op <= last; i++ {
		e := f.namespace[i]
		if !f.returned(e.op) {
			done = false
			continue
		}
		f.force(e.need)
		if done {
			f.nsForced = i + 1
		}
	}
}
