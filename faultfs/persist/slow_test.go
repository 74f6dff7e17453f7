package persist_test

import (
	"slices"
	"strings"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/model"
)

// This file and slowlaw_test.go are the definition of what a crash can leave,
// written to be read next to the contract and to be slow: maps, full copies,
// and a search through all cuts. They share nothing with the code that they
// judge but the trace and the names of the promises. This file says which
// cells, versions, needs and forces a trace has; slowlaw_test.go says which
// cuts are legal.
//
// Where ops overlap the contract leaves three things open. They are read so:
// a version is on no disk before its op and those of all older versions of its
// cell have begun, nor before what it needs is; the names of an inode "now",
// for a sync, are those at its place in the trace; a mark is made when it
// returns.

// slowCell is the smallest thing that persists on its own.
type slowCell struct {
	kind string // "data", "size", "mode" or "name"
	ino  faultfs.Ino
	unit int64  // of data
	name string // of a name; ino is its directory
}

// slowValue is what a cell can hold: the bytes of a unit, or a number: a size,
// a mode, or the inode under a name, zero for none.
type slowValue struct {
	data   string
	number int64
}

// slowEffect is a version of a cell, made by an op. Version 0 is of no op.
type slowEffect struct {
	cell    slowCell
	version int
	op      int
}

// slowNeed says: if this effect has persisted, that one has.
type slowNeed struct{ this, that slowEffect }

// slowChange is an op that changed an inode; data says that it counts for the
// fdatasync of a file too.
type slowChange struct {
	op   int
	data bool
}

// slow is a trace as the contract sees it under a model.
type slow struct {
	trace  *faultfs.Trace
	model  model.Model
	types  map[faultfs.Ino]faultfs.Type
	target map[faultfs.Ino]string
	cells  map[slowCell][]slowValue // the versions
	madeBy map[slowCell][]int       // and their ops, -1 for version 0
	needs  []slowNeed
	forced map[int][]slowEffect // by sync

	namespace []slowEffect // every namespace effect so far
	lastStep  []slowEffect
	look      []slowEffect                 // of stores that one look has seen, so far
	lastName  []slowEffect                 // namespace effects of the last namespace op
	lastIn    map[faultfs.Ino][]slowEffect // of the last one that touched a directory
	made      map[faultfs.Ino]slowEffect   // by which a directory was made
	changes   map[faultfs.Ino][]slowChange

	written map[slowCell]int    // the newest version that a sync wrote
	clean   map[slowCell]int    // a version that a sync failed to write, and up to which none will
	refused map[slowEffect]bool // what syncs failed to write: nothing needs it
}

func newSlow(trace *faultfs.Trace, m model.Model) *slow {
	if m.Unit == 0 {
		m.Unit = 4096
	}
	if m.Block == 0 {
		m.Block = 4096
	}
	s := &slow{
		trace: trace, model: m,
		types: map[faultfs.Ino]faultfs.Type{}, target: map[faultfs.Ino]string{},
		cells: map[slowCell][]slowValue{}, madeBy: map[slowCell][]int{}, forced: map[int][]slowEffect{},
		lastIn: map[faultfs.Ino][]slowEffect{}, made: map[faultfs.Ino]slowEffect{},
		changes: map[faultfs.Ino][]slowChange{},
		written: map[slowCell]int{}, clean: map[slowCell]int{}, refused: map[slowEffect]bool{},
	}
	s.copyBase()
	for i := range trace.Ops {
		op := &trace.Ops[i]
		if op.Loses() {
			s.lose(i, op)
		}
		if !op.Failed() {
			s.op(i, op)
		}
	}
	s.needs = slices.DeleteFunc(s.needs, func(n slowNeed) bool { return s.refused[n.that] })
	return s
}

// returned is the newest version of a cell whose op had returned before a sync
// began.
func (s *slow) returned(sync int, cell slowCell) int {
	v := len(s.madeBy[cell]) - 1
	for v > 0 && s.trace.Ops[s.madeBy[cell][v]].End >= s.trace.Ops[sync].Begin {
		v--
	}
	return v
}

// page is the number of the page on which a data unit lies, of units up to a
// page.
func (s *slow) page(cell slowCell) int64 { return cell.unit * s.model.Unit / 4096 }

// lose: what a sync does that fails to write some of the data that it finds
// dirty.
func (s *slow) lose(i int, op *faultfs.Op) {
	if s.model.Failure.Page == faultfs.PageDirty {
		return
	}
	reverts := s.model.Failure.Page == faultfs.PageReverted
	var effects []slowEffect
	for ino := range s.types {
		size := slowCell{kind: "size", ino: ino}
		lost := map[int64]bool{}
		var reread []slowCell // what the page cache has from the disk
		for _, unit := range s.unitsOf(ino) {
			cell := slowCell{kind: "data", ino: ino, unit: unit}
			from, to := unit*s.model.Unit, (unit+1)*s.model.Unit
			v := s.returned(i, cell)
			switch {
			case op.Kind != faultfs.OpSync && ino != op.Ino, to <= op.Lost.From, from >= op.Lost.To,
				v <= s.written[cell], v <= s.clean[cell]:
				continue
			}
			for at := from; at < to; at++ {
				lost[at/4096] = true // the page
			}
			for w := s.written[cell] + 1; w <= v; w++ {
				s.refused[slowEffect{cell, w, s.madeBy[cell][w]}] = true
			}
			s.clean[cell] = v
			if reverts || op.Evicted {
				back := s.put(i, cell, s.cells[cell][s.written[cell]])
				s.forced[i] = append(s.forced[i], back)
				s.written[cell] = back.version
				effects = append(effects, back)
				reread = append(reread, cell)
			}
		}
		if reverts && len(lost) > 0 {
			end, synced := s.now(size).number, s.cells[size][s.written[size]].number
			for end > synced && lost[(end-1)/4096] {
				end = (end - 1) / 4096 * 4096
			}
			if end = max(end, synced); end < s.now(size).number {
				back := s.put(i, size, slowValue{number: end})
				s.forced[i] = append(s.forced[i], back)
				s.written[size] = back.version
				effects = append(effects, back)
			}
		}
		for _, cell := range reread { // a file that grows has zeros there
			if hidden := s.upTo(cell, s.now(size).number); hidden != s.now(cell) {
				effects = append(effects, s.put(i, cell, hidden))
			}
		}
	}
	if len(effects) > 0 {
		s.step(effects...)
	}
}

// upTo is a unit without what it has at or behind a size.
func (s *slow) upTo(cell slowCell, size int64) slowValue {
	b := []byte(s.now(cell).data)
	for k := range b {
		if cell.unit*s.model.Unit+int64(k) >= size {
			b[k] = 0
		}
	}
	return slowValue{data: string(b)}
}

// copyBase makes the durable values at the start the versions 0.
func (s *slow) copyBase() {
	base := s.trace.Base()
	for ino := faultfs.Root; ino <= base.Inodes(); ino++ {
		s.types[ino] = base.Type(ino)
		switch base.Type(ino) {
		case faultfs.Directory:
			s.start(slowCell{kind: "mode", ino: ino}, slowValue{number: int64(base.Mode(ino))})
			for _, name := range base.Names(ino) {
				s.start(slowCell{kind: "name", ino: ino, name: name}, slowValue{number: int64(base.Entry(ino, name))})
			}
		case faultfs.Symlink:
			s.target[ino] = base.Target(ino)
		case faultfs.Regular:
			s.start(slowCell{kind: "mode", ino: ino}, slowValue{number: int64(base.Mode(ino))})
			s.start(slowCell{kind: "size", ino: ino}, slowValue{number: base.Size(ino)})
			for _, page := range base.Data(ino, 0) {
				for at := page; at < page+4096; at++ {
					if unit := at / s.model.Unit; s.cells[slowCell{"data", ino, unit, ""}] == nil {
						b := make([]byte, s.model.Unit)
						base.ReadAt(ino, b, unit*s.model.Unit)
						s.start(slowCell{"data", ino, unit, ""}, slowValue{data: string(b)})
					}
				}
			}
		}
	}
}

func (s *slow) start(cell slowCell, value slowValue) {
	s.cells[cell] = []slowValue{value}
	s.madeBy[cell] = []int{-1}
}

// now is what the running program sees.
func (s *slow) now(cell slowCell) slowValue {
	if s.cells[cell] == nil {
		zero := slowValue{}
		if cell.kind == "data" {
			zero.data = strings.Repeat("\x00", int(s.model.Unit))
		}
		s.start(cell, zero)
	}
	return s.cells[cell][len(s.cells[cell])-1]
}

// put appends a version.
func (s *slow) put(op int, cell slowCell, value slowValue) slowEffect {
	s.now(cell)
	s.cells[cell] = append(s.cells[cell], value)
	s.madeBy[cell] = append(s.madeBy[cell], op)
	return s.newest(cell)
}

func (s *slow) newest(cell slowCell) slowEffect {
	s.now(cell)
	v := len(s.cells[cell]) - 1
	return slowEffect{cell, v, s.madeBy[cell][v]}
}

// need makes each of these effects need each of those.
func (s *slow) need(these, those []slowEffect) {
	for _, a := range these {
		for _, b := range those {
			if a != b {
				s.needs = append(s.needs, slowNeed{a, b})
			}
		}
	}
}

// step: with order=all, each effect needs those of the step before it.
func (s *slow) step(effects ...slowEffect) {
	if s.model.Order == model.OrderAll {
		s.need(effects, s.lastStep)
	}
	s.lastStep = effects
}

// seenWithNext: the op and the next one were seen at once.
func (s *slow) seenWithNext(i int) bool {
	if i+1 == len(s.trace.Ops) {
		return false
	}
	op, next := s.trace.Ops[i], s.trace.Ops[i+1]
	return op.Look > 0 && op.Look == next.Look && op.Errno == 0 && next.Errno == 0
}

// endLook: stores that one look has seen are one step, and persist together where order
// counts.
func (s *slow) endLook() {
	if len(s.look) == 0 {
		return
	}
	s.step(s.look...)
	if s.model.Order == model.OrderAll || s.model.Cache == model.CacheKept {
		s.need(s.look, s.look)
	}
	s.look = nil
}

// namespaceOp: what the promise "names" adds.
func (s *slow) namespaceOp(effects []slowEffect, touched ...faultfs.Ino) {
	s.namespace = append(s.namespace, effects...)
	switch s.model.Names {
	case model.NamesJournal:
		s.need(effects, s.lastName)
	case model.NamesDirectory:
		for _, dir := range touched {
			s.need(effects, s.lastIn[dir])
		}
	}
	s.lastName = effects
	for _, dir := range touched {
		s.lastIn[dir] = effects
	}
}

func (s *slow) changed(op int, data bool, inos ...faultfs.Ino) {
	for _, ino := range inos {
		s.changes[ino] = append(s.changes[ino], slowChange{op, data})
	}
}

// op: effects of each op.
func (s *slow) op(i int, op *faultfs.Op) {
	switch op.Kind {
	case faultfs.OpWrite:
		s.write(i, op)
		if !s.seenWithNext(i) {
			s.endLook()
		}
	case faultfs.OpTruncate:
		s.truncate(i, op)
	case faultfs.OpChmod:
		mode := s.put(i, slowCell{kind: "mode", ino: op.Ino}, slowValue{number: int64(op.Mode)})
		s.namespaceOp([]slowEffect{mode})
		s.step(mode)
		s.changed(i, false, op.Ino)
	case faultfs.OpCreate, faultfs.OpMkdir, faultfs.OpSymlink:
		s.create(i, op)
	case faultfs.OpLink:
		s.setName(i, op, op.Ino)
	case faultfs.OpUnlink, faultfs.OpRmdir:
		s.setName(i, op, 0)
	case faultfs.OpRename:
		if op.Ino != op.Replaced { // a name of the same inode: does nothing
			s.rename(i, op)
		}
	case faultfs.OpExchange:
		if op.Ino != op.Replaced {
			s.exchange(i, op)
		}
	case faultfs.OpFsync, faultfs.OpFdatasync:
		s.sync(i, op)
	case faultfs.OpSync:
		for cell := range s.cells {
			s.forceCell(i, cell)
		}
	}
}

func (s *slow) setName(i int, op *faultfs.Op, to faultfs.Ino) {
	name := s.put(i, slowCell{kind: "name", ino: op.Dir, name: op.Name}, slowValue{number: int64(to)})
	s.namespaceOp([]slowEffect{name}, op.Dir)
	s.step(name)
	s.changed(i, false, op.Ino, op.Dir)
}

func (s *slow) create(i int, op *faultfs.Op) {
	switch op.Kind {
	case faultfs.OpCreate:
		s.types[op.Ino] = faultfs.Regular
		s.now(slowCell{kind: "size", ino: op.Ino})
	case faultfs.OpMkdir:
		s.types[op.Ino] = faultfs.Directory
	case faultfs.OpSymlink:
		s.types[op.Ino], s.target[op.Ino] = faultfs.Symlink, op.Target
	}
	s.start(slowCell{kind: "mode", ino: op.Ino}, slowValue{number: int64(op.Mode)})
	s.changed(i, true, op.Ino)
	s.setName(i, op, op.Ino)
	s.made[op.Ino] = s.newest(slowCell{kind: "name", ino: op.Dir, name: op.Name})
}

func (s *slow) rename(i int, op *faultfs.Op) {
	target := s.put(i, slowCell{kind: "name", ino: op.ToDir, name: op.ToName}, slowValue{number: int64(op.Ino)})
	old := s.put(i, slowCell{kind: "name", ino: op.Dir, name: op.Name}, slowValue{})
	if s.model.Rename != model.RenameSplit {
		s.needs = append(s.needs, slowNeed{old, target})
	}
	if s.model.Rename == model.RenameAtomic {
		s.needs = append(s.needs, slowNeed{target, old})
	}
	if op.Replaced != 0 {
		kinds := map[model.Replace][]string{model.ReplaceSize: {"size"}, model.ReplaceData: {"size", "data"}}
		for cell := range s.cells {
			if cell.ino == op.Ino && slices.Contains(kinds[s.model.Replace], cell.kind) {
				s.needs = append(s.needs, slowNeed{target, s.newest(cell)})
			}
		}
	}
	s.namespaceOp([]slowEffect{target, old}, op.Dir, op.ToDir)
	s.step(target, old)
	s.changed(i, false, op.Ino, op.Replaced, op.Dir, op.ToDir)
}

// exchange is two renames at once: of the one inode from here to there, and of
// the other from there to here. "The absence of the old name needs the new
// one" is said of each.
func (s *slow) exchange(i int, op *faultfs.Op) {
	here, there := slowCell{kind: "name", ino: op.Dir, name: op.Name}, slowCell{kind: "name", ino: op.ToDir, name: op.ToName}
	one, other := s.now(here), s.now(there)
	effects := []slowEffect{s.put(i, there, one), s.put(i, here, other)}
	for k, leaves := range effects { // what makes the name of an inode is what takes the other's away
		arrives := effects[1-k]
		if s.model.Rename == model.RenameAtomic || s.model.Rename == model.RenameLinkFirst {
			s.needs = append(s.needs, slowNeed{leaves, arrives})
		}
	}
	s.namespaceOp(effects, op.Dir, op.ToDir)
	s.step(effects...)
	s.changed(i, false, faultfs.Ino(one.number), faultfs.Ino(other.number), op.Dir, op.ToDir)
}

func (s *slow) write(i int, op *faultfs.Op) {
	unitSize, end := s.model.Unit, op.Off+int64(len(op.Data))
	size := slowCell{kind: "size", ino: op.Ino}
	before := s.now(size).number
	var notGrown []slowEffect // data versions of units that did not grow the file
	if len(op.Data) == 0 {
		return
	}
	for unit := op.Off / unitSize; unit*unitSize < end; unit++ {
		cell := slowCell{kind: "data", ino: op.Ino, unit: unit}
		from, to := max(op.Off, unit*unitSize), min(end, (unit+1)*unitSize)
		b := []byte(s.now(cell).data)
		copy(b[from-unit*unitSize:], op.Data[from-op.Off:to-op.Off])
		s.dirty(cell)
		data := s.put(i, cell, slowValue{data: string(b)})
		step := func(effects ...slowEffect) {
			if op.Look == 0 {
				s.step(effects...)
			} else {
				s.look = append(s.look, effects...)
			}
		}
		if to <= s.now(size).number {
			notGrown = append(notGrown, data)
			step(data)
			continue
		}
		grown := s.put(i, size, slowValue{number: to})
		blockStart := unit * unitSize / s.model.Block * s.model.Block
		switch {
		case s.model.Append == model.AppendAll:
			s.need([]slowEffect{grown}, append(notGrown, data))
		case s.model.Append == model.AppendAllocated && blockStart >= before:
			s.needs = append(s.needs, slowNeed{grown, data})
		}
		step(data, grown)
	}
	if s.now(size).number != before {
		s.changed(i, true, op.Ino)
	}
}

func (s *slow) truncate(i int, op *faultfs.Op) {
	cell := slowCell{kind: "size", ino: op.Ino}
	before := s.now(cell).number
	size := s.put(i, cell, slowValue{number: op.Size})
	var tail, beyond []slowEffect
	for _, unit := range s.unitsOf(op.Ino) {
		cell := slowCell{kind: "data", ino: op.Ino, unit: unit}
		left := s.upTo(cell, op.Size)
		if op.Size >= before || left == s.now(cell) {
			continue
		}
		s.dirty(cell)
		zeroed := s.put(i, cell, left)
		straddled := op.Size / s.model.Block
		if op.Size%s.model.Block != 0 && unit*s.model.Unit/s.model.Block == straddled {
			tail = append(tail, zeroed)
		} else {
			beyond = append(beyond, zeroed)
		}
	}
	group := append([]slowEffect{size}, beyond...)
	switch s.model.Truncate {
	case model.TruncateAtomic:
		all := slices.Concat(group, tail)
		s.need(all, all)
	case model.TruncateTailOrdered:
		s.need([]slowEffect{size}, tail)
	}
	s.need(group, group)
	s.namespaceOp(group)
	s.step(slices.Concat(group, tail)...)
	s.changed(i, true, op.Ino)
}

// dirty: who writes to a unit makes its whole page dirty.
func (s *slow) dirty(cell slowCell) {
	for other := range s.clean {
		if other.ino == cell.ino && s.page(other) == s.page(cell) {
			delete(s.clean, other)
		}
	}
}

func (s *slow) unitsOf(ino faultfs.Ino) []int64 {
	var units []int64
	for cell := range s.cells {
		if cell.kind == "data" && cell.ino == ino {
			units = append(units, cell.unit)
		}
	}
	slices.Sort(units)
	return units
}

// force notes that a sync forces an effect, if its op had returned before the
// sync began.
func (s *slow) force(sync int, e slowEffect) {
	if e.op >= 0 && s.trace.Ops[e.op].End < s.trace.Ops[sync].Begin {
		s.forced[sync] = append(s.forced[sync], e)
	}
}

func (s *slow) forceCell(sync int, cell slowCell) {
	newest := s.returned(sync, cell)
	if newest <= s.clean[cell] {
		return // clean: there is nothing to write
	}
	s.written[cell] = max(s.written[cell], newest)
	for v, op := range s.madeBy[cell] {
		s.force(sync, slowEffect{cell, v, op})
	}
}

// sync: what syncs force.
func (s *slow) sync(i int, op *faultfs.Op) {
	isDir := s.types[op.Ino] == faultfs.Directory
	for cell := range s.cells {
		// A unit persists as a whole, so that one which is forced in part is not.
		limited := cell.kind == "data" && !op.Only.Empty() &&
			(cell.unit*s.model.Unit < op.Only.From || (cell.unit+1)*s.model.Unit > op.Only.To)
		if cell.ino == op.Ino && !limited && (cell.kind != "mode" || isDir || op.Kind == faultfs.OpFsync) {
			s.forceCell(i, cell)
		}
	}
	switch s.model.Sync {
	case model.SyncName:
		for _, name := range s.namesOf(op.Ino) {
			s.force(i, s.newest(name))
			for dir := name.ino; dir != faultfs.Root; dir = s.namesOf(dir)[0].ino {
				if made, ok := s.made[dir]; ok {
					s.force(i, made)
				}
			}
		}
	case model.SyncOwn:
		s.forceNames(i, op.Ino)
	case model.SyncInode:
		last := -1
		for _, c := range s.changes[op.Ino] {
			if (c.data || isDir || op.Kind == faultfs.OpFsync) && s.trace.Ops[c.op].End < op.Begin {
				last = max(last, c.op)
			}
		}
		for _, e := range s.namespace {
			if e.op <= last {
				s.force(i, e)
			}
		}
	case model.SyncJournal:
		for _, e := range s.namespace {
			s.force(i, e)
		}
	}
}

// namesOf returns the names that lead to an inode now.
func (s *slow) namesOf(ino faultfs.Ino) []slowCell {
	var names []slowCell
	for cell := range s.cells {
		if cell.kind == "name" && s.now(cell).number == int64(ino) {
			names = append(names, cell)
		}
	}
	return names
}

func (s *slow) forceNames(sync int, ino faultfs.Ino) {
	for _, name := range s.namesOf(ino) {
		s.force(sync, s.newest(name))
		if name.ino != faultfs.Root {
			s.forceNames(sync, name.ino)
		}
	}
}
