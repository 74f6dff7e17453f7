package runner

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/require"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/model"
	"github.com/crashsim/crashsim/faultfs/persist"
	"github.com/crashsim/crashsim/oracle"
)

// manyFiles replaces so many files, each by a new one that is synced and renamed,
// and promises each of them by itself.
func manyFiles(n int) Scenario {
	old, replaced := []byte("old"), []byte("replaced")
	promises := make([]oracle.Oracle, n)
	for i := range promises {
		path := fmt.Sprintf("/f%d", i)
		promises[i] = oracle.OldOrNew{Path: path, Versions: []oracle.Content{oracle.Data(old), oracle.Data(replaced)}, Mark: path}
	}
	return Scenario{
		Name: "many-files",
		Setup: func(fs *faultfs.FS) error {
			for i := range n {
				if err := afero.WriteFile(fs, fmt.Sprintf("/f%d", i), old, 0o644); err != nil {
					return err
				}
			}
			return nil
		},
		Workload: func(fs *faultfs.FS) error {
			for i := range n {
				path := fmt.Sprintf("/f%d", i)
				f, err := fs.Create(path + ".tmp")
				if err != nil {
					return err
				}
				if _, err := f.Write(replaced); err != nil {
					return err
				}
				if err := f.Sync(); err != nil {
					return err
				}
				if err := f.Close(); err != nil {
					return err
				}
				if err := fs.Rename(path+".tmp", path); err != nil {
					return err
				}
				if err := syncDir(fs); err != nil {
					return err
				}
				fs.Mark(path)
			}
			return nil
		},
		Oracle: oracle.All(promises...),
	}
}

// BenchmarkManyFiles reports the time of a whole search divided by the time
// inside the checker, for a program that replaces many files.
func BenchmarkManyFiles(b *testing.B) {
	for _, n := range []int{100, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) { benchmarkShare(b, manyFiles(n)) })
	}
}

func benchmarkShare(b *testing.B, s Scenario) {
	trace, err := s.Record()
	if err != nil {
		b.Fatal(err)
	}
	var inside, total time.Duration
	runs, cases := 0, 0
	for b.Loop() {
		start := time.Now()
		plan := persist.Lower(trace, model.Default())
		stats, in := explorePlan(b, &s, plan, Options{Workers: 1}, true)
		total += time.Since(start)
		inside += in
		runs += stats.Runs
		cases += stats.Cases
	}
	b.ReportMetric(float64(total)/float64(inside), "total/checker")
	b.ReportMetric(float64(runs)/float64(b.N), "runs/op")
	b.ReportMetric(float64(cases)/float64(b.N), "cases/op")
}

// BenchmarkSlowChecks reports how many times as fast 8 workers are as one, with a
// check that sleeps, for a program in which each crash point shows something new.
func BenchmarkSlowChecks(b *testing.B) {
	s := Scenario{
		Name: "slow-check",
		Workload: func(fs *faultfs.FS) error {
			for i := range 24 {
				if err := afero.WriteFile(fs, fmt.Sprintf("/f%d", i), nil, 0o644); err != nil {
					return err
				}
				if err := syncDir(fs); err != nil {
					return err
				}
			}
			return nil
		},
		Oracle: oracle.Func(func(disk afero.Fs, _ oracle.Marks) []oracle.Violation {
			time.Sleep(50 * time.Millisecond)
			_, _ = afero.ReadDir(disk, "/")
			return nil
		}),
	}
	trace, err := s.Record()
	if err != nil {
		b.Fatal(err)
	}
	took := map[int]time.Duration{}
	for b.Loop() {
		for _, workers := range []int{1, 8} {
			start := time.Now()
			explorePlan(b, &s, persist.Lower(trace, model.Default()), Options{Workers: workers}, false)
			took[workers] += time.Since(start)
		}
	}
	b.ReportMetric(float64(took[1])/float64(took[8]), "times-as-fast")
}

func syncDir(fs *faultfs.FS) error {
	d, err := fs.Open("/")
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// largePut appends one record of so many bytes to a log with checksums, and promises
// that the log holds no record that was not appended.
func largePut(size int) Scenario {
	return loggedAndSynced("large-put", []string{strings.Repeat("x", size)})
}

// A record of n pages that a checksum covers falls into 2^n cases: the search ends
// where there is no room for more, and says what was judged.
func TestLargeValueEndsWithABoundedClaim(t *testing.T) {
	results, err := Run(t.Context(), largePut(60_000), Options{Models: []model.Model{model.Default()}, MaxMemory: 1 << 20})
	require.NoError(t, err)
	r := results[0]
	require.Equal(t, Unknown, r.Outcome.Verdict)
	require.False(t, r.Coverage.Exhaustive)
	require.Regexp(t, `^all cases with at most \d+ losses were judged, then there was no room .*; besides: all prefixes, suffixes and single holes of every torn write; each file`, r.Coverage.Bound)
}

// Only the case in which a hole is in the middle is wrong, and it loses more than
// the search can look at by losses.
func TestLargeTornWriteIsFoundBeyondTheLossesThatWereJudged(t *testing.T) {
	s := largePut(60_000)
	s.Oracle = oracle.Func(func(disk afero.Fs, _ oracle.Marks) []oracle.Violation {
		data, err := afero.ReadFile(disk, "/log")
		if err == nil && len(data) > 60_000 && data[4096*3-1] == 'x' && data[4096*14] == 'x' && !bytes.Contains(data[4096*3:4096*13], []byte("x")) {
			return []oracle.Violation{{Kind: oracle.Torn, Path: "/log"}}
		}
		return nil
	})
	results, err := Run(t.Context(), s, Options{Models: []model.Model{model.Default()}, MaxMemory: 1 << 20})
	require.NoError(t, err)
	require.Equal(t, Broken, results[0].Outcome.Verdict)
}

// BenchmarkWholeSearches measures rows of the table in the package documentation: each is all that
// Run does, with ten seconds as go test has them.
func BenchmarkWholeSearches(b *testing.B) {
	for _, s := range []Scenario{largePut(20_000), largePut(40_000), largePut(60_000), independentFiles(12), independentFiles(100)} {
		trace, err := s.Record()
		if err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprintf("%s/%d-ops", s.Name, len(trace.Ops)), func(b *testing.B) { benchmarkWhole(b, s) })
	}
}

func benchmarkWhole(b *testing.B, s Scenario) {
	cases, runs, exhaustive := 0, 0, 0
	for b.Loop() {
		results, err := Run(b.Context(), s, Options{Models: []model.Model{model.Default()}, MaxTime: 10 * time.Second})
		if err != nil {
			b.Fatal(err)
		}
		c := &results[0].Coverage
		cases, runs = cases+c.Cases, runs+c.Runs
		if c.Exhaustive {
			exhaustive++
		}
	}
	n := float64(b.N)
	b.ReportMetric(float64(runs)/n, "runs/op")
	b.ReportMetric(float64(cases)/n, "cases/op")
	b.ReportMetric(float64(exhaustive)/n, "exhaustive")
}
