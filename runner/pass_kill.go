package runner

import (
	"context"
	"fmt"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/persist"
	"github.com/crashsim/crashsim/runner/repair"
)

// killedAfter begins what a failure says of a kill.
const killedAfter = "killed after "

// kill kills the program after each op that changes something or tells the
// world something: it recovers on the page cache that it left, works on, and
// only then loses power. So recovery acts on what no disk holds yet. With a fault
// by which a sync lost data, it is killed from there on: recovery then reads what
// no sync will write any more.
func (j *judging) kill(ctx context.Context, p *program) {
	trace, fault := p.trace, p.fault
	left := len(trace.Ops)
	err := j.scenario.eachKill(trace, fault, j.result.Model.Failure, func(live *faultfs.FS, after faultfs.OpNum) bool {
		if int(after) < p.known {
			return true
		}
		return j.share(ctx, left-int(after), func() { j.killAfter(ctx, trace, live, after, fault) })
	})
	if err != nil {
		j.note("%v", err)
	}
}

// eachKill calls f for each op after which the program is killed, with the file system
// as the program left it, for as long as f returns true.
func (s *Scenario) eachKill(
	trace *faultfs.Trace, fault *faultfs.Fault, how faultfs.SyncFailure, f func(live *faultfs.FS, after faultfs.OpNum) bool,
) error {
	e := trace.Edit()
	live := e.FS()
	if fault != nil {
		live.Inject(how, *fault)
	}
	begun := fault == nil
	for i := range trace.Ops {
		op := &trace.Ops[i]
		loses, again := op.Loses(), e.Keep
		if loses { // it does so again, and may say so
			again = e.Retry
		}
		if done, err := again(faultfs.OpNum(i)); done.Loses() != loses || err != nil && fault == nil {
			return fmt.Errorf("the program cannot be killed after %s: it does something else when it is done again: %w", op.Call(), err)
		}
		begun = begun || loses
		if begun && !trace.SeenWithNext(faultfs.OpNum(i)) && (loses || !op.Failed() && (op.Kind.Changes() || op.Kind == faultfs.OpMark)) && !f(live, faultfs.OpNum(i)) {
			return nil
		}
	}
	return nil
}

// goOn recovers on the page cache that a killed program left, and works on. It returns
// what that did: nothing, where recovery fails. The error is that of working on.
func (s *Scenario) goOn(live *faultfs.FS) ([]faultfs.Op, error) {
	next := live.Fork()
	if s.variant != nil && s.variant.SyncFirst {
		_ = next.SyncAll() // a fork that nobody has used does not fail
	}
	s.amend(next, repair.Recovery)
	if err := s.recover(next); err != nil {
		return nil, nil //nolint:nilerr // "kill -9 is enough" is what the power cut without losses says
	}
	var err error
	if s.WorkOn != nil {
		s.amend(next, repair.WorkOn)
		err = s.WorkOn(next)
	}
	return next.Trace().Ops, err
}

// killAfter kills the program after an op; live is the file system as the
// program left it.
func (j *judging) killAfter(ctx context.Context, trace *faultfs.Trace, live *faultfs.FS, after faultfs.OpNum, fault *faultfs.Fault) {
	more, err := j.scenario.goOn(live)
	if err != nil {
		j.note("after a kill behind %s the program does not work on: %v", trace.Ops[after].Call(), err)
	}
	effects := false
	for i := range more {
		effects = effects || !more[i].Failed() && (more[i].Kind.Changes() || more[i].Kind == faultfs.OpMark)
	}
	if !effects {
		return
	}
	plan := persist.Lower(trace.Then(after, more), j.result.Model)
	how := killedAfter + trace.Ops[after].Call()
	if j.scenario.Recover != nil {
		how += ", recovered"
	} else {
		how += ", started again"
	}
	if fault != nil {
		how = howFault(fault, trace) + "; " + how
	}
	p := j.exploration(plan, how, searchOf("kill", after, sumOfOps(trace.Ops[:after+1]), sumOfOps(more)))
	from := 0
	for from < plan.Points() && plan.After(from) <= after {
		from++
	}
	j.result.Coverage.Kills++
	p.explore(ctx, from, nil, 0)
}
