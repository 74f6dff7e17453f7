package runner

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/require"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/model"
	"github.com/crashsim/crashsim/oracle"
)

// A budget of time is kept to within one check, with blame and stories in it, whatever the
// program. Each check takes some time at least, so that more checks than fit into the
// budget would mean that it is not kept; a busy machine makes fewer.
func TestBudgetOfTimeIsKeptToWithinOneCheck(t *testing.T) {
	const check, budget, workers = 20 * time.Millisecond, 600 * time.Millisecond, 3
	models := []model.Model{model.Default(), model.MustParse("ext4"), model.MustParse("xfs")}
	for name, s := range map[string]Scenario{
		"broken":  saying(12, func(i int) string { return fmt.Sprintf("key-%d: gone", i) }),
		"unknown": unsyncedFiles(12),
	} {
		var calls atomic.Int64
		judge := s.Oracle
		s.Oracle = oracle.Func(func(disk afero.Fs, marks oracle.Marks) []oracle.Violation {
			calls.Add(1)
			time.Sleep(check)
			return judge.Judge(disk, marks)
		})
		s.Recover = func(disk afero.Fs) error { return afero.WriteFile(disk, "/recovered", nil, 0o644) }
		s.WorkOn = s.Workload
		results, err := Run(t.Context(), s, Options{Models: models, MaxTime: budget, Workers: workers})
		require.NoError(t, err, name)
		require.Len(t, results, len(models), name)
		for _, r := range results {
			require.False(t, r.Coverage.Exhaustive, name)
		}
		// One more check for each worker and each search that the end of the time finds at work.
		require.LessOrEqual(t, calls.Load(), int64(workers*(budget/check)+workers*time.Duration(4*len(models))), name)
	}
}

// infoLog is a store with one promise, and a log of many unsynced appends that no promise is
// about and that the check reads as a whole.
func infoLog(appends int) Scenario {
	return Scenario{
		Name: "info-log",
		Workload: func(fs *faultfs.FS) error {
			log, err := fs.Create("/info")
			if err != nil {
				return err
			}
			for i := range appends {
				if _, err := log.Write(fmt.Appendf(nil, "line %d\n", i)); err != nil {
					return err
				}
			}
			f, err := fs.Create("/data")
			if err != nil {
				return err
			}
			if _, err := f.Write([]byte("value")); err != nil {
				return err
			}
			if err := f.Sync(); err != nil {
				return err
			}
			if err := syncDir(fs); err != nil {
				return err
			}
			fs.Mark("saved")
			return nil
		},
		Oracle: oracle.Func(func(disk afero.Fs, marks oracle.Marks) []oracle.Violation {
			_, _ = afero.ReadFile(disk, "/info")
			data, _ := afero.ReadFile(disk, "/data")
			if marks.Has("saved") && string(data) != "value" {
				return []oracle.Violation{{Kind: oracle.Lost, Path: "/data"}}
			}
			return nil
		}),
	}
}

// A log that nobody promises anything of makes no search endless: it ends with a claim.
func TestUnsyncedInfoLogEndsWithABoundedClaim(t *testing.T) {
	results, err := Run(t.Context(), infoLog(200), Options{Models: []model.Model{model.Default()}, MaxRuns: 3000})
	require.NoError(t, err)
	r := &results[0]
	require.Equal(t, Unknown, r.Outcome.Verdict)
	require.LessOrEqual(t, r.Coverage.Runs, 3000)
	require.True(t, r.Coverage.Claim.Covers(Claim{FewerLosses: 3}), r.Coverage.Claim)
	require.Positive(t, r.Coverage.Claim.Random)

	enough := Claim{FewerLosses: 1, WholeFiles: true}
	results, err = Run(t.Context(), infoLog(200), Options{Models: []model.Model{model.Default()}, Enough: enough})
	require.NoError(t, err)
	require.Equal(t, Kept, results[0].Outcome.Verdict)
	require.Equal(t, enough, results[0].Coverage.Claim)
}
