package persist_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/persist"
)

// wholeFiles reports, by the definition, whether each file is whole or untouched.
func wholeFiles(plan *persist.Plan, box *persist.Box, cut []persist.Version) bool {
	const untouched, whole = 1, 2
	may := map[int]int{}
	for i, v := range cut {
		b, file := box.Bound(persist.Cell(i)), plan.FileOf(persist.Cell(i))
		if _, known := may[file]; !known {
			may[file] = untouched | whole
		}
		if v != b.Lo {
			may[file] &^= untouched
		}
		if v != b.Hi {
			may[file] &^= whole
		}
		if may[file] == 0 {
			return false
		}
	}
	return true
}

// wholeOps reports, by the definition, whether each op is there as a whole or not at all.
func wholeOps(plan *persist.Plan, cut []persist.Version) bool {
	for op := range plan.Trace().Ops {
		there, effects := 0, plan.Effects(faultfs.OpNum(op))
		for _, e := range effects {
			if e.Version <= cut[e.Cell] {
				there++
			}
		}
		if there > 0 && there < len(effects) {
			return false
		}
	}
	return true
}

func overlaps(trace *faultfs.Trace) bool {
	for i := range trace.Ops {
		for j := range i {
			if trace.Ops[j].End > trace.Ops[i].Begin && trace.Ops[i].End > trace.Ops[j].Begin {
				return true
			}
		}
	}
	return false
}

// chosen lists the cuts of a plan at a point that can be chosen, one cell after the other.
func chosen(plan *persist.Plan, point int) [][]persist.Version {
	box := plan.NewBox()
	cuts := [][]persist.Version{{}}
	for id := range persist.Cell(plan.Cells()) {
		var longer [][]persist.Version
		for _, cut := range cuts {
			box.Move(point)
			for i, v := range cut {
				box.Restrict(persist.Bound{Cell: persist.Cell(i), Lo: v, Hi: v})
			}
			for v := box.Bound(id).Lo; v <= box.Bound(id).Hi; v++ {
				if _, ok := box.Try(persist.Bound{Cell: id, Lo: v, Hi: v}); ok {
					longer = append(longer, append(slices.Clip(cut), v))
				}
			}
		}
		cuts = longer
	}
	return cuts
}

func TestWholePlansHaveTheCutsThatTheirDefinitionNames(t *testing.T) {
	compared, fewer := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		plan, point := drawPlan(t)
		all := cutsAt(plan, point)
		if all == nil {
			return
		}
		box := plan.NewBox()
		box.Move(point)
		files, ops := plan.WholeFiles(), plan.WholeOps()
		require.Same(t, plan, files.Free())
		var want [][]persist.Version
		for _, cut := range all {
			if wholeFiles(plan, box, cut) {
				want = append(want, cut)
			}
		}
		require.ElementsMatch(t, want, chosen(files, point))
		compared++
		if len(want) < len(all) {
			fewer++
		}
		want = nil
		for _, cut := range all {
			if wholeOps(plan, cut) {
				want = append(want, cut)
			}
		}
		got := chosen(ops, point)
		if overlaps(plan.Trace()) { // such ops are free
			require.Subset(t, all, got)
			require.Subset(t, got, want)
		} else {
			require.ElementsMatch(t, want, got)
		}
	})
	t.Logf("%d plans, %d with fewer cuts", compared, fewer)
	require.Positive(t, fewer)
}

// Choices in a box of whole files or ops divide its cuts as they do in any other.
func TestChoicesDivideWholePlans(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		plan, point := drawPlan(t)
		if cutsAt(plan, point) == nil || plan.Cells() == 0 {
			return
		}
		if rapid.Bool().Draw(t, "by file") {
			plan = plan.WholeFiles()
		} else {
			plan = plan.WholeOps()
		}
		cuts := chosen(plan, point)
		if len(cuts) == 0 {
			return
		}
		box := plan.NewBox()
		box.Move(point)
		for range rapid.IntRange(1, 6).Draw(t, "choices") {
			id := persist.Cell(rapid.IntRange(0, plan.Cells()-1).Draw(t, "cell"))
			cuts = choose(t, plan, box, id, cuts)
			requireHull(t, plan, box, cuts)
		}
		box.Widen()
		requireHull(t, plan, box, chosen(plan, point))
	})
}
