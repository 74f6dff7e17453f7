package runner

import (
	"context"
	"slices"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/persist"
	"github.com/crashsim/crashsim/runner/internal/search"
)

// failingLife is a recovery on the cuts of a cube, and a fault for it to meet.
type failingLife struct {
	cube  search.Cube[*recoveryRun]
	fault faultfs.Fault
}

// failRecovery lets a call of a recovery fail that changes the disk, after the power cut.
// Whether recovery gives up by that or not, the power is then cut once more, at each moment
// from there on, and the next recovery meets no fault. The first Options.Pairs of them are
// tried, a fault for each recovery in turn.
func (j *judging) failRecovery(ctx context.Context, p *program) {
	if p.cut == nil || len(p.cut.changed) == 0 {
		return
	}
	var queues [][]failingLife
	p.cut.eachLife(ctx, p.cut.changed, p.cut.liveWith(nil), func(c *search.Cube[*recoveryRun]) bool {
		var queue []failingLife
		if l := c.Outcome; l.err == nil {
			for _, f := range faultsAfter(l.plan.Trace().Ops) {
				queue = append(queue, failingLife{c.Kept(), f})
			}
		}
		queues = append(queues, queue)
		return len(queues) < j.options.Pairs
	})
	pairs := inTurn(queues, j.options.Pairs)
	for i, two := range pairs {
		if !j.share(ctx, len(pairs)-i, func() { p.cut.failLife(ctx, &two) }) {
			return
		}
	}
}

// liveWith runs recovery on a disk with the damage of the exploration, and with a fault if there
// is one.
func (p *exploration) liveWith(fault *faultfs.Fault) func(*persist.Disk) *recoveryRun {
	return func(disk *persist.Disk) *recoveryRun {
		base := &rotten{Disk: disk}
		base.damage.Store(p.pool.damage)
		fs := faultfs.NewOn(base)
		if fault != nil {
			fs.Inject(p.judging.result.Model.Failure, *fault)
		}
		l := &recoveryRun{tree: search.NewTree[*judgement](), err: p.pool.scenario.recover(fs)}
		l.plan = p.judging.round.narrow(disk.Lower(fs.Trace()))
		l.name = searchOf(fault, disk.Reads(), sumOfOps(fs.Trace().Ops))
		return l
	}
}

// failLife lets a recovery meet its fault, on all cuts of its cube: from the fault on it
// may read more, and do something else by it.
func (p *exploration) failLife(ctx context.Context, two *failingLife) {
	j := p.judging
	j.result.Coverage.Pairs++
	p.eachLife(ctx, []search.Job{{Point: two.cube.Point, Subset: two.cube.Whole()}}, p.liveWith(&two.fault), func(c *search.Cube[*recoveryRun]) bool {
		p.crashFailed(ctx, c, &two.fault)
		return !j.finished(ctx)
	})
	if j.finished(ctx) {
		j.missed()
	}
}

// crashFailed crashes a recovery that has met a fault, from there on.
func (p *exploration) crashFailed(ctx context.Context, c *search.Cube[*recoveryRun], fault *faultfs.Fault) {
	l := c.Outcome
	ops := l.plan.Trace().Ops
	struck := slices.IndexFunc(ops, func(op faultfs.Op) bool { return op.Injected })
	if struck < 0 {
		return // here it makes no such call
	}
	from := 1
	if !slices.ContainsFunc(ops, func(op faultfs.Op) bool { return op.Loses() }) {
		from = l.plan.FirstPoint(from, faultfs.OpNum(struck))
	}
	if from == l.plan.Points() {
		return // every case was one before the fault
	}
	next := p.nextLife(c, howAnd(p.how, "recovery ran "+howFault(fault, l.plan.Trace())))
	next.inLife = fault
	next.explore(ctx, from, l.tree, c.Losses)
}

// howAnd adds a blow to what happened before it.
func howAnd(how, more string) string {
	if how == "" {
		return more
	}
	return how + "; " + more
}
