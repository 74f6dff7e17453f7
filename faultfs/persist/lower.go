package persist

import (
	"bytes"
	"slices"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/model"
)

// Lower turns a trace into a plan under a model. It takes time and memory in
// proportion to the trace; data stays where the trace holds it.
func Lower(trace *faultfs.Trace, m model.Model) *Plan {
	return lower(&Plan{trace: trace, model: m.WithDefaults(), base: trace.Base()})
}

// Lower turns the trace of a program that ran on the disk, such as recovery,
// into a plan: the next life. What it must know of the disk it reads, as the
// program did. The plan holds for every cut on which these reads, and those of
// the program, see the same.
func (d *Disk) Lower(trace *faultfs.Trace) *Plan {
	below := d.plan
	p := lower(&Plan{
		trace: trace, model: below.model, base: d, below: below, first: Cell(len(below.cells)),
		cells: slices.Clip(below.cells), marks: below.marks, labels: below.labels, byIndex: below.byIndex,
	})
	d.keepStarts(p)
	p.base = nil // the disk moves on
	return p
}

// keepStarts keeps what data units of a later life held at its beginning where
// the program has read it, so that it is the same wherever the plan holds: to
// write the same bytes once more is then seen to change nothing.
func (d *Disk) keepStarts(p *Plan) {
	for _, c := range p.cells[p.first:] {
		if c.kind != dataCell || p.inode(c.ino).isNew() || !d.hasRead(p.below, c.ino, c.unit) {
			continue
		}
		whole := make([]byte, p.model.Unit)
		d.readAt(p.below, c.ino, whole, c.unit*p.model.Unit)
		c.versions[0].flat = append([]byte{}, bytes.TrimRight(whole, "\x00")...)
	}
}

// hasRead reports whether everything that a data unit depends on, as the life
// of a plan left it, was read since Begin.
func (d *Disk) hasRead(p *Plan, ino faultfs.Ino, unit int64) bool {
	for ; p != nil; p = p.below {
		n := p.inode(ino)
		if n == nil {
			continue
		}
		if id := n.units.get(unit); id != noCell && d.seen[id] != d.run {
			return false
		}
		if n.isNew() {
			break
		}
	}
	return true
}

func lower(p *Plan) *Plan {
	p.names, p.ops = map[nameKey]Cell{}, make([]opEffects, len(p.trace.Ops))
	l := lowerer{Plan: p, state: map[faultfs.Ino]*live{}, isDirty: make([]bool, len(p.cells))}
	trace := p.trace
	last := l.base.Inodes()
	for i := range trace.Ops {
		if op := &trace.Ops[i]; !op.Failed() { // one that failed may name any inode
			last = max(last, op.Ino)
		}
	}
	l.inodes = make([]*inode, last+1)
	if l.model.Sync == model.SyncName || l.model.Sync == model.SyncOwn {
		if l.below == nil || slices.ContainsFunc(trace.Ops, l.movesDirectory) {
			l.findLinks(faultfs.Root)
		}
	}
	if slices.ContainsFunc(trace.Ops, func(op faultfs.Op) bool { return op.Loses() }) {
		l.losses = newLosses()
	}
	for i := range trace.Ops {
		l.op(faultfs.OpNum(i), &trace.Ops[i])
	}
	l.losses.voidNeeds(l.cells[l.first:])
	l.link()
	l.layPoints()
	return l.Plan
}

// lowerer is a plan in the making, and what the running program sees.
type lowerer struct {
	*Plan
	state map[faultfs.Ino]*live

	previous  []need // effects of the op, or the piece of one, before: for order=all
	journal   []need // effects of the namespace op before, for names=journal
	namespace []nsEffect
	nsForced  int     // namespace effects before this one have been forced
	dirty     []Cell  // cells that may have effects that no sync has forced
	isDirty   []bool  // by cell
	forced    []force // what syncs force, by op
	losses    *losses // nil: no sync of the trace lost data

	together []need // effects of the stores into maps that one look has seen, so far

	effects     []need // of all ops, one behind the other
	firstEffect int    // of the op at hand
}

// live is what the running program sees of an inode, as far as it changed.
type live struct {
	size    int64
	links   []nameKey // the names that lead to it now; those of the base only where findLinks looked
	made    need      // a directory: the effect that made it; no version: not in this run
	changes []change  // ops that changed it
	dirty   []Cell    // its data units, or its names, that may not be forced
	before  []need    // a directory: effects of the op before that touched it, for names=directory
}

// change is an op that changed an inode; data says that it counts for
// fdatasync too.
type change struct {
	op   faultfs.OpNum
	data bool
}

// nsEffect is a namespace effect.
type nsEffect struct {
	need
	op faultfs.OpNum
}

// force says that a sync forces a cell up to a version.
type force struct {
	sync faultfs.OpNum
	need
}

// of returns what the program sees of an inode.
func (l *lowerer) of(ino faultfs.Ino) *live {
	s := l.state[ino]
	if s == nil {
		s = &live{made: need{cell: noCell}}
		if l.base.Type(ino) == faultfs.Regular {
			s.size = l.base.Size(ino)
		}
		l.state[ino] = s
	}
	return s
}

// node returns the plan's part of an inode, making it if need be.
func (l *lowerer) node(ino faultfs.Ino) *inode {
	n := l.inodes[ino]
	if n == nil {
		n = &inode{size: noCell, perm: noCell}
		l.inodes[ino] = n
	}
	return n
}

// typ returns what an inode is, whether the base has it or the trace made it.
func (l *lowerer) typ(ino faultfs.Ino) faultfs.Type {
	if n := l.inodes[ino]; n != nil && n.typ != faultfs.NoType {
		return n.typ
	}
	return l.base.Type(ino)
}

func (l *lowerer) addCell(c *cell, start int64) Cell {
	c.versions = []version{{op: -1, value: start}}
	l.cells = append(l.cells, c)
	l.isDirty = append(l.isDirty, false)
	return Cell(len(l.cells) - 1)
}

// addVersion gives a cell a version, made by an op, and makes it need what the
// step before made if the model wants everything in order.
func (l *lowerer) addVersion(op faultfs.OpNum, id Cell, v version) need {
	c := l.cells[id]
	v.op = op
	if l.model.Order == model.OrderAll {
		v.needs = slices.Clone(l.previous)
	}
	c.versions = append(c.versions, v)
	made := need{id, c.newest()}
	if len(l.ops[op]) == 0 {
		l.firstEffect = len(l.effects)
	}
	l.effects = append(l.effects, made)
	l.ops[op] = l.effects[l.firstEffect:len(l.effects):len(l.effects)]
	if c.kind == dataCell {
		l.flatten(c)
	}
	l.markDirty(id, c)
	return made
}

// endEffects says that the effects of a step are complete.
func (l *lowerer) endEffects(effects []need) {
	if len(effects) > 0 {
		l.previous = effects
	}
}

// require makes one version need another.
func (l *lowerer) require(from, to need) {
	v := &l.cells[from.cell].versions[from.version]
	v.needs = append(v.needs, to)
}

func (l *lowerer) sizeCell(ino faultfs.Ino) Cell {
	n := l.node(ino)
	if n.size == noCell {
		start := int64(0)
		if n.typ == faultfs.NoType {
			start = l.base.Size(ino)
		}
		n.size = l.addCell(&cell{kind: sizeCell, ino: ino}, start)
	}
	return n.size
}

func (l *lowerer) modeCell(ino faultfs.Ino) Cell {
	n := l.node(ino)
	if n.perm == noCell {
		start := n.mode
		if n.typ == faultfs.NoType {
			start = l.base.Mode(ino)
		}
		n.perm = l.addCell(&cell{kind: modeCell, ino: ino}, int64(start))
	}
	return n.perm
}

func (l *lowerer) dataCell(ino faultfs.Ino, unit int64) Cell {
	n := l.node(ino)
	c := n.units.get(unit)
	if c == noCell {
		c = l.addCell(&cell{kind: dataCell, ino: ino, unit: unit}, 0)
		n.units.put(unit, c)
	}
	return c
}

func (l *lowerer) nameCell(dir faultfs.Ino, name string) Cell {
	key := nameKey{dir, name}
	c, ok := l.names[key]
	if !ok {
		start := faultfs.Ino(0)
		if l.node(dir).typ == faultfs.NoType {
			start = l.base.Entry(dir, name)
		}
		c = l.addCell(&cell{kind: nameCell, ino: dir, name: name}, int64(start))
		l.names[key] = c
		l.node(dir).names = append(l.node(dir).names, c)
	}
	return c
}

// op adds the effects of an op, and what it forces.
func (l *lowerer) op(num faultfs.OpNum, op *faultfs.Op) {
	switch {
	case op.Loses():
		l.losingSync(num, op)
		return
	case op.Failed() || op.Idle():
		return
	}
	switch op.Kind {
	case faultfs.OpWrite:
		l.write(num, op)
		if !l.trace.SeenWithNext(num) {
			l.endLook()
		}
	case faultfs.OpTruncate:
		l.truncate(num, op)
	case faultfs.OpChmod:
		l.addVersion(num, l.modeCell(op.Ino), version{value: int64(op.Mode)})
		l.namespaceOp(num, l.ops[num])
		l.changed(num, false, op.Ino)
	case faultfs.OpMkdir, faultfs.OpCreate, faultfs.OpSymlink:
		l.birth(num, op)
	case faultfs.OpLink:
		l.setName(num, op.Dir, op.Name, op.Ino)
		l.namespaceOp(num, l.ops[num], op.Dir)
		l.changed(num, false, op.Ino, op.Dir)
	case faultfs.OpUnlink, faultfs.OpRmdir:
		l.setName(num, op.Dir, op.Name, 0)
		l.namespaceOp(num, l.ops[num], op.Dir)
		l.changed(num, false, op.Ino, op.Dir)
	case faultfs.OpRename:
		l.rename(num, op)
	case faultfs.OpExchange:
		l.exchange(num, op)
	case faultfs.OpFsync, faultfs.OpFdatasync, faultfs.OpSync:
		l.sync(num, op)
	}
}

// changed notes that an op changed inodes.
func (l *lowerer) changed(num faultfs.OpNum, data bool, inos ...faultfs.Ino) {
	for _, ino := range inos {
		if ino == 0 {
			continue
		}
		s := l.of(ino)
		s.changes = append(s.changes, change{num, data})
	}
}

func (l *lowerer) birth(num faultfs.OpNum, op *faultfs.Op) {
	n := l.node(op.Ino)
	n.mode, n.target = op.Mode, op.Target
	switch op.Kind {
	case faultfs.OpMkdir:
		n.typ = faultfs.Directory
	case faultfs.OpCreate:
		n.typ = faultfs.Regular
	case faultfs.OpSymlink:
		n.typ, n.mode = faultfs.Symlink, 0o777
	}
	made := l.setName(num, op.Dir, op.Name, op.Ino)
	l.of(op.Ino).made = made
	l.namespaceOp(num, l.ops[num], op.Dir)
	l.changed(num, true, op.Ino)
	l.changed(num, false, op.Dir)
}

// setName lets a name lead to an inode, or to none.
func (l *lowerer) setName(num faultfs.OpNum, dir faultfs.Ino, name string, ino faultfs.Ino) need {
	id := l.nameCell(dir, name)
	c := l.cells[id]
	key := nameKey{dir, name}
	if old := faultfs.Ino(c.versions[c.newest()].value); old != 0 {
		s := l.of(old)
		s.links = slices.DeleteFunc(s.links, func(k nameKey) bool { return k == key })
	}
	if ino != 0 {
		s := l.of(ino)
		s.links = append(s.links, key)
	}
	return l.addVersion(num, id, version{value: int64(ino)})
}

func (l *lowerer) rename(num faultfs.OpNum, op *faultfs.Op) {
	target := l.setName(num, op.ToDir, op.ToName, op.Ino)
	old := l.setName(num, op.Dir, op.Name, 0)
	switch l.model.Rename {
	case model.RenameAtomic:
		l.require(target, old)
		l.require(old, target)
	case model.RenameLinkFirst:
		l.require(old, target)
	}
	if op.Replaced != 0 {
		l.requireContents(target, op.Ino)
	}
	dirs := slices.Compact([]faultfs.Ino{op.Dir, op.ToDir})
	l.namespaceOp(num, l.ops[num], dirs...)
	l.changed(num, false, op.Ino, op.Replaced)
	l.changed(num, false, dirs...)
}

// exchange lets two names change places. Each is the old name of one inode and
// the new name of the other, so that what keeps a rename from losing a file
// ties them in both directions.
func (l *lowerer) exchange(num faultfs.OpNum, op *faultfs.Op) {
	there := l.setName(num, op.ToDir, op.ToName, op.Ino)
	here := l.setName(num, op.Dir, op.Name, op.Replaced)
	if l.model.Rename != model.RenameSplit {
		l.require(there, here)
		l.require(here, there)
	}
	dirs := slices.Compact([]faultfs.Ino{op.Dir, op.ToDir})
	l.namespaceOp(num, l.ops[num], dirs...)
	l.changed(num, false, op.Ino, op.Replaced)
	l.changed(num, false, dirs...)
}

// requireContents makes the name of a file that replaces another need what the
// promise replace says: the newest size of the file, and its newest data.
func (l *lowerer) requireContents(name need, ino faultfs.Ino) {
	n := l.inodes[ino]
	if n == nil || l.model.Replace == model.ReplaceNone {
		return
	}
	if l.model.Replace == model.ReplaceData {
		for _, unit := range n.units.from(0) {
			c := n.units.get(unit)
			l.require(name, need{c, l.cells[c].newest()})
		}
	}
	if n.size != noCell {
		l.require(name, need{n.size, l.cells[n.size].newest()})
	}
}

// namespaceOp notes the namespace effects of an op, which touched the given
// directories, and makes them need those of an earlier op.
func (l *lowerer) namespaceOp(num faultfs.OpNum, effects []need, dirs ...faultfs.Ino) {
	for _, e := range effects {
		l.namespace = append(l.namespace, nsEffect{e, num})
	}
	switch l.model.Names {
	case model.NamesJournal:
		l.requireAll(effects, l.journal)
		l.journal = effects
	case model.NamesDirectory:
		for _, dir := range dirs {
			l.requireAll(effects, l.of(dir).before)
			l.of(dir).before = effects
		}
	}
	if op := &l.trace.Ops[num]; op.Kind != faultfs.OpTruncate {
		l.endEffects(effects)
	}
}

func (l *lowerer) requireAll(from, to []need) {
	for _, f := range from {
		for _, t := range to {
			l.require(f, t)
		}
	}
}

// link writes every need down at its other end too.
func (l *lowerer) link() {
	for i, c := range l.cells[l.first:] {
		id := l.first + Cell(i)
		for v := range c.versions {
			for _, n := range c.versions[v].needs {
				to := &l.cells[n.cell].versions[n.version]
				to.neededBy = append(to.neededBy, need{id, Version(v)})
			}
		}
	}
	for _, c := range l.cells[l.first:] {
		var needs, needed Version
		for v := range c.versions {
			version := &c.versions[v]
			if len(version.needs) > 0 {
				needs = Version(v)
			}
			if len(version.neededBy) > 0 {
				needed = Version(v)
			}
			version.prevNeeds, version.prevNeeded = needs, needed
		}
	}
	l.listNames()
}

// listNames notes, sorted, which names a directory may hold.
func (l *lowerer) listNames() {
	for ino, n := range l.inodes {
		if n == nil || len(n.names) == 0 {
			continue
		}
		var all []string
		if n.typ == faultfs.NoType {
			all = slices.Clone(l.base.Names(faultfs.Ino(ino)))
		}
		for _, id := range n.names {
			all = append(all, l.cells[id].name)
		}
		slices.Sort(all)
		n.all = slices.Compact(all)
	}
}
