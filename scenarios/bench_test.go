package scenarios_test

import (
	"context"
	"math/big"
	"testing"

	"github.com/crashsim/crashsim/faultfs/persist"
	"github.com/crashsim/crashsim/runner"
	"github.com/crashsim/crashsim/scenarios"
)

// BenchmarkLibrary judges the whole library under every preset, and reports
// how many legal cuts a run of a checker stands for.
func BenchmarkLibrary(b *testing.B) {
	var models []persist.Model
	for _, p := range persist.Presets() {
		models = append(models, p.Model)
	}
	var cuts, runs, verdicts float64
	for b.Loop() {
		for _, s := range scenarios.All() {
			results, err := runner.Run(context.Background(), s, runner.Options{Models: models})
			if err != nil {
				b.Fatal(err)
			}
			for _, r := range results {
				n, _ := new(big.Float).SetString(r.Coverage.Cuts)
				c, _ := n.Float64()
				cuts += c
				runs += float64(r.Coverage.Runs)
				verdicts++
			}
		}
	}
	b.ReportMetric(cuts/runs, "cuts/run")
	b.ReportMetric(verdicts/float64(b.N), "verdicts/op")
}
