package main

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/crashsim/crashsim/scenarios"
	"github.com/spf13/cobra"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// call runs the command on the toys.
func call(args ...string) (status int, stdout, stderr string) {
	var out, errs bytes.Buffer
	status = newApp(toys(), &out, &errs).run(args)
	return status, out.String(), errs.String()
}

func TestOutputDoesNotDependOnWorkersOrTime(t *testing.T) {
	for _, format := range []string{"--json=false", "--json"} {
		_, want, _ := call("run", format)
		for _, workers := range []string{"1", "2", "7"} {
			_, got, _ := call("run", format, "--workers", workers)
			require.Equal(t, want, got)
		}
	}
}

func TestColorChangesNoWord(t *testing.T) {
	codes := regexp.MustCompile(`\x1b\[[0-9;]*m`)
	for _, args := range [][]string{{"run"}, {"list"}, {"models"}, {"litmus", "../../testdata/litmus"}, {"diff", "toy-hasty", "toy-sound"}} {
		_, want, _ := call(args...)
		var out, errs bytes.Buffer
		a := newApp(toys(), &out, &errs)
		a.style = colors()
		a.run(args)
		assert.NotEqual(t, want, out.String(), args)
		assert.Equal(t, want, codes.ReplaceAllString(out.String(), ""), args)
	}
}

// brokenWriter is a standard output that fails.
type brokenWriter struct{ err error }

func (w brokenWriter) Write([]byte) (int, error) { return 0, w.err }

func TestAClosedPipeEndsACommandQuietly(t *testing.T) {
	for _, err := range []error{syscall.EPIPE, io.ErrClosedPipe} {
		var errs bytes.Buffer
		assert.Equal(t, exitOutputClosed, newApp(toys(), brokenWriter{err}, &errs).run([]string{"models"}))
		assert.Empty(t, errs.String())
	}
}

func TestAFullDiskIsAnError(t *testing.T) {
	var errs bytes.Buffer
	status := newApp(toys(), brokenWriter{errors.New("no space left")}, &errs).run([]string{"models"})
	assert.Equal(t, exitUsage, status)
	assert.Equal(t, "crashsim: no space left\n", errs.String())
}

func TestBadUsageLeavesNothingOnStandardOutput(t *testing.T) {
	for _, args := range [][]string{
		{"nope"}, {"help", "nope"}, {"list", "x"}, {"run", "nope"}, {"run", "[a"}, {"run", "--nope"},
		{"run", "--model", "ext5"}, {"run", "--workers", "-1"}, {"run", "--budget-runs", "many"},
		{"run", "--max-losses", "-1"}, {"run", "--budget-time", "-1s"}, {"run", "--samples", "-2"},
		{"states"}, {"states", "a", "b"}, {"states", "nowhere.txtar"}, {"states", "--model", "ext4", "--model", "xfs", "a"},
		{"litmus"}, {"litmus", "nowhere"}, {"litmus", "."}, {"models", "ext5"}, {"replay"}, {"replay", "main.go"},
		{"trace"}, {"trace", "nope"}, {"trace", "toy-restless"}, {"diff"}, {"diff", "toy-sound", "nope"}, {"diff", "toy-sound", "."},
	} {
		status, stdout, stderr := call(args...)
		assert.Equal(t, exitUsage, status, args)
		assert.Empty(t, stdout, args)
		assert.True(t, strings.HasPrefix(stderr, "crashsim: "), "%q: %s", args, stderr)
	}
}

func TestEachCommandHasAnExample(t *testing.T) {
	root := newApp(nil, io.Discard, io.Discard).command()
	for _, cmd := range append([]*cobra.Command{root}, root.Commands()...) {
		assert.NotEmpty(t, cmd.Short, cmd.Name())
		for line := range strings.SplitSeq(cmd.Example, "\n") {
			assert.True(t, strings.HasPrefix(line, "  crashsim "), "%s: %q", cmd.Name(), line)
		}
	}
}

// No message is one of the standard library's parsers.
func TestABadFlagSaysWhatWouldBeRight(t *testing.T) {
	for args, want := range map[string]string{
		"run --workers x":           "crashsim: bad value \"x\" of --workers, want a whole number\n",
		"run --seed -1":             "crashsim: bad value \"-1\" of --seed, want a whole number from 0 on\n",
		"run --budget-time 5":       "crashsim: bad value \"5\" of --budget-time, want a time such as 500ms, 30s or 5m\n",
		"run --all=maybe":           "crashsim: bad value \"maybe\" of --all, want true or false\n",
		"run --faults write,err=EX": "crashsim: fault ",
	} {
		status, stdout, stderr := call(strings.Fields(args)...)
		require.Equal(t, exitUsage, status, args)
		require.Empty(t, stdout, args)
		require.True(t, strings.HasPrefix(stderr, want), "%s: %s", args, stderr)
		require.NotContains(t, stderr, "strconv")
	}
}

// The examples in help name scenarios that there are.
func TestExamplesNameScenarios(t *testing.T) {
	a := newApp(scenarios.All(), io.Discard, io.Discard)
	named := 0
	for _, cmd := range a.command().Commands() {
		for line := range strings.SplitSeq(cmd.Example, "\n") {
			line, _, _ = strings.Cut(line, " # ")
			words := strings.Fields(line)
			if len(words) < 3 || !slices.Contains([]string{"run", "trace", "fix", "audit", "mutate", "explain", "diff"}, words[1]) {
				continue
			}
			for _, word := range words[2:] {
				if strings.HasPrefix(word, "--") || strings.HasPrefix(word, ">") {
					break
				}
				if word = strings.Trim(word, "'"); !strings.ContainsAny(word, "/.") {
					_, err := a.choose([]string{word})
					require.NoError(t, err, line)
					named++
				}
			}
		}
	}
	require.Greater(t, named, 10)
}

func TestTheProjectsScenariosAreListed(t *testing.T) {
	var out, errs bytes.Buffer
	require.Equal(t, exitOK, run([]string{"list"}, &out, &errs))
	assert.Contains(t, out.String(), "seed-atomic-rename")
	assert.Empty(t, errs.String())
}

func TestStatusTellsWhatIsWrong(t *testing.T) {
	for _, c := range []struct {
		args   string
		status int
	}{
		{"toy-sound toy-hasty", exitOK},
		{"toy-misjudged", exitWrong},
		{"toy-misjudged --model kill", exitOK},
		{"toy-blind", exitOK},
		{"toy-blind --strict", exitUnknown},
		{"toy-restless", exitUnknown},
		{"toy-sound --budget-runs 1", exitUnknown},
		{"toy-blind toy-misjudged toy-restless", exitWrong},
	} {
		status, stdout, stderr := call(append([]string{"run"}, strings.Fields(c.args)...)...)
		assert.Equal(t, c.status, status, "%s\n%s", c.args, stdout)
		assert.Empty(t, stderr, c.args)
	}
}

// What is printed does not depend on how many checkers run at once, whatever ends the
// search.
func TestNumberOfWorkersChangesNoByte(t *testing.T) {
	for _, args := range [][]string{
		{"--model", "posix"}, {"--model", "posix", "--budget-runs", "7"}, {"--model", "ext4", "--max-losses", "1"},
		{"--model", "posix", "--enough", "all cases without losses; everything of one op or nothing of it; 7 random cuts, seed 2"},
		{"--model", "posix", "--first"}, {"--model", "posix", "--faults", "sweep", "--depth", "2"},
	} {
		var want string
		for _, workers := range []string{"1", "2", "8"} {
			var out, errs bytes.Buffer
			newApp(toys(), &out, &errs).run(append([]string{"run", "--json", "toy-sound", "toy-hasty", "toy-litter", "--workers", workers}, args...))
			require.Empty(t, errs.String())
			require.Contains(t, out.String(), `"claim"`)
			if workers == "1" {
				want = out.String()
			}
			require.Equal(t, want, out.String(), "%s workers, %q", workers, args)
		}
	}
}
