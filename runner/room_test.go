package runner

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crashsim/crashsim/faultfs/persist"
)

// Where there is no room for all that waits, the search ends early, and what
// it says of the losses that it judged is exact.
func TestSearchWithoutRoomEndsWithAnExactClaim(t *testing.T) {
	s := smallFile(12)
	trace, err := Record(s)
	require.NoError(t, err)
	plan := persist.Lower(trace, persist.Default())
	byLosses := func(room int) (map[int]int, Stats) {
		p := newPool(&s, plan, &Options{Workers: 1})
		defer p.close()
		cases := map[int]int{}
		e := newExplorer(plan, p.runAll, func(c *cube[*judgement]) bool {
			cases[c.losses]++
			return true
		}, (&Options{}).budget())
		e.room = room
		e.explore(context.Background())
		return cases, e.stats
	}
	all, whole := byLosses(maxWaiting)
	require.True(t, whole.Done)
	full := 0
	for room := 1; room < 30; room++ {
		some, stats := byLosses(room)
		require.NotEqual(t, stats.Full, stats.Done)
		if !stats.Full {
			continue
		}
		full++
		require.Less(t, stats.Losses, whole.Losses)
		for losses := 0; losses <= stats.Losses; losses++ {
			require.Equal(t, all[losses], some[losses], "room %d, losses %d", room, losses)
		}
	}
	require.Greater(t, full, 5)
}
