package runner_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/require"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner"
)

// blind is what is noted of an oracle that was never seen to reject anything.
const blind = "nothing was ever seen to fail"

func accepts(afero.Fs, oracle.Marks) []oracle.Violation { return nil }

func rejects(afero.Fs, oracle.Marks) []oracle.Violation {
	return []oracle.Violation{{Kind: oracle.Lost, Detail: "no"}}
}

// rejectsAfter rejects what test says, once the mark was made.
func rejectsAfter(mark string, test func(disk afero.Fs) bool) oracle.Func {
	return func(disk afero.Fs, marks oracle.Marks) []oracle.Violation {
		if marks.Has(mark) && test(disk) {
			return []oracle.Violation{{Kind: oracle.Lost, Detail: "/f"}}
		}
		return nil
	}
}

func lacksF(disk afero.Fs) bool {
	there, _ := afero.Exists(disk, "/f")
	return !there
}

func isNoted(r runner.Result) bool { return strings.Contains(strings.Join(r.Notes, "\n"), blind) }

// The check of case 6: it rightly accepts an empty disk, and cannot be met with
// "it cannot fail" for that.
func TestOracleThatAcceptsAnEmptyDiskIsHeard(t *testing.T) {
	whole := oracle.Func(func(disk afero.Fs, _ oracle.Marks) []oracle.Violation {
		data, err := afero.ReadFile(disk, "/f")
		if err == nil && strings.Contains(string(data), "\x00") {
			return []oracle.Violation{{Kind: oracle.Torn, Detail: "/f"}}
		}
		return nil
	})
	s := saving("dir")
	s.Oracle = whole
	r := run(t, s, "ext4", runner.Options{})
	require.Equal(t, "broken(torn)", r.Outcome.String())

	s = saving("file dir")
	s.Oracle = whole
	r = run(t, s, "posix", runner.Options{Strict: true})
	require.Equal(t, "kept", r.Outcome.String(), "it rejects cases of the program without its syncs")
	require.Empty(t, r.Notes)
	r = run(t, s, "kill", runner.Options{Strict: true})
	require.Equal(t, "kept", r.Outcome.String(), "under the model that promises least, whatever the model is")
}

func TestOracleThatIsNeverSeenToFailIsNotedAndUnknownIfStrict(t *testing.T) {
	s := saving("file dir")
	s.Oracle = oracle.Func(accepts)
	r := run(t, s, "posix", runner.Options{})
	require.Equal(t, "kept", r.Outcome.String())
	require.True(t, isNoted(r))
	strict := run(t, s, "posix", runner.Options{Strict: true})
	require.Equal(t, runner.Unknown, strict.Outcome.Verdict)
	require.Contains(t, strict.Why, blind)
	require.Equal(t, r.Coverage, strict.Coverage)
}

// What asks whether an oracle can fail can neither hang with it nor end with it.
func TestOracleThatIsUnwellOnAnEmptyDiskHasRejectedIt(t *testing.T) {
	for name, unwell := range map[string]func(){
		"panics": func() { panic("nothing here") },
		"exits":  runtime.Goexit,
		"hangs":  func() { select {} },
	} {
		t.Run(name, func(t *testing.T) {
			s := saving("file dir")
			s.Oracle = oracle.Func(func(disk afero.Fs, _ oracle.Marks) []oracle.Violation {
				if lacksF(disk) {
					unwell()
				}
				return nil
			})
			r := run(t, s, "strict", runner.Options{Strict: true, Timeout: 50 * time.Millisecond})
			require.Equal(t, "kept", r.Outcome.String())
		})
	}
}

func TestWhatIsAcknowledgedAndNeverWrittenIsBroken(t *testing.T) {
	mark := func(label string) func(fs *faultfs.FS) error {
		return func(fs *faultfs.FS) error { fs.Mark(label); return nil }
	}
	for name, c := range map[string]struct {
		setup, workload func(fs *faultfs.FS) error
		oracle          oracle.Func
		recovery        func(disk afero.Fs) error
		verdict, story  string
	}{
		"nothing is written at all": {
			nil, mark("saved"), rejectsAfter("saved", lacksF), nil,
			"broken(lost)", "lost: /f; power cut after mark saved (runner/trust_test.go:106): nothing was lost, and no crash is needed"},
		"another file is written": {
			nil, func(fs *faultfs.FS) error {
				err := afero.WriteFile(fs, "/g", []byte("new"), 0o644)
				fs.Mark("saved")
				return err
			}, rejectsAfter("saved", lacksF), nil,
			"broken(lost)", "and no crash is needed"},
		"it is written from a buffer, later": {
			nil, func(fs *faultfs.FS) error {
				fs.Mark("saved")
				return save(fs, "/f", "new", "file dir")
			}, rejectsAfter("saved", lacksF), nil,
			"broken(lost)", "nothing was lost, kill -9 is enough"},
		"the setup acknowledges it": {
			mark("saved"), func(fs *faultfs.FS) error { return afero.WriteFile(fs, "/g", nil, 0o644) },
			rejectsAfter("saved", lacksF), nil,
			"broken(lost)", "power cut before the first op: nothing was lost, and no crash is needed"},
		"it is removed again after the mark": {
			func(fs *faultfs.FS) error { return afero.WriteFile(fs, "/f", nil, 0o644) },
			func(fs *faultfs.FS) error { fs.Mark("saved"); return fs.Remove("/f") }, rejectsAfter("saved", lacksF), nil,
			"broken(lost)", "power cut after remove"},
		"recovery refuses what the program wrote": {
			nil, func(fs *faultfs.FS) error { return save(fs, "/f", "new", "file dir") }, accepts,
			func(disk afero.Fs) error {
				if !lacksF(disk) {
					return errors.New("what is this?")
				}
				return nil
			},
			"broken(refused)", "refused: recovery failed: what is this?"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, model := range []string{"posix", "kill"} {
				s := runner.Scenario{Name: "hasty", Setup: c.setup, Workload: c.workload, Oracle: c.oracle, Recover: c.recovery}
				r := run(t, s, model, runner.Options{})
				require.Equal(t, c.verdict, r.Outcome.String(), "%s %v", r.Why, r.Notes)
				require.Contains(t, r.Failures[0].Story, strings.Replace(c.story, "remove", "unlink", 1))
			}
		})
	}
}

// Where the oracle rejects the disk that the program began with, and nothing was
// acknowledged, no crash has to do with it.
func TestOracleThatRejectsTheBeginningHasNoVerdict(t *testing.T) {
	s := saving("file dir")
	s.Oracle = oracle.Func(rejects)
	r := run(t, s, "posix", runner.Options{})
	require.Equal(t, runner.Unknown, r.Outcome.Verdict)
	require.Contains(t, r.Why, "the oracle rejects the disk before the first op, where nothing was lost and nothing was acknowledged: lost: no")
	require.Empty(t, r.Failures)

	// The setup has marked something, but that is not why.
	s.Setup = func(fs *faultfs.FS) error { fs.Mark("ready"); return afero.WriteFile(fs, "/f", []byte("zero"), 0o644) }
	r = run(t, s, "posix", runner.Options{})
	require.Equal(t, runner.Unknown, r.Outcome.Verdict)
	require.Contains(t, r.Why, "the oracle rejects the disk before the first op")
}

func TestNothingThatWasRecordedIsNotKept(t *testing.T) {
	dir := t.TempDir()
	byPackageOS := func(fs *faultfs.FS) error { return os.WriteFile(filepath.Join(dir, "f"), []byte("new"), 0o600) }
	writeF := func(fs *faultfs.FS) error { return afero.WriteFile(fs, "/f", []byte("old"), 0o644) }
	oldOrNew := oracle.OldOrNew{Path: "/f", Versions: []oracle.Content{oracle.Absent, oracle.Data("old"), oracle.Data("new")}}
	only := oracle.OldOrNew{Path: "/f", Versions: []oracle.Content{oracle.Data("old")}}
	empty := runner.Scenario{Workload: func(*faultfs.FS) error { return nil }}
	emptyTrace, err := empty.Record()
	require.NoError(t, err)
	empty.Setup = writeF
	idleTrace, err := empty.Record()
	require.NoError(t, err)

	const noPackageOS = "it wrote with package os, or to another file system, instead of the one that it was given"
	for name, c := range map[string]struct {
		scenario runner.Scenario
		verdict  runner.Verdict
		says     string
	}{
		"by package os": {runner.Scenario{Workload: byPackageOS, Oracle: oldOrNew}, runner.Unknown, "none of the 0 ops that were recorded changes a file"},
		"by package os, after a setup that did as it should": {
			runner.Scenario{Setup: writeF, Workload: byPackageOS, Oracle: oldOrNew}, runner.Unknown, noPackageOS},
		"by package os, with a recovery that writes": {
			runner.Scenario{Setup: writeF, Workload: byPackageOS, Oracle: oldOrNew, Recover: func(disk afero.Fs) error {
				return afero.WriteFile(disk, "/log", nil, 0o644)
			}}, runner.Unknown, noPackageOS},
		"only reads": {runner.Scenario{Setup: writeF, Oracle: oldOrNew, Workload: func(fs *faultfs.FS) error {
			_, err := afero.ReadFile(fs, "/f")
			return err
		}}, runner.Unknown, noPackageOS},
		"only syncs": {runner.Scenario{Setup: writeF, Oracle: oldOrNew, Workload: func(fs *faultfs.FS) error {
			f, err := fs.Open("/f")
			if err != nil {
				return err
			}
			return errors.Join(f.Sync(), f.Close())
		}}, runner.Unknown, "none of the 3 ops"},
		"only marks": {runner.Scenario{Oracle: oldOrNew, Workload: func(fs *faultfs.FS) error {
			fs.Mark("saved")
			return byPackageOS(fs)
		}}, runner.Unknown, noPackageOS},
		"only marks, which are true of what the setup left": {runner.Scenario{Setup: writeF, Oracle: only, Workload: func(fs *faultfs.FS) error {
			fs.Mark("ready")
			return nil
		}}, runner.Kept, "only the disk that the setup left was judged"},
		"no workload": {runner.Scenario{Setup: writeF, Oracle: only}, runner.Unknown, "the scenario has no workload"},
		"no workload, and a recovery to crash": {runner.Scenario{Setup: writeF, Oracle: only, Recover: func(disk afero.Fs) error {
			return afero.WriteFile(disk, "/g", nil, 0o644)
		}}, runner.Kept, ""},
		"an empty trace": {runner.Scenario{Trace: emptyTrace, Oracle: oldOrNew}, runner.Unknown, "somewhere else than where it was recorded"},
		"a trace of a setup alone": {
			runner.Scenario{Trace: idleTrace, Oracle: only}, runner.Kept, "only the disk that the setup left was judged"},
	} {
		t.Run(name, func(t *testing.T) {
			c.scenario.Name = "idle"
			r := run(t, c.scenario, "posix", runner.Options{})
			require.Equal(t, c.verdict, r.Outcome.Verdict, "%s %v", r.Why, r.Notes)
			require.Contains(t, fmt.Sprint(r.Why, r.Notes), c.says)
			require.Empty(t, r.Failures)
		})
	}
}

// What works on after a kill is called where there is no recovery, too.
func TestWorkOnIsCalledWithoutARecovery(t *testing.T) {
	called := 0
	s := saving("file dir")
	s.WorkOn = func(fs *faultfs.FS) error {
		called++
		fs.Mark("saved")
		return fs.Remove("/f")
	}
	r := run(t, s, "posix", runner.Options{})
	require.Positive(t, called)
	require.Positive(t, r.Coverage.Kills)
	require.Equal(t, runner.Broken, r.Outcome.Verdict)
	require.Contains(t, r.Failures[0].How, "killed after create /f.tmp")
	require.Contains(t, r.Failures[0].How, ", started again")

	dir := t.TempDir()
	var first, second recordingT
	runner.Check(&first, s, runner.Options{Failures: dir})
	require.Len(t, first.errors, 1)
	runner.Check(&second, s, runner.Options{Failures: dir})
	require.Contains(t, strings.Join(second.errors, "\n"), ", started again")
}

// A recovery that adds what a log says, and is crashed before it has emptied the
// log, adds it twice. That a recovery which came to its end changes nothing when it
// runs again is true, and is not said beside it as if it were harmless.
func TestRecoveryThatReplaysTwiceIsNotCalledHarmless(t *testing.T) {
	s := runner.Scenario{
		Name:  "deltas",
		Setup: func(fs *faultfs.FS) error { return afero.WriteFile(fs, "/sum", []byte("1"), 0o644) },
		Workload: func(fs *faultfs.FS) error {
			return save(fs, "/log", "+1", "file dir")
		},
		Recover: func(disk afero.Fs) error {
			if there, _ := afero.Exists(disk, "/log"); !there {
				return nil
			}
			sum, err := afero.ReadFile(disk, "/sum")
			if err == nil {
				err = save(disk, "/sum", string(sum)+"1", "file dir")
			}
			if err != nil {
				return err
			}
			return disk.Remove("/log")
		},
		Oracle: oracle.OldOrNew{Path: "/sum", Versions: []oracle.Content{oracle.Data("1"), oracle.Data("11")}},
	}
	r := run(t, s, "posix", runner.Options{})
	require.Equal(t, runner.Broken, r.Outcome.Verdict)
	require.NotEmpty(t, r.Failures[0].RecoveryCrashes)
	require.NotNil(t, r.Recovery)
	require.NotContains(t, r.Report(), "changed nothing that can be seen")
	require.NotContains(t, r.Report(), "idempotent")
}
