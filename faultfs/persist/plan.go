package persist

import (
	"slices"
	"sync"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/model"
)

// Cell is the number of a cell in a plan. Cells are numbered in the order in
// which the trace first changes them; what a trace never changes is no cell.
type Cell int32

// Version is the number of a version of a cell: zero is the durable value at
// the start of the run.
type Version int32

// noCell says that there is none.
const noCell Cell = -1

type cellKind uint8

const (
	dataCell cellKind = iota
	sizeCell
	modeCell
	nameCell
)

// need is one end of a rule "if this has persisted to its version or later,
// that has persisted to its version or later".
type need struct {
	cell    Cell
	version Version
}

// version is one value of a cell, and the rules that it takes part in. The
// contents of a data unit are a patch to the version before; the patch points
// into the trace.
type version struct {
	op     faultfs.OpNum // that made it; -1 for version 0
	value  int64         // of a size, a mode or a name (the inode, zero: absent)
	from   int32         // data: where in the unit the patch begins
	zeroes bool          // data: the patch is zeros up to the end of the unit
	patch  []byte
	flat   []byte // data: the whole unit, zeros cut off, where it was worth keeping

	needs    []need // what this version needs
	neededBy []need // what needs this version
	// The newest version up to this one that needs, or is needed by, anything;
	// zero if there is none. Bounds rise and fall from one to the next.
	prevNeeds, prevNeeded Version
}

type cell struct {
	kind     cellKind
	ino      faultfs.Ino // the directory, of a name
	unit     int64
	name     string
	versions []version

	once   sync.Once
	values []Version // see Plan.value
}

func (c *cell) newest() Version { return Version(len(c.versions) - 1) }

// inode is what a plan knows of an inode that the trace makes or changes.
type inode struct {
	typ    faultfs.Type // NoType: the base has it
	mode   uint32       // as born
	target string
	size   Cell
	perm   Cell // its mode
	units  units
	names  []Cell // of a directory
	all    []string
}

// Plan is a trace as a model sees it: its cells, their versions and needs, and
// the points at which power can be cut. It is read-only once made, so that
// any number of boxes and disks can work on it at once.
type Plan struct {
	trace   *faultfs.Trace
	model   model.Model
	base    faultfs.Base
	cells   []*cell
	names   map[nameKey]Cell
	inodes  []*inode // by number, nil where the trace neither makes nor changes it
	points  []point
	marks   []string
	labels  map[string]*label
	byIndex []*label
	ops     []opEffects

	// A plan of a later life, which a program lived on what a crash had left:
	// its cells stand behind those of the life before, below, whose bounds that
	// crash has fixed.
	below *Plan
	first Cell // of its own

	// Of a plan of some of the cuts of another one, free: what is bundled.
	bundles *bundling
	free    *Plan
}

type nameKey struct {
	dir  faultfs.Ino
	name string
}

// opEffects are the effects of an op: versions that it made, in order.
type opEffects []need

// Trace returns the trace that the plan was made from.
func (p *Plan) Trace() *faultfs.Trace { return p.trace }

// Model returns the model that the plan was made with.
func (p *Plan) Model() model.Model { return p.model }

// Cells returns the number of cells.
func (p *Plan) Cells() int { return len(p.cells) }

// Points returns the number of crash points.
func (p *Plan) Points() int { return len(p.points) }

// Marks returns the labels of the marks made before the crash at a point.
func (p *Plan) Marks(point int) []string {
	return p.marks[:p.points[point].marks:p.points[point].marks]
}

// After returns the op after which the power is cut at a point, -1 for the
// point before the first.
func (p *Plan) After(point int) faultfs.OpNum { return p.points[point].op }

// FirstPoint returns the first crash point, from one on, at which no op before the given one is
// the last: the number of points where there is none.
func (p *Plan) FirstPoint(from int, op faultfs.OpNum) int {
	for from < p.Points() && p.After(from) < op {
		from++
	}
	return from
}

func (p *Plan) inode(ino faultfs.Ino) *inode {
	if int(ino) < len(p.inodes) {
		return p.inodes[ino]
	}
	return nil
}

// units finds the cells of a file's data units by their number.
type units struct {
	dense  []Cell         // by number, noCell where the unit is no cell
	sparse map[int64]Cell // those behind the dense ones
}

func (u *units) get(unit int64) Cell {
	if unit < int64(len(u.dense)) {
		return u.dense[unit]
	}
	if c, ok := u.sparse[unit]; ok {
		return c
	}
	return noCell
}

func (u *units) put(unit int64, c Cell) {
	const gap = 64
	if unit <= int64(len(u.dense))+gap {
		for next := int64(len(u.dense)); next <= unit; next++ {
			u.dense = append(u.dense, u.get(next))
			delete(u.sparse, next)
		}
		u.dense[unit] = c
		return
	}
	if u.sparse == nil {
		u.sparse = map[int64]Cell{}
	}
	u.sparse[unit] = c
}

// from returns the numbers of the units that are cells, at or behind the
// given one, rising.
func (u *units) from(unit int64) []int64 {
	var found []int64
	for i := unit; i < int64(len(u.dense)); i++ {
		if u.dense[i] != noCell {
			found = append(found, i)
		}
	}
	at := len(found)
	for i := range u.sparse {
		if i >= unit {
			found = append(found, i)
		}
	}
	slices.Sort(found[at:])
	return found
}

// EachRise calls f for each bound of a cell that is higher at a crash point than
// at the one before: high, of the newest version that may be on the disk, or
// not, of the oldest that must be. A cell begins with both at zero.
func (p *Plan) EachRise(point int, f func(cell Cell, high bool, to Version)) {
	for _, s := range p.points[point].high {
		f(s.cell, true, s.to)
	}
	for _, s := range p.points[point].low {
		f(s.cell, false, s.to)
	}
}
