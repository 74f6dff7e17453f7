package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// statesOf are the lines that "crashsim states" prints of a scenario.
func statesOf(t *testing.T, name, model string) map[string]bool {
	t.Helper()
	status, trace, _ := call("trace", name)
	require.Equal(t, exitOK, status)
	file := filepath.Join(t.TempDir(), "trace")
	require.NoError(t, os.WriteFile(file, []byte(trace), 0o600))
	status, stdout, _ := call("states", "--model", model, file)
	require.Equal(t, exitOK, status)
	lines := map[string]bool{}
	for line := range strings.Lines(stdout) {
		lines[strings.TrimSuffix(line, "\n")] = true
	}
	return lines
}

// without are the lines of a set that another one lacks.
func without(set, other map[string]bool) map[string]bool {
	left := map[string]bool{}
	for line := range set {
		if !other[line] {
			left[line] = true
		}
	}
	return left
}

// linesOfCases are cases of a diff as "crashsim states" prints them.
func linesOfCases(t *testing.T, only []onlyJSON) map[string]bool {
	t.Helper()
	lines := map[string]bool{}
	for _, o := range only {
		line, err := json.Marshal(o.Case) // sorts the keys, and no name here needs an escape
		require.NoError(t, err)
		lines[string(line)] = true
	}
	return lines
}

// What diff tells is the difference of the sets that "crashsim states" prints, in
// both directions, and its exit status says whether there is one.
func TestDiffIsTheDifferenceOfTheStates(t *testing.T) {
	models := []string{"kill", "strict", "ext4", "btrfs", "posix", "posix,unit=512"}
	differed := 0
	for _, names := range [][2]string{{"toy-hasty", "toy-sound"}, {"toy-sound", "toy-panic"}, {"toy-hasty", "toy-trusted"}, {"toy-hasty", "toy-hasty"}} {
		for i, modelA := range models {
			modelB := models[(i+1)%len(models)]
			a, b := statesOf(t, names[0], modelA), statesOf(t, names[1], modelB)
			onlyA, onlyB := without(a, b), without(b, a)
			status, stdout, stderr := call("diff", names[0], names[1], "--model", modelA, "--model", modelB, "--json", "--max", "0")
			require.Empty(t, stderr)
			var out diffJSON
			require.NoError(t, json.Unmarshal([]byte(stdout), &out))
			assert.Equal(t, onlyA, linesOfCases(t, out.OnlyA), "%s %s %s", names, modelA, modelB)
			assert.Equal(t, onlyB, linesOfCases(t, out.OnlyB), "%s %s %s", names, modelA, modelB)
			assert.Equal(t, []int{len(a), len(b), len(onlyA), len(onlyB), len(a) - len(onlyA)},
				[]int{out.A.Cases, out.B.Cases, out.A.Only, out.B.Only, out.Both.Cases})
			want := exitOK
			if len(onlyA)+len(onlyB) > 0 {
				want = exitWrong
				differed++
			}
			assert.Equal(t, want, status, "%s %s %s", names, modelA, modelB)
		}
	}
	require.Greater(t, differed, len(models))
}

// The nearest case that is shown differs in fewer marks and paths than, or in as
// many as, every other case of the other side.
func TestDiffShowsANearCase(t *testing.T) {
	_, stdout, _ := call("diff", "toy-hasty", "toy-sound", "--json", "--max", "0")
	var out diffJSON
	require.NoError(t, json.Unmarshal([]byte(stdout), &out))
	require.NotEmpty(t, out.OnlyA)
	sound := statesOf(t, "toy-sound", "posix")
	for _, o := range out.OnlyA {
		shown := linesOfCases(t, []onlyJSON{{Case: o.Nearest}})
		require.Empty(t, without(shown, sound), "it is a case of the other side")
		distance := func(line string) int {
			type state struct {
				Marks []string
				Tree  map[string]map[string]any
			}
			var c, n state
			for text, into := range map[string]*state{oneLineOf(t, o.Case): &c, line: &n} {
				require.NoError(t, json.Unmarshal([]byte(text), into))
			}
			d := marksBetween(c.Marks, n.Marks)
			for path, e := range c.Tree {
				f, both := n.Tree[path]
				switch {
				case !both:
					d += 2
				default:
					for key := range e {
						if e[key] != f[key] {
							d++
						}
					}
				}
			}
			for path := range n.Tree {
				if _, both := c.Tree[path]; !both {
					d += 2
				}
			}
			return d
		}
		least := -1
		for line := range sound {
			if d := distance(line); least < 0 || d < least {
				least = d
			}
		}
		require.Equal(t, least, distance(oneLineOf(t, o.Nearest)))
	}
}

func oneLineOf(t *testing.T, c any) string {
	t.Helper()
	line, err := json.Marshal(c)
	require.NoError(t, err)
	return string(line)
}
