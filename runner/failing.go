package runner

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/crashsim/crashsim/faultfs/persist"
	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner/blame"
	"github.com/crashsim/crashsim/runner/show"
)

// This file makes failures of cases that are wrong: one for each cause.

// isWrong takes note of what is wrong with a case.
func (p *exploration) isWrong(c *cube, v oracle.Violation) {
	j, by := p.judging, groundOf(&v)
	cases := 0
	if j.round == byLosses {
		cases = 1
	}
	lost := p.lostOf(c)
	if f := p.told(by, c.Point, lost); f != nil {
		f.cases += cases
		if f.of == p && p.isBefore(c, &f.cube) {
			f.cube, f.lost, f.violation, f.failure = c.Kept(), lost, v, nil
		}
		return
	}
	open := p.candidates(by)
	if open == nil {
		if open = p.begin(c, by, v); open == nil {
			return
		}
	}
	if len(lost) == 0 {
		open.nothing[c.Point] = true
	} else if p.part != nil && p.killIsEnough(open, c.Point) {
		open.early += cases
		return
	}
	if f := open.holds(c, lost); f != nil {
		f.cases += cases
		if p.isBefore(c, &f.cube) {
			f.cube, f.lost, f.violation = c.Kept(), lost, v
		}
		return
	}
	if len(lost) == 0 {
		cases, open.early = cases+open.early, 0
	}
	open.list = append(open.list, &finding{by: by, cube: c.Kept(), lost: lost, violation: v, cases: cases, of: p})
	if len(open.list) > maxCandidates {
		p.tell(open)
	}
}

// killIsEnough reports whether, at a crash point, a promise that is judged apart from others is
// broken like this with nothing lost. The search has not come by that case where it is of
// another promise.
func (p *exploration) killIsEnough(open *candidates, point int) bool {
	enough, known := open.nothing[point]
	if !known && open.by.kind != oracle.Hung {
		if outcome := p.pool.once(point, persist.Subset{}).Outcome; outcome != nil {
			enough = slices.ContainsFunc(outcome.violations, func(v oracle.Violation) bool { return groundOf(&v) == open.by })
		}
		open.nothing[point] = enough
	}
	return enough
}

// told returns the finding by which a case is told already, nil if there is none.
func (p *exploration) told(by ground, point int, lost []persist.Effect) *finding {
	k := suspectCase{plan: p.plan, after: p.plan.After(point), lost: lost, way: p.way()}
	for _, f := range p.judging.findings {
		if f.by != by {
			continue
		}
		if k.places == nil {
			k.places = p.placesOfPlan()
		}
		if f.cause.explains(&k) {
			return f
		}
	}
	return nil
}

func (p *exploration) placesOfPlan() *places {
	if p.places == nil {
		p.places = placesOf(p.plan.Trace())
	}
	return p.places
}

// candidates returns the cases of a ground that wait to be blamed, nil if there are none.
func (p *exploration) candidates(by ground) *candidates {
	i := slices.IndexFunc(p.open, func(c *candidates) bool { return c.by == by })
	if i < 0 {
		return nil
	}
	return p.open[i]
}

// begin begins to collect cases of a ground; nil says that no more of them are told.
func (p *exploration) begin(c *cube, by ground, v oracle.Violation) *candidates {
	j := p.judging
	first := !j.found[by]
	if !j.mayTell(by) {
		return nil
	}
	if first {
		j.found[by] = true
		p.announce(c, v)
	}
	open := &candidates{by: by, nothing: map[int]bool{}}
	p.open = append(p.open, open)
	return open
}

// announce tells that a case is wrong, while the search goes on.
func (p *exploration) announce(c *cube, v oracle.Violation) {
	if v.Kind.Warning() {
		return
	}
	j := p.judging
	j.failures++
	if j.first < 0 {
		j.first = j.total.Runs + p.runs()
	}
	if found := j.options.Found; found != nil {
		found(foundStory(v, p.how, len(p.past), Crash{Plan: p.plan, After: p.plan.After(c.Point), Lost: p.lostOf(c)}))
	}
}

// tellAll makes failures of what the exploration has found: of each ground the smallest case
// first, and then those that have another cause.
func (p *exploration) tellAll() {
	for _, open := range p.open {
		if p.judging.causes(open.by) == 0 {
			p.tell(open)
		}
	}
	for _, open := range p.open {
		for len(open.list) > 0 {
			p.tell(open)
		}
	}
	r := p.judging.result
	for _, f := range p.judging.findings {
		if f.of != p {
			continue
		}
		if f.of = nil; f.failure == nil { // a smaller case was found after it was blamed
			f.failure = p.failure(&f.cube, f.violation)
		}
		if f.failure.Kind.Warning() {
			r.Warnings = append(r.Warnings, f.failure)
		} else {
			r.Failures = append(r.Failures, f.failure)
		}
	}
	p.open = nil
}

// tell makes a failure of the smallest of some candidates, if it has a cause of its own, and
// takes away those that have the same.
func (p *exploration) tell(open *candidates) {
	j := p.judging
	least := 0
	for i, f := range open.list {
		if p.isBefore(&f.cube, &open.list[least].cube) {
			least = i
		}
	}
	f := open.list[least]
	open.list = slices.Delete(open.list, least, least+1)
	first := j.causes(f.by) == 0
	if !j.mayTell(f.by) {
		open.list = nil
		return
	}
	f.failure = p.failure(&f.cube, f.violation)
	f.cause = causeOf(f.failure, f.by, p.way())
	if same := j.sameCause(f); same != nil {
		same.cases += f.cases
		return
	}
	j.findings = append(j.findings, f)
	if !first {
		p.announce(&f.cube, f.violation)
	}
	open.list = slices.DeleteFunc(open.list, func(other *finding) bool {
		k := suspectCase{p.plan, p.placesOfPlan(), p.plan.After(other.cube.Point), other.lost, p.way()}
		if !f.cause.explains(&k) {
			return false
		}
		f.cases += other.cases
		return true
	})
}

// way is what the cases take besides the power cut, as causes are told apart by it.
func (p *exploration) way() string {
	switch {
	case p.inLife != nil:
		return "fault in recovery " + p.struck()
	case len(p.past) > 0 && p.pool.damage != nil:
		return "recovery of damage"
	case len(p.past) > 0:
		return "recovery"
	case p.pool.damage != nil:
		return "damage"
	case strings.Contains(p.how, killedAfter):
		return "kill"
	case p.fault != nil:
		return "fault " + p.struck()
	}
	return ""
}

// struck are the places of the calls that failed by a fault: the first one, or both where two
// faults were dealt.
func (p *exploration) struck() string {
	var places []string
	for i := range p.plan.Trace().Ops {
		if op := &p.plan.Trace().Ops[i]; op.Injected && (len(places) == 0 || p.other != nil && len(places) == 1) {
			places = append(places, fmt.Sprint(placeOf(op)))
		}
	}
	return strings.Join(places, " and ")
}

// isBefore reports whether, of two cases, one comes before the other: it has
// fewer losses, then an earlier crash point, then losses of earlier effects.
func (p *exploration) isBefore(c, other *cube) bool {
	if by := cmp.Or(cmp.Compare(c.Losses, other.Losses), cmp.Compare(c.Point, other.Point)); by != 0 {
		return by < 0
	}
	byPlace := func(a, b persist.Effect) int {
		return cmp.Or(cmp.Compare(a.Op, b.Op), cmp.Compare(a.Index, b.Index))
	}
	return slices.CompareFunc(p.lostOf(c), p.lostOf(other), byPlace) < 0
}

// lostOf returns what the newest cut of a cube lacks, and leaves the exploration's box there.
func (p *exploration) lostOf(c *cube) []persist.Effect {
	p.box.Move(c.Point)
	p.box.RestrictTo(c.Subset)
	for _, t := range c.Taken {
		p.box.Restrict(t)
	}
	return p.box.Lost()
}

// cutOf returns the cut of a case that was judged: so it is one of the plan.
func cutOf(plan *persist.Plan, point int, lost []persist.Effect) persist.Subset {
	subset, err := plan.Pin(point, lost)
	if err != nil {
		panic("crashsim: bug: a case that was judged is no legal cut: " + err.Error())
	}
	return subset
}

// failure makes a failure of a case, and judges the case again: a checker that
// changes its mind is flaky.
func (p *exploration) failure(c *cube, v oracle.Violation) *Failure {
	if free := p.plan.Free(); free != p.plan && len(p.past) == 0 {
		return p.onFreePlan(free, c, v)
	}
	if p.apart || p.part != nil {
		c = p.ofAllPromises(c, v)
	}
	f := &Failure{
		Kind: v.Kind, Violations: c.Outcome.violations, How: p.how,
		Crash: Crash{Plan: p.plan, After: p.plan.After(c.Point), Lost: p.lostOf(c), point: c.Point},
		Marks: p.marks(c.Point), Stack: c.Outcome.stack, fault: p.fault, second: p.other, inLife: p.inLife, damage: p.pool.damage,
	}
	pinned := cutOf(p.plan, c.Point, f.Lost)
	below := p.box.Below()
	var reads []persist.Read
	if v.Kind != oracle.Hung && !p.judging.late() {
		again := p.pool.once(c.Point, pinned.Join(below))
		reads = again.Reads
		if got := kindsOf(again.Outcome); !again.Skipped && !slices.Equal(got, kindsOf(c.Outcome)) {
			p.flaky("the same case", c.Outcome, again.Outcome)
		}
	}
	f.Pair = p.blame(f, pinned.Join(below), reads)
	if len(p.past) == 0 {
		f.needless = p.wrongAtEnd(f)
		f.Story = storyLine(f, v)
		return f
	}
	f.RecoveryCrashes = []Crash{f.Crash}
	for i := len(p.past) - 1; i >= 0; i-- {
		// What the last run read of the disk decides what the crashes before lost.
		past := p.past[i]
		box := past.Plan.NewBox()
		box.StartFrom(past.start)
		box.Move(past.point)
		box.RestrictTo(below)
		past.Lost, below = box.Lost(), box.Below()
		past.Plan = past.Plan.Free()
		f.Crash, f.RecoveryCrashes = past, append([]Crash{past}, f.RecoveryCrashes...)
	}
	f.RecoveryCrashes = f.RecoveryCrashes[1:]
	f.Story = show.Line(recoveryStory(f, v))
	return f
}

// onFreePlan makes a failure of a case that was found among some of the cuts of a plan: what is
// to blame for it is asked among all of them.
func (p *exploration) onFreePlan(free *persist.Plan, c *cube, v oracle.Violation) *Failure {
	all := *p
	all.plan, all.pool, all.box = free, p.pool.later(free, nil), free.NewBox()
	all.pool.damage = p.pool.damage
	subset := cutOf(free, c.Point, p.lostOf(c))
	return all.failure(&cube{Point: c.Point, Subset: subset, Losses: c.Losses, Outcome: c.Outcome}, v)
}

// ofAllPromises returns a case that was judged for one promise with what is wrong with it by all.
func (p *exploration) ofAllPromises(c *cube, v oracle.Violation) *cube {
	part := cutOf(p.plan, c.Point, p.lostOf(c))
	whole := cube{Point: c.Point, Subset: part, Losses: c.Losses, Outcome: c.Outcome}
	if v.Kind != oracle.Hung {
		if by := p.pool.once(c.Point, part).Outcome; slices.Contains(kindsOf(by), v.Kind) {
			whole.Outcome = by
		}
	}
	return &whole
}

// wrongAtEnd reports whether a failure in which nothing was lost needs no crash: the
// disk that the program leaves when it ends is wrong in the same way.
func (p *exploration) wrongAtEnd(f *Failure) bool {
	last := p.plan.Points() - 1
	switch {
	case len(f.Lost) > 0 || p.fault != nil || f.damage != nil:
		return false
	case f.point == last:
		return true
	case f.Kind == oracle.Hung: // it would take as long again
		return false
	}
	return slices.Contains(kindsOf(p.pool.once(last, persist.Subset{}).Outcome), f.Kind)
}

// blame finds the pair to blame for a failure; cut is its case, and steps what the
// checker read of it.
func (p *exploration) blame(f *Failure, cut persist.Subset, reads []persist.Read) *blame.Pair {
	switch {
	case len(f.Lost) == 0:
		return nil
	case f.Kind == oracle.Hung: // each case would take as long
		return &blame.Pair{Lost: f.Lost[0]}
	}
	late := false
	wrong := func(point int, subset persist.Subset) []oracle.Violation {
		if late = late || p.judging.late(); late {
			return []oracle.Violation{{Kind: f.Kind}} // nothing more is found out
		}
		return p.pool.wrong(point, subset)
	}
	pair := blame.Find(
		blame.WrongCut{Plan: p.plan, Start: p.pool.start, Point: f.point, Cut: cut, Kind: f.Kind, Lost: f.Lost, Read: reads}, wrong)
	if late || p.judging.late() {
		return &blame.Pair{Lost: f.Lost[0]} // there was no time to find what it was lost before
	}
	return &pair
}

// marks returns the marks made before the crash at a point.
func (p *exploration) marks(point int) []string {
	if len(p.past) > 0 {
		return p.past[0].Plan.Marks(p.past[0].point)
	}
	return p.plan.Marks(point)
}

// flaky notes that a checker changes its verdict by itself, with what it said both times.
func (p *exploration) flaky(of string, first, again *judgement) {
	said := func(j *judgement) string {
		if j == nil || len(j.violations) == 0 {
			return "that nothing is wrong"
		}
		texts := make([]string, len(j.violations))
		for i, v := range j.violations {
			texts[i] = show.Story(v.String())
		}
		return strings.Join(texts, "; ")
	}
	p.judging.note("the checker is flaky: of %s it said %s, and when it was asked again %s", of, said(first), said(again))
}
