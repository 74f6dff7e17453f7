package runner

import (
	"context"
	"fmt"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/persist"
)

// kill kills the program after each op that changes something or tells the
// world something: it recovers on the page cache that it left, works on, and
// only then loses power. So recovery acts on what no disk holds yet.
func (j *judging) kill(ctx context.Context, trace *faultfs.Trace) {
	if !j.kills() {
		return
	}
	live := faultfs.Over(trace.Base())
	for i := range trace.Ops {
		if j.over(ctx) {
			return
		}
		op := &trace.Ops[i]
		if _, err := live.Do(*op); err != nil {
			j.note("the program cannot be killed after %s: %v", opText(op), err)
			return
		}
		if !op.Failed() && (op.Kind.Changes() || op.Kind == faultfs.OpMark) {
			j.killAfter(ctx, trace, live, faultfs.OpNum(i), nil)
		}
	}
}

// kills reports whether killing the program before the power cut can make a
// difference.
func (j *judging) kills() bool {
	return j.Recover != nil && j.options.depth() > 0 && j.result.Model.Cache != persist.CacheKept
}

// killAfterLoss kills the program after a sync that lost data, and after each op
// behind it: recovery reads in the page cache what the disk never got, and what
// no sync will write any more.
func (j *judging) killAfterLoss(ctx context.Context, trace *faultfs.Trace, fault *faultfs.Fault) {
	if !j.kills() {
		return
	}
	live := faultfs.Over(trace.Base())
	live.Inject(j.result.Model.Failure, *fault)
	lost := false
	for i := range trace.Ops {
		if j.over(ctx) {
			return
		}
		op := trace.Ops[i]
		if op.Loses() { // it does so again
			lost = true
			op.Errno, op.Lost, op.Evicted, op.Injected = 0, faultfs.Span{}, false, false
		}
		if done, _ := live.Do(op); done.Loses() != trace.Ops[i].Loses() {
			j.note("the program cannot be killed with the fault %q: %s does something else", fault, opText(&op))
			return
		}
		if lost && (trace.Ops[i].Loses() || !op.Failed() && (op.Kind.Changes() || op.Kind == faultfs.OpMark)) {
			j.killAfter(ctx, trace, live, faultfs.OpNum(i), fault)
		}
	}
}

// killAfter kills the program after an op; live is the file system as the
// program left it.
func (j *judging) killAfter(ctx context.Context, trace *faultfs.Trace, live *faultfs.FS, after faultfs.OpNum, fault *faultfs.Fault) {
	next := live.Fork()
	if err := j.recover(next); err != nil {
		return // "kill -9 is enough" is what the power cut without losses says
	}
	if j.WorkOn != nil {
		if err := j.WorkOn(next); err != nil {
			j.note("after a kill behind %s the program does not work on: %v", opText(&trace.Ops[after]), err)
		}
	}
	more := next.Trace().Ops
	effects := false
	for i := range more {
		effects = effects || !more[i].Failed() && (more[i].Kind.Changes() || more[i].Kind == faultfs.OpMark)
	}
	if !effects {
		return
	}
	plan := persist.Lower(trace.Then(after, more), j.result.Model)
	how := fmt.Sprintf("killed after %s, recovered", opText(&trace.Ops[after]))
	if fault != nil {
		how = fmt.Sprintf("with the fault \"%s\"; %s", fault, how)
	}
	p := j.phase(plan, how)
	from := 0
	for from < plan.Points() && plan.After(from) <= after {
		from++
	}
	j.result.Coverage.Kills++
	e := p.explore(ctx, from, nil, 0)
	p.ended(e.stats, "of kills before the power cut, ")
}
