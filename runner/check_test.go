package runner_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/runner"
)

// recordingT is a test that notes what happens to it.
type recordingT struct{ logs, errors, fatals, skips []string }

func (t *recordingT) Helper() {}
func (t *recordingT) Logf(format string, args ...any) {
	t.logs = append(t.logs, fmt.Sprintf(format, args...))
}
func (t *recordingT) Errorf(format string, args ...any) {
	t.errors = append(t.errors, fmt.Sprintf(format, args...))
}
func (t *recordingT) Fatalf(format string, args ...any) {
	t.fatals = append(t.fatals, fmt.Sprintf(format, args...))
}
func (t *recordingT) Skipf(format string, args ...any) {
	t.skips = append(t.skips, fmt.Sprintf(format, args...))
}

func TestCheckPassesWhatIsKept(t *testing.T) {
	runner.Check(t, saving("file dir"), runner.Options{Models: presets()})
}

func TestCheckRunsUnderRapid(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := saving("file dir")
		s.Name = rapid.StringMatching(`[a-z]{1,8}`).Draw(t, "name")
		runner.Check(t, s, runner.Options{})
	})
}

func TestCheckFailsWhatIsBroken(t *testing.T) {
	var got recordingT
	runner.Check(&got, saving(""), runner.Options{})
	require.Len(t, got.errors, 1)
	require.Contains(t, got.errors[0], "saving under posix: broken(torn,stale), declared kept")
}

func TestCheckPassesWhatIsDeclaredBrokenAndFailsWhatIsFixed(t *testing.T) {
	s := saving("")
	s.Declared = map[string]runner.Outcome{"posix": runner.Breaks(2, 3)} // torn and stale
	var got recordingT
	runner.Check(&got, s, runner.Options{})
	require.Empty(t, got.errors)

	s = saving("file dir")
	s.Declared = map[string]runner.Outcome{"posix": runner.Breaks(2, 3)}
	runner.Check(&got, s, runner.Options{})
	require.Len(t, got.errors, 1)
	require.Contains(t, got.errors[0], "saving under posix: kept, declared broken(torn,stale)")
}

func TestCheckStoresFailuresAndReplaysThemFirst(t *testing.T) {
	dir := t.TempDir()
	var first recordingT
	runner.Check(&first, saving(""), runner.Options{Failures: dir})
	require.Len(t, first.errors, 1)
	files, err := filepath.Glob(filepath.Join(dir, "saving--posix--*.txt"))
	require.NoError(t, err)
	require.Len(t, files, 2)
	require.Contains(t, first.errors[0], "again: crashsim replay "+files[0])

	var second recordingT
	runner.Check(&second, saving(""), runner.Options{Failures: dir})
	require.Len(t, second.errors, 2, "each stored failure is told, and nothing is searched for")
	require.Contains(t, second.errors[0], "broken, as "+files[0]+" says")

	var fixed recordingT
	runner.Check(&fixed, saving("file dir"), runner.Options{Failures: dir})
	require.Empty(t, fixed.errors)
	require.Contains(t, fixed.logs[0], "is of an older workload")

	require.NoError(t, os.WriteFile(files[0], []byte("rubbish"), 0o600))
	var damaged recordingT
	runner.Check(&damaged, saving("file dir"), runner.Options{Failures: dir})
	require.Len(t, damaged.errors, 1)
	require.Contains(t, damaged.errors[0], "cannot be read")
}

func TestCheckSkipsWhatABudgetLeftUnknownUnderShort(t *testing.T) {
	if !testing.Short() {
		t.Skip("only under -short")
	}
	var got recordingT
	runner.Check(&got, saving("file dir"), runner.Options{})
	require.Empty(t, got.errors, "small enough to be judged whole")
}

func TestCheckReportsAWorkloadThatFails(t *testing.T) {
	s := saving("")
	s.Setup = nil
	s.Name = "no-setup"
	s.Workload = nil
	var got recordingT
	runner.Check(&got, s, runner.Options{})
	require.Len(t, got.errors, 1, "the oracle wants a file that is not there")
	require.Contains(t, got.errors[0], "unknown")
}

func TestCheckSaysWhichSyncsAreMissing(t *testing.T) {
	var got recordingT
	runner.Check(&got, saving(""), runner.Options{})
	require.Len(t, got.errors, 1)
	require.Contains(t, got.errors[0], "  missing: sync /f.tmp after write /f.tmp [0,9) (")
	require.Contains(t, got.errors[0], "  missing: sync the directory / after rename /f.tmp /f (")

	var blind recordingT
	s := saving("")
	s.Workload = func(fs *faultfs.FS) error { return afero.WriteFile(fs, "/f", []byte("version 1"), 0o644) }
	runner.Check(&blind, s, runner.Options{})
	require.Len(t, blind.errors, 1)
	require.Contains(t, blind.errors[0], "no set of syncs repairs it")
}

// A failure that took a kill is stored with what recovery did on the page cache.
func TestCheckReplaysWhatTookAKill(t *testing.T) {
	dir := t.TempDir()
	s := trusting()
	var first, second recordingT
	runner.Check(&first, s, runner.Options{Failures: dir})
	require.Len(t, first.errors, 1)
	require.Contains(t, first.errors[0], "killed after")
	runner.Check(&second, s, runner.Options{Failures: dir})
	require.Len(t, second.errors, 1)
	require.Contains(t, second.errors[0], "broken, as ")
	require.Empty(t, second.logs)
}

// artifactT is a test with a directory for what it leaves.
type artifactT struct {
	recordingT
	dir string
}

func (t *artifactT) ArtifactDir() string { return t.dir }

func TestCheckLeavesAPage(t *testing.T) {
	got := artifactT{dir: t.TempDir()}
	runner.Check(&got, saving(""), runner.Options{})
	require.Len(t, got.errors, 1)
	require.Contains(t, got.errors[0], "  a page with every crash point: go test -artifacts\n")
	text, err := os.ReadFile(filepath.Join(got.dir, "crash.html"))
	require.NoError(t, err)
	require.Contains(t, string(text), "<h3>The fix</h3>")
	require.Contains(t, string(text), "missing: sync /f.tmp after write")
	require.Contains(t, string(text), "then no power cut leaves this disk")

	kept := artifactT{dir: t.TempDir()}
	runner.Check(&kept, saving("file dir"), runner.Options{})
	require.Empty(t, kept.errors)
	require.NoFileExists(t, filepath.Join(kept.dir, "crash.html"))

	gone := artifactT{dir: filepath.Join(t.TempDir(), "gone")}
	runner.Check(&gone, saving(""), runner.Options{})
	require.Contains(t, gone.errors[0], "the page could not be written")
}
