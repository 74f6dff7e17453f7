package search

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/persist"
	"github.com/crashsim/crashsim/runner/internal/drawn"
)

// By the slow definition, the case in which some effects are missing is the one of
// all cuts without them that loses least; it is unique, since the cuts form a lattice.
func TestTornWritesAreJudgedAsBruteForceJudgesThem(t *testing.T) {
	found := 0
	onEveryCut(t, func(t *rapid.T, plan *persist.Plan, check drawn.Checker, cuts []drawn.Cut) {
		var cubes []Cube[uint64]
		s := New(plan, Options[uint64]{Run: onDisks(plan, check, inOrder), Visit: func(c *Cube[uint64]) bool {
			cubes = append(cubes, c.Kept())
			return true
		}})
		require.True(t, s.Torn(context.Background(), 0, plan.Points()))
		outcomes := outcomesOf(cuts)
		judged := func(point int, least *drawn.Cut) {
			within := false
			for i := range cubes {
				c := &cubes[i]
				if c.Point == point && holds(plan, c)(least.Versions) {
					within = true
					require.Equal(t, outcomes(least), c.Outcome)
				}
			}
			require.True(t, within, "point %d, %v", point, least)
		}
		var writes []faultfs.OpNum
		for point := range plan.Points() {
			if op := plan.After(point); op >= 0 && plan.Trace().Ops[op].Kind == faultfs.OpWrite {
				writes = append(writes, op)
			}
			if !slices.ContainsFunc(cuts, func(c drawn.Cut) bool { return c.Point == point && !c.Again }) {
				continue // an earlier point had them all
			}
			judged(point, leastWithout(cuts, point, nil))
			for _, op := range writes {
				effects := plan.Effects(op)
				for from := range effects {
					for to := from + 1; to <= len(effects); to++ {
						if least := leastWithout(cuts, point, effects[from:to]); least != nil {
							found++
							judged(point, least)
						}
					}
				}
			}
		}
	})
	require.Positive(t, found)
}

// leastWithout returns the cut of a point without some effects that loses least.
func leastWithout(cuts []drawn.Cut, point int, effects []persist.Effect) *drawn.Cut {
	var least *drawn.Cut
	for i := range cuts {
		c := &cuts[i]
		if c.Point != point || !lacks(c, effects) {
			continue
		}
		if least == nil || sum(c) > sum(least) {
			least = c
		}
	}
	return least
}

func lacks(c *drawn.Cut, effects []persist.Effect) bool {
	for _, e := range effects {
		if c.Versions[e.Cell] >= e.Version {
			return false
		}
	}
	return true
}

func sum(c *drawn.Cut) (n persist.Version) {
	for _, v := range c.Versions {
		n += v
	}
	return n
}

// outcomesOf finds the outcome of a cut that an earlier point has, too.
func outcomesOf(cuts []drawn.Cut) func(*drawn.Cut) uint64 {
	return func(c *drawn.Cut) uint64 {
		outcome := c.Outcome
		if !c.Again {
			return outcome
		}
		for i := range cuts {
			d := &cuts[i]
			if d.Point > c.Point {
				break
			}
			if !d.Again && equal(d.Versions, c.Versions) {
				outcome = d.Outcome // the last one has the same marks
			}
		}
		return outcome
	}
}

func equal(a, b []persist.Version) bool {
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return len(a) == len(b)
}

// Which cuts are drawn depends on the seed alone, each that is judged is legal, and all
// of them can be drawn.
func TestCutsDrawnAtRandomAreJudgedAsBruteForceJudgesThem(t *testing.T) {
	onEveryCut(t, func(t *rapid.T, plan *persist.Plan, check drawn.Checker, cuts []drawn.Cut) {
		sample := func(b Budget) (cubes []Cube[uint64]) {
			s := New(plan, Options[uint64]{Run: onDisks(plan, check, inOrder), Budget: &b, Visit: func(c *Cube[uint64]) bool {
				cubes = append(cubes, c.Kept())
				return true
			}})
			s.Work(context.Background())
			require.Equal(t, len(cubes), 0)
			n := s.Sample(context.Background(), rand.New(rand.NewPCG(1, 0)), 0, plan.Points(), 20)
			require.Len(t, cubes, n)
			return cubes
		}
		outcomes := outcomesOf(cuts)
		drawn := sample(Budget{MaxLosses: -1})
		require.Len(t, drawn, 20)
		for i := range drawn {
			within := holds(plan, &drawn[i])
			for k := range cuts {
				if c := &cuts[k]; c.Point == drawn[i].Point && within(c.Versions) {
					require.Equal(t, outcomes(c), drawn[i].Outcome)
				}
			}
		}
		fewer := sample(Budget{MaxLosses: -1, MaxRuns: 2})
		require.Equal(t, drawn[:len(fewer)], fewer, "a budget ends the draws and changes none")
	})
}
