package persist

import (
	"sort"
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
// its Marks, may come from several goroutines at once. Begin, Steps, Taken and
// Box belong to the one that runs the program.
type Disk struct {
	plan  *Plan
	mu    sync.Mutex
	box   *Box
	run   uint32
	seen  []uint32 // by cell: the run that read it last
	asked []uint32 // by question about the marks: the run that asked it last
	steps []Step
	taken []Bound

	halted bool
}

var _ faultfs.Base = (*Disk)(nil)

// Step is a read that a run made for the first time: of a cell, or, with a
// negative Cell, of the marks; and what it saw. Two reads of a cell saw the
// same if and only if Value is the same.
type Step struct {
	Cell  Cell
	Value Version
}

// NewDisk returns a disk at the plan's first crash point.
func (p *Plan) NewDisk() *Disk {
	return &Disk{plan: p, box: p.NewBox(), run: 1,
		seen: make([]uint32, len(p.cells)), asked: make([]uint32, questions(len(p.labels)))}
}

// Begin makes the disk that of a part of a crash point, with nothing read.
// Where the part is empty it returns false.
func (d *Disk) Begin(point int, part Part) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.box.Move(point)
	d.run++
	d.steps, d.taken = d.steps[:0], d.taken[:0]
	return d.box.RestrictTo(part)
}

// Steps returns what was read since Begin, in order. It is valid until the
// next Begin.
func (d *Disk) Steps() []Step { return d.steps }

// Taken returns the choices that were made since Begin, in order: for each
// read that could have seen something else, the versions that it settled on.
// It is valid until the next Begin.
func (d *Disk) Taken() []Bound { return d.taken }

// Halt ends what the disk notes and decides: a program that goes on reading,
// after nobody waits for it any more, changes nothing.
func (d *Disk) Halt() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.halted = true
}

// Box returns the cuts that the disk may still be.
func (d *Disk) Box() *Box { return d.box }

// see returns the version of a cell that the disk holds, and decides it if
// nobody did.
func (d *Disk) see(id Cell) Version {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.seen[id] != d.run && !d.halted {
		d.seen[id] = d.run
		value, taken, split := d.box.Choose(id)
		d.steps = append(d.steps, Step{id, value})
		if split {
			d.taken = append(d.taken, taken)
		}
	}
	return d.box.hi[id]
}

func (d *Disk) value(id Cell) int64 {
	v := d.see(id)
	return d.plan.cells[id].versions[v].value
}

// Type returns what an inode is.
func (d *Disk) Type(ino faultfs.Ino) faultfs.Type {
	if n := d.plan.inode(ino); n != nil && n.typ != faultfs.NoType {
		return n.typ
	}
	return d.plan.base.Type(ino)
}

// Entry returns the inode that a name leads to, zero if there is none.
func (d *Disk) Entry(dir faultfs.Ino, name string) faultfs.Ino {
	n := d.plan.inode(dir)
	if n == nil {
		return d.plan.base.Entry(dir, name)
	}
	if len(n.names) > 0 {
		if id, ok := d.plan.names[nameKey{dir, name}]; ok {
			return faultfs.Ino(d.value(id))
		}
	}
	if n.typ != faultfs.NoType {
		return 0
	}
	return d.plan.base.Entry(dir, name)
}

// Names returns the names that the directory may hold.
func (d *Disk) Names(dir faultfs.Ino) []string {
	n := d.plan.inode(dir)
	switch {
	case n != nil && len(n.names) > 0:
		return n.all
	case n != nil && n.typ != faultfs.NoType:
		return nil
	}
	return d.plan.base.Names(dir)
}

// Size returns the size of a file.
func (d *Disk) Size(ino faultfs.Ino) int64 {
	n := d.plan.inode(ino)
	switch {
	case n != nil && n.size != noCell:
		return d.value(n.size)
	case n != nil && n.typ != faultfs.NoType:
		return 0
	}
	return d.plan.base.Size(ino)
}

// Mode returns the mode bits of an inode.
func (d *Disk) Mode(ino faultfs.Ino) uint32 {
	n := d.plan.inode(ino)
	switch {
	case n != nil && n.perm != noCell:
		return uint32(d.value(n.perm))
	case n != nil && n.typ != faultfs.NoType:
		return n.mode
	}
	return d.plan.base.Mode(ino)
}

// Target returns where a symbolic link points.
func (d *Disk) Target(ino faultfs.Ino) string {
	if n := d.plan.inode(ino); n != nil && n.typ != faultfs.NoType {
		return n.target
	}
	return d.plan.base.Target(ino)
}

// Inodes returns the highest inode number in use.
func (d *Disk) Inodes() faultfs.Ino { return faultfs.Ino(len(d.plan.inodes) - 1) }

// ReadAt fills buf with the bytes of a file at off.
func (d *Disk) ReadAt(ino faultfs.Ino, buf []byte, off int64) {
	n := d.plan.inode(ino)
	if n == nil {
		d.plan.base.ReadAt(ino, buf, off)
		return
	}
	for len(buf) > 0 {
		unit, from := off/d.plan.model.Unit, off%d.plan.model.Unit
		k := min(int64(len(buf)), d.plan.model.Unit-from)
		switch id := n.units.get(unit); {
		case id != noCell:
			d.plan.fill(d.plan.cells[id], d.see(id), buf[:k], from)
		case n.typ != faultfs.NoType:
			clear(buf[:k])
		default:
			d.plan.base.ReadAt(ino, buf[:k], off)
		}
		buf, off = buf[k:], off+k
	}
}

// Data returns the offsets of the pages that may hold anything but zeros. It
// reads nothing: what a page holds is still open.
func (d *Disk) Data(ino faultfs.Ino, from int64) []int64 {
	n := d.plan.inode(ino)
	pages := map[int64]bool{}
	if n == nil || n.typ == faultfs.NoType {
		for _, off := range d.plan.base.Data(ino, from) {
			pages[off] = true
		}
	}
	if n != nil {
		unit := d.plan.model.Unit
		for _, i := range n.units.from(from / unit) {
			for off := i * unit / pageBytes * pageBytes; off < (i+1)*unit; off += pageBytes {
				if off+pageBytes > from {
					pages[off] = true
				}
			}
		}
	}
	offs := make([]int64, 0, len(pages))
	for off := range pages {
		offs = append(offs, off)
	}
	sort.Slice(offs, func(i, j int) bool { return offs[i] < offs[j] })
	return offs
}
