package runner

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"sync/atomic"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/persist"
)

const (
	// sectorBytes is what a disk damages as a whole.
	sectorBytes = 512
	// flipsPerSector bounds how many bits of a sector are flipped, each alone,
	// where no sweep asks for one of every byte.
	flipsPerSector = 16
	// strangersPerSector bounds how many other sectors take the place of one.
	strangersPerSector = 8
)

// damage is what became of a sector of a file that was at rest: where the disk
// holds was, it is read as now.
type damage struct {
	ino      faultfs.Ino
	off      int64
	was, now []byte // as long as the sector
	what     string
	from, to int // the crash points at which it was at rest
}

// sector is what a sector of a file holds while it is at rest.
type sector struct {
	ino      faultfs.Ino
	off      int64
	data     []byte
	from, to int
}

// rotten is a disk with a damaged sector. The disk itself stays as it is.
type rotten struct {
	*persist.Disk
	damage atomic.Pointer[damage] // nil: none; a check may read from a goroutine that nothing orders
}

// ReadAt reads from the disk, and from the sector what became of it.
func (r *rotten) ReadAt(ino faultfs.Ino, buf []byte, off int64) {
	r.Disk.ReadAt(ino, buf, off)
	d := r.damage.Load()
	if d == nil || ino != d.ino || off >= d.off+int64(len(d.was)) || off+int64(len(buf)) <= d.off {
		return
	}
	held := make([]byte, len(d.was))
	if r.Disk.ReadAt(ino, held, d.off); !bytes.Equal(held, d.was) {
		return
	}
	if d.off >= off {
		copy(buf[d.off-off:], d.now)
	} else {
		copy(buf, d.now[off-d.off:])
	}
}

// rot judges the program with each durable sector damaged, each alone, from the
// moment on at which it was durable: a bit is flipped, the sector is zeroed, or
// it holds what was meant for another one. It is read by the program as it
// starts again, and it has rotted before it does. Where the page cache is kept,
// no disk is read.
func (j *judging) rot(ctx context.Context, _ *program) {
	pool := j.pool.later(j.round.narrow(j.pool.plan), nil)
	rotten := *pool.scenario
	rotten.Oracle, rotten.rotten = rotten.Damage, true
	pool.scenario = &rotten
	sectors := restingSectors(j.pool.plan)
	j.damaged = nil
	for i := range sectors {
		for _, d := range j.damages(sectors, i) {
			more := j.share(ctx, len(sectors)-i, func() {
				j.result.Coverage.Damages++
				pool.damage = &d
				p := &exploration{
					judging: j, plan: pool.plan, pool: pool, box: pool.plan.NewBox(), how: "with " + d.what,
					name: searchOf("damage", d.ino, d.off, d.was, d.now), until: d.to, wholeFirst: true, runs: func() int { return 0 },
				}
				p.explore(ctx, d.from, nil, 0)
				j.keepDamaged(p, &d)
			})
			if !more {
				return
			}
		}
	}
}

// restingSectors returns the sectors that are at rest, and hold data, at some
// crash point.
func restingSectors(plan *persist.Plan) []sector {
	size := min(sectorBytes, plan.Model().Unit)
	var sectors []sector
	plan.EachAtRest(func(ino faultfs.Ino, off int64, data []byte, from, to int) {
		for at := int64(0); at < int64(len(data)); at += size {
			s := sector{ino: ino, off: off + at, data: make([]byte, size), from: from, to: to}
			if copy(s.data, data[at:]); len(bytes.Trim(s.data, "\x00")) > 0 {
				sectors = append(sectors, s)
			}
		}
	})
	return sectors
}

// damages returns what may become of a sector.
func (j *judging) damages(sectors []sector, i int) []damage {
	s := &sectors[i]
	path := func(s *sector) string { return pathOf(j.pool.plan.Trace(), s.ino) }
	var damages []damage
	add := func(now []byte, from, to int, format string, args ...any) {
		damages = append(damages, damage{s.ino, s.off, s.data, now, fmt.Sprintf(format, args...), from, to})
	}
	add(make([]byte, len(s.data)), s.from, s.to, "the sector at %d of %s zeroed", s.off, path(s))
	first := len(s.data) - len(bytes.TrimLeft(s.data, "\x00"))
	end := len(bytes.TrimRight(s.data, "\x00"))
	step := max((end-first+flipsPerSector-1)/flipsPerSector, 1)
	if j.options.Sweep {
		step = 1
	}
	for at := first; at < end; at += step {
		now := bytes.Clone(s.data)
		bit := at % 8
		now[at] ^= 1 << bit
		add(now, s.from, s.to, "bit %d of byte %d of %s flipped", bit, s.off+int64(at), path(s))
	}
	strangers := 0
	for k := 1; k < len(sectors) && strangers < strangersPerSector; k++ {
		o := &sectors[(i+k)%len(sectors)]
		from, to := max(s.from, o.from), min(s.to, o.to)
		if from < to && !bytes.Equal(o.data, s.data) {
			strangers++
			add(o.data, from, to, "the sector at %d of %s holding what was meant for %d of %s", s.off, path(s), o.off, path(o))
		}
	}
	return damages
}

// pathOf returns a path of an inode: the newest that the trace has for it.
func pathOf(trace *faultfs.Trace, ino faultfs.Ino) string {
	for _, ops := range [][]faultfs.Op{trace.Ops, trace.Setup} {
		for i := len(ops) - 1; i >= 0; i-- {
			switch op := &ops[i]; {
			case op.Failed():
			case op.Kind == faultfs.OpExchange && op.Replaced == ino:
				return op.Path
			case op.Ino != ino:
			case op.To != "" && op.Kind != faultfs.OpSymlink:
				return op.To
			case op.Path != "":
				return op.Path
			}
		}
	}
	return fmt.Sprintf("inode %d", ino)
}

// parseDamage reads a damage of a stored failure.
func parseDamage(text string) (*damage, error) {
	d := &damage{}
	if _, err := fmt.Sscanf(text, "%d %d %x %x", &d.ino, &d.off, &d.was, &d.now); err != nil {
		return nil, fmt.Errorf("damage: want an inode, an offset, and two sectors in hexadecimal digits: %w", err)
	}
	switch {
	case len(d.was) == 0 || len(d.was) != len(d.now):
		return nil, errors.New("damage: want two sectors of the same length")
	case d.off < 0 || d.off > math.MaxInt64-int64(len(d.was)):
		return nil, fmt.Errorf("damage: there is no sector at %d", d.off)
	}
	return d, nil
}
