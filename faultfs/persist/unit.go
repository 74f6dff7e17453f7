package persist

import (
	"bytes"
	"hash/maphash"
)

// fill fills buf with the bytes at off of a data unit as a version has them.
func (p *Plan) fill(c *cell, v Version, buf []byte, off int64) { p.fillOn(nil, c, v, buf, off) }

// fillOn is fill on a disk: what shows through of a life before is read there.
func (p *Plan) fillOn(d *Disk, c *cell, v Version, buf []byte, off int64) {
	first := v
	for first > 0 && c.versions[first].flat == nil && !c.versions[first].covers(off, len(buf)) {
		first--
	}
	switch start := &c.versions[first]; {
	case start.flat != nil:
		n := 0
		if off < int64(len(start.flat)) {
			n = copy(buf, start.flat[off:])
		}
		clear(buf[n:])
	case first > 0:
		start.apply(buf, off)
	default:
		p.fillStart(d, c, buf, off)
	}
	for i := first + 1; i <= v; i++ {
		c.versions[i].apply(buf, off)
	}
}

// fillStart fills p from version 0.
func (p *Plan) fillStart(d *Disk, c *cell, buf []byte, off int64) {
	at := c.unit*p.model.Unit + off
	switch {
	case p.inode(c.ino).typ != 0:
		clear(buf)
	case d != nil && p.below != nil:
		d.readAt(p.below, c.ino, buf, at)
	default:
		p.base.ReadAt(c.ino, buf, at)
	}
}

// covers reports whether a patch replaces n bytes at off whole.
func (v *version) covers(off int64, n int) bool {
	from := int64(v.from)
	return from <= off && (v.zeroes || off+int64(n) <= from+int64(len(v.patch)))
}

// apply lays a patch over the bytes at off.
func (v *version) apply(buf []byte, off int64) {
	from := int64(v.from) - off
	if v.zeroes {
		if from < int64(len(buf)) {
			clear(buf[max(from, 0):])
		}
		return
	}
	patch := v.patch
	if from < 0 {
		patch = patch[min(-from, int64(len(patch))):]
		from = 0
	}
	if from < int64(len(buf)) {
		copy(buf[from:], patch)
	}
}

// flatEvery bounds how many patches a read lays over each other.
const flatEvery = 16

// flatten keeps the newest version of a unit whole where the chain of patches
// below it has become long.
func (p *Plan) flatten(c *cell) {
	last := c.newest()
	for i := last; i > last-flatEvery; i-- {
		if i == 0 || c.versions[i].flat != nil || c.versions[i].covers(0, int(p.model.Unit)) {
			return
		}
	}
	whole := make([]byte, p.model.Unit)
	p.fill(c, last, whole, 0)
	c.versions[last].flat = append([]byte{}, bytes.TrimRight(whole, "\x00")...)
}

// hashSeed differs from run to run; nothing depends on it but time.
var hashSeed = maphash.MakeSeed()

// value returns a number that stands for the value of a version: two versions
// of a cell have the same number if and only if their values are equal. It is
// the first version that has the value.
func (p *Plan) value(id Cell, v Version) Version {
	c := p.cells[id]
	c.once.Do(func() { c.values = p.findValues(c) })
	return c.values[v]
}

func (p *Plan) findValues(c *cell) []Version {
	values := make([]Version, len(c.versions))
	known := p.below == nil || c.versions[0].flat != nil
	if c.kind != dataCell {
		first := make(map[int64]Version, len(c.versions))
		for i := range c.versions {
			v, seen := first[c.versions[i].value]
			if !seen {
				v = Version(i)
				first[c.versions[i].value] = v
			}
			values[i] = v
		}
		return values
	}
	first := map[uint64][]Version{}
	whole, other := make([]byte, p.model.Unit), make([]byte, p.model.Unit)
	if known {
		p.fill(c, 0, whole, 0)
	}
	for i := range c.versions {
		if i > 0 {
			c.versions[i].apply(whole, 0)
		}
		// What shows through of a life before is not known: until a version
		// covers it, each is a value of its own.
		if !known && c.versions[i].flat != nil {
			clear(whole[copy(whole, c.versions[i].flat):])
			known = true
		}
		if known = known || c.versions[i].covers(0, len(whole)); !known {
			values[i] = Version(i)
			continue
		}
		sum := maphash.Bytes(hashSeed, whole)
		values[i] = Version(i)
		for _, v := range first[sum] {
			if p.fill(c, v, other, 0); bytes.Equal(whole, other) {
				values[i] = v
				break
			}
		}
		if values[i] == Version(i) {
			first[sum] = append(first[sum], Version(i))
		}
	}
	return values
}
