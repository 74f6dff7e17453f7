package runner

import (
	"cmp"
	"context"
	"math/big"
	"slices"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/persist"
	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner/blame"
	"github.com/crashsim/crashsim/runner/internal/search"
	"github.com/crashsim/crashsim/runner/show"
)

// exploration judges the crash states of one plan, for a pass.
type exploration struct {
	judging  *judging
	plan     *persist.Plan
	pool     *pool
	box      *persist.Box
	how      string // what happened besides the power cut, "" for nothing
	fault    *faultfs.Fault
	past     []Crash      // the crashes before the last life
	smallest []smallest   // of each cause that no exploration before has found
	boxes    []search.Job // parts whose recovery changed the disk, to be crashed again
	runs     func() int   // of this exploration so far

	name   string   // of the search, among those of the scenario
	large  bool     // it is divided evenly among shards
	common bool     // what is judged now is judged by all shards
	shared int      // how many boxes of those were given to one of them
	held   *big.Int // the cuts of what was judged; nil: they are not counted
	scale  *persist.Box

	until      int  // the crash points end before this one; zero: all
	wholeFirst bool // the cases at the first crash point are judged too that an earlier one has
}

// cube is a part of a crash point, judged.
type cube = search.Cube[*judgement]

// explore judges the cases that are new from a crash point on.
func (p *exploration) explore(ctx context.Context, from int, tree *search.Tree[*judgement], losses int) *search.Search[*judgement] {
	budget := p.judging.left(losses)
	options := search.Options[*judgement]{
		Run: p.judging.scenario.memory.around(p.pool, p.name), Workers: p.pool.workers, Visit: p.counting(p.visit), Budget: budget,
		Start: p.pool.seat, Tree: tree,
	}
	if m := p.judging.scenario.memory; p.givesOut() {
		options.Run, options.Workers = m.givingOut(p.pool, p.name), workersElsewhere
		options.Batch = func() int { return m.giving.batch }
	}
	if o := p.judging.options; o.Progress != nil {
		options.Progress = func(stats search.Stats) {
			total := &p.judging.total
			o.Progress(Progress{
				Scenario: p.judging.scenario.Name, Model: p.judging.result.Model, Cases: total.Cases + stats.Cases, Runs: total.Runs + stats.Runs,
				Losses: losses + stats.Losses, Failures: p.judging.failures, Waiting: stats.Waiting,
			})
		}
	}
	s := search.New(p.plan, options)
	if p.pool.seat != nil {
		p.box.Seat(p.pool.seat)
	}
	p.runs = func() int { return s.Stats().Runs }
	p.work(ctx, s, from, losses)
	p.tellSmallest()
	p.runs = func() int { return 0 }
	if p.judging.round == byLosses {
		p.judging.total.Cases += s.Stats().Cases
	}
	p.judging.total.Runs += s.Stats().Runs
	if odd := s.Strange(); odd != nil {
		p.judging.wavers = true
		p.noteStrange(odd)
	}
	return s
}

// work judges the cases of the round, from a crash point on, of which each has lost so much
// already, and notes how far it came.
func (p *exploration) work(ctx context.Context, s *search.Search[*judgement], from, losses int) {
	j, until := p.judging, cmp.Or(p.until, p.plan.Points())
	done := false
	switch j.round {
	case tornWrites:
		done = s.Torn(ctx, from, until)
	case atRandom:
		drawn := s.Sample(ctx, j.random(), from, until, j.turn.draws)
		j.drawn += drawn
		done = drawn >= j.turn.draws
	case wholeFiles:
		s.PushWhole(from, until)
		s.Work(ctx)
		done = s.Stats().Done
	default:
		s.PushFresh(from, until, p.wholeFirst)
		p.divide(ctx, s)
		s.Work(ctx)
		p.prove(ctx, s.Stats(), from)
		if done = s.Stats().Done; !done && j.round == byLosses {
			j.reach(losses + s.Stats().Losses)
		}
	}
	j.short = j.short || !done
	j.full = j.full || s.Stats().Full && j.round == byLosses
}

// divide leaves of the search what this shard judges.
func (p *exploration) divide(ctx context.Context, s *search.Search[*judgement]) {
	if !p.judging.options.sharded() || len(p.past) > 0 {
		return
	}
	p.common = true
	s.Share(ctx, p.judging.ownPart(p.large))
	p.common = false
}

// visit looks at a case that was judged. It returns false where the search can
// end: each kind of failure has its smallest example.
func (p *exploration) visit(c *cube) bool {
	switch {
	case c.Outcome == nil:
		return p.goesOn()
	case c.Outcome.wrote:
		if len(p.past) < p.judging.options.Depth.times() && p.isOurs() {
			p.boxes = append(p.boxes, search.Job{Point: c.Point, Part: c.Whole()})
		}
		return p.goesOn()
	}
	for _, v := range c.Outcome.violations {
		by := groundOf(&v)
		if p.judging.round == byLosses {
			p.judging.failing[by]++
		}
		if p.judging.isNew(by) {
			p.judging.found[by] = true
			p.smallest = append(p.smallest, smallest{c.Kept(), v, by})
			if v.Kind.Warning() {
				continue
			}
			p.judging.failures++
			if p.judging.first < 0 {
				p.judging.first = p.judging.total.Runs + p.runs()
			}
			if found := p.judging.options.Found; found != nil {
				found(foundStory(v, p.how, len(p.past), Crash{Plan: p.plan, After: p.plan.After(c.Point), Lost: p.lostOf(c)}))
			}
			continue
		}
		i := slices.IndexFunc(p.smallest, func(s smallest) bool { return s.by == by })
		if i >= 0 && p.isBefore(c, &p.smallest[i].cube) {
			p.smallest[i] = smallest{c.Kept(), v, by}
		}
	}
	return p.goesOn()
}

// isOurs reports whether a box is crashed again here: of those that all shards judge, each
// takes some.
func (p *exploration) isOurs() bool {
	if !p.common {
		return true
	}
	p.shared++
	o := p.judging.options
	return p.shared%o.Shards == o.Shard
}

// smallest is the smallest case so far, of a cause that no exploration before has found.
type smallest struct {
	cube      cube
	violation oracle.Violation
	by        ground
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
	p.box.RestrictTo(c.Part)
	for _, t := range c.Taken {
		p.box.Restrict(t)
	}
	return p.box.Lost()
}

// tellSmallest makes failures of the smallest cases that the exploration has found.
func (p *exploration) tellSmallest() {
	for i := range p.smallest {
		s := &p.smallest[i]
		f := p.failure(&s.cube, s.violation)
		f.by = s.by
		if f.Kind.Warning() {
			p.judging.result.Warnings = append(p.judging.result.Warnings, f)
		} else {
			p.judging.result.Failures = append(p.judging.result.Failures, f)
		}
	}
	p.smallest = nil
}

func (p *exploration) goesOn() bool {
	if o := p.judging.options; o.First && p.judging.first >= 0 || o.MaxFailures > 0 && p.judging.failures >= o.MaxFailures {
		p.judging.settled = true
		return false
	}
	if p.judging.options.All || p.judging.first < 0 || p.judging.total.Runs+p.runs() < settleRuns+settleFactor*p.judging.first {
		return true
	}
	p.judging.settled = true
	return false
}

// failure makes a failure of a case, and judges the case again: a checker that
// changes its mind is flaky.
func (p *exploration) failure(c *cube, v oracle.Violation) *Failure {
	if free := p.plan.Free(); free != p.plan && len(p.past) == 0 {
		return p.onFreePlan(free, c, v)
	}
	f := &Failure{
		Kind: v.Kind, Violations: c.Outcome.violations, How: p.how,
		Crash: Crash{Plan: p.plan, After: p.plan.After(c.Point), Lost: p.lostOf(c), point: c.Point},
		Marks: p.marks(c.Point), Stack: c.Outcome.stack, fault: p.fault, damage: p.pool.damage,
	}
	pinned, err := p.plan.Pin(c.Point, f.Lost)
	if err != nil {
		panic("crashsim: bug: a case that was judged is no legal cut: " + err.Error())
	}
	below := p.box.Below()
	var steps []persist.Step
	if v.Kind != oracle.Hung && !p.judging.late() {
		again := p.pool.once(c.Point, pinned.Join(below))
		steps = again.Steps
		if got := kindsOf(again.Outcome); !again.Skipped && !slices.Equal(got, kindsOf(c.Outcome)) {
			p.judging.note("the checker is flaky: the same case gave %v, and %v when judged again", kindsOf(c.Outcome), got)
		}
	}
	f.Pair = p.blame(f, pinned.Join(below), steps)
	if len(p.past) == 0 {
		f.needless = p.wrongAtEnd(f)
		f.Story = tellStory(f, v)
		return f
	}
	f.Again = []Crash{f.Crash}
	for i := len(p.past) - 1; i >= 0; i-- {
		// What the last run read of the disk decides what the crashes before lost.
		past := p.past[i]
		box := past.Plan.NewBox()
		if past.seat != nil {
			box.Seat(past.seat)
		}
		box.Move(past.point)
		box.RestrictTo(below)
		past.Lost, below = box.Lost(), box.Below()
		past.Plan = past.Plan.Free()
		f.Crash, f.Again = past, append([]Crash{past}, f.Again...)
	}
	f.Again = f.Again[1:]
	f.Story = show.Line(tellAgain(f, v))
	return f
}

// onFreePlan makes a failure of a case that was found among some of the cuts of a plan: what is
// to blame for it is asked among all of them.
func (p *exploration) onFreePlan(free *persist.Plan, c *cube, v oracle.Violation) *Failure {
	all := *p
	all.plan, all.pool, all.box = free, p.pool.later(free, nil), free.NewBox()
	all.pool.damage = p.pool.damage
	part, err := free.Pin(c.Point, p.lostOf(c))
	if err != nil {
		panic("crashsim: bug: a case of some of the cuts is none of all of them: " + err.Error())
	}
	return all.failure(&cube{Point: c.Point, Part: part, Losses: c.Losses, Outcome: c.Outcome}, v)
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
	return slices.Contains(kindsOf(p.pool.once(last, persist.Part{}).Outcome), f.Kind)
}

// blame finds the pair to blame for a failure; cut is its case, and steps what the
// checker read of it.
func (p *exploration) blame(f *Failure, cut persist.Part, steps []persist.Step) *blame.Pair {
	switch {
	case len(f.Lost) == 0:
		return nil
	case f.Kind == oracle.Hung: // each case would take as long
		return &blame.Pair{Lost: f.Lost[0]}
	}
	late := false
	wrong := func(point int, part persist.Part) []oracle.Violation {
		if late = late || p.judging.late(); late {
			return []oracle.Violation{{Kind: f.Kind}} // nothing more is found out
		}
		return p.pool.wrong(point, part)
	}
	pair := blame.Find(
		blame.Case{Plan: p.plan, Seat: p.pool.seat, Point: f.point, Cut: cut, Kind: f.Kind, Lost: f.Lost, Read: steps}, wrong)
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

// noteStrange notes that the checker does not read in one order.
func (p *exploration) noteStrange(odd *search.Strange) {
	p.judging.note("the checker is not deterministic: after the same reads it read %s where it had read %s before; runs were not shared",
		readNames(p.plan, odd.Read, odd.Expected), readNames(p.plan, odd.Expected, odd.Read))
}
