package runner

import (
	"context"
	"fmt"
	"math/big"

	"github.com/crashsim/crashsim/runner/internal/search"
	"github.com/crashsim/crashsim/runner/show"
)

// This file proves by counting that nothing is missing: the cuts of all parts that were
// judged must add up to the legal cuts of the plan, which are counted without the search.

// proof is what counting has shown.
type proof struct {
	boxes int      // parts judged
	held  *big.Int // their cuts
	legal *big.Int
	open  bool // a search did not come to its end, or could not be counted
}

// counting returns a visitor that counts the cuts of what it is shown, where that is asked
// for. Later lives, and disks that are damaged, have no count to be held against.
func (p *exploration) counting(visit func(*cube) bool) func(*cube) bool {
	if !p.judging.options.Merge || p.judging.round != byLosses || len(p.past) > 0 || p.pool.damage != nil {
		return visit
	}
	p.held, p.scale = new(big.Int), p.plan.NewBox()
	return func(c *cube) bool {
		p.scale.Move(c.Point)
		p.scale.RestrictTo(c.Subset)
		for _, t := range c.Taken {
			p.scale.Restrict(t)
		}
		cuts, exact := p.scale.Count()
		p.held.Add(p.held, cuts)
		p.judging.proof.open = p.judging.proof.open || !exact
		p.judging.proof.boxes++
		return visit(c)
	}
}

// prove holds the cuts of what was judged against those that are legal.
func (p *exploration) prove(ctx context.Context, stats search.Stats, from int) {
	if p.held == nil {
		return
	}
	all, exact := p.plan.Count(ctx)
	before, alsoExact := p.plan.CountBefore(ctx, from)
	legal := new(big.Int).Sub(all, before)
	sum := &p.judging.proof
	if sum.held == nil {
		sum.held, sum.legal = new(big.Int), new(big.Int)
	}
	sum.held.Add(sum.held, p.held)
	sum.legal.Add(sum.legal, legal)
	switch {
	case !exact || !alsoExact || !stats.Done || sum.open:
		sum.open = true
	case legal.Cmp(p.held) != 0:
		p.judging.scenario.lacks(fmt.Errorf("crashsim: bug: the parts that were judged hold %s cuts, and %s are legal", p.held, legal))
	}
	p.held = nil
}

// Proof says in one sentence what counting has shown of results that were merged, "" where
// nothing was counted.
func (r *Result) Proof() string {
	p := r.proof
	switch {
	case p.held == nil:
		return ""
	case p.open:
		return fmt.Sprintf("%s judged hold %s of %s cuts: not everything was judged, or could be counted",
			show.Count(p.boxes, "part"), show.Number(p.held.String()), show.Number(p.legal.String()))
	}
	return fmt.Sprintf("%s judged hold %s cuts, as many as are legal", show.Count(p.boxes, "part"), show.Number(p.held.String()))
}
