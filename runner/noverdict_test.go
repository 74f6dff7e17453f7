package runner_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/require"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/model"
	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner"
)

var errOurs = errors.New("the file system was taken away")

// torn is a scenario that is broken, and whose oracle and recovery call hook for
// each case.
func tornScenario(hook func() error) runner.Scenario {
	promise := oracle.OldOrNew{Path: "/f", Versions: []oracle.Content{oracle.Data([]byte("old")), oracle.Data([]byte("newer"))}, Mark: "saved"}
	return runner.Scenario{
		Name:  "torn",
		Setup: func(fs *faultfs.FS) error { return afero.WriteFile(fs, "/f", []byte("old"), 0o600) },
		Workload: func(fs *faultfs.FS) error {
			err := afero.WriteFile(fs, "/f", []byte("newer"), 0o600)
			fs.Mark("saved")
			return err
		},
		Oracle: oracle.Func(func(disk afero.Fs, marks oracle.Marks) []oracle.Violation {
			if err := hook(); err != nil {
				return oracle.NoVerdict(err)
			}
			return promise.Judge(disk, marks)
		}),
	}
}

// Whichever case it is that could not be judged, there is an error and no verdict,
// and nothing is stored.
func TestCaseThatCouldNotBeJudgedLeavesNoVerdict(t *testing.T) {
	var all atomic.Int64
	models := []model.Model{}
	for _, p := range model.Presets() {
		models = append(models, p.Model)
	}
	run := func(fails int64, recovery bool, dir string) ([]runner.Result, error) {
		var count atomic.Int64
		hook := func() error {
			call := count.Add(1)
			all.Store(call)
			if call == fails {
				return errOurs
			}
			return nil
		}
		s := tornScenario(hook)
		if recovery {
			s = tornScenario(func() error { return nil })
			s.Recover = func(disk afero.Fs) error {
				if err := hook(); err != nil {
					return fmt.Errorf("recovery: %w", oracle.Unjudged(err))
				}
				return afero.WriteFile(disk, "/g", []byte("recovered"), 0o600)
			}
		}
		// With several workers, runs are made ahead of their turn, more or fewer of them.
		return runner.Run(context.Background(), s, runner.Options{Models: models, Failures: dir, Workers: 1})
	}
	for _, recovery := range []bool{false, true} {
		_, err := run(0, recovery, "")
		require.NoError(t, err)
		runs := all.Load()
		require.Greater(t, runs, int64(20))
		for n := int64(1); n <= runs; n += 1 + runs/40 {
			dir := filepath.Join(t.TempDir(), "failures")
			results, err := run(n, recovery, dir)
			require.ErrorIs(t, err, oracle.ErrNoVerdict, "call %d of %d", n, runs)
			require.ErrorIs(t, err, errOurs)
			require.Empty(t, results)
			require.NoDirExists(t, dir)
		}
	}
}

// A test fails at once, with the reason, and stores nothing.
func TestCheckIsFatalWhereACaseCouldNotBeJudged(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "failures")
	tb := &recorder{}
	s := tornScenario(func() error { return errOurs })
	tb.do(func() { runner.Check(tb, s, runner.Options{Failures: dir}) })
	require.Contains(t, tb.fatal, "no verdict: the file system was taken away")
	require.Empty(t, tb.errors)
	require.NoDirExists(t, dir)
}

// recorder is a test that notes what is said to it.
type recorder struct{ fatal, errors string }

func (r *recorder) Helper()             {}
func (r *recorder) Logf(string, ...any) {}
func (r *recorder) Errorf(format string, args ...any) {
	r.errors += fmt.Sprintf(format, args...)
}
func (r *recorder) Skipf(string, ...any) {}
func (r *recorder) Fatalf(format string, args ...any) {
	r.fatal += fmt.Sprintf(format, args...)
	panic(r)
}

// do calls f, which Fatalf ends.
func (r *recorder) do(f func()) {
	defer func() {
		if p := recover(); p != nil && p != any(r) {
			panic(p)
		}
	}()
	f()
}

// A stored failure that cannot be judged again is no verdict either.
func TestStoredFailureThatCannotBeJudgedIsNoVerdict(t *testing.T) {
	fails := false
	s := tornScenario(func() error {
		if fails {
			return errOurs
		}
		return nil
	})
	results, err := runner.Run(context.Background(), s, runner.Options{})
	require.NoError(t, err)
	stored := results[0].Stored(results[0].Failures[0])
	violations, err := stored.Judge(s, runner.Options{})
	require.NoError(t, err)
	require.NotEmpty(t, violations)
	fails = true
	_, err = stored.Judge(s, runner.Options{})
	require.ErrorIs(t, err, errOurs)
	_, _, err = stored.Explain(s, runner.Options{})
	require.ErrorIs(t, err, errOurs)
	_, err = s.States(context.Background(), model.Default())
	require.ErrorIs(t, err, errOurs)
	_, err = s.Mutate(context.Background(), runner.Options{})
	require.ErrorIs(t, err, errOurs)
	_, err = s.Fix(context.Background(), model.Default(), runner.Options{})
	require.ErrorIs(t, err, errOurs)
}

// A failure that is known is told, whether or not its file could be written.
func TestFailureThatCouldNotBeStoredIsKnown(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(dir, nil, 0o600))
	s := tornScenario(func() error { return nil })
	results, err := runner.Run(context.Background(), s, runner.Options{Failures: dir})
	require.NoError(t, err)
	require.Error(t, results[0].Unstored)
	require.NotEmpty(t, results[0].Failures)
	require.Empty(t, results[0].Failures[0].File)
	require.Contains(t, results[0].Report(), "torn /f")
	require.Contains(t, results[0].Report(), results[0].Unstored.Error())
}

// What was wrong for a reason that may lie outside of the program is judged again: if
// it is wrong again, it is a finding, and if it is not, there is no verdict.
func TestADoubtfulFailureIsJudgedAgain(t *testing.T) {
	doubtful := func(until int64, recovery bool) runner.Scenario {
		var count atomic.Int64
		sick := func() bool { n := count.Add(1); return n > 2 && n <= until }
		s := tornScenario(func() error { return nil })
		s.Workload = func(fs *faultfs.FS) error { return afero.WriteFile(fs, "/g", []byte("new"), 0o600) }
		s.Oracle = oracle.Func(func(disk afero.Fs, _ oracle.Marks) []oracle.Violation {
			_, err := afero.ReadFile(disk, "/g") // each state is another case
			if !recovery && (sick() || err != nil && !errors.Is(err, os.ErrNotExist)) {
				return []oracle.Violation{{Kind: oracle.Refused, Detail: "the check was killed", Doubtful: true}}
			}
			return nil
		})
		if recovery {
			s.Recover = func(disk afero.Fs) error {
				if _, err := afero.ReadFile(disk, "/g"); sick() {
					return fmt.Errorf("killed: %w", errors.Join(err, oracle.ErrDoubtful))
				}
				return nil
			}
		}
		return s
	}
	options := runner.Options{Models: []model.Model{model.Default()}, Workers: 1}
	for _, recovery := range []bool{false, true} {
		_, err := runner.Run(t.Context(), doubtful(3, recovery), options)
		require.ErrorIs(t, err, oracle.ErrNoVerdict)
		require.ErrorIs(t, err, oracle.ErrDoubtful)
		require.ErrorContains(t, err, "killed")
		results, err := runner.Run(t.Context(), doubtful(1<<40, recovery), options)
		require.NoError(t, err)
		require.Equal(t, runner.Breaks(oracle.Refused), results[0].Outcome, results[0].Report())
		results, err = runner.Run(t.Context(), doubtful(0, recovery), options)
		require.NoError(t, err)
		require.Equal(t, runner.Kept, results[0].Outcome.Verdict, results[0].Report())
	}
}
