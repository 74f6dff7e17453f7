package search

import (
	"context"
	"fmt"
	"testing"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/require"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/model"
	"github.com/crashsim/crashsim/faultfs/persist"
	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner/internal/drawn"
)

// Where there is no room for all that waits, the search ends early, and what
// it says of the losses that it judged is exact.
func TestSearchWithoutRoomEndsWithAnExactClaim(t *testing.T) {
	plan := persist.Lower(drawn.Parsed(t, `
create /f
write /f 0 "aaaa"
fsync /f
write /f 2 "bb"
create /g
write /g 0 "cccccccc"
rename /f /g
truncate /g 2
create /h
mark one
link /g /i
write /i 1 "dddd"
`), model.Default())
	byLosses := func(room int) (map[int]int, Stats) {
		cases := map[int]int{}
		e := New(plan, Options[uint64]{Run: onDisks(plan, readAll, inOrder), Visit: func(c *Cube[uint64]) bool {
			cases[c.Losses]++
			return true
		}})
		e.capacity = room
		e.Explore(context.Background())
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

// readAll reads every file in the root.
func readAll(disk *faultfs.FS, marks oracle.Marks) uint64 {
	seen := fmt.Sprint(marks.All())
	for _, name := range drawn.Entries(disk, "/") {
		data, err := afero.ReadFile(disk, "/"+name)
		seen += fmt.Sprintf("%s %q %v\n", name, data, err)
	}
	return drawn.Mix(0, seen)
}
