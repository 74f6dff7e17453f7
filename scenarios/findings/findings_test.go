package main

import (
	"context"
	"encoding/json"
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

	"github.com/crashsim/crashsim/faultfs/mount"
	"github.com/crashsim/crashsim/runner/process"
)

var update = flag.Bool("update", false, "write FINDINGS.md")

// TestMain builds the commands that the findings use, and makes their surroundings
// the same everywhere.
func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(run(m))
}

func run(m *testing.M) int {
	bin, err := os.MkdirTemp("", "findings-")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(bin) }()
	scripts, err := filepath.Abs("scripts")
	if err != nil {
		panic(err)
	}
	home := filepath.Join(bin, "home")
	if err := os.Mkdir(home, 0o700); err != nil {
		panic(err)
	}
	for name, dir := range map[string]string{"crashsim": "../../cmd/crashsim", "findings": "."} {
		if err := build(dir, filepath.Join(bin, name)); err != nil {
			panic(err)
		}
	}
	// Go keeps its files where they are, though HOME is another.
	for _, name := range []string{"GOPATH", "GOCACHE", "GOMODCACHE"} {
		dir, err := exec.Command("go", "env", name).Output()
		if err != nil {
			panic(err)
		}
		if err := os.Setenv(name, strings.TrimSpace(string(dir))); err != nil {
			panic(err)
		}
	}
	for name, value := range map[string]string{
		"PATH": bin + ":" + scripts + ":/usr/local/sbin:/usr/sbin:/sbin:" + os.Getenv("PATH"),
		"HOME": home, "LC_ALL": "C.UTF-8", "TZ": "UTC",
	} {
		if err := os.Setenv(name, value); err != nil {
			panic(err)
		}
	}
	defer func() {
		for _, clean := range cleanups {
			clean()
		}
	}()
	return m.Run()
}

// cleanups are run when all tests have ended.
var cleanups []func()

// build builds the command in a folder.
func build(dir, file string, flags ...string) error {
	build := exec.Command("go", append(append([]string{"build", "-o", file}, flags...), ".")...)
	build.Dir = dir
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("go build %s: %w\n%s", dir, err, out)
	}
	return nil
}

// result is what "crashsim exec --json" says, as far as it is looked at.
type result struct {
	Results []struct {
		Model, Verdict, Why string
		Kinds               []string
		Coverage            struct{ Bound string }
		Failures            []struct {
			Kind, Story string
			Lost        []struct{ Call, Site, Func, What string }
		}
		Warnings, Notes []string
	}
	Errors []any
}

// verdicts are the verdicts of a result, and the places that it names.
func (r *result) verdicts() (v verdicts, said string) {
	v = verdicts{}
	for _, of := range r.Results {
		switch {
		case of.Verdict == "broken":
			v[of.Model] = strings.Join(of.Kinds, ", ")
		case of.Verdict == "unknown" && strings.HasPrefix(of.Why, "no failure found") && strings.HasSuffix(of.Coverage.Bound, "as asked"):
			v[of.Model] = none
		case of.Verdict == "unknown":
			v[of.Model] = "unknown: " + of.Why + of.Coverage.Bound
		case of.Verdict == "kept" && strings.Contains(strings.Join(of.Notes, "\n"), "stored more than one word into maps"):
			v[of.Model] = asSeen
		default:
			v[of.Model] = of.Verdict
		}
		said += fmt.Sprintf("%s: %s %s %s\n", of.Model, v[of.Model], of.Warnings, of.Notes)
		for _, f := range of.Failures {
			said += "    " + f.Story + "\n"
			for _, lost := range f.Lost {
				said += fmt.Sprintf("        %s of %s, %s (%s)\n", lost.What, lost.Call, lost.Site, lost.Func)
			}
		}
	}
	return v, said
}

// judge runs the command of a finding.
func (f *finding) judge(t *testing.T, path string) *result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, "sh", "-c", f.command("--json"))
	command.Dir = t.TempDir()
	if path != "" {
		command.Env = append(os.Environ(), "PATH="+path+":"+os.Getenv("PATH"))
	}
	command.WaitDelay = 10 * time.Second
	var stderr strings.Builder
	command.Stderr = &stderr
	out, err := command.Output()
	if exit := (*exec.ExitError)(nil); err != nil {
		require.ErrorAs(t, err, &exit, stderr.String())
	}
	var r result
	require.NoError(t, json.Unmarshal(out, &r), "%s%s", out, stderr.String())
	require.Empty(t, r.Errors, stderr.String())
	require.Len(t, r.Results, len(models), stderr.String())
	return &r
}

// needs skips the test where the program of a finding is not there, is of another
// version, or nothing can be mounted.
func (f *finding) needs(t *testing.T) {
	t.Helper()
	c, err := process.NewChecker(process.Options{})
	if errors.Is(err, mount.ErrUnavailable) {
		t.Skip(err)
	}
	require.NoError(t, err)
	require.NoError(t, c.Close())
	for i, name := range strings.Fields(f.debian) {
		out, err := exec.Command("dpkg-query", "--show", "--showformat", "${Version}", name).Output()
		if err != nil || len(out) == 0 {
			t.Skipf("the Debian package %s is not installed", name)
		}
		if got := upstream(string(out)); i == 0 && got != f.version {
			t.Skipf("the Debian package %s has version %s, and what was found is about %s", name, got, f.version)
		}
	}
}

// upstream is a version without its epoch and without what Debian adds.
func upstream(version string) string {
	if _, rest, ok := strings.Cut(version, ":"); ok {
		version = rest
	}
	if i := strings.LastIndexByte(version, '-'); i >= 0 {
		version = version[:i]
	}
	version, _, _ = strings.Cut(version, "+")
	return version
}

// Each finding ends as it says: the verdicts are those of the command on the page,
// and the lines that crashsim names are those that lack the sync.
func TestFindings(t *testing.T) {
	for i := range findings {
		f := &findings[i]
		t.Run(f.name, func(t *testing.T) {
			f.needs(t)
			if testing.Short() && i%7 != 0 {
				t.Skip("-short: one of seven is judged")
			}
			start := time.Now()
			got, said := f.judge(t, "").verdicts()
			assert.Equal(t, f.verdicts, got, said)
			for _, site := range f.sites {
				assert.Contains(t, said, site)
			}
			t.Logf("%s\n%v", said, time.Since(start))
		})
	}
}

// Each finding says what the page must say.
func TestFindingsAreComplete(t *testing.T) {
	names := map[string]bool{}
	for i := range findings {
		f := &findings[i]
		require.NotEmpty(t, f.name)
		require.False(t, names[f.name], f.name)
		names[f.name] = true
		require.Contains(t, sections, f.section, f.name)
		require.NotEmpty(t, f.promise, f.name)
		require.True(t, strings.HasPrefix(f.source, "http") || strings.HasPrefix(f.source, "man "), "%s: %q", f.name, f.source)
		require.NotEmpty(t, f.story, f.name)
		require.NotEqual(t, f.debian == "", f.module == "", f.name)
		require.Equal(t, f.debian == "", f.version == "", f.name)
		require.Len(t, f.verdicts, len(models), f.name)
		broken := slices.ContainsFunc(models, func(m string) bool { return !kept(f.verdicts[m]) })
		require.Equal(t, broken, f.lacks != "", "%s: a broken promise names the line that lacks the sync, a kept one none", f.name)
		if broken && f.module != "" {
			require.NotEmpty(t, f.sites, "%s: the lines of Go programs are recorded", f.name)
		}
	}
	require.GreaterOrEqual(t, len(names), 15)
}
