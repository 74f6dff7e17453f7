package persist_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/model"
	"github.com/crashsim/crashsim/faultfs/persist"
)

// cutsOf lists the cuts between the bounds of a box that break no need; too
// many are nil.
func cutsOf(plan *persist.Plan, box *persist.Box) [][]persist.Version {
	bounds := boundsOf(plan, box)
	cuts := [][]persist.Version{{}}
	for _, b := range bounds {
		var longer [][]persist.Version
		for _, cut := range cuts {
			for v := b.Lo; v <= b.Hi; v++ {
				longer = append(longer, append(slices.Clip(cut), v))
			}
		}
		if cuts = longer; len(cuts) > 2000 {
			return nil
		}
	}
	return slices.DeleteFunc(cuts, plan.Breaks)
}

func boundsOf(plan *persist.Plan, box *persist.Box) []persist.Bound {
	bounds := make([]persist.Bound, plan.Cells())
	for id := range bounds {
		bounds[id] = box.Bound(persist.Cell(id))
	}
	return bounds
}

// kept returns the cuts that respect all bounds.
func kept(cuts [][]persist.Version, bounds ...persist.Bound) [][]persist.Version {
	return slices.DeleteFunc(slices.Clone(cuts), func(cut []persist.Version) bool {
		return slices.ContainsFunc(bounds, func(b persist.Bound) bool {
			return len(cut) > 0 && (cut[b.Cell] < b.Lo || cut[b.Cell] > b.Hi)
		})
	})
}

// requireHull requires that the bounds of a box are the least and the greatest
// versions of the cuts that it should hold.
func requireHull(t *rapid.T, plan *persist.Plan, box *persist.Box, cuts [][]persist.Version) {
	require.NotEmpty(t, cuts)
	for id, b := range boundsOf(plan, box) {
		lo, hi := cuts[0][id], cuts[0][id]
		for _, cut := range cuts {
			lo, hi = min(lo, cut[id]), max(hi, cut[id])
		}
		require.Equal(t, persist.Bound{Cell: persist.Cell(id), Lo: lo, Hi: hi}, b)
	}
}

// drawPlan draws a program under a model, and a crash point of it, with few
// enough cuts to list.
func drawPlan(t *rapid.T) (plan *persist.Plan, point int) {
	grid := drawGrid(t)
	trace := drawTrace(t, grid, 6)
	if rapid.Bool().Draw(t, "overlap") {
		trace = overlap(t, trace)
	}
	plan = persist.Lower(trace, drawModel(t, grid))
	return plan, rapid.IntRange(0, plan.Points()-1).Draw(t, "point")
}

func drawBound(t *rapid.T, plan *persist.Plan) persist.Bound {
	id := persist.Cell(rapid.IntRange(0, plan.Cells()-1).Draw(t, "cell"))
	newest := int32(plan.Newest(id))
	lo, hi := rapid.Int32Range(0, newest).Draw(t, "lo"), rapid.Int32Range(0, newest).Draw(t, "hi")
	return persist.Bound{Cell: id, Lo: persist.Version(lo), Hi: persist.Version(hi)}
}

// A box is never empty, and its bounds say exactly which cuts it holds.
func TestBoxHoldsTheCutsThatItsBoundsAllow(t *testing.T) {
	t.Parallel()
	listed, tooMany := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		plan, point := drawPlan(t)
		box := plan.NewBox()
		box.Move(point)
		cuts := cutsOf(plan, box)
		if cuts == nil {
			tooMany++
		}
		if cuts == nil || plan.Cells() == 0 {
			return
		}
		listed++
		for range 8 {
			requireHull(t, plan, box, cuts)
			bound := drawBound(t, plan)
			switch left := kept(cuts, bound); rapid.IntRange(0, 2).Draw(t, "do") {
			case 0:
				before := box.Losses()
				losses, ok := box.Try(bound)
				require.Equal(t, len(left) > 0, ok)
				if ok {
					require.Equal(t, lost(plan, point, left), losses)
				}
				require.Equal(t, before, box.Losses())
			case 1:
				require.Equal(t, len(left) > 0, box.Restrict(bound))
				if len(left) > 0 {
					cuts = left
				}
			default:
				cuts = choose(t, plan, box, bound.Cell, cuts)
			}
			require.Equal(t, lost(plan, point, cuts), box.Losses())
		}
		box.Widen()
		require.Equal(t, cutsOf(plan, box), cutsAt(plan, point))
	})
	require.Greater(t, listed, tooMany, "most programs must be small enough")
}

// choose lets a box choose and returns the cuts that it should still hold.
func choose(t *rapid.T, plan *persist.Plan, box *persist.Box, id persist.Cell, cuts [][]persist.Version) [][]persist.Version {
	newest := box.Bound(id).Hi
	_, taken, split := box.Choose(id)
	left, older := kept(cuts, taken), kept(cuts, taken.Older())
	require.Len(t, cuts, len(left)+len(older), "what is taken and what is older is all there is")
	require.Equal(t, split, len(older) > 0)
	require.Equal(t, newest, taken.Hi, "the newest version is taken")
	for _, cut := range left {
		require.True(t, plan.Same(id, cut[id], newest))
	}
	for _, cut := range older {
		if split && cut[id] == taken.Lo-1 {
			require.False(t, plan.Same(id, cut[id], newest))
		}
	}
	return left
}

func cutsAt(plan *persist.Plan, point int) [][]persist.Version {
	box := plan.NewBox()
	box.Move(point)
	return cutsOf(plan, box)
}

// lost counts the effects that the running program saw at a point and that the
// newest of some cuts lacks.
func lost(plan *persist.Plan, point int, cuts [][]persist.Version) int {
	box := plan.NewBox()
	box.Move(point)
	n := 0
	for id, b := range boundsOf(plan, box) {
		newest := b.Lo
		for _, cut := range cuts {
			newest = max(newest, cut[id])
		}
		n += int(b.Hi - newest)
	}
	return n
}

func TestMovesLeadBackToTheSameBox(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		plan, _ := drawPlan(t)
		box := plan.NewBox()
		for range 10 {
			to := rapid.IntRange(0, plan.Points()-1).Draw(t, "to")
			box.Move(to)
			fresh := plan.NewBox()
			for point := range to + 1 {
				fresh.Move(point)
			}
			require.Equal(t, boundsOf(plan, fresh), boundsOf(plan, box))
			require.Equal(t, to, box.Point())
			require.Zero(t, box.Losses())
			require.Empty(t, box.Lost())
			if plan.Cells() > 0 {
				box.Restrict(drawBound(t, plan))
				box.Choose(drawBound(t, plan).Cell)
			}
		}
	})
}

// The parts of a crash point's box that are new there are disjoint, and are
// all that was not there at the point before.
func TestFreshPartsAreTheCutsNotSeenBefore(t *testing.T) {
	t.Parallel()
	listed, tooMany := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		plan, point := drawPlan(t)
		here := cutsAt(plan, point)
		if here == nil {
			tooMany++
			return
		}
		known := map[string]bool{}
		if point > 0 && len(plan.Marks(point)) == len(plan.Marks(point-1)) {
			before := cutsAt(plan, point-1)
			if before == nil {
				return
			}
			for _, cut := range before {
				known[asJSON(cut)] = true
			}
		}
		listed++
		box := plan.NewBox()
		box.Move(point)
		found := map[string]bool{}
		plan.NewBox().Fresh(point, func(subset persist.Subset, losses int) {
			require.True(t, box.RestrictTo(subset), "an empty part")
			require.Equal(t, box.Losses(), losses)
			for _, cut := range cutsOf(plan, box) {
				require.False(t, found[asJSON(cut)], "in two parts")
				found[asJSON(cut)] = true
			}
			box.Widen()
		})
		for _, cut := range here {
			require.Equal(t, !known[asJSON(cut)], found[asJSON(cut)])
			delete(found, asJSON(cut))
		}
		require.Empty(t, found)
	})
	require.Greater(t, listed, tooMany, "most programs must be small enough")
}

// The lost effects of a box are what its newest cut lacks, and pinning them
// leads back to that cut.
func TestLostEffectsNameACut(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		plan, point := drawPlan(t)
		box, pinned := plan.NewBox(), plan.NewBox()
		box.Move(point)
		live := boundsOf(plan, box)
		for range 6 {
			if plan.Cells() == 0 {
				break
			}
			box.Restrict(drawBound(t, plan))
			var want []persist.Effect
			for id, b := range boundsOf(plan, box) {
				for op := range plan.Trace().Ops {
					for _, e := range plan.Effects(faultfs.OpNum(op)) {
						if int(e.Cell) == id && e.Version > b.Hi && e.Version <= live[id].Hi {
							want = append(want, e)
						}
					}
				}
			}
			require.ElementsMatch(t, want, box.Lost())
			require.Len(t, want, box.Losses())
			subset, err := plan.Pin(point, box.Lost())
			require.NoError(t, err)
			pinned.Move(point)
			require.True(t, pinned.RestrictTo(subset))
			for id, b := range boundsOf(plan, pinned) {
				newest := box.Bound(persist.Cell(id)).Hi
				require.Equal(t, persist.Bound{Cell: persist.Cell(id), Lo: newest, Hi: newest}, b)
			}
		}
	})
}

func TestPinRefusesWhatTheModelForbids(t *testing.T) {
	trace := parse(t, "create /a\ncreate /b\nfsync /\ncreate /c\nchmod /c 0600\nchmod /c 0640\n")
	plan := persist.Lower(trace, model.MustParse("posix,names=journal"))
	end := plan.Points() - 1
	for _, tc := range []struct {
		name string
		lost []persist.Effect
		want string
	}{
		{"made durable", plan.Effects(0), "the model does not allow that these effects are lost and the others are not"},
		{"needed by another", plan.Effects(3), "the model does not allow that these effects are lost and the others are not"},
		{"not the newest of its cell", plan.Effects(4), "the lost effects are not the newest of their cells"},
		{"not there", []persist.Effect{{Op: 1, Cell: 0, Version: 9}}, "effect 0 of op 1 is not there to be lost"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := plan.Pin(end, tc.lost)
			require.EqualError(t, err, tc.want)
		})
	}
}
