package persist_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/model"
	"github.com/crashsim/crashsim/faultfs/persist"
	"github.com/crashsim/crashsim/runner"
)

// searchSteps bounds the slow search of one program under one model. What has
// more cuts is not compared.
const searchSteps = 3_000

// lines returns the cases of a trace as the fast code lists them.
func lines(t require.TestingT, trace *faultfs.Trace, m model.Model) []string {
	states, err := runner.States(context.Background(), trace, m)
	require.NoError(t, err)
	lines := make([]string, len(states))
	for i, s := range states {
		lines[i], err = s.Line()
		require.NoError(t, err)
	}
	return lines
}

// same requires that two sorted lists of cases are the same, and says of the
// smallest case in only one of them which one it is.
func same(t require.TestingT, want, got []string, m model.Model, trace *faultfs.Trace) {
	if slices.Equal(want, got) {
		return
	}
	subset(t, want, got, "missing", m, trace)
	subset(t, got, want, "too much", m, trace)
}

// subset requires that each case of a list is in another one.
func subset(t require.TestingT, part, whole []string, what string, m model.Model, trace *faultfs.Trace) {
	for _, line := range part {
		if _, found := slices.BinarySearch(whole, line); !found {
			require.Fail(t, what, "%.300s\n%s\n%s", line, m, trace.Text())
		}
	}
}

// models are the presets, as they are where the grid is that of pages and with
// small units where it is smaller, and some drawn models.
func models(t *rapid.T, grid int64, drawn int) []model.Model {
	var models []model.Model
	for _, p := range model.Presets() {
		m := p.Model
		if grid < m.Unit {
			m.Unit, m.Block = grid, 2*grid
		}
		models = append(models, m)
	}
	for range drawn {
		models = append(models, drawModel(t, grid))
	}
	return models
}

// compared counts what the comparison with the slow definition did.
type compared struct{ cases, tooMany int }

func (c *compared) compare(t *rapid.T, trace *faultfs.Trace, m model.Model) {
	want, err := slowStates(trace, m, searchSteps)
	if errors.Is(err, errTooMany) {
		c.tooMany++
		return
	}
	c.cases++
	require.NoError(t, err)
	same(t, want.lines, lines(t, trace, m), m, trace)
	count, exact := persist.Lower(trace, m).Count(context.Background())
	if exact {
		require.Equal(t, fmt.Sprint(want.cuts), count.String(), "%s\n%s", m, trace.Text())
	} else {
		require.GreaterOrEqual(t, count.Int64(), int64(want.cuts))
	}
}

// Where syncs fail and lose data: what is clean then, what goes back to what
// the disk holds, and what later syncs are worth.
func TestStatesAgreeWithTheSlowDefinitionWhereSyncsLoseData(t *testing.T) {
	for _, grid := range grids {
		t.Run(fmt.Sprintf("grid=%d", grid), func(t *testing.T) {
			t.Parallel()
			var c compared
			rapid.Check(t, func(t *rapid.T) {
				trace := drawFaultyTrace(t, grid, 6)
				if rapid.IntRange(0, 3).Draw(t, "overlap") == 0 {
					trace = overlap(t, trace)
				}
				for _, m := range models(t, grid, 4) {
					c.compare(t, trace, m)
				}
			})
			t.Logf("%d programs under a model compared, %d with too many cuts", c.cases, c.tooMany)
			require.Greater(t, c.cases, c.tooMany, "most programs must be small enough")
		})
	}
}

func TestStatesAgreeWithTheSlowDefinition(t *testing.T) {
	for _, grid := range grids {
		for _, overlapping := range []bool{false, true} {
			t.Run(fmt.Sprintf("grid=%d,overlapping=%v", grid, overlapping), func(t *testing.T) {
				t.Parallel()
				var c compared
				rapid.Check(t, func(t *rapid.T) {
					trace := drawTrace(t, grid, 5)
					if overlapping {
						trace = overlap(t, trace)
					}
					for _, m := range models(t, grid, 4) {
						c.compare(t, trace, m)
					}
				})
				t.Logf("%d programs under a model compared, %d with too many cuts", c.cases, c.tooMany)
				require.Greater(t, c.cases, c.tooMany, "most programs must be small enough")
			})
		}
	}
}

// Where writes are stores into maps that were seen at once: also where ops overlap, and
// where a sync loses what was stored.
func TestStatesAgreeWithTheSlowDefinitionWhereStoresAreSeenAtOnce(t *testing.T) {
	for _, grid := range grids {
		t.Run(fmt.Sprintf("grid=%d", grid), func(t *testing.T) {
			t.Parallel()
			var c compared
			rapid.Check(t, func(t *rapid.T) {
				draw := rapid.SampledFrom([]func(*rapid.T, int64, int) *faultfs.Trace{drawTrace, drawFaultyTrace}).Draw(t, "draw")
				trace := draw(t, grid, 5)
				if rapid.IntRange(0, 3).Draw(t, "overlap") == 0 {
					trace = overlap(t, trace)
				}
				trace = looked(t, trace)
				for _, m := range models(t, grid, 4) {
					c.compare(t, trace, m)
				}
			})
			t.Logf("%d programs under a model compared, %d with too many cuts", c.cases, c.tooMany)
			require.Greater(t, c.cases, c.tooMany, "most programs must be small enough")
		})
	}
}
