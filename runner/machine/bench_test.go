package machine_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crashsim/crashsim/runner"
	"github.com/crashsim/crashsim/runner/machine"
	"github.com/crashsim/crashsim/testdata/kv"
)

// Programs of 10 operations of the sound store, each another one, crashed everywhere: its time
// for 2,000 of them has to stay below a minute on two processors.
func BenchmarkPrograms(b *testing.B) {
	const length, many = 10, 100
	seed := 0
	for b.Loop() {
		for range many {
			seed++
			require.NoError(b, machine.JudgeDrawn(store(kv.None), seed, length, runner.Options{}))
		}
	}
	b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N*many), "ms/program")
	b.ReportMetric(float64(2000)*b.Elapsed().Seconds()/float64(b.N*many), "s/2000-programs")
	b.Logf("%s", fmt.Sprintf("%d programs", b.N*many))
}
