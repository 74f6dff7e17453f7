package runner

import (
	"context"
	"fmt"
	"reflect"
	"slices"

	"github.com/spf13/afero"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/persist"
	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner/internal/search"
	"github.com/crashsim/crashsim/runner/repair"
)

// recoveryRun is a run of recovery, with what it did to the disk as a plan of its own.
// It holds for every cut on which recovery reads the same, wherever the crash
// was: the decision tree of the checker that comes after it is shared by all.
type recoveryRun struct {
	name    string // what it read, and did
	plan    *persist.Plan
	tree    *search.Tree[*judgement]
	settles int
	changed string // an op of the second run that changed something
	crashed bool   // it was counted
	err     error
}

// crashRecovery crashes the recoveries that changed the disk after the power cuts.
func (j *judging) crashRecovery(ctx context.Context, p *program) {
	if p.cut == nil {
		return
	}
	if j.options.Pairs > 0 {
		p.cut.changed = slices.Clone(p.cut.boxes)
	}
	p.cut.crashRecoveries(ctx)
}

// crashRecoveries crashes the recoveries that changed the disk, at each of their
// ops, and judges what the next recovery makes of it.
func (p *exploration) crashRecoveries(ctx context.Context) {
	if len(p.boxes) == 0 {
		return
	}
	left, cuts := len(p.boxes), p.boxes
	p.boxes = nil
	s := p.eachLife(ctx, cuts, p.live, func(c *search.Cube[*recoveryRun]) bool {
		more := p.judging.share(ctx, left, func() { p.crashRecoveryRun(ctx, c) })
		left--
		return more
	})
	if !s.Stats().Done {
		p.judging.short = true
		if p.judging.round == byLosses {
			p.judging.reach(s.Stats().Losses)
		}
	}
}

// eachLife runs recovery on some cuts, and calls visit for each that reads something else.
func (p *exploration) eachLife(
	ctx context.Context, cuts []search.Job, live func(*persist.Disk) *recoveryRun, visit func(*search.Cube[*recoveryRun]) bool,
) *search.Search[*recoveryRun] {
	disk := p.plan.NewDisk()
	disk.StartFrom(p.pool.start)
	s := search.New(p.plan, search.Options[*recoveryRun]{
		Run: func(ctx context.Context, attempts []*search.Attempt[*recoveryRun]) {
			for _, a := range attempts {
				if a.Skipped = ctx.Err() != nil; a.Skipped {
					continue
				}
				if a.Empty = !disk.Begin(a.Point, a.Subset); a.Empty {
					continue
				}
				a.Outcome = live(disk)
				a.Reads = append(a.Reads, disk.Reads()...)
				a.Taken = append(a.Taken, disk.Taken()...)
			}
		},
		Visit: visit,
		Start: p.pool.start,
	})
	for _, job := range cuts {
		s.Push(job)
	}
	s.Work(ctx)
	return s
}

// live runs recovery once more, recorded, and then again on what it left.
func (p *exploration) live(disk *persist.Disk) *recoveryRun {
	l := &recoveryRun{tree: search.NewTree[*judgement]()}
	fs := faultfs.NewOn(disk)
	p.judging.scenario.amend(fs, repair.Recovery)
	if l.err = p.judging.scenario.recover(fs); l.err == nil {
		next := fs.Checkpoint()
		l.plan = p.judging.round.narrow(disk.Lower(fs.Trace()))
		l.name = searchOf(disk.Reads(), sumOfOps(fs.Trace().Ops))
		l.err = p.settle(l, next)
	}
	return l
}

// recover runs recovery, if there is one, and turns a panic into an error.
func (s *Scenario) recover(disk afero.Fs) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("recovery panicked: %v", r)
		}
	}()
	if s.Recover == nil {
		return nil
	}
	return s.recovers(disk)
}

// maxSettle bounds how often recovery is run again to see whether it comes to
// an end of changing things.
const maxSettle = 8

// settle runs recovery on what it left until it changes nothing more.
func (p *exploration) settle(l *recoveryRun, next *faultfs.FS) error {
	for round := 1; round <= maxSettle; round++ {
		if err := p.judging.scenario.recover(next); err != nil {
			return nil //nolint:nilerr // the crash after recovery finds it too, and tells it better
		}
		trace := next.Trace()
		changed := firstChange(trace, next)
		if changed == "" {
			l.settles = round
			return nil
		}
		if l.changed == "" {
			l.changed = changed
		}
		next = next.Checkpoint()
	}
	return nil
}

// firstChange returns an op of a trace that changed what can be seen under its
// paths, "" if none did.
func firstChange(trace *faultfs.Trace, after *faultfs.FS) string {
	before := faultfs.Unrecorded(trace.Base())
	same := map[string]bool{"": true}
	for i := range trace.Ops {
		op := &trace.Ops[i]
		if op.Failed() || !op.Kind.Changes() {
			continue
		}
		for _, path := range []string{op.Path, op.To} {
			if same[path] {
				continue
			}
			if !reflect.DeepEqual(look(before, path), look(after, path)) {
				return op.Call()
			}
			same[path] = true
		}
	}
	return ""
}

// look returns what can be seen under a path.
func look(fs *faultfs.FS, path string) any {
	info, _, err := fs.LstatIfPossible(path)
	if err != nil {
		return nil
	}
	seen := []any{info.Mode()}
	switch {
	case info.IsDir():
	case info.Mode().IsRegular():
		data, err := oracle.ReadFile(fs, path)
		seen = append(seen, string(data), err == nil)
	default:
		target, err := fs.ReadlinkIfPossible(path)
		seen = append(seen, target, err == nil)
	}
	return seen
}

// crashRecoveryRun crashes a recovery at each of its ops, on the cuts of a cube.
func (p *exploration) crashRecoveryRun(ctx context.Context, c *search.Cube[*recoveryRun]) {
	l := c.Outcome
	if l.err != nil {
		p.judging.note("the checker is flaky: recovery succeeded, and not when it was run again: %v", l.err)
		return
	}
	if !l.crashed {
		l.crashed = true
		p.judging.result.Coverage.Recoveries++
		p.noteSettling(l)
	}
	next := p.nextLife(c, p.how)
	e := next.explore(ctx, 1, l.tree, c.Losses)
	l.tree = e.Grown()
	next.crashRecoveries(ctx)
}

// nextLife is the exploration of what a recovery did, on the cuts of a cube.
func (p *exploration) nextLife(c *search.Cube[*recoveryRun], how string) *exploration {
	l := c.Outcome
	box := p.plan.NewBox()
	box.StartFrom(p.pool.start)
	box.Move(c.Point)
	box.RestrictTo(c.Whole())
	next := &exploration{
		judging: p.judging, plan: l.plan, pool: p.pool.later(l.plan, box), box: l.plan.NewBox(), how: how, fault: p.fault,
		name: searchOf("life", p.name, l.name), past: append(p.past[:len(p.past):len(p.past)],
			Crash{Plan: p.plan, After: p.plan.After(c.Point), point: c.Point, start: p.pool.start}),
		runs: func() int { return 0 },
	}
	next.pool.damage = p.pool.damage
	return next
}

func (p *exploration) noteSettling(l *recoveryRun) {
	r := p.judging.result.Recovery
	switch {
	case r == nil:
		r = &Recovery{Settles: l.settles, Example: l.changed}
		p.judging.result.Recovery = r
	case l.settles == 0:
		r.Settles = 0
	case r.Settles > 0:
		r.Settles = max(r.Settles, l.settles)
	}
	if r.Example == "" {
		r.Example = l.changed
	}
}
