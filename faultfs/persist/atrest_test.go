package persist_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/model"
	"github.com/crashsim/crashsim/faultfs/persist"
)

// What is at rest at a crash point, by the slow definition: the units of which
// the oldest version that a cut may have is not the one of before the run, or
// was there before it.
func slowAtRest(trace *faultfs.Trace, m model.Model) []string {
	law := newLaw(newSlow(trace, m), searchSteps)
	moments := []faultfs.Edge{0}
	for _, op := range trace.Ops {
		moments = append(moments, op.Begin, op.End)
	}
	var rests []string
	for cell, versions := range law.cells {
		if cell.kind != "data" {
			continue
		}
		for _, moment := range moments {
			low := 0
			if i, changed := law.index[cell]; changed {
				bounds, _ := law.bounds(moment)
				low = bounds[i]
			}
			if data := trimZeros(versions[low].data); data != "" {
				rests = append(rests, fmt.Sprintf("%d %d %q", cell.ino, cell.unit*law.model.Unit, data))
			}
		}
	}
	slices.Sort(rests)
	return slices.Compact(rests)
}

func trimZeros(s string) string {
	for len(s) > 0 && s[len(s)-1] == 0 {
		s = s[:len(s)-1]
	}
	return s
}

func TestAtRestIsWhatTheSlowDefinitionSays(t *testing.T) {
	found := 0
	rapid.Check(t, func(t *rapid.T) {
		grid := rapid.SampledFrom(grids).Draw(t, "grid")
		trace := drawFaultyTrace(t, grid, 8)
		for _, m := range models(t, grid, 2) {
			plan := persist.Lower(trace, m)
			var got []string
			plan.EachAtRest(func(ino faultfs.Ino, off int64, data []byte, from, to int) {
				require.Less(t, from, to)
				require.LessOrEqual(t, to, plan.Points())
				got = append(got, fmt.Sprintf("%d %d %q", ino, off, data))
			})
			slices.Sort(got)
			got = slices.Compact(got)
			require.Equal(t, slowAtRest(trace, m), got, "%s\n%s", m, trace.Text())
			found += len(got)
		}
	})
	require.Positive(t, found)
}

// While data is at rest, every cut that is there at its first crash point holds
// it.
func TestWhatIsAtRestIsOnTheDisk(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		grid := rapid.SampledFrom(grids).Draw(t, "grid")
		trace := drawTrace(t, grid, 8)
		for _, m := range models(t, grid, 2) {
			plan := persist.Lower(trace, m)
			disk := plan.NewDisk()
			plan.EachAtRest(func(ino faultfs.Ino, off int64, data []byte, from, _ int) {
				disk.Begin(from, persist.Subset{})
				// The oldest cut: each choice taken back as far as it goes.
				box := disk.Box()
				for id := range persist.Cell(plan.Cells()) {
					if b := box.Bound(id); b.Lo < b.Hi {
						b.Hi = b.Lo
						require.True(t, box.Restrict(b))
					}
				}
				buf := make([]byte, len(data))
				disk.ReadAt(ino, buf, off)
				require.Equal(t, data, buf, "%s\n%s", m, trace.Text())
			})
		}
	})
}
