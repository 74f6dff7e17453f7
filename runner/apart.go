package runner

import (
	"context"

	"github.com/crashsim/crashsim/faultfs/persist"
	"github.com/crashsim/crashsim/oracle"
)

// This file judges promises apart that nothing ties together: the cases of all of them are
// then as many as the sum of those of each, not the product.

// apartFrom is how many parts of the disk that are not decided have to be read together, at one
// crash point, for promises to be judged apart: from here on the product is what costs.
const apartFrom = 11

// lookedAt is at how many crash points it is looked for that.
const lookedAt = 64

// together are several promises, as oracle.All makes one of them.
type together interface{ Parts() []oracle.Oracle }

// promises returns those that are judged apart, nil where all are judged together: where
// recovery reads the disk before them, what it does ties them.
func (p *exploration) promises() []oracle.Oracle {
	s, r := p.pool.scenario, p.judging.round
	all, ok := s.Oracle.(together)
	if !ok || s.Recover != nil || r == tornWrites || r == atRandom || len(all.Parts()) < 2 {
		return nil
	}
	read := make([][]persist.Cell, len(all.Parts()))
	last := p.plan.Points() - 1
	for i, o := range all.Parts() {
		pool := p.pool.of(o)
		for _, step := range pool.once(last, persist.Subset{}).Reads {
			if step.Cell >= 0 {
				read[i] = append(read[i], step.Cell)
			}
		}
	}
	box := p.plan.NewBox()
	for i := range min(lookedAt, last+1) {
		box.Move(last - i*(last+1)/lookedAt)
		if costsAProduct(box, read) {
			return all.Parts()
		}
	}
	return nil
}

// costsAProduct reports whether promises that read some cells each are better judged apart
// at the crash point of a box.
func costsAProduct(box *persist.Box, read [][]persist.Cell) bool {
	seen := map[persist.Cell]bool{}
	most, sum := 0, 0
	for _, cells := range read {
		open := 0
		for _, c := range cells {
			if b := box.Bound(c); b.Lo < b.Hi {
				open++
				seen[c] = true
			}
		}
		most, sum = max(most, open), sum+open
	}
	return len(seen) >= apartFrom && 2*most <= len(seen) && sum <= 2*len(seen)
}

// of returns a pool that asks for one promise only.
func (p *pool) of(o oracle.Oracle) *pool {
	part := *p.scenario
	part.Oracle = o
	q := p.later(p.plan, p.start)
	q.scenario, q.damage, q.measure = &part, p.damage, p.measure
	return q
}

// exploreApart judges the cases that are new from a crash point on, for each promise by itself.
func (p *exploration) exploreApart(ctx context.Context, from int, promises []oracle.Oracle) {
	j, name, large := p.judging, p.name, p.large
	for i, o := range promises {
		more := j.share(ctx, len(promises)-i, func() {
			p.part, p.name, p.large = p.pool.of(o), searchOf("promise", name, i), false
			p.search(ctx, from, nil, 0)
		})
		if !more {
			break
		}
	}
	p.part, p.name, p.large = nil, name, large
	p.apart = true
	p.tellAll()
}
