package runner_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/require"

	"github.com/crashsim/crashsim/faultfs/model"
	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner"
)

// looks is a scenario whose checker does something first, and finds nothing wrong.
func looks(first func()) runner.Scenario {
	return judging(func(disk afero.Fs, _ oracle.Marks) []oracle.Violation {
		first()
		_, _ = afero.ReadFile(disk, "/f")
		_, _ = afero.ReadFile(disk, "/f.tmp")
		return nil
	})
}

func under(t *testing.T, names ...string) (models []model.Model) {
	for _, name := range names {
		models = append(models, model.MustParse(name))
	}
	return models
}

func TestModelsShareTheBudgetOfRuns(t *testing.T) {
	for _, most := range []int{3, 4, 7, 12} {
		results, err := runner.Run(context.Background(), looks(func() {}), runner.Options{Models: under(t, "posix", "ext4", "xfs"), MaxRuns: most})
		require.NoError(t, err)
		require.Len(t, results, 3)
		runs := 0
		for _, r := range results {
			require.GreaterOrEqual(t, r.Coverage.Runs, 1, "each model has a share")
			runs += r.Coverage.Runs
		}
		require.LessOrEqual(t, runs, most)
	}
}

func TestInterruptedRunReturnsWhatItKnowsAndClaimsNoMore(t *testing.T) {
	whole, err := runner.Run(context.Background(), looks(func() {}), runner.Options{Models: under(t, "posix"), Workers: 1})
	require.NoError(t, err)
	require.Equal(t, runner.Kept, whole[0].Outcome.Verdict)
	for after := 1; after < whole[0].Coverage.Runs; after++ {
		ctx, cancel := context.WithCancel(context.Background())
		runs := 0
		s := looks(func() {
			if runs++; runs > after {
				cancel()
			}
		})
		results, err := runner.Run(ctx, s, runner.Options{Models: under(t, "posix", "ext4"), Workers: 1})
		cancel()
		require.ErrorIs(t, err, context.Canceled)
		require.Len(t, results, 1, "no model is begun after the end")
		require.Equal(t, runner.Unknown, results[0].Outcome.Verdict)
		require.False(t, results[0].Coverage.Exhaustive)
		require.Contains(t, results[0].Coverage.Bound, "then the run was interrupted")
	}
}

func TestInterruptedRunDoesNotWaitForACheckThatGoesOn(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	goOn := make(chan struct{})
	defer close(goOn)
	results, err := runner.Run(ctx, looks(func() {
		cancel()
		<-goOn
	}), runner.Options{Models: under(t, "posix"), Timeout: time.Hour})
	require.ErrorIs(t, err, context.Canceled)
	require.Len(t, results, 1)
	require.Equal(t, runner.Unknown, results[0].Outcome.Verdict)
}

func TestTimeThatIsOverLeavesNoVerdictButAnExactClaim(t *testing.T) {
	results, err := runner.Run(context.Background(), looks(func() {}), runner.Options{Models: under(t, "posix", "ext4"), MaxTime: time.Nanosecond})
	require.NoError(t, err)
	require.Len(t, results, 2)
	for _, r := range results {
		require.Equal(t, runner.Unknown, r.Outcome.Verdict)
		require.Equal(t, "not even all cases without losses were judged, then the budget was spent", r.Coverage.Bound)
	}
}

// A failure is told when it is found, not when the search has ended.
func TestFailureIsToldWhenItIsFound(t *testing.T) {
	var calls atomic.Int64 // workers judge at the same time
	atFound, failures := []int64{}, 0
	s := saving("")
	judge := s.Oracle
	s.Oracle = oracle.Func(func(disk afero.Fs, marks oracle.Marks) []oracle.Violation {
		calls.Add(1)
		return judge.Judge(disk, marks)
	})
	var told []string
	results, err := runner.Run(context.Background(), s, runner.Options{
		Models: under(t, "posix"), Workers: 1,
		Found: func(story string) {
			told, atFound = append(told, story), append(atFound, calls.Load())
		},
		Progress: func(p runner.Progress) {
			failures = max(failures, p.Failures)
			require.NotContains(t, p.String(), "%!")
		},
	})
	require.NoError(t, err)
	require.Len(t, told, len(results[0].Failures), "each once")
	require.Equal(t, len(told), failures)
	require.Less(t, atFound[0], calls.Load()/2)
	require.Regexp(t, `^(lost|torn|stale) /f: .*; power cut after .*: .* was lost`, told[0])

	one, err := runner.Run(context.Background(), s, runner.Options{Models: under(t, "posix"), MaxFailures: 1})
	require.NoError(t, err)
	require.Len(t, one[0].Failures, 1)
	require.Greater(t, len(told), 1)
}
