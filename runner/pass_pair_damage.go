package runner

import (
	"context"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/runner/internal/search"
)

// keepDamaged keeps what is known of a damaged disk that recovery changed.
func (j *judging) keepDamaged(p *exploration, d *damage) {
	if len(p.boxes) == 0 || len(j.damaged) >= j.options.Pairs {
		return
	}
	kept := *p
	kept.changed, kept.boxes = p.boxes, nil
	kept.pool = p.pool.later(p.plan, nil)
	kept.pool.scenario, kept.pool.damage = p.pool.scenario, d
	j.damaged = append(j.damaged, &kept)
}

// damagedLife is a recovery on a damaged disk.
type damagedLife struct {
	on   *exploration
	cube search.Cube[*recoveryRun]
}

// crashDamaged crashes the recoveries that change a damaged disk, and lets the program start
// once more on what that leaves, with the damage where it was. Where recovery writes to the
// damaged sector itself, it is crashed up to there: what a disk makes of such a sector then is not
// known. The first Options.Pairs of them are tried, one of each damage in turn.
func (j *judging) crashDamaged(ctx context.Context, _ *program) {
	var queues [][]damagedLife
	for _, p := range j.damaged {
		var queue []damagedLife
		p.eachLife(ctx, p.changed, p.liveWith(nil), func(c *search.Cube[*recoveryRun]) bool {
			if c.Outcome.err == nil {
				queue = append(queue, damagedLife{p, c.Kept()})
			}
			return len(queue) < j.options.Pairs
		})
		queues = append(queues, queue)
	}
	lives := inTurn(queues, j.options.Pairs)
	for i, l := range lives {
		more := j.share(ctx, len(lives)-i, func() {
			j.result.Coverage.Pairs++
			next := l.on.nextLife(&l.cube, l.on.how)
			if next.until = untilWritten(next, l.on.pool.damage); next.until > 1 {
				next.explore(ctx, 1, l.cube.Outcome.tree, l.cube.Losses)
			}
		})
		if !more {
			return
		}
	}
}

// untilWritten is the crash point before which a recovery has not written to a damaged
// sector, and the end where it never does.
func untilWritten(p *exploration, d *damage) int {
	ops := p.plan.Trace().Ops
	end := d.off + int64(len(d.was))
	for i := range ops {
		op := &ops[i]
		writes := op.Kind == faultfs.OpWrite && op.Off < end && d.off < op.Off+int64(len(op.Data)) || op.Kind == faultfs.OpTruncate && op.Size < end
		if op.Ino != d.ino || !writes {
			continue
		}
		return p.plan.FirstPoint(0, faultfs.OpNum(i))
	}
	return p.plan.Points()
}
