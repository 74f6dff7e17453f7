package persist_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/persist"
)

// lowered is all that can be asked of a plan.
func lowered(plan *persist.Plan) (lines []string) {
	say := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	for op := range plan.Trace().Ops {
		for _, e := range plan.Effects(faultfs.OpNum(op)) {
			say("%v %s %s", e, plan.What(e), plan.Name(e.Cell))
		}
	}
	for point := range plan.Points() {
		say("after %d %q", plan.After(point), plan.Marks(point))
		plan.EachRise(point, func(cell persist.Cell, high bool, to persist.Version) { say("%d %t %d", cell, high, to) })
	}
	cuts, exact := plan.Count(context.Background())
	say("%s %t", cuts, exact)
	return lines
}

func TestAnEditThatChangesNothingLowersToTheSamePlan(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		grid := drawGrid(t)
		trace := drawFaultyTrace(t, grid, 12)
		model := drawModel(t, grid)
		e := trace.Edit()
		require.NoError(t, e.KeepAll(faultfs.OpNum(len(trace.Ops)-1)))
		again := e.Trace()
		require.Equal(t, trace.Ops, again.Ops)
		require.Equal(t, lowered(persist.Lower(trace, model)), lowered(persist.Lower(again, model)))
	})
}
