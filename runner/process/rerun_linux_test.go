package process_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/model"
	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner"
	"github.com/crashsim/crashsim/runner/process"
)

func parseFault(t *testing.T, text string) faultfs.Fault {
	t.Helper()
	f, err := faultfs.ParseFault(text)
	require.NoError(t, err)
	return f
}

func injected(trace *faultfs.Trace) (ops []string) {
	for i := range trace.Ops {
		if trace.Ops[i].Injected {
			ops = append(ops, trace.Ops[i].Call())
		}
	}
	return ops
}

func TestAProgramRunsAgainWithAFault(t *testing.T) {
	skipWithoutFUSE(t)
	p := process.Program{
		Setup: process.Shell(`echo old >f`), Timeout: time.Minute,
		Args: process.Shell(`grep -q old f || exit 9; echo 1 >g; echo 2 >>g && echo two; sync g && echo synced; exit 0`),
	}
	trace, err := process.Record(t.Context(), p)
	require.NoError(t, err)
	require.Equal(t, []string{"two", "synced"}, trace.Marks())
	for fault, want := range map[string]struct {
		marks []string
		ops   []string
	}{
		"write /g err=EIO":           {[]string{"two", "synced"}, []string{"write /g [0,2)"}},
		"write /g nth=2 err=ENOSPC":  {[]string{"synced"}, []string{"write /g [2,4)"}},
		"fsync /g err=EIO":           {[]string{"two"}, []string{"fsync /g"}},
		"create /g err=ENOSPC":       {nil, nil},
		"write /g nth=1- err=EDQUOT": {[]string{"synced"}, []string{"write /g [0,2)", "write /g [0,2)"}},
	} {
		again, err := process.Rerun(t.Context(), p, trace, faultfs.SyncFailure{Report: faultfs.ReportNow}, parseFault(t, fault))
		require.NoError(t, err, fault)
		require.NotNil(t, again, fault)
		require.Equal(t, trace.Setup, again.Setup)
		if want.ops != nil {
			require.Equal(t, want.ops, injected(again), fault)
			require.Equal(t, want.marks, again.Marks(), fault)
		} else {
			require.NotEmpty(t, injected(again), fault)
		}
	}
	none, err := process.Rerun(t.Context(), p, trace, faultfs.SyncFailure{Report: faultfs.ReportNow}, parseFault(t, "write /f err=EIO"))
	require.NoError(t, err)
	require.Nil(t, none)
}

// A program that the fault ends, or that the fault lets hang, has stopped there; one
// that fails by itself is an error.
func TestAProgramMayEndByAFault(t *testing.T) {
	skipWithoutFUSE(t)
	p := process.Program{Args: process.Shell(`echo 1 >g || exit 3; sync g || sleep 1000; mv g f`), Timeout: 3 * time.Second}
	trace, err := process.Record(t.Context(), p)
	require.NoError(t, err)
	for _, fault := range []string{"create /g err=EIO", "fsync /g err=EIO"} {
		again, err := process.Rerun(t.Context(), p, trace, faultfs.SyncFailure{Report: faultfs.ReportNow}, parseFault(t, fault))
		require.NoError(t, err, fault)
		require.NotEmpty(t, injected(again), fault)
		for i := range again.Ops {
			require.NotEqual(t, faultfs.OpRename, again.Ops[i].Kind)
		}
	}
	p.Args = process.Shell(`exit 3`)
	_, err = process.Rerun(t.Context(), p, trace, faultfs.SyncFailure{Report: faultfs.ReportNow}, parseFault(t, "fsync /g err=EIO"))
	require.ErrorContains(t, err, "exit status 3")
	require.NotErrorIs(t, err, oracle.ErrNoVerdict)
}

// What a Dir does when calls fail is judged too.
func TestADirMeetsFaults(t *testing.T) {
	for name, heeds := range map[string]bool{"heeds": true, "goes on": false} {
		t.Run(name, func(t *testing.T) {
			d := replacing(true, true)
			if !heeds {
				d.Workload = func(dir string, _ func(string)) error {
					f := filepath.Join(dir, "f.tmp")
					_ = os.WriteFile(f, []byte("new"), 0o600)
					if g, err := os.Open(f); err == nil {
						_ = errors.Join(g.Sync(), g.Close())
					}
					return os.Rename(f, filepath.Join(dir, "f"))
				}
				d.Declared = map[model.Model]runner.Outcome{model.MustParse("posix"): runner.Breaks(oracle.Torn)}
			} else {
				workload := d.Workload
				d.Workload = func(dir string, mark func(string)) error {
					saved := false
					err := workload(dir, func(string) { saved = true })
					if err == nil && saved {
						mark("saved")
					}
					return err
				}
			}
			process.CheckDir(t, d, runner.Options{MaxRuns: 100_000, Faults: []faultfs.Fault{parseFault(t, "write err=EIO"), parseFault(t, "fsync err=EIO")}})
		})
	}
}
