package runner

import (
	"context"
	"time"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/model"
	"github.com/crashsim/crashsim/faultfs/persist"
)

// judgeModel judges a scenario under a model. What kept a case from being judged is
// noted in the scenario: see unjudged.
func judgeModel(ctx context.Context, s *Scenario, take *recording, m model.Model, o *Options) Result {
	start := time.Now()
	trace := take.trace
	plan := persist.Lower(trace, m)
	cuts, exact := plan.Count(ctx)
	r := Result{
		Scenario: s.Name, Model: m, Plan: plan, Command: s.Command, Declared: s.declared(m), scenario: s, timeout: o.Timeout,
		bounded: o.Enough.norm() != Claim{} && !o.Enough.Exhaustive || o.First || o.MaxFailures > 0,
		AtLeast: o.Sweep || o.Faults != nil || o.Pairs > 0 || o.Depth.times() > 1,
		AtMost:  o.Faults != nil && len(s.Faults) > 0 || o.Depth.times() == 0 && s.restarts(),
		Coverage: Coverage{
			Ops: len(trace.Ops), Cells: plan.Cells(), Points: plan.Points(), Cuts: cuts.String(), CutsExact: exact,
		},
	}
	if r.AtLeast && r.Declared.Verdict == Kept && s.breaksSomewhere() {
		r.Declared = Outcome{} // what is known is known of the power cut alone
	}
	j := &judging{
		scenario: s, options: o, budget: o.budget(), pool: newPool(s, plan, o),
		result: &r, found: map[ground]bool{}, first: -1,
	}
	defer j.pool.close()
	j.pool.gone = ctx.Done()
	if o.MaxTime > 0 {
		j.until = start.Add(o.MaxTime)
		j.budget.Deadline = start.Add(time.Duration(searchShare * float64(o.MaxTime)))
	}
	if r.Why = j.refusesStart(); r.Why != "" {
		r.doubted = true
		return r
	}
	p := &program{take: take, trace: trace, plan: plan, known: o.knows(m, trace)}
	if p.known > 0 {
		p.from = plan.FirstPoint(p.from, faultfs.OpNum(p.known))
	}
	j.judge(ctx, p)
	j.conclude()
	return r
}
