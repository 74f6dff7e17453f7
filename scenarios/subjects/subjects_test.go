package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/model"
	"github.com/crashsim/crashsim/faultfs/mount"
	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner"
	"github.com/crashsim/crashsim/runner/process"
)

var update = flag.Bool("update", false, "write the table of subjects into REALPROGRAMS.md")

// TestMain lets the test binary be the programs that it judges, and makes their
// surroundings the same everywhere.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && programs[os.Args[1]] != nil {
		main()
		return
	}
	self, err := os.Executable()
	if err != nil {
		panic(err)
	}
	for name, value := range map[string]string{
		"SUBJECTS": self, "LC_ALL": "C", "TZ": "UTC",
		"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null",
		"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_AUTHOR_DATE": "2026-01-01T00:00:00Z",
		"GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b", "GIT_COMMITTER_DATE": "2026-01-01T00:00:00Z",
	} {
		if err := os.Setenv(name, value); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}

// record records a subject, and skips the test where that cannot be.
func (s *subject) record(t *testing.T) *faultfs.Trace {
	t.Helper()
	if s.needs != "" {
		if _, err := exec.LookPath(s.needs); err != nil {
			t.Skip(err)
		}
	}
	p := process.Program{Args: process.Shell(s.program), Timeout: time.Minute}
	if s.setup != "" {
		p.Setup = process.Shell(s.setup)
	}
	trace, err := process.Record(context.Background(), p)
	if errors.Is(err, mount.ErrUnavailable) {
		t.Skip(err)
	}
	require.NoError(t, err)
	return trace
}

// oracle is the check of a subject.
func (s *subject) oracle(c *process.Checker, trace *faultfs.Trace) (oracle.Oracle, error) {
	if process.IsBuiltin(s.check) {
		return c.Builtin(s.check, trace)
	}
	return c.Oracle(process.Shell(s.check))
}

// judge judges what was recorded of a subject.
func (s *subject) judge(t *testing.T, trace *faultfs.Trace, names []string) []runner.Result {
	t.Helper()
	c, err := process.NewChecker(process.Options{})
	require.NoError(t, err)
	defer func() { require.NoError(t, c.Close()) }()
	scenario := runner.Scenario{Name: "subject", Trace: trace}
	scenario.Oracle, err = s.oracle(c, trace)
	require.NoError(t, err)
	var results []runner.Result
	for _, name := range names {
		m, err := model.Parse(name)
		require.NoError(t, err)
		options := runner.Options{Models: []model.Model{m}, Timeout: time.Minute, Depth: runner.Times(0)}
		if s.isBounded(name) {
			options.MaxLosses = s.losses
		}
		result, err := runner.Run(context.Background(), scenario, options)
		require.NoError(t, err)
		results = append(results, result...)
	}
	return results
}

// isBounded reports whether not every case is judged under a model.
func (s *subject) isBounded(m string) bool {
	return s.losses > 0 && (s.bounded == nil || slices.Contains(s.bounded, m))
}

// verdict is a verdict as the table has it.
func (s *subject) verdict(r *runner.Result) string {
	switch {
	case r.Outcome.Verdict == runner.Kept:
		return "kept"
	case r.Outcome.Verdict == runner.Broken:
		var kinds []string
		for _, k := range r.Outcome.Kinds {
			kinds = append(kinds, k.String())
		}
		return strings.Join(kinds, ", ")
	case strings.HasPrefix(r.Why, "no failure found") && strings.HasSuffix(r.Coverage.Bound, "as asked"):
		return s.budget("none up to ")
	}
	return "unknown: " + r.Why
}

func (s *subject) budget(before string) string {
	if s.losses == 1 {
		return before + "1 loss"
	}
	return fmt.Sprintf("%s%d losses", before, s.losses)
}

// Every subject has the verdicts that the table declares.
func TestSubjectsEndAsDeclared(t *testing.T) {
	for i := range subjects {
		s := &subjects[i]
		t.Run(s.name, func(t *testing.T) {
			names := models
			if testing.Short() {
				if s.needs == "git" {
					t.Skip("-short: git takes a while")
				}
				names = models[:1]
			}
			start := time.Now()
			results := s.judge(t, s.record(t), names)
			for i := range results {
				r := &results[i]
				assert.Equal(t, s.verdicts[names[i]], s.verdict(r), "%s: %s", names[i], r.Report())
				t.Log(names[i], s.verdict(r), r.Coverage)
				for _, f := range r.Failures {
					t.Log(names[i], f.Kind, f.Story)
				}
			}
			t.Log(time.Since(start))
		})
	}
}

const table = "../../REALPROGRAMS.md"

// The table of REALPROGRAMS.md is the table that the test above holds.
func TestRealProgramsHasTheTable(t *testing.T) {
	const begin, end = "<!-- subjects -->\n", "<!-- /subjects -->"
	text, err := os.ReadFile(filepath.FromSlash(table))
	require.NoError(t, err)
	before, rest, found := strings.Cut(string(text), begin)
	require.True(t, found)
	rows, after, found := strings.Cut(rest, end)
	require.True(t, found)
	if *update {
		require.NoError(t, os.WriteFile(filepath.FromSlash(table), []byte(before+begin+markdown()+end+after), 0o644))
		return
	}
	require.Equal(t, markdown(), rows, "run go test -update, and read the difference")
}

// markdown is the table for people. Models that agree share a word.
func markdown() string {
	var b strings.Builder
	b.WriteString("| program | what it promises | verdict | why |\n| --- | --- | --- | --- |\n")
	for i := range subjects {
		s := &subjects[i]
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", s.name, s.promise, s.summary(), s.why)
	}
	return b.String()
}

func (s *subject) summary() string {
	var words []string
	byVerdict := map[string][]string{}
	for _, m := range models {
		v := s.verdicts[m]
		if byVerdict[v] == nil {
			words = append(words, v)
		}
		byVerdict[v] = append(byVerdict[v], m)
	}
	for i, v := range words {
		words[i] = "**" + v + "**"
		if len(byVerdict) > 1 {
			words[i] += " under " + strings.Join(byVerdict[v], ", ")
		}
	}
	summary := strings.Join(words, "; ")
	if s.losses > 0 {
		summary += s.budget("; judged up to ")
		if s.bounded != nil {
			summary += " under " + strings.Join(s.bounded, ", ")
		}
	}
	return summary
}
