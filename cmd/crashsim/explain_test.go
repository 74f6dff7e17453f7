package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crashsim/crashsim/faultfs/model"
	"github.com/crashsim/crashsim/runner"
	"github.com/crashsim/crashsim/runner/outfile"
	"github.com/crashsim/crashsim/scenarios"
)

// brokenUnder returns the weakest model under which a scenario is declared
// broken, "" if it is kept under all.
func brokenUnder(s *runner.Scenario) string {
	m := ""
	for _, p := range model.Presets() {
		if s.Declared[p.Model].Verdict == runner.Broken {
			m = p.Name
		}
	}
	return m
}

func TestStoryOfEveryBrokenScenario(t *testing.T) {
	dir := filepath.Join("..", "..", "testdata", "explain")
	told := map[string]bool{}
	for _, s := range scenarios.All() {
		model := brokenUnder(&s)
		if model == "" {
			continue
		}
		var stdout, stderr bytes.Buffer
		status := run([]string{"explain", s.Name, "--model", model}, &stdout, &stderr)
		require.Equal(t, exitWrong, status, "%s: %s", s.Name, &stderr)
		require.Contains(t, stdout.String(), "What the program finds when it starts again")
		file := filepath.Join(dir, s.Name+".txt")
		told[file] = true
		if *update {
			require.NoError(t, outfile.Write(file, stdout.Bytes()))
		}
		want, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Equal(t, string(want), stdout.String(), "run go test -update, and read the difference")
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.txt"))
	require.NoError(t, err)
	for _, file := range files {
		require.True(t, told[file], "%s is the story of no broken scenario", file)
	}
	require.Greater(t, len(files), 20)
}

// A page is what a person reads: no story is longer than a screen or two, and
// each says what was lost though what was kept, or that nothing was.
func TestStoriesAreShort(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("..", "..", "testdata", "explain", "*.txt"))
	require.NoError(t, err)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, page := range strings.Split(string(text), "is broken\n")[1:] {
			require.Less(t, strings.Count(page, "\n"), 50, file)
			require.Regexp(t, "was lost|[Nn]othing was lost|lost nothing", page, file)
		}
	}
}
