package runner

import (
	"cmp"
	"context"
	"math/big"
	"slices"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/persist"
	"github.com/crashsim/crashsim/runner/internal/search"
)

// exploration judges the crash states of one plan, for a pass.
type exploration struct {
	judging *judging
	plan    *persist.Plan
	pool    *pool
	part    *pool // that asks for one of the promises only, while they are judged apart; nil: for all
	apart   bool  // they were
	box     *persist.Box
	how     string // what happened besides the power cut, "" for nothing
	fault   *faultfs.Fault
	other   *faultfs.Fault // in the same run
	inLife  *faultfs.Fault // in recovery, before the crash of it
	past    []Crash        // the crashes before the last life
	open    []*candidates  // cases that are wrong, and are not blamed yet, by ground
	places  *places        // of the ops of the plan, once they are asked for
	boxes   []search.Job   // parts whose recovery changed the disk, to be crashed again
	changed []search.Job   // the same, kept for pairs of blows
	runs    func() int     // of this exploration so far

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

// explore judges the cases that are new from a crash point on, and makes failures of those that
// are wrong.
func (p *exploration) explore(ctx context.Context, from int, tree *search.Tree[*judgement], losses int) *search.Search[*judgement] {
	s := p.search(ctx, from, tree, losses)
	p.tellAll()
	return s
}

// search judges the cases that are new from a crash point on.
func (p *exploration) search(ctx context.Context, from int, tree *search.Tree[*judgement], losses int) *search.Search[*judgement] {
	budget, pool := p.judging.left(losses), p.pool
	if p.part != nil {
		pool = p.part
	}
	options := search.Options[*judgement]{
		Run: p.judging.scenario.memory.around(pool, p.name), Workers: pool.workers, Visit: p.counting(p.visit), Budget: budget,
		Start: p.pool.start, Tree: tree,
		Again: func(before, again *judgement) {
			if !slices.Equal(kindsOf(before), kindsOf(again)) {
				p.flaky("disks on which it read the same", before, again)
			}
		},
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
	p.box.StartFrom(p.pool.start)
	p.runs = func() int { return s.Stats().Runs }
	p.work(ctx, s, from, losses)
	p.runs = func() int { return 0 }
	if p.judging.round == byLosses {
		p.judging.total.Cases += s.Stats().Cases
	}
	p.judging.total.Runs += s.Stats().Runs
	if s.Strange() != nil {
		p.judging.wavers = true
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
			p.boxes = append(p.boxes, search.Job{Point: c.Point, Subset: c.Whole()})
		}
		return p.goesOn()
	}
	for _, v := range c.Outcome.violations {
		p.isWrong(c, v)
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

func (p *exploration) goesOn() bool {
	if o := p.judging.options; o.First && p.judging.first >= 0 || o.MaxFailures > 0 && p.judging.failures >= o.MaxFailures {
		p.judging.allFound = true
		return false
	}
	if p.judging.options.All || p.judging.first < 0 || p.judging.total.Runs+p.runs() < furtherRuns+furtherFactor*p.judging.first {
		return true
	}
	p.judging.allFound = true
	return false
}
