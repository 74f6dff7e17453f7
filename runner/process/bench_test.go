package process_test

import (
	"context"
	"fmt"
	"math/big"
	"os/exec"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crashsim/crashsim/faultfs/model"
	"github.com/crashsim/crashsim/runner"
	"github.com/crashsim/crashsim/runner/process"
)

// benchmarkChecks records a program once and judges it, and reports how many
// checks run in a second, and for how many cuts one of them stands.
func benchmarkChecks(b *testing.B, program, check string, o runner.Options) {
	skipWithoutFUSE(b)
	trace := record(b, "", program)
	m, err := model.Parse("posix")
	require.NoError(b, err)
	o.Models, o.All = []model.Model{m}, true
	var runs, cuts float64
	var spent time.Duration
	for b.Loop() {
		c, err := process.NewChecker(process.Options{Timeout: time.Minute})
		require.NoError(b, err)
		s := runner.Scenario{Name: "program", Trace: trace}
		if process.IsBuiltin(check) {
			s.Oracle, err = c.Builtin(check, trace)
		} else {
			s.Oracle, err = c.Oracle(process.Shell(check))
		}
		require.NoError(b, err)
		start := time.Now()
		results, err := runner.Run(context.Background(), s, o)
		require.NoError(b, err)
		spent += time.Since(start)
		require.Empty(b, results[0].Why)
		runs += float64(results[0].Coverage.Runs)
		n, _ := new(big.Float).SetString(results[0].Coverage.Cuts)
		f, _ := n.Float64()
		cuts += f
		require.NoError(b, c.Close())
	}
	b.ReportMetric(runs/spent.Seconds(), "checks/s")
	if !process.IsBuiltin(check) {
		b.ReportMetric(runs/spent.Seconds()/bareShells(b), "of-bare-shells")
		b.ReportMetric(runs/spent.Seconds()/bareForks(b), "of-bare-forks")
	}
	b.ReportMetric(cuts/runs, "cuts/check")
}

// bareShells returns how many shells a second are started here and do nothing, as many at
// once as there are workers: a check that is a shell of its own cannot be faster.
func bareShells(b *testing.B) float64 {
	const each = 200
	return each * atOnce(b, func() error {
		for range each {
			if err := exec.Command("/bin/sh", "-c", "exit 0").Run(); err != nil {
				return err
			}
		}
		return nil
	})
}

// bareForks returns how many processes a second shells fork here that do nothing, with as
// many shells as there are workers: no check can be faster.
func bareForks(b *testing.B) float64 {
	const each = 2000
	return each * atOnce(b, func() error {
		return exec.Command("/bin/sh", "-c", fmt.Sprintf("i=0; while [ $i -lt %d ]; do (exit 0); i=$((i+1)); done", each)).Run()
	})
}

// atOnce does something as many times at once as there are workers, and returns how often
// a second that is.
func atOnce(b *testing.B, do func() error) float64 {
	workers := runtime.GOMAXPROCS(0)
	var done sync.WaitGroup
	start := time.Now()
	for range workers {
		done.Go(func() {
			if err := do(); err != nil {
				b.Error(err)
			}
		})
	}
	done.Wait()
	return float64(workers) / time.Since(start).Seconds()
}

// BenchmarkCheckOfASmallFile is of a check that reads one small file and exits.
func BenchmarkCheckOfASmallFile(b *testing.B) {
	benchmarkChecks(b,
		`i=0; while [ $i -lt 300 ]; do echo $i >small; echo $i; i=$((i+1)); done`,
		`read n <small && exit 0; [ ! -s "$CRASHSIM_MARKS" ]`, runner.Options{MaxRuns: 1000})
}

// BenchmarkSQLite is of 50 transactions of the sqlite3 shell, judged up to two
// losses.
func BenchmarkSQLite(b *testing.B) {
	if _, err := exec.LookPath("sqlite3"); err != nil {
		b.Skip(err)
	}
	benchmarkChecks(b, `sqlite3 db 'create table t(x)'; echo created
i=0; while [ $i -lt 50 ]; do echo "insert into t values($i); select 'row $i';"; i=$((i+1)); done | sqlite3 db`,
		"sqlite:db", runner.Options{MaxLosses: 2})
}
