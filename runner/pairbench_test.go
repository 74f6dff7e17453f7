package runner

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
)

// BenchmarkPairs deals 1,000 pairs of blows of each kind, as far as there are so many, to a small
// store whose disk can be damaged.
func BenchmarkPairs(b *testing.B) {
	pairs, runs := 0, 0
	for b.Loop() {
		pairs, runs = 0, 0
		for _, s := range []Scenario{replaying(true), mirrored(true)} {
			results, err := Run(context.Background(), s, Options{Pairs: 1000})
			require.NoError(b, err)
			require.Equal(b, Keeps(), results[0].Outcome)
			pairs += results[0].Coverage.Pairs
			runs += results[0].Coverage.Runs
		}
	}
	b.ReportMetric(float64(pairs), "pairs/op")
	b.ReportMetric(float64(runs), "runs/op")
}
