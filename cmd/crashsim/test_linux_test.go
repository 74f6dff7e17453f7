package main

import (
	"bytes"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

const brokenSave = "github.com/crashsim/crashsim/testdata/first/os"

// ran runs the command and returns its status and what it printed.
func ran(args ...string) (status int, out, said string) {
	var stdout, stderr bytes.Buffer
	status = run(args, &stdout, &stderr)
	return status, stdout.String(), stderr.String()
}

// skipUnlessLong skips a test for which the standard library may have to be built anew.
func skipUnlessLong(t *testing.T) {
	if os.Getenv("CRASHSIM_LONG") == "" {
		t.Skip("the standard library may have to be built anew: set CRASHSIM_LONG=1 to run it, as .ci/run long does")
	}
}

// A test over package os finds a broken save, and names the line that lacks the sync, with
// neither FUSE nor a changed import.
func TestABrokenSaveIsFoundThroughPackageOS(t *testing.T) {
	skipUnlessLong(t)
	status, out, said := ran("test", "-count=1", brokenSave)
	require.Equal(t, exitWrong, status, "%s%s", out, said)
	require.Contains(t, out, "save under posix: broken(torn), declared kept")
	require.Contains(t, out, "power cut after rename /config.tmp /config (os/save_test.go:17)")
	require.Contains(t, out, "missing: sync /config.tmp after write /config.tmp [0,3) (os/save_test.go:14)")
	require.Contains(t, out, "crashsim test -run", "the command that shows it again has the door, too")
}

func TestTheTestCommandShowsWhatItWouldRun(t *testing.T) {
	status, out, said := ran("test", "-n", "-run", "Test A$", "./...")
	require.Equal(t, exitOK, status, said)
	require.Regexp(t, `^go test -overlay=\S+-overlay\.json -run 'Test A\$' \./\.\.\.\n$`, out)
}

func TestTheTestCommandHasTheOverlayToItself(t *testing.T) {
	for _, flag := range []string{"-overlay=x.json", "--overlay", "-overlay"} {
		status, out, said := ran("test", flag, "x.json")
		require.Equal(t, exitUsage, status)
		require.Empty(t, out)
		require.Contains(t, said, "can have only one")
	}
}

// The programs of the notes, word for word, are judged as their twins in the library are, and
// the lines of the notes are told.
func TestTheNotesOwnProgramsAreJudged(t *testing.T) {
	skipUnlessLong(t)
	status, out, said := ran("test", "-C", "../../scenarios/notes", "-count=1", "-v", "./...")
	require.Equal(t, exitOK, status, "%s%s", out, said)
	for _, told := range []string{
		"notes-rename under posix: broken(lost,stale)", "(rename/rename.go:51) was lost", "the program did something else when it was recorded again",
		"notes-write-ahead under posix: broken(torn)", "(wal/wal.go:46)",
		"notes-checksum-log under posix: broken(lost,torn)", "(logger/logger.go:20) was lost",
	} {
		require.Contains(t, out, told)
	}
}
