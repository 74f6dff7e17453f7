package runner

import (
	"context"
	"slices"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/persist"
)

// sweepPerSite bounds how many of the ops that one line of the program makes a
// sweep lets fail: a program that reads a file byte by byte has thousands.
const sweepPerSite = 64

// given are the faults that somebody asked for by name.
func (j *judging) given() []faultfs.Fault {
	if j.options.Faults != nil {
		return j.options.Faults
	}
	return j.scenario.Faults
}

// faults returns the faults to try on a workload, each alone, those that were given
// first; skipped is how many ops a sweep left out.
func (j *judging) faults(trace *faultfs.Trace) (faults []faultfs.Fault, skipped int) {
	faults = j.given()
	if !j.options.Sweep {
		return faults, 0
	}
	faults = slices.Clone(faults)
	type line struct {
		site faultfs.Site
		kind faultfs.OpKind
	}
	made := map[line]int{}
	for i := range trace.Ops {
		op := &trace.Ops[i]
		if op.Failed() {
			continue
		}
		at := line{op.Site, op.Kind}
		if made[at]++; made[at] > sweepPerSite {
			skipped++
			continue
		}
		for _, f := range op.Faults() {
			f.At = faultfs.OpNum(i + 1)
			faults = append(faults, f)
		}
	}
	return faults, skipped
}

// fail judges the program with each fault alone: it fails a call, and the power
// is cut at every moment from there on. Programs that do the same with two
// faults, such as two errors at the same call, are judged once.
func (j *judging) fail(ctx context.Context, p *program) {
	take := p.take
	if j.scenario.Trace != nil {
		if j.options.Sweep || len(j.given()) > 0 {
			j.note("a program that was recorded is not run again: no call fails")
		}
		return
	}
	faults, skipped := j.faults(take.trace)
	judged := map[string]bool{}
	for i, fault := range faults {
		run, err := take.with(j.scenario, fault, j.result.Model.Failure)
		switch {
		case err != nil:
			j.note("%v", err)
			continue
		case run.trace == nil:
			if i < len(j.given()) {
				j.note("no call matched the fault \"%s\"", fault)
			}
			continue
		}
		if !judged[run.did] {
			judged[run.did] = true
			if !j.share(ctx, len(faults)-i, func() { j.failWith(ctx, run.trace, fault) }) {
				return
			}
		}
	}
	if skipped > 0 && !j.over(ctx) {
		j.note("of the ops that one line makes, the sweep let the first %d fail; %d others did not", sweepPerSite, skipped)
	}
}

func (j *judging) failWith(ctx context.Context, trace *faultfs.Trace, fault faultfs.Fault) {
	j.result.Coverage.Faults++
	struck := slices.IndexFunc(trace.Ops, func(op faultfs.Op) bool { return op.Injected })
	more, loses := false, false
	for i := range trace.Ops {
		op := &trace.Ops[i]
		loses = loses || op.Loses()
		more = more || i >= struck && !op.Failed() && (op.Kind.Changes() || op.Kind == faultfs.OpMark)
	}
	if !more && !loses {
		return // every case was one before the fault
	}
	from := 0
	// What a failed sync refused is needed by nothing, at any moment: there the
	// cases before it are others, too.
	plan := persist.Lower(trace, j.result.Model)
	for !loses && from < plan.Points() && int(plan.After(from)) < struck {
		from++
	}
	p := &program{trace: trace, plan: plan, from: from, fault: &fault, loses: loses}
	j.dealAlso(ctx, p)
}

// dealAlso deals blows to the program that has met a fault, within a pass.
func (j *judging) dealAlso(ctx context.Context, p *program) {
	reached, short, drawn := j.reached, j.short, j.drawn
	passes := []pass{(*judging).cutPower}
	if j.crashesRecovery() {
		passes = append(passes, (*judging).crashRecovery)
	}
	if j.kills() && p.loses {
		passes = append(passes, (*judging).kill)
	}
	d := j.deal(ctx, p, passes)
	j.short, j.drawn = short || d.all != everything, drawn+min(d.all, j.turn.draws)
	if j.round != byLosses {
		j.reached = reached
	}
}
