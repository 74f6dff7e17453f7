package runner

import (
	"context"
	"errors"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/persist"
	"github.com/crashsim/crashsim/oracle"
)

// failTwice judges the program with two faults in one run: a fault that is dealt alone
// too, and then one more, at any later call of that run and in each way that fits it. The
// first Options.Pairs of them are tried, a second fault for each first one in turn, so
// that no first fault takes them all.
func (j *judging) failTwice(ctx context.Context, p *program) {
	if j.scenario.Trace != nil {
		j.note("a program that was recorded meets no two faults in one run")
		return
	}
	pairs := j.twoFaults(ctx, p)
	dealt, judged := 0, map[string]bool{}
	for i, two := range pairs {
		if dealt == j.options.Pairs {
			return
		}
		if j.finished(ctx) {
			j.missed()
			return
		}
		trace, err := j.scenario.recordWith(j.result.Model.Failure, two[0], two[1])
		switch {
		case errors.Is(err, oracle.ErrNoVerdict):
			j.scenario.unjudged.note(err)
			return
		case err != nil:
			j.note("with the faults %q and %q: %v", two[0], two[1], err)
			continue
		}
		if at := int(two[1].At) - 1; trace == nil || at >= len(trace.Ops) || !trace.Ops[at].Injected {
			continue // there was nothing for it to fail at, such as a sync of what is clean
		}
		j.result.Coverage.Pairs++
		dealt++
		if did := withoutErrors(trace); !judged[did] {
			judged[did] = true
			if !j.share(ctx, min(len(pairs)-i, j.options.Pairs-dealt+1), func() { j.failWithBoth(ctx, trace, two) }) {
				return
			}
		}
	}
}

// twoFaults are the pairs to try.
func (j *judging) twoFaults(ctx context.Context, p *program) (pairs [][2]faultfs.Fault) {
	firsts, _ := j.faults(p.take.trace)
	if len(firsts) == 0 {
		for i := range p.take.trace.Ops {
			for _, f := range p.take.trace.Ops[i].Faults() {
				firsts = append(firsts, j.aim(f, p.take.trace, faultfs.OpNum(i)))
			}
		}
	}
	var queues [][][2]faultfs.Fault
	for _, first := range firsts {
		if ctx.Err() != nil {
			return nil
		}
		run, fault, err := j.meets(ctx, p.take, first)
		if err != nil || run.trace == nil {
			continue // that is told where it is dealt alone
		}
		var queue [][2]faultfs.Fault
		for _, f := range faultsAfter(run.trace.Ops) {
			queue = append(queue, [2]faultfs.Fault{fault, f})
		}
		queues = append(queues, queue)
	}
	return inTurn(queues, everything)
}

// faultsAfter are faults of each call that comes after one that failed already, and of all
// calls where none did.
func faultsAfter(ops []faultfs.Op) (faults []faultfs.Fault) {
	from := 0
	for i := range ops {
		if ops[i].Injected {
			from = i + 1
			break
		}
	}
	for i := from; i < len(ops); i++ {
		if ops[i].Failed() {
			continue
		}
		for _, f := range ops[i].Faults() {
			f.At = faultfs.OpNum(i + 1)
			faults = append(faults, f)
		}
	}
	return faults
}

// inTurn takes the first of each queue, then the second of each, up to so many in all.
func inTurn[T any](queues [][]T, most int) (taken []T) {
	for n := 0; ; n++ {
		any := false
		for _, q := range queues {
			if n < len(q) {
				if any = true; len(taken) == most {
					return taken
				}
				taken = append(taken, q[n])
			}
		}
		if !any {
			return taken
		}
	}
}

// failWithBoth cuts the power of a program that has met two faults. Its recoveries are not
// crashed: that would be a third blow.
func (j *judging) failWithBoth(ctx context.Context, trace *faultfs.Trace, two [2]faultfs.Fault) {
	reached, short, drawn := j.reached, j.short, j.drawn
	p := &program{trace: trace, plan: persist.Lower(trace, j.result.Model), fault: &two[0], other: &two[1]}
	d := j.deal(ctx, p, []pass{(*judging).cutPower})
	j.short, j.drawn = short || d.all != everything, drawn+min(d.all, j.turn.draws)
	if j.round != byLosses {
		j.reached = reached
	}
}
