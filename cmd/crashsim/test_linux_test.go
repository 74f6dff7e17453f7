package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const notes = "../../scenarios/notes"

const brokenSave = "../../testdata/first/os"

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
	forget := func() { require.NoError(t, os.RemoveAll(filepath.Join(brokenSave, "testdata"))) }
	forget() // stored failures are replayed first, and then it prints something else
	defer forget()
	status, out, said := ran("test", "-C", brokenSave, "-count=1")
	require.Equal(t, exitWrong, status, "%s%s", out, said)
	readme, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	told := regexp.MustCompile("(?s)```text\n\\$ go tool crashsim test\n(.*?)```").FindSubmatch(readme)
	require.NotNil(t, told, "the README shows what the command prints")
	out = strings.NewReplacer("github.com/crashsim/crashsim/testdata/first/os", "example.com/save", "os/save_test.go", "save/save_test.go").Replace(out)
	same := func(text string) string {
		text = regexp.MustCompile(`\b\d+\.\d+s\b`).ReplaceAllString(text, "0.01s")
		return regexp.MustCompile(`\bcheck\.go:\d+`).ReplaceAllString(text, "check.go:60")
	}
	require.Equal(t, same(string(told[1])), same(out), "what the README shows is what is printed")
	require.Contains(t, out, "missing: sync /config.tmp after write /config.tmp [0,3) (save/save_test.go:14)")
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
	status, out, said := ran("test", "-C", notes, "-count=1", "-v", "./...")
	require.Equal(t, exitOK, status, "%s%s", out, said)
	for _, told := range []string{
		"notes-rename under posix: broken(lost,stale)", "(rename/rename.go:51) was lost", "the program did something else when it was recorded again",
		"notes-write-ahead under posix: broken(torn)", "(wal/wal.go:46)",
		"notes-checksum-log under posix: broken(lost,torn)", "(logger/logger.go:20) was lost",
	} {
		require.Contains(t, out, told)
	}
}

// Each program of the notes that saves gets its message, and the tests that the messages print
// confirm them, without a change of a letter.
func TestTheEngineConfirmsWhatVetSaysOfTheNotes(t *testing.T) {
	skipUnlessLong(t)
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(dir, os.DirFS(notes)))
	text, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go.mod"), []byte(strings.ReplaceAll(string(text), "../..", root)), 0o600))

	status, out, said := ran("vet", "-C", dir, "./...")
	require.Equal(t, exitWrong, status, "%s%s", out, said)
	reports := regexp.MustCompile(`(?ms)^\S*?/((\w+)/\w+\.go:\d+):\d+: ([^\n]*)with this test:\n(package .*?^}\n)$`).FindAllStringSubmatch(out, -1)
	told := []string{
		`logger/logger.go:18: .*error of Close is ignored.*\(error\).*\^TestWriteLogWithChecksumSurvivesPowerLoss\$`,
		`rename/rename.go:51: .*nothing syncs the directory.*\(directory\).*\^TestAtomnic_RenamingSurvivesPowerLoss\$`,
		`wal/wal.go:24: .*empties the file.*\(truncate\).*\^TestWriteAheadLogSurvivesPowerLoss\$`,
		`wal/wal.go:46: .*empties the file.*\(truncate\).*\^TestWriteAheadLogSurvivesPowerLoss2\$`,
	}
	require.Len(t, reports, len(told), out)
	for i, r := range reports {
		require.Regexp(t, told[i], r[1]+": "+r[3])
		require.NoError(t, os.WriteFile(filepath.Join(dir, r[2], fmt.Sprintf("skeleton%d_test.go", i)), []byte(r[4]), 0o600))
	}

	status, out, said = ran("test", "-C", dir, "-count=1", "-run", "SurvivesPowerLoss", "./logger", "./rename", "./wal")
	require.Equal(t, exitWrong, status, "%s%s", out, said)
	for broken, times := range map[string]int{
		"WriteLogWithChecksum under posix: broken(lost)": 1, "Atomnic_Renaming under posix: broken(stale)": 1,
		"WriteAheadLog under posix: broken(torn)": 2, // of the log, and of the data
	} {
		require.Equal(t, times, strings.Count(out, broken), "%s: %s%s", broken, out, said)
	}
}
