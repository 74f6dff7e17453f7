package runner

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A test that sets no budget of memory has one, and one that does keeps it.
func TestATestHasABudgetOfMemory(t *testing.T) {
	for _, c := range []struct{ set, want int64 }{{0, testMemory}, {1 << 20, 1 << 20}, {2 * testMemory, 2 * testMemory}} {
		for _, runs := range []int{0, 7} {
			o := Options{MaxMemory: c.set, MaxRuns: runs}
			o.inTest()
			require.Equal(t, c.want, o.MaxMemory)
		}
	}
}
