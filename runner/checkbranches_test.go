package runner_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/require"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/model"
	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner"
)

// slowly is scattered with a checker of which each run takes a tenth of a second.
func slowly() runner.Scenario {
	s := scattered()
	judge := s.Oracle
	s.Oracle = oracle.Func(func(disk afero.Fs, marks oracle.Marks) []oracle.Violation {
		time.Sleep(100 * time.Millisecond)
		return judge.Judge(disk, marks)
	})
	return s
}

// takes returns how long Check takes, on a clock that goes on only while all sleep,
// and what it says.
func takes(t *testing.T, s runner.Scenario, o runner.Options) (time.Duration, *recordingT) {
	t.Helper()
	var took time.Duration
	var got recordingT
	synctest.Test(t, func(*testing.T) {
		began := time.Now()
		o.Workers = 1
		runner.Check(&got, s, o)
		took = time.Since(began)
	})
	return took, &got
}

// A test that sets no budget has one of time, and a shorter one under -short; a budget
// of its own is the only one that it has.
func TestCheckEndsWithItsBudgetOfTime(t *testing.T) {
	for _, c := range []struct {
		name        string
		short       bool
		options     runner.Options
		least, most time.Duration
	}{
		{"none", false, runner.Options{}, 10 * time.Second, 11 * time.Second},
		{"none, short", true, runner.Options{}, time.Second, 2 * time.Second},
		{"time, short", true, runner.Options{MaxTime: 4 * time.Second}, 4 * time.Second, 5 * time.Second},
		{"time", false, runner.Options{MaxTime: 14 * time.Second}, 14 * time.Second, 15 * time.Second},
		{"runs, short", true, runner.Options{MaxRuns: 60}, 6 * time.Second, 8 * time.Second},
		{"losses, short", true, runner.Options{MaxLosses: 1}, 2 * time.Second, time.Hour},
	} {
		t.Run(c.name, func(t *testing.T) {
			short(t, c.short)
			took, _ := takes(t, slowly(), c.options)
			require.GreaterOrEqual(t, took, c.least*8/10, "the search has a part of it")
			require.LessOrEqual(t, took, c.most)
		})
	}
}

// What is declared broken is not stored, though it is broken in another way.
func TestCheckStoresNothingOfWhatIsDeclaredBroken(t *testing.T) {
	posix := model.MustParse("posix")
	s := saving("")
	s.Declared = map[model.Model]runner.Outcome{posix: runner.Breaks(oracle.Torn)}
	dir := filepath.Join(t.TempDir(), "failures")
	var got recordingT
	runner.Check(&got, s, runner.Options{Failures: dir})
	require.Len(t, got.errors, 1)
	require.Contains(t, got.errors[0], "broken(torn,stale), declared broken(torn)")
	require.NoDirExists(t, dir)
	require.NotContains(t, got.errors[0], "again:")

	s.Declared = nil
	runner.Check(&got, s, runner.Options{Failures: dir})
	require.DirExists(t, dir, "what is not declared is stored")
}

// crowded is a program that saves a file without syncs, among others of which each
// doubles the runs that it takes to judge it.
func crowded(others int) runner.Scenario {
	s := saving("")
	promise := s.Oracle
	name := func(i int) string { return fmt.Sprintf("/other%d", i) }
	s.Workload = func(fs *faultfs.FS) error {
		for i := range others {
			if err := afero.WriteFile(fs, name(i), nil, 0o644); err != nil {
				return err
			}
		}
		return save(fs, "/f", "version 1", "")
	}
	s.Oracle = oracle.Func(func(disk afero.Fs, marks oracle.Marks) []oracle.Violation {
		for i := range others {
			_, _ = disk.Stat(name(i))
		}
		return promise.Judge(disk, marks)
	})
	return s
}

// A repair is looked for where judging was cheap.
func TestCheckLooksForNoRepairOfWhatTookManyRuns(t *testing.T) {
	for _, c := range []struct {
		others, runs int
		repair       bool
	}{{8, 1024, true}, {9, 2048, false}} {
		var got recordingT
		runner.Check(&got, crowded(c.others), runner.Options{MaxRuns: 8000, All: true})
		require.Len(t, got.errors, 1)
		require.Contains(t, got.errors[0], fmt.Sprintf("runs %d, exhaustive", c.runs))
		require.Equal(t, c.repair, strings.Contains(got.errors[0], "missing: sync /f.tmp"), got.errors[0])
	}
}

// careless is a program that syncs what it saves, and does not look whether that
// succeeded.
func careless() runner.Scenario {
	return runner.Scenario{
		Name:  "careless",
		Setup: func(fs *faultfs.FS) error { return put(fs, "/f", "old") },
		Workload: func(fs *faultfs.FS) error {
			f, err := fs.OpenFile("/f", os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			_, err = f.WriteAt([]byte("new"), 0)
			_ = f.Sync()
			fs.Mark("saved")
			return errors.Join(err, f.Close())
		},
		Oracle: oracle.OldOrNew{Path: "/f", Versions: []oracle.Content{oracle.Data("old"), oracle.Data("new")}, Mark: "saved"},
	}
}

// Where a fault is needed to break a promise, no sync is missing.
func TestCheckLooksForNoSyncsWhereAFaultBreaksThePromise(t *testing.T) {
	var got recordingT
	runner.Check(&got, careless(), runner.Options{Sweep: true})
	require.Len(t, got.errors, 1)
	require.Contains(t, got.errors[0], "broken(")
	require.NotContains(t, got.errors[0], "missing:")
	require.NotContains(t, got.errors[0], "no set of syncs repairs it")
}

// Where a checker panics, the lines of the checker are told.
func TestCheckTellsWhereACheckerPanicked(t *testing.T) {
	var got recordingT
	runner.Check(&got, judging(func(disk afero.Fs, _ oracle.Marks) []oracle.Violation {
		if data, err := afero.ReadFile(disk, "/f"); err == nil && string(data) == "version 2" {
			panic("no version 2")
		}
		return nil
	}), runner.Options{})
	require.Len(t, got.errors, 1)
	require.Contains(t, got.errors[0], "the checker panicked: no version 2")
	require.Regexp(t, `\n {4}\S+TestCheckTellsWhereACheckerPanicked\S* \S*checkbranches_test.go:\d+\n`, got.errors[0])
}

// A page that goes with the test is asked for; one that stays is named.
func TestCheckNamesThePageThatStays(t *testing.T) {
	f := flag.Lookup("test.artifacts")
	if f == nil {
		t.Skip("this Go keeps no artifacts of tests")
	}
	before := f.Value.String()
	t.Cleanup(func() { require.NoError(t, f.Value.Set(before)) })
	for _, keep := range []string{"false", "true"} {
		require.NoError(t, f.Value.Set(keep))
		got := artifactT{dir: t.TempDir()}
		runner.Check(&got, saving(""), runner.Options{})
		require.Len(t, got.errors, 1)
		file := filepath.Join(got.dir, "crash.html")
		_, err := os.Stat(file)
		require.NoError(t, err)
		require.Equal(t, keep == "true", strings.Contains(got.errors[0], "a page with every crash point: "+file))
		require.Equal(t, keep != "true", strings.Contains(got.errors[0], "a page with every crash point: go test -artifacts"))
	}
}

// All models of a test share its budget of runs.
func TestCheckSpendsOneBudgetOnAllModels(t *testing.T) {
	var got recordingT
	runner.Check(&got, scattered(), runner.Options{MaxRuns: 100, Models: []model.Model{model.MustParse("posix"), model.MustParse("xfs")}})
	require.Len(t, got.errors, 2)
	for i, name := range []string{"posix", "xfs"} {
		require.Contains(t, got.errors[i], "scattered under "+name+": unknown")
		require.Contains(t, got.errors[i], "runs 50,")
	}
}

// A scenario that promises nothing is an error, whatever is to be judged again.
func TestCheckRefusesAScenarioWithoutAnOracle(t *testing.T) {
	dir := t.TempDir()
	runner.Check(&recordingT{}, saving(""), runner.Options{Failures: dir})
	file := filepath.Join(dir, "saving--posix--torn.txt")
	require.FileExists(t, file)
	s := saving("")
	s.Oracle = nil
	for _, again := range []string{"", file} {
		t.Setenv("CRASHSIM_REPLAY", again)
		var got recordingT
		runner.Check(&got, s, runner.Options{})
		require.Len(t, got.fatals, 1)
		require.Contains(t, got.fatals[0], "oracle")
	}
}

// hinted checks a scenario with an oracle that gives no verdict after so many calls, and
// returns what the test said and how many calls there were.
func hinted(t *testing.T, s runner.Scenario, o runner.Options, until int) (string, int) {
	t.Helper()
	calls, judge := 0, s.Oracle
	s.Oracle = oracle.Func(func(disk afero.Fs, marks oracle.Marks) []oracle.Violation {
		if calls++; calls > until {
			return oracle.NoVerdict(errors.New("the disk of the check is full"))
		}
		return judge.Judge(disk, marks)
	})
	o.Workers = 1
	var got recordingT
	runner.Check(&got, s, o)
	require.Empty(t, got.fatals)
	require.Len(t, got.errors, 1)
	return got.errors[0], calls
}

// Where a repair could not be looked for, the failure stands and the reason is told.
func TestCheckTellsWhyItKnowsNoRepair(t *testing.T) {
	text, all := hinted(t, saving(""), runner.Options{}, 1<<30)
	require.Contains(t, text, "missing: sync")
	text, _ = hinted(t, saving(""), runner.Options{}, all-1)
	require.Contains(t, text, "broken(")
	require.Contains(t, text, "what is missing is not known: ")
	require.Contains(t, text, "the disk of the check is full")
	require.NotContains(t, text, "missing: sync")
}

// Where no sync repairs a program, that is told.
func TestCheckTellsThatNoSyncsRepairIt(t *testing.T) {
	s := saving("")
	s.Workload = func(fs *faultfs.FS) error { return afero.WriteFile(fs, "/f", []byte("version 1"), 0o644) }
	text, _ := hinted(t, s, runner.Options{}, 1<<30)
	require.Contains(t, text, "no set of syncs repairs it, in the workload")
	require.NotContains(t, text, "missing:")
}
