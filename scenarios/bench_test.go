package scenarios_test

import (
	"context"
	"math/big"
	"testing"

	"github.com/crashsim/crashsim/faultfs/model"
	"github.com/crashsim/crashsim/runner"
	"github.com/crashsim/crashsim/scenarios"
)

// BenchmarkLibrary judges the whole library under every preset, and reports
// how many legal cuts a run of a checker stands for.
func BenchmarkLibrary(b *testing.B) { benchmarkLibrary(b, runner.Options{}) }

// BenchmarkSweep judges it with each single fault.
func BenchmarkSweep(b *testing.B) { benchmarkLibrary(b, runner.Options{Sweep: true}) }

func benchmarkLibrary(b *testing.B, o runner.Options) {
	var models []model.Model
	for _, p := range model.Presets() {
		models = append(models, p.Model)
	}
	o.Models = models
	var cuts, runs, verdicts, faults float64
	for b.Loop() {
		for _, s := range scenarios.All() {
			results, err := runner.Run(context.Background(), s, o)
			if err != nil {
				b.Fatal(err)
			}
			for _, r := range results {
				n, _ := new(big.Float).SetString(r.Coverage.Cuts)
				c, _ := n.Float64()
				cuts += c
				runs += float64(r.Coverage.Runs)
				faults += float64(r.Coverage.Faults)
				verdicts++
			}
		}
	}
	b.ReportMetric(cuts/runs, "cuts/run")
	b.ReportMetric(verdicts/float64(b.N), "verdicts/op")
	b.ReportMetric(faults/float64(b.N), "faults/op")
}
