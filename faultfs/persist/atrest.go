package persist

import (
	"bytes"

	"github.com/crashsim/crashsim/faultfs"
)

// EachAtRest calls f for all data that is at rest at some crash point: that is
// durable, whatever is lost of what came later. It is called once for each data
// unit of a file and each version of it that a sync has written, or that was
// there before the run, always in the same order; with what the unit holds,
// zeros at its end cut off, and the crash points, from one on and before
// another, at which the version is durable and none newer is. Units of zeros are left out, and so is what the names of files and their
// sizes say.
func (p *Plan) EachAtRest(f func(ino faultfs.Ino, off int64, data []byte, from, to int)) {
	p.eachUntouched(func(ino faultfs.Ino, off int64, data []byte) { f(ino, off, data, 0, len(p.points)) })
	type stay struct {
		version Version
		from    int
	}
	stays := map[Cell]stay{}
	unit := make([]byte, p.model.Unit)
	end := func(id Cell, to int) {
		c, s := p.cells[id], stays[id]
		p.fill(c, s.version, unit, 0)
		if data := bytes.TrimRight(unit, "\x00"); len(data) > 0 && s.from < to {
			f(c.ino, c.unit*p.model.Unit, bytes.Clone(data), s.from, to)
		}
	}
	for at := range p.points {
		for _, s := range p.points[at].low {
			if p.cells[s.cell].kind == dataCell && s.to > stays[s.cell].version {
				end(s.cell, at)
				stays[s.cell] = stay{s.to, at}
			}
		}
	}
	for i := range p.cells[p.first:] {
		if id := p.first + Cell(i); p.cells[id].kind == dataCell {
			end(id, len(p.points))
		}
	}
}

// eachUntouched calls f for the data units of the base that are no cells.
func (p *Plan) eachUntouched(f func(ino faultfs.Ino, off int64, data []byte)) {
	unit := p.model.Unit
	buf := make([]byte, unit)
	for ino := faultfs.Root; ino <= p.base.Inodes(); ino++ {
		if p.base.Type(ino) != faultfs.Regular {
			continue
		}
		last := int64(-1)
		for _, page := range p.base.Data(ino, 0) {
			for i := max(page/unit, last+1); i*unit < page+pageSize; i++ {
				last = i
				if n := p.inode(ino); n != nil && n.units.get(i) != noCell {
					continue
				}
				p.base.ReadAt(ino, buf, i*unit)
				if data := bytes.TrimRight(buf, "\x00"); len(data) > 0 {
					f(ino, i*unit, bytes.Clone(data))
				}
			}
		}
	}
}
