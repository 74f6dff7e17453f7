package persist

import (
	"context"
	"math/big"
)

// Newest returns the newest version of a cell, whether it can persist or not.
func (p *Plan) Newest(id Cell) Version { return p.cells[id].newest() }

// Breaks reports whether a cut, by cell, breaks a need.
func (p *Plan) Breaks(cut []Version) bool {
	for id, c := range p.cells {
		for v := Version(1); v <= cut[id]; v++ {
			for _, n := range c.versions[v].needs {
				if cut[n.cell] < n.version {
					return true
				}
			}
		}
	}
	return false
}

// Same reports whether two versions of a cell have the same value.
func (p *Plan) Same(id Cell, v, w Version) bool { return p.value(id, v) == p.value(id, w) }

// CountByTrying is Count without its tables.
func (p *Plan) CountByTrying(ctx context.Context) (cuts *big.Int, exact bool) {
	c := newCounter(ctx, p)
	c.keys = 0
	return c.count()
}

// FileOf returns a number that is the same for the data, size and mode of a file, and
// one of its own for each name.
func (p *Plan) FileOf(id Cell) int {
	if c := p.cells[id]; c.kind != nameCell {
		return int(c.ino)
	}
	return -1 - int(id)
}
