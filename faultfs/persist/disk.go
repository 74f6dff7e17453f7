package persist

import (
	"maps"
	"slices"
	"sync"

	"github.com/crashsim/crashsim/faultfs"
)

// Disk is an undetermined disk: what a crash left, on which a cell has no value
// until it is read. It is the base of the file system that recovery works on.
// Reading a cell that its box leaves open takes the newest version allowed and
// tightens the box, so that when a run ends, every cut of the box it ended in
// would have shown it the same.
//
// What a program does with a disk, through the faultfs.FS over it and through
// its Marks, may come from several goroutines at once. Begin, Reads, Taken and
// Box belong to the one that runs the program.
type Disk struct {
	plan  *Plan
	mu    sync.Mutex
	box   *Box
	run   uint32
	seen  []uint32 // by cell: the run that read it last
	asked []uint32 // by question about the marks: the run that asked it last
	reads []Read
	taken []Bound

	halted bool
}

var _ faultfs.Base = (*Disk)(nil)

// Read is a read that a run made for the first time: of a cell, or, with a
// negative Cell, of the marks; and what it saw. Two reads of a cell saw the
// same if and only if Value is the same.
type Read struct {
	Cell  Cell
	Value Version
}

// NewDisk returns a disk at the plan's first crash point.
func (p *Plan) NewDisk() *Disk {
	return &Disk{plan: p, box: p.NewBox(), run: 1,
		seen: make([]uint32, len(p.cells)), asked: make([]uint32, questions(len(p.labels)))}
}

// StartFrom makes a disk of a later life one that has for its past the cuts of a box
// of the life before. With nil it stays as it is.
func (d *Disk) StartFrom(below *Box) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.box.StartFrom(below)
}

// Begin makes the disk that of a subset of a crash point, with nothing read.
// Where the subset is empty it returns false.
func (d *Disk) Begin(point int, subset Subset) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.box.Move(point)
	d.run++
	d.reads, d.taken = d.reads[:0], d.taken[:0]
	return d.box.RestrictTo(subset)
}

// Reads returns what was read since Begin, in order. It is valid until the
// next Begin.
func (d *Disk) Reads() []Read {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.reads
}

// Taken returns the choices that were made since Begin, in order: for each
// read that could have seen something else, the versions that it settled on.
// It is valid until the next Begin.
func (d *Disk) Taken() []Bound {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.taken
}

// Halt ends what the disk notes and decides: a program that goes on reading,
// after nobody waits for it any more, changes nothing.
func (d *Disk) Halt() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.halted = true
}

// Box returns the cuts that the disk may still be.
func (d *Disk) Box() *Box {
	d.mu.Lock() // what other goroutines have read is seen
	defer d.mu.Unlock()
	return d.box
}

// see returns the version of a cell that the disk holds, and decides it if
// nobody did.
func (d *Disk) see(id Cell) Version {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.seen[id] != d.run && !d.halted {
		d.seen[id] = d.run
		value, taken, split := d.box.Choose(id)
		d.reads = append(d.reads, Read{id, value})
		if split {
			d.taken = append(d.taken, taken)
		}
	}
	return d.box.hi[id]
}

// Type returns what an inode is.
func (d *Disk) Type(ino faultfs.Ino) faultfs.Type {
	for p := d.plan; ; p = p.below {
		if n := p.inode(ino); n.isNew() {
			return n.typ
		}
		if p.below == nil {
			return p.base.Type(ino)
		}
	}
}

// isNew reports whether the inode was made in the life that a plan tells of.
func (n *inode) isNew() bool { return n != nil && n.typ != faultfs.NoType }

// Entry returns the inode that a name leads to, zero if there is none.
func (d *Disk) Entry(dir faultfs.Ino, name string) faultfs.Ino {
	for p := d.plan; ; p = p.below {
		n := p.inode(dir)
		if n != nil && len(n.names) > 0 {
			if id, ok := p.names[nameKey{dir, name}]; ok {
				return faultfs.Ino(d.value(p, id))
			}
		}
		if n.isNew() {
			return 0
		}
		if p.below == nil {
			return p.base.Entry(dir, name)
		}
	}
}

// value returns the size, the mode or the inode that a cell of a plan holds.
func (d *Disk) value(p *Plan, id Cell) int64 {
	v := d.see(id)
	return p.cells[id].versions[v].value
}

// Names returns the names that the directory may hold.
func (d *Disk) Names(dir faultfs.Ino) []string {
	for p := d.plan; ; p = p.below {
		n := p.inode(dir)
		switch {
		case n != nil && len(n.names) > 0:
			return n.all
		case n.isNew():
			return nil
		case p.below == nil:
			return p.base.Names(dir)
		}
	}
}

// Size returns the size of a file.
func (d *Disk) Size(ino faultfs.Ino) int64 {
	for p := d.plan; ; p = p.below {
		n := p.inode(ino)
		switch {
		case n != nil && n.size != noCell:
			return d.value(p, n.size)
		case n.isNew():
			return 0
		case p.below == nil:
			return p.base.Size(ino)
		}
	}
}

// Mode returns the mode bits of an inode.
func (d *Disk) Mode(ino faultfs.Ino) uint32 {
	for p := d.plan; ; p = p.below {
		n := p.inode(ino)
		switch {
		case n != nil && n.perm != noCell:
			return uint32(d.value(p, n.perm))
		case n.isNew():
			return n.mode
		case p.below == nil:
			return p.base.Mode(ino)
		}
	}
}

// Target returns where a symbolic link points.
func (d *Disk) Target(ino faultfs.Ino) string {
	for p := d.plan; ; p = p.below {
		if n := p.inode(ino); n.isNew() {
			return n.target
		}
		if p.below == nil {
			return p.base.Target(ino)
		}
	}
}

// Inodes returns the highest inode number in use.
func (d *Disk) Inodes() faultfs.Ino { return faultfs.Ino(len(d.plan.inodes) - 1) }

// ReadAt fills buf with the bytes of a file at off.
func (d *Disk) ReadAt(ino faultfs.Ino, buf []byte, off int64) { d.readAt(d.plan, ino, buf, off) }

// readAt is ReadAt as the life of a plan left the file.
func (d *Disk) readAt(p *Plan, ino faultfs.Ino, buf []byte, off int64) {
	n := p.inode(ino)
	for n == nil && p.below != nil {
		p = p.below
		n = p.inode(ino)
	}
	if n == nil {
		p.base.ReadAt(ino, buf, off)
		return
	}
	for len(buf) > 0 {
		unit, from := off/p.model.Unit, off%p.model.Unit
		k := min(int64(len(buf)), p.model.Unit-from)
		switch id := n.units.get(unit); {
		case id != noCell:
			p.fillOn(d, p.cells[id], d.see(id), buf[:k], from)
		case n.isNew():
			clear(buf[:k])
		case p.below != nil:
			d.readAt(p.below, ino, buf[:k], off)
		default:
			p.base.ReadAt(ino, buf[:k], off)
		}
		buf, off = buf[k:], off+k
	}
}

// Data returns the offsets of the pages that may hold anything but zeros. It
// reads nothing: what a page holds is still open.
func (d *Disk) Data(ino faultfs.Ino, from int64) []int64 {
	pages := map[int64]bool{}
	for p := d.plan; ; p = p.below {
		n := p.inode(ino)
		if n != nil {
			p.addPages(pages, n, from)
		}
		if n.isNew() {
			break
		}
		if p.below == nil {
			for _, off := range p.base.Data(ino, from) {
				pages[off] = true
			}
			break
		}
	}
	return slices.Sorted(maps.Keys(pages))
}

// addPages adds the pages on which cells of a file lie.
func (p *Plan) addPages(pages map[int64]bool, n *inode, from int64) {
	unit := p.model.Unit
	for _, i := range n.units.from(from / unit) {
		for off := i * unit / pageSize * pageSize; off < (i+1)*unit; off += pageSize {
			if off+pageSize > from {
				pages[off] = true
			}
		}
	}
}
