package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/require"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner"
	"github.com/crashsim/crashsim/runner/show"
)

// evil holds what a terminal would obey, or show as something else, and a byte that
// is no UTF-8.
const evil = "\x1b[2J\x1b]0;pwned\x07\u202egnp.exe\u2066\u200b\r\x9b31m\xff\x00\x7f\u0085<b>&]]>"

// named is evil as the name of a file.
var named = strings.ReplaceAll(evil, "\x00", "")

// hostileScenario is a program that writes evil wherever it can, with marks of so
// many bytes. It is broken.
func hostileScenario(markBytes int) runner.Scenario {
	mark := evil + strings.Repeat("x", markBytes) + evil
	save := func(disk *faultfs.FS, content string) error {
		return errors.Join(afero.WriteFile(disk, "/"+named+".tmp", []byte(evil+content), 0o600), disk.Rename("/"+named+".tmp", "/"+named))
	}
	return runner.Scenario{
		Name: "hostile", Lesson: evil,
		Setup: func(disk *faultfs.FS) error { return disk.SymlinkIfPossible(evil[:1]+named, "/link"+named) },
		Workload: func(disk *faultfs.FS) error {
			disk.Mark(mark + "begin")
			err := save(disk, "new")
			disk.Mark(mark)
			return err
		},
		Oracle: oracle.Func(func(disk afero.Fs, marks oracle.Marks) []oracle.Violation {
			data, err := afero.ReadFile(disk, "/"+named)
			if marks.Has(mark) && (err != nil || string(data) != evil+"new") {
				return []oracle.Violation{{Kind: oracle.Lost, Path: "/" + named, Detail: "is not what was promised: " + mark + errorWords(err)}}
			}
			return nil
		}),
	}
}

func errorWords(err error) string {
	if err != nil {
		return err.Error()
	}
	return ""
}

// harmless requires that a text holds nothing that a terminal would obey.
func harmless(t *testing.T, what, text string) {
	t.Helper()
	require.True(t, utf8.ValidString(text), "%s: no UTF-8", what)
	i := strings.IndexFunc(text, func(r rune) bool { return !show.Seen(r) && r != '\n' && r != '\t' })
	if i >= 0 {
		require.Fail(t, "a character that a terminal obeys", "%s: %q", what, text[max(0, i-60):min(len(text), i+60)])
	}
}

// No command shows what another program wrote as it is, on its outputs or in its files.
func TestNoCommandObeysForeignText(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	s := hostileScenario(10)
	call := func(args ...string) (int, string) {
		var out, errs bytes.Buffer
		status := newApp([]runner.Scenario{s}, &out, &errs).run(args)
		harmless(t, "stdout of "+strings.Join(args[:1], " "), out.String())
		harmless(t, "stderr of "+strings.Join(args[:1], " "), errs.String())
		return status, out.String()
	}
	status, _ := call("run", s.Name, "--model", "posix", "--failures", "f", "--report", "p.html", "--svg", "p.svg", "--sarif", "p.sarif", "--junit", "p.xml")
	require.Equal(t, exitOK, status, "nothing is declared of it")
	stored, err := filepath.Glob("f/*")
	require.NoError(t, err)
	require.NotEmpty(t, stored)
	for _, file := range append(stored, "p.html", "p.svg", "p.sarif", "p.xml") {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		harmless(t, file, string(text))
	}
	wellFormedXML(t, "p.xml")
	wellFormedXML(t, "p.svg")
	_, trace := call("trace", s.Name)
	require.NoError(t, os.WriteFile("t.txt", []byte(trace), 0o600))
	require.NoError(t, os.WriteFile("l.txtar", []byte(trace+"-- expect --\nposix: never "+evil+"\n"), 0o600))
	require.NoError(t, os.WriteFile("evil"+named, []byte(evil+"\n"+evil), 0o600))
	text, err := os.ReadFile(stored[0])
	require.NoError(t, err)
	_, rest, found := strings.Cut(string(text), "\n\n")
	require.True(t, found)
	_, rest, found = strings.Cut(rest, "\n\n")
	require.True(t, found)
	// A stranger's file: of no scenario of this command, with a story of its own.
	strange := strings.Replace("crashsim failure 1\n\n"+evil+"; power cut "+evil+"\n\n"+rest, "scenario ", "scenario "+strings.ReplaceAll(evil, "\r", "")+" stranger ", 1)
	require.NoError(t, os.WriteFile("strange.txt", []byte(strange), 0o600))
	for _, args := range [][]string{
		{"list"}, {"run"}, {"run", evil}, {"states", "t.txt"}, {"litmus", "l.txtar"}, {"litmus", "t.txt"}, {"models", evil}, {"explain", "t.txt"},
		{"replay", stored[0]}, {"replay", "strange.txt"}, {"explain", "strange.txt"}, {"explain", stored[0]}, {"explain", s.Name}, {"mutate", s.Name},
		{"fix", s.Name}, {"fix", "--patch", s.Name}, {"audit", s.Name}, {"diff", s.Name, "t.txt"}, {"diff", s.Name, "--model", "ext4", "--model", "posix"},
		{"schema", evil}, {"demo", evil}, {evil}, {"help", evil}, {"run", "--" + evil}, {"run", "--faults", evil},
		{"import", "strace", "evil" + named}, {"replay", "evil" + named}, {"states", "evil" + named}, {"run", "--report", "none" + named + "/x"}, {"completion", evil},
	} {
		call(args...)
		call(append(args, "--json")...)
	}
}

func wellFormedXML(t *testing.T, file string) {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	d := xml.NewDecoder(bytes.NewReader(text))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			require.NoError(t, err, file)
		}
	}
}

// A mark of a megabyte, and a check that prints as much, make no report of megabytes.
func TestLongForeignTextIsBounded(t *testing.T) {
	t.Chdir(t.TempDir())
	s := hostileScenario(1 << 20)
	s.Name = "long"
	var out, errs bytes.Buffer
	newApp([]runner.Scenario{s}, &out, &errs).run([]string{"run", "--model", "posix", "--report", "p.html", "--svg", "p.svg", "--sarif", "p.sarif", "--junit", "p.xml"})
	require.Empty(t, errs.String())
	require.Less(t, out.Len(), 20_000)
	for file, most := range map[string]int64{"p.html": 150_000, "p.svg": 20_000, "p.sarif": 40_000, "p.xml": 40_000} {
		info, err := os.Stat(file)
		require.NoError(t, err)
		require.Less(t, info.Size(), most, file)
	}
	for _, args := range [][]string{{"explain", "long"}, {"audit", "long"}, {"fix", "long"}, {"mutate", "long"}, {"diff", "long", "--model", "ext4", "--model", "posix"}} {
		out.Reset()
		newApp([]runner.Scenario{s}, &out, &errs).run(args)
		require.Less(t, out.Len(), 100_000, args)
	}
}

// A file that no memory could hold is an error at once, whichever command reads it.
func TestFilesThatAreTooLongAreRefused(t *testing.T) {
	dir := t.TempDir()
	sparse := filepath.Join(dir, "sparse")
	require.NoError(t, os.WriteFile(sparse, nil, 0o600))
	if err := os.Truncate(sparse, 1<<43); err != nil {
		t.Skip(err)
	}
	log := filepath.Join(dir, "log")
	require.NoError(t, os.WriteFile(log, nil, 0o600))
	for _, args := range [][]string{
		{"states", sparse}, {"litmus", sparse}, {"replay", sparse}, {"explain", sparse}, {"diff", sparse, sparse}, {"import", "strace", sparse, "-o", filepath.Join(dir, "t")},
		{"import", "strace", log, "--root", "/r", "--before", dir, "-o", filepath.Join(dir, "t")},
	} {
		var out, errs strings.Builder
		require.Equal(t, exitUsage, run(args, &out, &errs), "%q: %s", args, errs.String())
		require.Empty(t, out.String())
		require.Contains(t, errs.String(), sparse+": ")
		require.Regexp(t, "more than [0-9]+ bytes", errs.String())
		require.NoFileExists(t, filepath.Join(dir, "t"))
	}
}
