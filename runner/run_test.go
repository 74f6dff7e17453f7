package runner_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/require"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/model"
	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner"
)

// save replaces a file through a temporary one, with the syncs asked for:
// "file" before the rename, "dir" behind it.
func save(fs afero.Fs, path, data, syncs string) error {
	f, err := fs.OpenFile(path+".tmp", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	if _, err := f.WriteString(data); err != nil {
		return err
	}
	if strings.Contains(syncs, "file") {
		if err := f.Sync(); err != nil {
			return err
		}
	}
	if err := errors.Join(f.Close(), fs.Rename(path+".tmp", path)); err != nil {
		return err
	}
	if !strings.Contains(syncs, "dir") {
		return nil
	}
	d, err := fs.Open("/")
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// saving is a program that saves a file three times.
func saving(syncs string) runner.Scenario {
	versions := []oracle.Content{oracle.Data("zero")}
	for i := range 3 {
		versions = append(versions, oracle.Data(fmt.Sprintf("version %d", i+1)))
	}
	return runner.Scenario{
		Name: "saving",
		Setup: func(fs *faultfs.FS) error {
			return afero.WriteFile(fs, "/f", []byte("zero"), 0o644)
		},
		Workload: func(fs *faultfs.FS) error {
			for i := range 3 {
				if err := save(fs, "/f", fmt.Sprintf("version %d", i+1), syncs); err != nil {
					return err
				}
				fs.Mark("saved")
			}
			return nil
		},
		Oracle: oracle.OldOrNew{Path: "/f", Versions: versions, Mark: "saved"},
	}
}

// judging is saving with a checker of the test's own in front of the oracle.
func judging(check func(disk afero.Fs, marks oracle.Marks) []oracle.Violation) runner.Scenario {
	s := saving("file dir")
	promise := s.Oracle
	s.Oracle = oracle.Func(func(disk afero.Fs, marks oracle.Marks) []oracle.Violation {
		if v := promise.Judge(disk, marks); v != nil {
			return v
		}
		return check(disk, marks)
	})
	return s
}

func presets() []model.Model {
	var models []model.Model
	for _, p := range model.Presets() {
		models = append(models, p.Model)
	}
	return models
}

// run runs a scenario under one model.
func run(t testing.TB, s runner.Scenario, text string, o runner.Options) runner.Result {
	t.Helper()
	o.Models = []model.Model{model.MustParse(text)}
	results, err := runner.Run(context.Background(), s, o)
	require.NoError(t, err)
	require.Len(t, results, 1)
	return results[0]
}

func TestVerdictsOfSaving(t *testing.T) {
	kept := "kept"
	for _, test := range []struct{ syncs, kill, strict, ext4, xfs, btrfs, posix string }{
		{"", kept, "broken(stale)", "broken(torn,stale)", "broken(torn,stale)", "broken(torn,stale)", "broken(torn,stale)"},
		{"file", kept, "broken(stale)", "broken(stale)", "broken(stale)", "broken(stale)", "broken(stale)"},
		{"dir", kept, kept, "broken(torn)", "broken(torn)", "broken(torn)", "broken(torn)"},
		{"file dir", kept, kept, kept, kept, kept, kept},
	} {
		results, err := runner.Run(context.Background(), saving(test.syncs), runner.Options{Models: presets()})
		require.NoError(t, err)
		want := []string{test.kill, test.strict, test.ext4, test.xfs, test.btrfs, test.posix}
		for i, r := range results {
			require.Equal(t, want[i], r.Outcome.String(), "syncs %q under %s", test.syncs, r.Model)
			require.True(t, r.Coverage.Exhaustive)
		}
	}
}

func TestStoryNamesWhatWasLostAndWhatWasKept(t *testing.T) {
	r := run(t, saving(""), "posix", runner.Options{})
	require.Len(t, r.Failures, 2)
	require.Regexp(t, `^torn /f: .*; power cut after rename /f.tmp /f \(runner/run_test.go:\d+\): `+
		`data \[0,9\) of write /f.tmp \[0,9\) \(runner/run_test.go:\d+\) was lost, `+
		`name "f" of rename /f.tmp /f \(runner/run_test.go:\d+\) was kept$`, r.Failures[0].Story)
	require.Regexp(t, `^stale /f: .*; power cut after mark saved \(.*\): name "f" of rename .* was lost, nothing had forced it$`,
		r.Failures[1].Story)
	require.Len(t, r.Failures[0].Lost, 1, "the smallest failure loses one effect")
}

func TestFailureWithoutLossSaysThatKillIsEnough(t *testing.T) {
	s := saving("file dir")
	s.Oracle = oracle.All(s.Oracle, oracle.Func(func(disk afero.Fs, _ oracle.Marks) []oracle.Violation {
		if left, _ := afero.Exists(disk, "/f.tmp"); left {
			return []oracle.Violation{{Kind: oracle.Refused, Path: "/f.tmp", Detail: "is in the way"}}
		}
		return nil
	}))
	r := run(t, s, "kill", runner.Options{})
	require.Equal(t, "broken(refused)", r.Outcome.String())
	require.Contains(t, r.Failures[0].Story, "nothing was lost, kill -9 is enough")
}

func TestWorkloadThatDiffersIsRefusedWithTheDifference(t *testing.T) {
	s := saving("file dir")
	n := 0
	s.Workload = func(fs *faultfs.FS) error {
		n++
		return afero.WriteFile(fs, "/f", fmt.Appendf(nil, "time %d", n), 0o644)
	}
	_, err := runner.Run(context.Background(), s, runner.Options{})
	require.ErrorContains(t, err, "does not do the same twice")
	require.ErrorContains(t, err, `-write /f 0 "time 1"`)
	require.ErrorContains(t, err, `+write /f 0 "time 2"`)
}

// Each kind of difference is shown in ten lines at most, with what usually causes it.
func TestTheDifferenceOfTwoRunsIsShortAndNamesItsLikelyCause(t *testing.T) {
	n := 0
	write := func(fs *faultfs.FS, name, data string) error { return afero.WriteFile(fs, name, []byte(data), 0o644) }
	for _, c := range []struct {
		workload func(fs *faultfs.FS) error
		says     string
	}{
		{func(fs *faultfs.FS) error { return write(fs, fmt.Sprintf("/tmp%d", n), "x") }, "it uses another name; a random name (os.CreateTemp)"},
		{func(fs *faultfs.FS) error { return write(fs, "/f", fmt.Sprint(n)) }, "it writes other bytes; the time, a random number"},
		{func(fs *faultfs.FS) error {
			return errors.Join(fs.Mkdir(fmt.Sprint("/", n%2), 0o755), fs.Mkdir(fmt.Sprint("/", 1-n%2), 0o755))
		},
			"the same calls in another order; goroutines"},
		{func(fs *faultfs.FS) error {
			if n%2 == 0 {
				fs.Mark("more")
			}
			return nil
		}, "it makes 0 calls, then 1"},
		{func(fs *faultfs.FS) error {
			for i := range 5000 {
				if err := write(fs, fmt.Sprintf("/f%d-%d", i, n), strings.Repeat("x", 1000)); err != nil {
					return err
				}
			}
			return nil
		}, " lines more"},
	} {
		n = 0
		_, err := runner.Scenario{Name: "restless", Workload: func(fs *faultfs.FS) error { n++; return c.workload(fs) }}.Record()
		require.ErrorContains(t, err, "scenario restless does not do the same twice: ")
		require.ErrorContains(t, err, c.says)
		require.ErrorContains(t, err, "set Trace, not Workload")
		require.LessOrEqual(t, strings.Count(err.Error(), "\n"), 12)
		require.Less(t, len(err.Error()), 4000)
	}
}

func TestScenarioWithoutAnOracleIsAnError(t *testing.T) {
	s := saving("")
	s.Oracle = nil
	_, err := runner.Run(context.Background(), s, runner.Options{})
	require.EqualError(t, err, "scenario saving has no oracle")
}

func TestWorkloadThatFailsOrPanicsIsAnError(t *testing.T) {
	s := saving("")
	s.Workload = func(*faultfs.FS) error { return errors.New("out of paper") }
	_, err := runner.Run(context.Background(), s, runner.Options{})
	require.EqualError(t, err, "scenario saving: workload: out of paper")
	s.Workload = func(*faultfs.FS) error { panic("on fire") }
	_, err = runner.Run(context.Background(), s, runner.Options{})
	require.ErrorContains(t, err, "the workload panicked: on fire")
}

func TestCheckerThatPanicsFailsThatCaseWithItsStack(t *testing.T) {
	s := judging(func(disk afero.Fs, _ oracle.Marks) []oracle.Violation {
		if left, _ := afero.Exists(disk, "/f.tmp"); left {
			panic("a file too many")
		}
		return nil
	})
	r := run(t, s, "posix", runner.Options{})
	require.Equal(t, "broken(refused)", r.Outcome.String())
	require.Contains(t, r.Failures[0].Story, "refused: the checker panicked: a file too many")
	require.Contains(t, r.Failures[0].Stack, "runner/run_test.go:")
	require.True(t, r.Coverage.Exhaustive, "the other cases are judged all the same")
}

func TestCheckerThatEndsItsGoroutineFailsThatCase(t *testing.T) {
	s := judging(func(disk afero.Fs, _ oracle.Marks) []oracle.Violation {
		if left, _ := afero.Exists(disk, "/f.tmp"); left {
			runtime.Goexit()
		}
		return nil
	})
	r := run(t, s, "posix", runner.Options{Workers: 1})
	require.Equal(t, "broken(refused)", r.Outcome.String())
	require.Contains(t, r.Failures[0].Story, "the checker ended its goroutine")
	require.True(t, r.Coverage.Exhaustive)
}

func TestCheckerThatHangsFailsThatCaseAndTouchesTheDiskNoMore(t *testing.T) {
	after := make(chan error, 100)
	s := judging(func(disk afero.Fs, _ oracle.Marks) []oracle.Violation {
		if left, _ := afero.Exists(disk, "/f.tmp"); left {
			for {
				time.Sleep(time.Millisecond)
				if _, err := disk.Stat("/f"); err != nil {
					after <- err
					return nil
				}
			}
		}
		return nil
	})
	r := run(t, s, "kill", runner.Options{Timeout: 200 * time.Millisecond, Workers: 1})
	require.Equal(t, "broken(hung)", r.Outcome.String())
	require.Contains(t, r.Failures[0].Story, "hung: the checker ran for more than 200ms")
	require.Contains(t, r.Failures[0].Stack, "run_test.go:")
	require.ErrorIs(t, <-after, faultfs.ErrCrashed)
}

func TestCheckerThatReadsInNoOrderIsNoConcern(t *testing.T) {
	var n atomic.Int64
	s := judging(func(disk afero.Fs, _ oracle.Marks) []oracle.Violation {
		if n.Add(1)%3 == 0 {
			_, _ = afero.Exists(disk, "/f.tmp")
		}
		return nil
	})
	r := run(t, s, "posix", runner.Options{Workers: 1})
	require.Equal(t, "kept", r.Outcome.String(), "it is explored all the same")
	require.Empty(t, r.Notes)
}

func TestCheckerThatChangesItsMindIsFlaky(t *testing.T) {
	var n atomic.Int64
	s := judging(func(disk afero.Fs, _ oracle.Marks) []oracle.Violation {
		if left, _ := afero.Exists(disk, "/f.tmp"); left && n.Add(1) == 1 {
			return []oracle.Violation{{Kind: oracle.Torn, Detail: "or so it seems"}}
		}
		return nil
	})
	r := run(t, s, "posix", runner.Options{Workers: 1})
	require.Equal(t, runner.Broken, r.Outcome.Verdict)
	require.Contains(t, r.Notes, "the checker is flaky: of the same case it said torn: or so it seems, and when it was asked again that nothing is wrong")
}

func TestRecoveryThatRefusesIsAFailure(t *testing.T) {
	s := saving("file dir")
	s.Recover = func(disk afero.Fs) error {
		if left, _ := afero.Exists(disk, "/f.tmp"); left {
			return errors.New("there is a temporary file")
		}
		return nil
	}
	r := run(t, s, "posix", runner.Options{})
	require.Equal(t, "broken(refused)", r.Outcome.String())
}

func TestRecoveryMayWrite(t *testing.T) {
	s := saving("file dir")
	s.Recover = func(disk afero.Fs) error {
		if err := disk.Remove("/f.tmp"); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		return nil
	}
	s.Oracle = oracle.All(s.Oracle, oracle.NoLitter{Match: []string{"/*.tmp"}})
	r := run(t, s, "posix", runner.Options{})
	require.Equal(t, "kept", r.Outcome.String())
	require.Empty(t, r.Warnings)
	s.Recover = nil
	r = run(t, s, "posix", runner.Options{})
	require.Equal(t, "kept", r.Outcome.String(), "litter only warns")
	require.Len(t, r.Warnings, 1)
}

func TestWhatABudgetCutsOffIsStated(t *testing.T) {
	r := run(t, saving("file dir"), "posix", runner.Options{MaxRuns: 3})
	require.Equal(t, runner.Unknown, r.Outcome.Verdict)
	require.False(t, r.Coverage.Exhaustive)
	require.Equal(t, 3, r.Coverage.Runs)
	require.Contains(t, r.Coverage.Bound, "then the budget was spent")

	lenient := saving("")
	lenient.Oracle = oracle.Func(func(disk afero.Fs, _ oracle.Marks) []oracle.Violation {
		if _, err := afero.ReadFile(disk, "/f"); err != nil {
			return []oracle.Violation{{Kind: oracle.Lost, Path: "/f", Detail: err.Error()}}
		}
		return nil
	})
	require.True(t, run(t, lenient, "posix", runner.Options{}).Coverage.Exhaustive)
	r = run(t, lenient, "posix", runner.Options{MaxLosses: 1})
	require.Equal(t, runner.Unknown, r.Outcome.Verdict)
	require.Equal(t, "all cases with at most 1 loss were judged, as asked", r.Coverage.Bound)

	r = run(t, saving("file dir"), "posix", runner.Options{MaxTime: time.Nanosecond})
	require.Equal(t, runner.Unknown, r.Outcome.Verdict)
	require.Equal(t, "not even all cases without losses were judged, then the budget was spent", r.Coverage.Bound)
}

func TestSamplesFindWhatTheBudgetCutOff(t *testing.T) {
	r := run(t, saving(""), "posix", runner.Options{MaxRuns: 4, Samples: 200, Seed: 7})
	require.Equal(t, runner.Broken, r.Outcome.Verdict)
	again := run(t, saving(""), "posix", runner.Options{MaxRuns: 4, Samples: 200, Seed: 7, Workers: 2})
	require.Equal(t, r.Report(), again.Report(), "the same seed draws the same")
}

func TestCancelledRunIsAnError(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := runner.Run(ctx, saving(""), runner.Options{})
	require.ErrorIs(t, err, context.Canceled)
}

func TestReportIsTheSameForAnyNumberOfWorkers(t *testing.T) {
	report := func(o runner.Options) string {
		var b strings.Builder
		o.Models = presets()
		for _, syncs := range []string{"", "file", "file dir"} {
			results, err := runner.Run(context.Background(), saving(syncs), o)
			require.NoError(t, err)
			for _, r := range results {
				b.WriteString(r.Report())
			}
		}
		return b.String()
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	want := report(runner.Options{})
	for i := range 20 {
		runtime.GOMAXPROCS(1 + i%2)
		require.Equal(t, want, report(runner.Options{Workers: i % 5}))
	}
}

func TestFailuresAreStoredAndReplayAlone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "failures")
	r := run(t, saving(""), "posix", runner.Options{Failures: dir})
	require.Len(t, r.Failures, 2)
	for _, f := range r.Failures {
		text, err := os.ReadFile(f.File)
		require.NoError(t, err)
		s, err := runner.ParseFailure(f.File, text)
		require.NoError(t, err)
		require.Equal(t, string(text), string(s.Text()))
		violations, err := s.Judge(saving(""), runner.Options{})
		require.NoError(t, err)
		require.Equal(t, f.Kind, violations[0].Kind)
		require.Equal(t, f.Story, s.Story)
		require.Equal(t, f.Pair, s.Pair)
		state, err := s.State()
		require.NoError(t, err)
		require.Contains(t, state.Tree, "/f")
	}
	left, err := filepath.Glob(filepath.Join(dir, ".crashsim-*"))
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestBadFailureFilesAreRefusedWithTheLine(t *testing.T) {
	good := "crashsim failure 1\n\ntold\n\n-- failure --\nscenario s\nmodel posix\nkind torn\npoint 1\nlost 0.0\n-- ops --\ncreate /f\n"
	_, err := runner.ParseFailure("f.txt", []byte(good))
	require.NoError(t, err)
	for _, test := range []struct{ old, new, want string }{
		{"failure 1", "failure 9", `f.txt:1: failure version "9" is not known, only 1`},
		{"crashsim failure", "crashsim", `f.txt:1: no stored failure: it does not begin with "crashsim failure "`},
		{"model posix", "model fat32", `f.txt:7: model "fat32": unknown preset "fat32"`},
		{"kind torn", "kind odd", `f.txt:8: unknown kind "odd"`},
		{"point 1", "point 7", `f.txt:9: there is no crash point 7: the trace has those from 0 to 1`},
		{"point 1", "point 0", `f.txt:9: effect 0 of op 0 is not there to be lost`},
		{"lost 0.0", "lost 3.0", `f.txt:10: there is no op 3`},
		{"lost 0.0", "lost 0.4", `f.txt:10: op 0 has no effect 4`},
		{"lost 0.0", "colour red", `f.txt:10: unknown key "colour"`},
		{"lost 0.0", "lost 0.0\nblame odd 0.0", `f.txt:11: blame: want one of alone, before, within and told`},
		{"lost 0.0", "blame alone 0.0", `f.txt:10: blame: effect 0.0 is not lost`},
		{"lost 0.0", "lost 0.0\nblame before 0.0", `f.txt:11: blame: before wants what was kept`},
		{"lost 0.0", "lost 0.0\nblame within 0.0 0.0", `f.txt:11: blame: effect 0.0 was not kept within the lost one`},
		{"lost 0.0", "lost 0.0\nblame told 0.0 0", `f.txt:11: blame: op 0 is no mark made after the lost effect`},
		{"lost 0.0", "lost 0.0\nblame alone 0.7", `f.txt:11: blame: op 0 has no effect 7`},
		{"lost 0.0", "lost 0.0\nblame alone 0.0 left", `f.txt:11: blame: unknown word "left"`},
		{"create /f", "create f", `f.txt:12: path "f" is not absolute`},
		{"-- failure --", "-- other --", `f.txt:5: unknown part "other"`},
	} {
		_, err := runner.ParseFailure("f.txt", []byte(strings.Replace(good, test.old, test.new, 1)))
		require.ErrorContains(t, err, test.want)
	}
}

func FuzzParseFailure(f *testing.F) {
	f.Add([]byte("crashsim failure 1\n\ntold\n\n-- failure --\nscenario s\nmodel posix\nkind torn\npoint 1\nlost 0.0\n-- ops --\ncreate /f\n"))
	f.Add([]byte("crashsim failure 1\n\ntold\n\n-- failure --\nscenario s\nmodel posix\nkind torn\npoint 2\nlost 0.0\n" +
		"blame told 0.0 1 right\n-- ops --\ncreate /f\nmark saved\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := runner.ParseFailure("f", text)
		if err != nil {
			return
		}
		again, err := runner.ParseFailure("f", s.Text())
		require.NoError(t, err)
		require.Equal(t, string(s.Text()), string(again.Text()))
	})
}
