package scenarios_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/require"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/model"
	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner"
	"github.com/crashsim/crashsim/runner/repair"
)

// saved replaces /f, without a sync.
func saved(fs afero.Fs, tmp, text string) error {
	f, err := fs.OpenFile(tmp, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close(), fs.Rename(tmp, "/f"))
}

func either(texts ...string) oracle.Oracle {
	var versions []oracle.Content
	for _, text := range texts {
		versions = append(versions, oracle.Data(text))
	}
	return oracle.OldOrNew{Path: "/f", Versions: versions}
}

func oldFile(fs *faultfs.FS) error { return afero.WriteFile(fs, "/f", []byte("old"), 0o644) }

// savedWell replaces /f as it should be done.
func savedWell(fs *faultfs.FS) error {
	return errors.Join(afero.WriteFile(fs, "/new", []byte("new"), 0o644), syncs(fs, "/new"), fs.Rename("/new", "/f"))
}

// moved goes on from "new" to "end", once.
func moved(disk afero.Fs) error {
	if data, err := afero.ReadFile(disk, "/f"); err != nil || string(data) != "new" {
		return err
	}
	return saved(disk, "/f.end", "end")
}

func nothing(afero.Fs) error { return nil }

// repairOf finds the syncs that a scenario lacks.
func repairOf(t *testing.T, s runner.Scenario) repair.Repair {
	t.Helper()
	s.Name = "lives"
	r, err := s.Fix(t.Context(), model.Default(), runner.Options{})
	require.NoError(t, err)
	require.Empty(t, r.Beyond)
	return r
}

// lacks are these syncs as they are told, without their call sites.
func lacks(t *testing.T, s runner.Scenario) (texts []string) {
	t.Helper()
	for _, sync := range repairOf(t, s).Syncs {
		require.Contains(t, sync.Site.String(), "scenarios/lives_test.go:")
		texts = append(texts, strings.ReplaceAll(sync.String(), " ("+sync.Site.String()+")", ""))
	}
	return texts
}

// One sync in the code that all lives share repairs all of them.
func TestOneSyncInSharedCodeCountsInAllLives(t *testing.T) {
	save := func(text string) func(*faultfs.FS) error {
		return func(fs *faultfs.FS) error { return saved(fs, "/f.tmp", text) }
	}
	for name, s := range map[string]runner.Scenario{
		"works on": {Setup: oldFile, Workload: save("new"), Recover: nothing, WorkOn: save("newer"), Oracle: either("old", "new", "newer")},
		"recovers": {
			Setup: oldFile, Workload: save("new"),
			Recover: moved, Oracle: either("old", "new", "end"),
		},
		"all": {
			Setup: oldFile, Workload: save("new"), WorkOn: save("newer"),
			Recover: moved, Oracle: either("old", "new", "newer", "end"),
		},
	} {
		syncs := repair.Grouped(repairOf(t, s).Syncs)
		require.Len(t, syncs, 1, "%s: %v", name, syncs)
		require.Contains(t, syncs[0].String(), "sync /f.tmp after write /f.tmp [0,3) (scenarios/lives_test.go:", name)
		require.Contains(t, syncs[0].Add(), "add f.Sync() for /f.tmp after scenarios/lives_test.go:", name)
	}
}

// A life that saves by code of its own lacks a sync of its own.
func TestSyncsAreFoundInTheLifeThatLacksThem(t *testing.T) {
	s := runner.Scenario{Setup: oldFile, Workload: savedWell, Oracle: either("old", "new", "end")}
	s.Recover = moved
	require.Equal(t, []string{"sync /f.end after write /f.end [0,3) in recovery"}, lacks(t, s))
	s.Recover = nothing
	s.WorkOn = func(fs *faultfs.FS) error { return saved(fs, "/f.tmp", "newer") }
	s.Oracle = either("old", "new", "newer")
	require.Equal(t, []string{"sync /f.tmp after write /f.tmp [0,5) when it works on after a kill"}, lacks(t, s))
}

// What a killed program has written need not be durable when recovery reads it.
func TestWhatRecoveryTrustsMustBeSyncedThere(t *testing.T) {
	s := runner.Scenario{
		Setup: oldFile,
		Workload: func(fs *faultfs.FS) error {
			return errors.Join(afero.WriteFile(fs, "/log", []byte("entry"), 0o644), syncs(fs, "/log"), syncs(fs, "/"))
		},
		Recover: func(disk afero.Fs) error { // it acknowledges what it finds
			_, err := afero.ReadFile(disk, "/log")
			if errors.Is(err, os.ErrNotExist) {
				return nil
			}
			return err
		},
		WorkOn: func(fs *faultfs.FS) error {
			if data, err := afero.ReadFile(fs, "/log"); err == nil && string(data) == "entry" {
				fs.Mark("entry is there")
			}
			return nil
		},
		Oracle: oracle.Func(func(disk afero.Fs, marks oracle.Marks) []oracle.Violation {
			if data, _ := afero.ReadFile(disk, "/log"); marks.Has("entry is there") && string(data) != "entry" {
				return []oracle.Violation{{Kind: oracle.Lost, Detail: "the entry is gone"}}
			}
			return nil
		}),
	}
	r := repairOf(t, s)
	require.NotEmpty(t, r.Syncs)
	require.Contains(t, fmt.Sprint(r.Syncs), "sync /log after read /log", "nothing in the workload can help where it is killed behind its write")
	s.Name = "lives"
	results, err := runner.Run(t.Context(), s, runner.Options{})
	require.NoError(t, err)
	require.Equal(t, runner.Broken, results[0].Outcome.Verdict)
}

func syncs(fs *faultfs.FS, name string) error {
	f, err := fs.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
