package runner_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner"
)

// BenchmarkWithoutVersions judges a program that saves a file 50 times, with an oracle that
// asks the running program, and says how many runs of the checker and how many openings of
// the program that takes.
func BenchmarkWithoutVersions(b *testing.B) {
	s := savingSame("file dir")
	opened := 0
	s.Oracle = oracle.SameAs(readConfig)
	s.Workload = func(fs *faultfs.FS) error {
		for i := range 50 {
			if err := save(fs, "/config", fmt.Sprint("version ", i), "file dir"); err != nil {
				return err
			}
			fs.Mark("saved")
		}
		return nil
	}
	for b.Loop() {
		results, err := runner.Run(context.Background(), s, runner.Options{})
		require.NoError(b, err)
		require.Equal(b, runner.Keeps(), results[0].Outcome)
		opened = results[0].Coverage.Runs
	}
	b.ReportMetric(float64(opened), "runs/op")
}
