package search

import (
	"context"
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
		for point := range plan.Points() {
			op := plan.After(point)
			if op < 0 || plan.Trace().Ops[op].Kind != faultfs.OpWrite {
				continue
			}
			effects := plan.Effects(op)
			for from := range effects {
				for to := from + 1; to <= len(effects); to++ {
					least := leastWithout(cuts, point, effects[from:to])
					if least == nil {
						continue
					}
					found++
					within := false
					for i := range cubes {
						c := &cubes[i]
						if c.Point == point && holds(plan, c)(least.Versions) {
							within = true
							require.Equal(t, outcomes(least), c.Outcome)
						}
					}
					require.True(t, within, "point %d without %v", point, effects[from:to])
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
