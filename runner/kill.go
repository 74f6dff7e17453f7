package runner

import (
	"context"
	"fmt"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/persist"
)

// kill kills the program after each op that changes something or tells the
// world something: it recovers on the page cache that it left, works on, and
// only then loses power. So recovery acts on what no disk holds yet. With a fault
// by which a sync lost data, it is killed from there on: recovery then reads what
// no sync will write any more.
func (j *judging) kill(ctx context.Context, trace *faultfs.Trace, fault *faultfs.Fault) {
	if j.Recover == nil || j.options.depth() == 0 || j.result.Model.Cache == persist.CacheKept {
		return
	}
	live := faultfs.Over(trace.Base())
	if fault != nil {
		live.Inject(j.result.Model.Failure, *fault)
	}
	begun := fault == nil
	for i := range trace.Ops {
		if j.over(ctx) {
			return
		}
		op := trace.Ops[i]
		loses := op.Loses()
		if loses { // it does so again, and may say so
			op.Errno, op.Lost, op.Evicted, op.Injected = 0, faultfs.Span{}, false, false
		}
		if done, err := live.Do(op); done.Loses() != loses || err != nil && fault == nil {
			j.note("the program cannot be killed after %s: it does something else when it is done again: %v", op.Call(), err)
			return
		}
		begun = begun || loses
		if begun && (loses || !op.Failed() && (op.Kind.Changes() || op.Kind == faultfs.OpMark)) {
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
			j.note("after a kill behind %s the program does not work on: %v", trace.Ops[after].Call(), err)
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
	how := fmt.Sprintf("killed after %s, recovered", trace.Ops[after].Call())
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
