package runner_test

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/require"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner"
)

// put writes a file and syncs it.
func put(disk afero.Fs, path, data string) error {
	f, err := disk.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteString(data)
	return errors.Join(err, f.Sync(), f.Close())
}

// inPlace is a scenario that overwrites a durable file of a few bytes in place:
// that is atomic, if the page is.
func inPlace(recovery func(disk afero.Fs) error) runner.Scenario {
	return runner.Scenario{
		Name:  "in-place",
		Setup: func(fs *faultfs.FS) error { return put(fs, "/f", "old") },
		Workload: func(fs *faultfs.FS) error {
			f, err := fs.OpenFile("/f", os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			_, err = f.WriteAt([]byte("new"), 0)
			if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
				fs.Mark("saved")
			}
			return err
		},
		Recover: recovery,
		Oracle:  oracle.OldOrNew{Path: "/f", Versions: []oracle.Content{oracle.Data("old"), oracle.Data("new")}, Mark: "saved"},
	}
}

// How often recovery has to run until it changes nothing more is said.
func TestRecoveryIsSeenToSettle(t *testing.T) {
	appendTo := func(disk afero.Fs, most int64) error {
		f, err := disk.OpenFile("/starts", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
		if err != nil {
			return err
		}
		info, err := f.Stat()
		if err == nil && info.Size() < most {
			_, err = f.WriteString(".")
		}
		return errors.Join(err, f.Close())
	}
	for name, c := range map[string]struct {
		recovery func(disk afero.Fs) error
		says     string
	}{
		"idempotent": {func(disk afero.Fs) error { return put(disk, "/ready", "yes") }, "recovery, run again on what it left, changed nothing that can be seen"},
		"three runs": {func(disk afero.Fs) error { return appendTo(disk, 3) }, "only run 4 changed nothing that can be seen"},
		"never":      {func(disk afero.Fs) error { return appendTo(disk, 1<<20) }, "recovery, run again and again on what it left, changed something each time"},
	} {
		r := run(t, inPlace(c.recovery), "posix", runner.Options{})
		require.Equal(t, runner.Kept, r.Outcome.Verdict, name)
		require.NotNil(t, r.Recovery, name)
		require.Contains(t, r.Recovery.String(), c.says, name)
		require.Contains(t, r.Report(), c.says)
		require.Positive(t, r.Coverage.Recoveries, name)
	}
	none := run(t, inPlace(nil), "posix", runner.Options{})
	require.Nil(t, none.Recovery)
	require.Zero(t, none.Coverage.Recoveries)
}

// clearsFirst is a recovery that removes the journal before what it restores
// is durable.
func clearsFirst(disk afero.Fs) error {
	data, err := afero.ReadFile(disk, "/journal")
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err := errors.Join(err, put(disk, "/g", "")); err != nil {
		return err
	}
	if err := disk.Remove("/journal"); err != nil {
		return err
	}
	root, err := disk.Open("/")
	if err != nil {
		return err
	}
	return errors.Join(root.Sync(), root.Close(), put(disk, "/g", string(data)))
}

// journaled is a scenario whose journal is durable from the start; the run only
// begins. What can go wrong is recovery, when it is crashed.
func journaled() runner.Scenario {
	return runner.Scenario{
		Name:     "journaled",
		Setup:    func(fs *faultfs.FS) error { return errors.Join(put(fs, "/journal", "worth"), put(fs, "/g", "")) },
		Workload: func(fs *faultfs.FS) error { fs.Mark("up"); return nil },
		Recover:  clearsFirst,
		Oracle:   oracle.OldOrNew{Path: "/g", Versions: []oracle.Content{oracle.Data("worth")}},
	}
}

func TestCrashInRecoveryBreaksWhatOneCrashDoesNot(t *testing.T) {
	require.Equal(t, runner.Kept, run(t, journaled(), "posix", runner.Options{Depth: runner.Times(0)}).Outcome.Verdict)
	r := run(t, journaled(), "posix", runner.Options{})
	require.Equal(t, runner.Broken, r.Outcome.Verdict)
	require.Len(t, r.Failures[0].RecoveryCrashes, 1)
	require.Contains(t, r.Failures[0].Story, "again in recovery after")
}

// countsDown is a recovery in three steps, one a run: it takes as many crashes
// to break it.
func countsDown(disk afero.Fs) error {
	for _, step := range []struct{ from, to string }{{"/3", "/2"}, {"/2", "/1"}, {"/1", "/0"}} {
		if _, err := disk.Stat(step.from); err == nil {
			if err := disk.Rename(step.from, step.to); err != nil {
				return err
			}
			if step.to != "/0" {
				return nil
			}
			return put(disk, "/g", "broken")
		}
	}
	return nil
}

func TestEachCrashOfRecoveryCountsAsDepth(t *testing.T) {
	s := journaled()
	s.Setup = func(fs *faultfs.FS) error { return errors.Join(put(fs, "/3", ""), put(fs, "/g", "worth")) }
	s.Recover = countsDown
	for depth, want := range map[int]runner.Verdict{0: runner.Kept, 1: runner.Kept, 2: runner.Broken, 3: runner.Broken} {
		r := run(t, s, "posix", runner.Options{Depth: runner.Times(depth)})
		require.Equal(t, want, r.Outcome.Verdict, depth)
		if want == runner.Broken {
			require.Len(t, r.Failures[0].RecoveryCrashes, 2)
		}
	}
}

// trusting is a program that saves without a sync, and says so once it has
// started again.
func trusting() runner.Scenario {
	return runner.Scenario{
		Name:  "trusting",
		Setup: func(fs *faultfs.FS) error { return put(fs, "/f", "old") },
		Workload: func(fs *faultfs.FS) error {
			f, err := fs.OpenFile("/f", os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			_, err = f.WriteAt([]byte("new"), 0)
			fs.Mark("begun")
			return errors.Join(err, f.Close())
		},
		Recover: func(disk afero.Fs) error {
			data, err := afero.ReadFile(disk, "/f")
			if err == nil && string(data) == "new" {
				err = put(disk, "/seen", "")
			}
			return err
		},
		WorkOn: func(fs *faultfs.FS) error {
			if _, err := fs.Stat("/seen"); err == nil {
				fs.Mark("saved")
			}
			return nil
		},
		Oracle: oracle.All(
			oracle.OldOrNew{Path: "/f", Versions: []oracle.Content{oracle.Data("old"), oracle.Data("new")}, Mark: "saved"},
			oracle.Exists("/f")),
	}
}

func TestKillAndWorkOnBreaksWhatThePowerCutDoesNot(t *testing.T) {
	calm := trusting()
	calm.WorkOn = nil
	require.Equal(t, runner.Kept, run(t, calm, "posix", runner.Options{}).Outcome.Verdict)
	require.Equal(t, runner.Kept, run(t, trusting(), "posix", runner.Options{Depth: runner.Times(0)}).Outcome.Verdict)
	r := run(t, trusting(), "posix", runner.Options{})
	require.Equal(t, runner.Broken, r.Outcome.Verdict)
	require.Positive(t, r.Coverage.Kills)
	require.Contains(t, r.Failures[0].Story, "killed after")
}

// summed is a file with a checksum, which is looked at or not.
func summed(looks bool) runner.Scenario {
	encode := func(text string) string { return fmt.Sprintf("%08x %s", crc32.ChecksumIEEE([]byte(text)), text) }
	s := inPlace(nil)
	s.Name = "summed"
	s.Setup = func(fs *faultfs.FS) error { return put(fs, "/f", encode(strings.Repeat("old ", 300))) }
	s.Workload = func(fs *faultfs.FS) error { fs.Mark("up"); return nil }
	check := oracle.Accepted("/f", func(disk afero.Fs) error {
		data, err := afero.ReadFile(disk, "/f")
		if err == nil && looks && encode(string(bytes.TrimPrefix(data, data[:min(9, len(data))]))) != string(data) {
			err = errors.New("bad checksum")
		}
		return err
	})
	content := oracle.OldOrNew{Path: "/f", Versions: []oracle.Content{oracle.Data(encode(strings.Repeat("old ", 300)))}}
	s.Oracle = oracle.All(check, content)
	s.Damage = oracle.Detects(check)
	if !looks {
		s.Damage = oracle.Detects(content)
	}
	return s
}

func TestDamageAtRestIsToBeDetected(t *testing.T) {
	r := run(t, summed(true), "posix", runner.Options{})
	require.Equal(t, runner.Kept, r.Outcome.Verdict)
	// Three sectors: zeroed, 16 bits of each flipped, and each in place of the
	// two others.
	require.Equal(t, 3*(1+16+2), r.Coverage.Damages)
	sweep := run(t, summed(true), "posix", runner.Options{Sweep: true})
	require.Equal(t, 9+4*300+3*(1+2), sweep.Coverage.Damages, "a bit of every byte")

	r = run(t, summed(false), "posix", runner.Options{})
	require.Equal(t, runner.Broken, r.Outcome.Verdict)
	require.Contains(t, r.Failures[0].Story, "with the sector at 0 of /f zeroed")
	blind := summed(false)
	blind.Damage = nil
	require.Equal(t, runner.Kept, run(t, blind, "posix", runner.Options{Sweep: true}).Outcome.Verdict)
	require.Zero(t, run(t, summed(false), "kill", runner.Options{}).Coverage.Damages, "the page cache does not rot")
}

// retrying is a program that takes the second answer of fsync for the truth.
func retrying() runner.Scenario {
	s := inPlace(nil)
	s.Name = "retrying"
	s.Workload = func(fs *faultfs.FS) error {
		f, err := fs.OpenFile("/f", os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		_, err = f.WriteAt([]byte("new"), 0)
		if err == nil && f.Sync() != nil {
			err = f.Sync()
		}
		if err = errors.Join(err, f.Close()); err == nil {
			fs.Mark("saved")
		}
		return err
	}
	return s
}

func TestFaultsOfTheOptionsReplaceThoseOfTheScenario(t *testing.T) {
	fails, err := faultfs.ParseFault("fsync /f nth=1 err=EIO")
	require.NoError(t, err)
	other, err := faultfs.ParseFault("close /f nth=1 err=EIO")
	require.NoError(t, err)
	s := retrying()
	require.Equal(t, runner.Kept, run(t, s, "posix", runner.Options{}).Outcome.Verdict)
	s.Faults = []faultfs.Fault{fails}
	require.Equal(t, runner.Broken, run(t, s, "posix", runner.Options{}).Outcome.Verdict)
	require.Equal(t, runner.Kept, run(t, s, "posix", runner.Options{Faults: []faultfs.Fault{other}}).Outcome.Verdict)
	require.Equal(t, runner.Kept, run(t, s, "strict", runner.Options{}).Outcome.Verdict, "where the page stays dirty, to try again is right")
	r := run(t, retrying(), "posix", runner.Options{Sweep: true})
	require.Equal(t, runner.Broken, r.Outcome.Verdict)
	require.Positive(t, r.Coverage.Faults)
}

// Whatever it took to get there, a stored failure leads there again.
func TestFailuresOfEveryKindOfFaultAreStoredAndReplay(t *testing.T) {
	fails, err := faultfs.ParseFault("fsync /f nth=1 err=EIO")
	require.NoError(t, err)
	faulty := retrying()
	faulty.Faults = []faultfs.Fault{fails}
	deep := journaled()
	deep.Setup = func(fs *faultfs.FS) error { return errors.Join(put(fs, "/3", ""), put(fs, "/g", "worth")) }
	deep.Recover, deep.Name = countsDown, "deep"
	for _, s := range []runner.Scenario{faulty, journaled(), deep, trusting(), summed(false)} {
		dir := t.TempDir()
		r := run(t, s, "posix", runner.Options{Failures: dir, Depth: runner.Times(2)})
		require.NotEmpty(t, r.Failures, s.Name)
		for _, f := range r.Failures {
			require.NotEmpty(t, f.File, s.Name)
			text, err := os.ReadFile(f.File)
			require.NoError(t, err)
			stored, err := runner.ParseFailure(f.File, text)
			require.NoError(t, err)
			require.Equal(t, string(text), string(stored.Text()))
			violations, err := stored.Judge(s, runner.Options{})
			require.NoError(t, err, s.Name)
			require.NotEmpty(t, violations, s.Name)
			require.Equal(t, f.Kind, violations[0].Kind, s.Name)
			require.Equal(t, f.How, stored.How)
		}
		again := &recordingT{}
		runner.Check(again, s, runner.Options{Failures: dir, Depth: runner.Times(2)})
		require.NotEmpty(t, again.errors, s.Name)
	}
}

func TestStoredFailureOfAnotherRecoveryIsSaidSo(t *testing.T) {
	dir := t.TempDir()
	r := run(t, journaled(), "posix", runner.Options{Failures: dir})
	text, err := os.ReadFile(r.Failures[0].File)
	require.NoError(t, err)
	stored, err := runner.ParseFailure("f", text)
	require.NoError(t, err)
	mended := journaled()
	mended.Recover = func(afero.Fs) error { return nil }
	_, err = stored.Judge(mended, runner.Options{})
	require.ErrorContains(t, err, "recovery")
	left, err := filepath.Glob(filepath.Join(dir, "*"))
	require.NoError(t, err)
	require.Len(t, left, len(r.Failures))
}
