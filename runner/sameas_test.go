package runner_test

import (
	"context"
	"errors"
	"os"
	"testing"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/require"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/model"
	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner"
)

// readConfig is how the programs below are opened again.
func readConfig(disk afero.Fs) (string, error) {
	data, err := afero.ReadFile(disk, "/config")
	return string(data), err
}

// savingSame saves a file three times and marks each; no version of it is written down.
func savingSame(syncs string) runner.Scenario {
	s := saving(syncs)
	s.Oracle = oracle.SameAs(readConfig)
	s.Setup = func(fs *faultfs.FS) error { return afero.WriteFile(fs, "/config", []byte("zero"), 0o644) }
	s.Workload = func(fs *faultfs.FS) error {
		for _, text := range []string{"one", "two", "three"} {
			if err := save(fs, "/config", text, syncs); err != nil {
				return err
			}
			fs.Mark("saved")
		}
		return nil
	}
	return s
}

// outcome is the verdict under posix. What is wrong is in the order of the kinds.
func outcome(t *testing.T, s runner.Scenario, o runner.Options) runner.Result {
	t.Helper()
	s.Declared = nil
	results, err := runner.Run(context.Background(), s, o)
	require.NoError(t, err)
	require.Len(t, results, 1)
	require.True(t, results[0].Coverage.Exhaustive, results[0].Why)
	return results[0]
}

func TestSameAsNeedsNoVersions(t *testing.T) {
	for _, c := range []struct {
		syncs string
		want  runner.Outcome
	}{
		{"file dir", runner.Keeps()},
		{"file", runner.Breaks(oracle.Stale)},
		{"dir", runner.Breaks(oracle.Torn)},
		{"", runner.Breaks(oracle.Torn, oracle.Stale)},
	} {
		r := outcome(t, savingSame(c.syncs), runner.Options{})
		require.Equal(t, c.want.String(), r.Outcome.String(), "%q: %v", c.syncs, r.Failures)
	}
}

// A file that is written in place is between two answers for a while, and the program
// gives neither: no crash is needed to see it, and no moment of the run excuses it.
func TestWhatIsSeenOnlyWithinAnOperationIsNoAnswer(t *testing.T) {
	s := savingSame("")
	s.Workload = func(fs *faultfs.FS) error {
		err := afero.WriteFile(fs, "/config", []byte("one"), 0o644)
		fs.Mark("saved")
		return err
	}
	s.Declared = nil
	results, err := runner.Run(context.Background(), s, runner.Options{Models: []model.Model{model.MustParse("kill")}})
	require.NoError(t, err)
	require.Equal(t, runner.Breaks(oracle.Torn), results[0].Outcome)
}

// counting adds one to a number, through a log that recovery applies: if it is not cut in
// the same step, it is applied twice.
func counting(cutsFirst bool) runner.Scenario {
	read := func(disk afero.Fs) (int, error) {
		data, err := afero.ReadFile(disk, "/n")
		return len(data), err
	}
	syncDir := func(fs afero.Fs) error {
		d, err := fs.Open("/")
		if err != nil {
			return err
		}
		return errors.Join(d.Sync(), d.Close())
	}
	put := func(fs afero.Fs, name, text string) error { return save(fs, name, text, "file dir") }
	return runner.Scenario{
		Name:  "counting",
		Setup: func(fs *faultfs.FS) error { return afero.WriteFile(fs, "/n", []byte("x"), 0o644) },
		Workload: func(fs *faultfs.FS) error {
			err := put(fs, "/log", "x")
			fs.Mark("added")
			return err
		},
		Recover: func(disk afero.Fs) error {
			more, err := afero.ReadFile(disk, "/log")
			if errors.Is(err, os.ErrNotExist) {
				return nil
			}
			if err != nil {
				return err
			}
			have, err := afero.ReadFile(disk, "/n")
			if err != nil {
				return err
			}
			text := string(have) + string(more)
			if cutsFirst { // what is there is known by the log
				text = "x" + string(more)
			}
			return errors.Join(put(disk, "/n", text), disk.Remove("/log"), syncDir(disk))
		},
		Oracle: oracle.SameAs(read),
	}
}

func TestSameAsSeesADeltaThatIsAppliedTwice(t *testing.T) {
	require.Equal(t, runner.Breaks(oracle.Torn), outcome(t, counting(false), runner.Options{}).Outcome)
	require.Equal(t, runner.Keeps(), outcome(t, counting(true), runner.Options{}).Outcome)
}

// A program that was killed works on, and what it does then is known from a run in which
// it was killed and lost no power.
func TestSameAsFollowsAProgramThatWasKilled(t *testing.T) {
	s := savingSame("file dir")
	s.WorkOn = func(fs *faultfs.FS) error {
		err := save(fs, "/config", "later", "file dir")
		fs.Mark("saved")
		return err
	}
	r := outcome(t, s, runner.Options{})
	require.Equal(t, runner.Keeps(), r.Outcome, "%v", r.Failures)
	require.Positive(t, r.Coverage.Kills)
	s.WorkOn = func(fs *faultfs.FS) error {
		err := save(fs, "/config", "later", "file")
		fs.Mark("saved")
		return err
	}
	require.Equal(t, runner.Breaks(oracle.Stale), outcome(t, s, runner.Options{}).Outcome)
}

// A mark acknowledges what it does where no call fails: a program that ignores an error
// and marks all the same has lost data, without any crash.
func TestSameAsKnowsWhatAMarkAcknowledgesFromTheRunWithoutFaults(t *testing.T) {
	fault, err := faultfs.ParseFault("write /config.tmp nth=2 err=EIO")
	require.NoError(t, err)
	for _, ignores := range []bool{false, true} {
		s := savingSame("file dir")
		s.Faults = []faultfs.Fault{fault}
		if ignores {
			s.Workload = func(fs *faultfs.FS) error {
				for _, text := range []string{"one", "two", "three"} {
					_ = save(fs, "/config", text, "file dir")
					fs.Mark("saved")
				}
				return nil
			}
		}
		r := outcome(t, s, runner.Options{})
		want := runner.Keeps()
		if ignores {
			want = runner.Breaks(oracle.Stale)
		}
		require.Equal(t, want.String(), r.Outcome.String(), "%v", r.Failures)
		require.Equal(t, 1, r.Coverage.Faults)
		for _, f := range r.Failures { // and it is found again in its stored form
			stored, err := runner.ParseFailure("f.txt", r.Stored(f).Text())
			require.NoError(t, err)
			violations, err := stored.Judge(s, runner.Options{})
			require.NoError(t, err)
			require.NotEmpty(t, violations)
		}
	}
}

// Of two operations between two acknowledgements, the first may be there alone, where a
// mark says that it was a moment; a mark that does not acknowledge promises nothing.
func TestMarksThatDoNotAcknowledgeAreMomentsOnly(t *testing.T) {
	batch := func(marks bool) runner.Scenario {
		s := savingSame("file")
		s.Workload = func(fs *faultfs.FS) error {
			for i, text := range []string{"one", "two"} {
				if err := save(fs, "/config", text, "file"); err != nil {
					return err
				}
				if marks && i == 0 {
					fs.Mark("put")
				}
			}
			d, err := fs.Open("/")
			if err == nil {
				err = errors.Join(d.Sync(), d.Close())
			}
			fs.Mark("saved")
			return err
		}
		s.Oracle = oracle.SameAs(readConfig, "saved")
		return s
	}
	require.Equal(t, runner.Keeps(), outcome(t, batch(true), runner.Options{}).Outcome)
	require.Equal(t, runner.Breaks(oracle.Torn), outcome(t, batch(false), runner.Options{}).Outcome)
}

// A program that never opens without a crash says nothing about one that crashed.
func TestSameAsWantsAnAnswerOfTheRunningProgram(t *testing.T) {
	s := savingSame("file dir")
	s.Oracle = oracle.SameAs(func(afero.Fs) (string, error) { return "", errors.New("locked") })
	_, err := runner.Run(context.Background(), s, runner.Options{})
	require.ErrorIs(t, err, oracle.ErrNoVerdict)
	require.ErrorContains(t, err, "it returned an error each time")
	s.Oracle = oracle.SameAs(func(afero.Fs) (string, error) { panic("no such luck") })
	_, err = runner.Run(context.Background(), s, runner.Options{})
	require.ErrorContains(t, err, "no such luck")
}

func TestDurableHoldsWhatWasAcknowledgedAndNotTouchedSince(t *testing.T) {
	durable := func(syncs string) runner.Scenario {
		s := savingSame(syncs)
		s.Oracle = oracle.Durable{}
		return s
	}
	require.Equal(t, runner.Keeps(), outcome(t, durable("file dir"), runner.Options{}).Outcome)
	require.Equal(t, "broken(stale)", outcome(t, durable("file"), runner.Options{}).Outcome.String())
	// Between two marks the file may be anything: it is torn only where a mark has said that it is there.
	require.Equal(t, "broken(torn)", outcome(t, durable("dir"), runner.Options{}).Outcome.String())
}

// Scratch files are no part of the promise if the paths say so, and what recovery does to
// files is its own.
func TestDurableLeavesOutOtherPathsAndWhatRecoveryTouches(t *testing.T) {
	s := savingSame("file dir")
	work := s.Workload
	s.Workload = func(fs *faultfs.FS) error {
		if err := afero.WriteFile(fs, "/scratch", []byte("not synced"), 0o644); err != nil {
			return err
		}
		return work(fs)
	}
	s.Oracle = oracle.Durable{}
	require.Equal(t, "broken(torn)", outcome(t, s, runner.Options{}).Outcome.String())
	s.Oracle = oracle.Durable{Paths: []string{"/conf*"}}
	require.Equal(t, runner.Keeps(), outcome(t, s, runner.Options{}).Outcome)
	s.Oracle = oracle.Durable{}
	s.Recover = func(disk afero.Fs) error { return disk.RemoveAll("/scratch") }
	require.Equal(t, runner.Keeps(), outcome(t, s, runner.Options{}).Outcome)
	s.Oracle = oracle.Durable{Paths: []string{"[a"}}
	_, err := runner.Run(context.Background(), s, runner.Options{})
	require.ErrorContains(t, err, "syntax error in pattern")
}

// A sync that is tried again and then succeeds has not written what the first one lost.
func TestDurableSeesASyncThatOnlySaysItSucceeded(t *testing.T) {
	fault, err := faultfs.ParseFault("fsync /config.tmp err=EIO")
	require.NoError(t, err)
	s := savingSame("file dir")
	s.Workload = func(fs *faultfs.FS) error {
		f, err := fs.Create("/data")
		if err != nil {
			return err
		}
		_, err = f.WriteString("text")
		if err == nil && f.Sync() != nil {
			err = f.Sync()
		}
		d, openErr := fs.Open("/")
		if err = errors.Join(err, openErr, f.Close()); err != nil {
			return err
		}
		err = errors.Join(d.Sync(), d.Close())
		fs.Mark("saved")
		return err
	}
	s.Oracle = oracle.Durable{}
	require.Equal(t, runner.Keeps(), outcome(t, s, runner.Options{}).Outcome)
	fault.Path = "/data"
	s.Faults = []faultfs.Fault{fault}
	require.Equal(t, runner.Breaks(oracle.Torn), outcome(t, s, runner.Options{}).Outcome)
}
