package runner

import (
	"context"
	"fmt"
	"time"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/model"
	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner/show"
)

// This file asks whether a verdict Kept can be believed: did the program change
// anything at all, and was the oracle ever seen to reject anything? What is asked
// before the search is in start.go.

// verdict judges a scenario under a model, and doubts a verdict Kept. The error is
// oracle.ErrNoVerdict, wrapped.
func verdict(ctx context.Context, s *Scenario, take *recording, m model.Model, o *Options) (Result, error) {
	ctx, s = s.watched(ctx)
	defer s.unjudged.end()
	memory, err := take.work.memory(m)
	if err == nil && o.Merge {
		err = memory.complete(s.Name, m)
	}
	if err != nil {
		return Result{}, oracle.Unjudged(err)
	}
	s.memory = memory
	if o.Work {
		return s.worksFor(ctx, take, m, o)
	}
	end, err := memory.giveOut(ctx)
	defer end()
	if err != nil {
		return Result{}, oracle.Unjudged(err)
	}
	start := time.Now()
	r := judgeModel(ctx, s, take, m, o)
	if r.Outcome.Verdict == Kept && ctx.Err() == nil {
		d := doubt{Scenario: s, trace: take.trace, options: o, result: &r}
		if o.MaxTime > 0 {
			d.time = max(o.MaxTime-time.Since(start), time.Nanosecond)
		}
		d.ask(ctx)
	}
	if r.Outcome.Verdict == Kept {
		o.remember(m, take.trace)
	}
	if memory != nil {
		r.memory = memory.shelf
		whole := r.Coverage.Exhaustive || r.allFound || r.shard != "" || r.doubted || o.MaxTime == 0
		s.lacks(memory.finish(o, ctx.Err() == nil && whole))
	}
	return r, s.unjudged.err()
}

// doubt looks at a verdict Kept.
type doubt struct {
	*Scenario
	trace   *faultfs.Trace
	options *Options
	result  *Result
	time    time.Duration // what is left of it; zero: any
}

// ask takes a verdict back that says nothing, and notes what weakens it.
func (d *doubt) ask(ctx context.Context) {
	if why := d.idle(); why != "" {
		d.refuse(why)
		return
	}
	if n := d.unseen(); n > 0 {
		d.result.Notes = append(d.result.Notes, fmt.Sprintf("the program stored more than one word into maps of files between two of its calls (%s): "+
			"what the files held in between cannot be seen and was not judged, so that a verdict of kept is not certain", show.Count(n, "time")))
	}
	if d.rejects(ctx) || ctx.Err() != nil {
		return
	}
	const blind = "nothing was ever seen to fail: the oracle rejects no case, not even an empty disk or a case of the program without its syncs; " +
		"see whether it can fail at all"
	if d.options.Strict {
		d.refuse(blind)
		return
	}
	d.result.Notes = append(d.result.Notes, blind)
}

// refuse makes the verdict Unknown.
func (d *doubt) refuse(why string) {
	d.result.Outcome, d.result.Why, d.result.doubted = Outcome{}, why, true
}

// idle says why there was nothing to judge, where the program changed nothing.
func (d *doubt) idle() string {
	r := d.result
	for i := range d.trace.Ops {
		if len(r.Plan.Effects(faultfs.OpNum(i))) > 0 {
			return ""
		}
	}
	base := d.trace.Base()
	holds := len(base.Names(faultfs.Root)) > 0 // the setup left something that can be lost
	marks := d.trace.Marks()
	switch {
	case d.Trace != nil && holds:
		r.Notes = append(r.Notes, "the program changed nothing where it was recorded: only the disk that the setup left was judged")
		return ""
	case d.Trace != nil:
		return fmt.Sprintf("there was nothing to judge: none of the %s that were recorded changes a file; "+
			"the program wrote nothing, or it wrote somewhere else than where it was recorded (by an absolute path, in another directory)", d.ops())
	case d.Workload == nil && r.Coverage.Recoveries+r.Coverage.Damages > 0:
		return "" // recovery is the program
	case d.Workload == nil:
		return "there was nothing to judge: the scenario has no workload"
	case holds && len(marks) > 0 && judgeDisk(d.ofRun(d.trace), d.options, faultfs.New().Trace().Base(), r.Plan.Marks(r.Plan.Points()-1)).wrong():
		r.Notes = append(r.Notes, "the workload made marks and changed nothing: only the disk that the setup left was judged")
		return ""
	}
	return fmt.Sprintf("there was nothing to judge: none of the %s that were recorded changes a file; "+
		"the workload wrote nothing, or it wrote with package os, or to another file system, instead of the one that it was given", d.ops())
}

// unseen counts the looks at maps of files that saw more than one store: more than one
// word of eight bytes had changed.
func (d *doubt) unseen() int {
	const word = 8
	looks := 0
	trace := d.result.Plan.Trace()
	for i := 0; i < len(trace.Ops); i++ {
		op := &trace.Ops[i]
		if op.Look == 0 {
			continue
		}
		several := op.Off/word != (op.Off+int64(len(op.Data))-1)/word
		for ; trace.SeenWithNext(faultfs.OpNum(i)); i++ {
			several = true
		}
		if several {
			looks++
		}
	}
	return looks
}

func (d *doubt) ops() string { return fmt.Sprintf("%d ops", len(d.trace.Ops)) }

// The search for a case that the oracle rejects takes as many runs as judging the
// program took, but at least fewDoubts and at most manyDoubts.
const (
	fewDoubts  = 500
	manyDoubts = 20000
)

// rejects reports whether the oracle rejects an empty disk after all marks, or any
// case that the program leaves when it does not sync, under the model that promises
// least. A check that rejects either has shown that it can fail.
func (d *doubt) rejects(ctx context.Context) bool {
	if len(d.result.Warnings) > 0 {
		return true
	}
	last := d.result.Plan.Marks(d.result.Plan.Points() - 1)
	if judgeDisk(d.ofRun(d.trace), d.options, faultfs.New().Trace().Base(), last).wrong() {
		return true
	}
	s := *d.Scenario
	s.Faults, s.Damage, s.Declared, s.memory = nil, nil, nil, s.memory.besides("without syncs")
	o := *d.options
	o.First, o.Faults, o.Sweep, o.Depth, o.Samples, o.Progress = true, nil, false, Times(0), 0, nil
	o.Enough, o.onlyLosses, o.Found, o.Pairs = Claim{}, true, nil, 0
	o.Merge, o.Known = false, nil
	o.MaxRuns, o.MaxLosses, o.MaxTime = min(max(fewDoubts, d.result.Coverage.Runs), manyDoubts), 0, d.time
	bare, err := withoutSyncs(d.trace)
	if err != nil {
		return false
	}
	r := judgeModel(ctx, &s, &recording{trace: bare}, model.Default(), &o)
	return r.Outcome.Verdict == Broken
}

// withoutSyncs returns what a program does that syncs nothing.
func withoutSyncs(trace *faultfs.Trace) (*faultfs.Trace, error) {
	e := trace.Edit()
	for i := range trace.Ops {
		if trace.Ops[i].Kind.Syncs() {
			continue
		}
		if _, err := e.Keep(faultfs.OpNum(i)); err != nil {
			return nil, err
		}
	}
	return e.Trace(), nil
}
