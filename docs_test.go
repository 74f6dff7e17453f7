package crashsim_test

import (
	"errors"
	"flag"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crashsim/crashsim/faultfs/mount"
	"github.com/crashsim/crashsim/runner/process"
)

var update = flag.Bool("update", false, "write what the commands of the documents print into the documents")

// block is a fenced block of a document.
type block struct {
	language   string
	start, end int // lines between the fences
}

// documents returns the names of the documents at the root.
func documents(t *testing.T) []string {
	t.Helper()
	names, err := filepath.Glob("*.md")
	require.NoError(t, err)
	require.Contains(t, names, "README.md")
	return names
}

func blocksOf(lines []string) []block {
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

func linesOf(t *testing.T, name string) []string {
	t.Helper()
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	return strings.Split(string(text), "\n")
}

// Each block marked "console" holds commands and all that they print.
func TestCommandsInDocumentsPrintWhatTheySay(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: the commands of the documents are built and run")
	}
	t.Setenv("NO_COLOR", "1")
	fuse := canMount(t)
	forgetFailures(t)
	defer forgetFailures(t)
	commands := 0
	for _, name := range documents(t) {
		t.Run(name, func(t *testing.T) { commands += runDocument(t, name, fuse) })
	}
	require.Greater(t, commands, 10)
}

// runDocument runs the commands of a document, and returns how many.
func runDocument(t *testing.T, name string, fuse bool) int {
	lines := linesOf(t, name)
	var fresh []string
	from, commands := 0, 0
	for _, b := range blocksOf(lines) {
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
				require.Equal(t, strings.Join(lines[want:i], "\n"), strings.Join(got, "\n"), "%s:%d: $ %s", name, want, command)
			}
			commands++
		}
	}
	fresh = append(fresh, lines[from:]...)
	if *update {
		require.NoError(t, os.WriteFile(name, []byte(strings.Join(fresh, "\n")), 0o600))
	}
	return commands
}

// mounts reports whether a command runs programs on a mounted file system.
func mounts(command string) bool {
	return strings.Contains(command, "crashsim exec") || strings.Contains(command, "crashsim record") || strings.Contains(command, firstTests+"/os")
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

// printed returns the lines that a command prints on standard output.
func printed(t *testing.T, command string) []string {
	t.Helper()
	out, err := exec.Command("sh", "-c", command).Output()
	if exit := (*exec.ExitError)(nil); err != nil {
		require.ErrorAs(t, err, &exit)
		require.NotEmpty(t, out, "$ %s\n%s", command, exit.Stderr)
	}
	text := elapsed.ReplaceAllString(string(out), "0.01s")
	text = checkLine.ReplaceAllString(text, "check.go:60")
	return strings.Split(strings.TrimRight(text, "\n"), "\n")
}

// elapsed is how long go test says that a test or a package took.
var elapsed = regexp.MustCompile(`\b\d+\.\d+s\b|\(cached\)`)

// checkLine is the line of the runner from which Check reports: it moves with each
// change there, and says nothing to a reader.
var checkLine = regexp.MustCompile(`\bcheck\.go:\d+`)

// firstTests are the tests that the README begins with. They stand below
// testdata, since one of them fails.
const firstTests = "testdata/first"

// forgetFailures removes what the failing one stores: stored failures are
// replayed first, and then it prints something else.
func forgetFailures(t *testing.T) {
	t.Helper()
	require.NoError(t, os.RemoveAll(filepath.Join(firstTests, "broken", "testdata")))
}

// Each block marked "go" stands in a file of the project's tests, so that it
// compiles and does what the document says.
func TestCodeInDocumentsIsCodeOfTheTests(t *testing.T) {
	var tests strings.Builder
	for _, s := range sources(t) {
		if s.test {
			text, err := os.ReadFile(s.name)
			require.NoError(t, err)
			tests.Write(text)
		}
	}
	for _, name := range []string{"broken", "fixed", "os", "osfixed"} {
		text, err := os.ReadFile(filepath.Join(firstTests, name, "save_test.go"))
		require.NoError(t, err)
		tests.Write(text)
	}
	found := 0
	for _, name := range documents(t) {
		lines := linesOf(t, name)
		for _, b := range blocksOf(lines) {
			if b.language == "go" {
				found++
				require.Contains(t, tests.String(), strings.Join(lines[b.start:b.end], "\n"), "%s:%d", name, b.start)
			}
		}
	}
	require.NotZero(t, found)
}

// link is a link of a document to a file of the project.
var link = regexp.MustCompile(`\]\(([^)#:]+)(?:#[^)]*)?\)`)

func TestLinksInDocumentsLeadToFiles(t *testing.T) {
	found := 0
	for _, name := range documents(t) {
		for _, m := range link.FindAllStringSubmatch(strings.Join(linesOf(t, name), "\n"), -1) {
			found++
			_, err := os.Stat(filepath.FromSlash(m[1]))
			require.NoError(t, err, "%s links to %s", name, m[1])
		}
	}
	require.NotZero(t, found)
}

// A compiled program or an archive does not belong into the tree.
func TestTreeHoldsNoBinaries(t *testing.T) {
	names := treeFiles(t)
	require.Greater(t, len(names), 100)
	for _, name := range names {
		f, err := os.Open(name)
		require.NoError(t, err)
		head := make([]byte, 4)
		n, err := io.ReadFull(f, head)
		if err != io.EOF && err != io.ErrUnexpectedEOF {
			require.NoError(t, err)
		}
		require.NoError(t, f.Close())
		for _, magic := range []string{"\x7fELF", "MZ", "\xcf\xfa\xed\xfe", "\xca\xfe\xba\xbe", "PK\x03\x04", "!<ar"} {
			require.False(t, strings.HasPrefix(string(head[:n]), magic), "%s is a compiled program or an archive", name)
		}
	}
}

// treeFiles returns the files that git tracks or would track. Without git, it
// returns all files.
func treeFiles(t *testing.T) []string {
	t.Helper()
	if out, err := exec.Command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard").Output(); err == nil {
		return slices.DeleteFunc(strings.Split(string(out), "\x00"), func(name string) bool {
			info, err := os.Lstat(name)
			return err != nil || !info.Mode().IsRegular()
		})
	}
	var names []string
	require.NoError(t, filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			names = append(names, name)
		}
		return err
	}))
	return names
}
