//go:build linux && amd64

package callsite_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crashsim/crashsim/faultfs/internal/callsite"
)

func readFile(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	return string(text)
}

func TestFramesOfCHaveTheirFunctions(t *testing.T) {
	compiler, err := exec.LookPath("gcc")
	if err != nil {
		t.Skip("needs gcc")
	}
	for name, flags := range map[string][]string{
		"-O0": {"-O0"}, "-O2": {"-O2", "-fno-inline"}, "frame pointers": {"-O2", "-fno-inline", "-fno-omit-frame-pointer"},
		"static": {"-O1", "-fno-inline", "-static"}, "no PIE": {"-O0", "-no-pie"}, "lines": {"-O1", "-g", "-fno-inline"},
	} {
		t.Run(name, func(t *testing.T) {
			l, dir := look(t, nil)
			program := filepath.Join(t.TempDir(), "program")
			out, err := exec.Command(compiler, append(flags, "-o", program, "testdata/program.c")...).CombinedOutput()
			require.NoError(t, err, "%s", out)
			args := []string{program}
			for _, name := range []string{"a", "b", "c", "d"} {
				args = append(args, filepath.Join(dir, name))
			}
			run(t, args...)
			found := l.seen(t)
			for name, want := range map[string][]string{
				"a": {"plain", "main"}, "b": {"with_array", "main"}, "c": {"plain", "aligned", "main"}, "d": {"plain", "many", "main"},
			} {
				var got []string
				for _, f := range found[name] {
					if f.Object == "program" && f.Func != "_start" && f.Func != "mkdir" && f.Func != "__mkdir" && f.Func != "__libc_start_call_main" && f.Func != "__libc_start_main" {
						got = append(got, f.Func)
					}
				}
				require.Equal(t, want, only(got, want), "%s: %+v", name, found[name])
			}
			if name == "lines" {
				site, ok := callsite.Site(found["a"])
				require.True(t, ok)
				require.Equal(t, "plain", site.Func)
				require.Equal(t, lineOf(t, "testdata/program.c", "mkdir(name"), site.Line)
			}
		})
	}
}

// only keeps the names of the program, where it is linked with its C library.
func only(got, names []string) []string {
	var kept []string
	for _, g := range got {
		for _, n := range names {
			if g == n {
				kept = append(kept, g)
			}
		}
	}
	return kept
}

func TestProgramsOfTheSystemHaveAnObject(t *testing.T) {
	for program, object := range map[string]string{"mkdir": "mkdir", "sh": "", "python3": ""} {
		path, err := exec.LookPath(program)
		if err != nil {
			continue
		}
		t.Run(program, func(t *testing.T) {
			l, dir := look(t, nil)
			switch program {
			case "mkdir":
				run(t, path, filepath.Join(dir, "d"))
			case "sh":
				run(t, path, "-c", "mkdir "+filepath.Join(dir, "d"))
				object = "mkdir"
			case "python3":
				run(t, path, "-c", "import os; os.mkdir('"+filepath.Join(dir, "d")+"')")
			}
			found := l.seen(t)
			site, ok := callsite.Site(found["d"])
			require.True(t, ok)
			t.Logf("%+v", found["d"])
			if object != "" {
				require.Equal(t, object, site.Object)
			} else {
				require.NotEmpty(t, site.Func)
			}
		})
	}
}
