package machine_test

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crashsim/crashsim/runner"
	"github.com/crashsim/crashsim/runner/machine"
	"github.com/crashsim/crashsim/testdata/kv"
)

// lineOf returns the line of the store that is marked with the name of a bug, as stories name
// it.
func lineOf(t *testing.T, bug kv.Bug) string {
	t.Helper()
	text, err := os.ReadFile("../../testdata/kv/kv.go")
	require.NoError(t, err)
	marked := regexp.MustCompile(`// .*\b` + string(bug) + `\b`)
	for i, line := range bytes.Split(text, []byte("\n")) {
		if marked.Match(line) && !bytes.Contains(line, []byte(" Bug = ")) {
			return fmt.Sprintf("(kv/kv.go:%d)", i+1)
		}
	}
	t.Fatalf("no line is marked with %s", bug)
	return ""
}

var smallest = regexp.MustCompile(`the smallest program that fails has (\d+) operations?; it was example (\d+) of rapid, and (\d+) programs? `)

// The canaries: each of six bugs is found, shrunk, and named at its line.
func TestEachPlantedBugIsFoundShrunkAndNamedAtItsLine(t *testing.T) {
	for _, bug := range kv.Bugs {
		t.Run(string(bug), func(t *testing.T) {
			got := recorded("TestStore", func(t machine.TB) { machine.Check(t, store(bug), runner.Options{}) })
			require.NotEmpty(t, got.errors)
			text := got.text()
			require.Contains(t, text, lineOf(t, bug))
			found := smallest.FindStringSubmatch(text)
			require.NotNil(t, found, text)
			t.Logf("operations %s, example %s, programs judged %s", found[1], found[2], found[3])
			for i, most := range []int{3, 500, 100} {
				n, err := strconv.Atoi(found[i+1])
				require.NoError(t, err)
				require.LessOrEqual(t, n, most, text)
			}
		})
	}
}

func TestTheSoundStoreIsKept(t *testing.T) {
	got := recorded("TestStore", func(t machine.TB) { machine.Check(t, store(kv.None), runner.Options{}) })
	require.Empty(t, got.errors)
	require.Len(t, got.logs, 1)
	require.True(t, strings.HasPrefix(got.logs[0], "[rapid] OK, passed "), got.logs[0])
}
