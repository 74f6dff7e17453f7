package crashsim_test

import (
	"errors"
	"flag"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crashsim/crashsim/faultfs/mount"
	"github.com/crashsim/crashsim/runner/process"
)

var update = flag.Bool("update", false, "write what the README's commands print into the README")

// block is a fenced block of the README.
type block struct {
	language   string
	start, end int // lines between the fences
}

func readmeBlocks(lines []string) []block {
	var blocks []block
	for i := 0; i < len(lines); i++ {
		language, ok := strings.CutPrefix(lines[i], "```")
		if !ok {
			continue
		}
		b := block{language: language, start: i + 1}
		for i++; i < len(lines) && lines[i] != "```"; i++ {
		}
		b.end = i
		blocks = append(blocks, b)
	}
	return blocks
}

func readmeLines(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("README.md")
	require.NoError(t, err)
	return strings.Split(string(text), "\n")
}

// Each block of the README marked "console" holds commands and all that they
// print.
func TestReadmeCommandsPrintWhatItSays(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: the commands of the README are built and run")
	}
	t.Setenv("NO_COLOR", "1")
	lines := readmeLines(t)
	var fresh []string
	from, commands := 0, 0
	fuse := canMount(t)
	for _, b := range readmeBlocks(lines) {
		if b.language != "console" {
			continue
		}
		fresh = append(fresh, lines[from:b.start]...)
		from = b.end
		for i := b.start; i < b.end; {
			command, ok := strings.CutPrefix(lines[i], "$ ")
			require.True(t, ok, "line %d: a console block begins with a command", i+1)
			want := i + 1
			for i++; i < b.end && !strings.HasPrefix(lines[i], "$ "); i++ {
			}
			if mounts(command) && !fuse || strings.Contains(command, "sqlite3") && !installed("sqlite3") {
				t.Logf("not run, since there is no FUSE, or no such program, here: %s", command)
				fresh = append(append(fresh, "$ "+command), lines[want:i]...)
				continue
			}
			got := printed(t, command)
			fresh = append(append(fresh, "$ "+command), got...)
			if !*update {
				require.Equal(t, strings.Join(lines[want:i], "\n"), strings.Join(got, "\n"), "$ %s", command)
			}
			commands++
		}
	}
	fresh = append(fresh, lines[from:]...)
	require.Greater(t, commands, 4)
	if *update {
		require.NoError(t, os.WriteFile("README.md", []byte(strings.Join(fresh, "\n")), 0o600))
	}
}

// mounts reports whether a command runs programs on a mounted file system.
func mounts(command string) bool {
	return strings.Contains(command, "crashsim exec") || strings.Contains(command, "crashsim record")
}

func installed(program string) bool {
	_, err := exec.LookPath(program)
	return err == nil
}

func canMount(t *testing.T) bool {
	c, err := process.NewChecker(process.Options{})
	if errors.Is(err, mount.ErrUnavailable) {
		return false
	}
	require.NoError(t, err)
	require.NoError(t, c.Close())
	return true
}

// printed returns the lines that a command of the README prints.
func printed(t *testing.T, command string) []string {
	t.Helper()
	out, err := exec.Command("sh", "-c", command).Output()
	if exit := (*exec.ExitError)(nil); err != nil {
		require.ErrorAs(t, err, &exit)
		require.NotEmpty(t, out, "$ %s\n%s", command, exit.Stderr)
	}
	return strings.Split(strings.TrimRight(string(out), "\n"), "\n")
}

// Each block marked "go" stands in a file of the project's tests.
func TestReadmeCodeIsCodeOfTheTests(t *testing.T) {
	lines := readmeLines(t)
	tests, err := os.ReadFile("runner/readme_test.go")
	require.NoError(t, err)
	more, err := os.ReadFile("runner/process/dir_test.go")
	require.NoError(t, err)
	tests = append(tests, more...)
	found := 0
	for _, b := range readmeBlocks(lines) {
		if b.language == "go" {
			found++
			require.Contains(t, string(tests), strings.Join(lines[b.start:b.end], "\n"))
		}
	}
	require.NotZero(t, found)
}

func TestReadmeBeginsWithWhatRuns(t *testing.T) {
	lines := readmeLines(t)
	require.Contains(t, strings.Join(lines[:20], "\n"), "$ go run ./cmd/crashsim run")
}
