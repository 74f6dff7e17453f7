package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const notes = "../../scenarios/notes"

// Each program of the notes that saves gets its message, and the tests that the messages print
// confirm them, without a change of a letter.
func TestTheEngineConfirmsWhatVetSaysOfTheNotes(t *testing.T) {
	switch {
	case testing.Short():
		t.Skip("-short: the standard library may have to be built anew")
	case runtime.GOOS != "linux":
		t.Skip("package os in memory works on Linux")
	}
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

func TestVetHasItsExitStatuses(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module m\n\ngo 1.25\n"), 0o600))
	code := filepath.Join(dir, "m.go")
	for _, c := range []struct {
		text   string
		status int
		told   string
	}{
		{"package m\n", exitOK, ""},
		{"package m\n\nfunc f() { g() }\n", exitUsage, "undefined: g"},
	} {
		require.NoError(t, os.WriteFile(code, []byte(c.text), 0o600))
		status, out, said := ran("vet", "-C", dir, ".")
		require.Equal(t, c.status, status, "%s%s", out, said)
		require.Empty(t, out)
		require.Contains(t, said, c.told)
	}
	status, _, said := ran("vet", "-C", dir, "-skip=nonsense", ".")
	require.Equal(t, exitUsage, status)
	require.Contains(t, said, "the checks are: rename, writefile")
	status, _, said = ran("vet", "-json", ".")
	require.Equal(t, exitUsage, status)
	require.Contains(t, said, "can have only one")
}

func TestVetShowsWhatItWouldRun(t *testing.T) {
	status, out, said := ran("vet", "-n", "-C", "x", "-skip", "error", "./a b")
	require.Equal(t, exitOK, status, said)
	require.Regexp(t, `^go vet -C x -vettool=\S+ -crashsim.skip error './a b'\n$`, out)
}

func TestGoVetIsKnownByWhatItAsksFor(t *testing.T) {
	for _, args := range [][]string{{"-V=full"}, {"-flags"}, {"-json", "-crashsim.skip=error", "/tmp/b001/vet.cfg"}} {
		require.True(t, isVetTool(args), args)
	}
	for _, args := range [][]string{nil, {"exec", "vet.cfg"}, {"vet", "-V=full"}, {"--help"}} {
		require.False(t, isVetTool(args), args)
	}
}
