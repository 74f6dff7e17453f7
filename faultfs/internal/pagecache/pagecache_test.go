package pagecache_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crashsim/crashsim/faultfs/internal/pagecache"
)

func TestSizeFallsBackBeforeLostPagesAtTheEnd(t *testing.T) {
	for _, tc := range []struct {
		size, synced int64
		lost         []int64
		want         int64
	}{
		{10000, 0, nil, 10000},
		{10000, 0, []int64{2}, 8192},
		{10000, 0, []int64{1, 2}, 4096},
		{10000, 0, []int64{0, 2}, 8192}, // lost pages elsewhere leave the size alone
		{10000, 0, []int64{0, 1, 2}, 0},
		{10000, 5000, []int64{0, 1, 2}, 5000}, // not below what was synced
		{10000, 10000, []int64{2}, 10000},
		{8192, 0, []int64{1}, 4096},
		{0, 0, []int64{0}, 0},
		{100, 200, []int64{0}, 100}, // a file that was cut since is not made longer
	} {
		isLost := func(page int64) bool {
			for _, p := range tc.lost {
				if p == page {
					return true
				}
			}
			return false
		}
		require.Equal(t, tc.want, pagecache.SizeAfterLoss(tc.size, tc.synced, isLost), "%+v", tc)
	}
}
