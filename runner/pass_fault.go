package runner

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/persist"
	"github.com/crashsim/crashsim/oracle"
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

// aimed is a fault that is to be tried, and another one to be tried where it strikes no
// call.
type aimed struct {
	fault faultfs.Fault
	near  *faultfs.Fault // nil: none
	given bool           // by name
}

// faults returns the faults to try on a workload, each alone, those that were given
// first; skipped is how many ops a sweep left out.
func (j *judging) faults(trace *faultfs.Trace) (faults []aimed, skipped int) {
	for _, f := range j.given() {
		faults = append(faults, aimed{fault: f, given: true})
	}
	if !j.options.Sweep {
		return faults, 0
	}
	type line struct {
		site faultfs.CallSite
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
			faults = append(faults, j.aim(f, trace, faultfs.OpNum(i)))
		}
	}
	return faults, skipped
}

// fail judges the program with each fault alone: it fails a call, and the power
// is cut at every moment from there on. Programs that do the same with two
// faults, such as two errors at the same call, are judged once.
func (j *judging) fail(ctx context.Context, p *program) {
	if j.scenario.Trace != nil && j.scenario.Rerun == nil {
		if j.options.Sweep || len(j.given()) > 0 {
			j.note("a program that was recorded is not run again: no call fails")
		}
		return
	}
	faults, skipped := j.faults(p.take.trace)
	tried, struck, judged := 0, 0, map[string]bool{}
	for i, f := range faults {
		if j.finished(ctx) {
			j.missed()
			break
		}
		tried++
		run, fault, err := j.meets(ctx, p.take, f)
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, oracle.ErrNoVerdict):
			j.scenario.unjudged.note(err)
			return
		case err != nil:
			j.note("%v", err)
			continue
		case run.trace == nil:
			if f.given {
				j.note("no call matched the fault \"%s\"", f.fault)
			}
			continue
		}
		struck++
		if !judged[run.did] {
			judged[run.did] = true
			if !j.share(ctx, len(faults)-i, func() { j.failWith(ctx, run.trace, fault) }) {
				break
			}
		}
	}
	if j.scenario.Trace != nil && tried > 0 && (tried == len(faults) || j.round == byLosses) {
		j.note("%s", struckText(tried, struck, len(judged)))
	}
	if skipped > 0 && !j.finished(ctx) {
		j.note("of the ops that one line makes, the sweep let the first %d fail; %d others did not", sweepPerSite, skipped)
	}
}

// aim lets a fault strike an op of a workload. A workload that is called does the same
// each time; a program that runs again may do something else before.
func (j *judging) aim(f faultfs.Fault, trace *faultfs.Trace, op faultfs.OpNum) aimed {
	if j.scenario.Trace == nil {
		f.At = op + 1
		return aimed{fault: f}
	}
	near := f.AimedNear(trace, op)
	return aimed{fault: f.Aimed(trace, op), near: &near}
}

// meets returns what the program did when it met a fault, and which one that was.
func (j *judging) meets(ctx context.Context, take *recording, f aimed) (*faulty, faultfs.Fault, error) {
	run, err := take.with(ctx, j.scenario, f.fault, j.result.Model.Failure)
	if err != nil || run.trace != nil || f.near == nil {
		return run, f.fault, err
	}
	run, err = take.with(ctx, j.scenario, *f.near, j.result.Model.Failure)
	return run, *f.near, err
}

// struckText says how many faults a program met that ran again, and what it made of
// them.
func struckText(tried, struck, different int) string {
	text := fmt.Sprintf("the program ran again for each of %d faults: %d struck a call, and %d of these runs differ", tried, struck, different)
	if tried > struck {
		text += fmt.Sprintf("; %d struck none, since the program made no such call, or others than when it was recorded", tried-struck)
	}
	return text
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
	if !loses {
		from = plan.FirstPoint(from, faultfs.OpNum(struck))
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
