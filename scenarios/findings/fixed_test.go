package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What repairs a library repairs it: a copy of its source with the sync that is
// missing is judged by the same command, and so is another version that has the
// repair, or lacks it. All of them are built into one command.
func TestRepairs(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: the libraries are built again")
	}
	bin := ""
	for i := range findings {
		f := &findings[i]
		if f.fixed == nil {
			continue
		}
		t.Run(f.name, func(t *testing.T) {
			f.needs(t)
			if bin == "" {
				bin = buildFixed(t)
			}
			got, said := f.judge(t, bin).verdicts()
			assert.Equal(t, f.fixed.verdicts, got, said)
			t.Log(said)
		})
	}
}

// buildFixed builds the command with all repairs, and returns its folder.
func buildFixed(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "findings-fixed-")
	require.NoError(t, err)
	cleanups = append(cleanups, func() { _ = os.RemoveAll(dir) })
	for _, name := range []string{"go.mod", "go.sum"} {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), text, 0o600))
	}
	main, err := filepath.Abs("../..")
	require.NoError(t, err)
	modfile := filepath.Join(dir, "go.mod")
	edit := []string{"mod", "edit", "-replace=github.com/crashsim/crashsim=" + main}
	copies := map[string]bool{}
	for i := range findings {
		f := &findings[i]
		switch {
		case f.fixed == nil:
		case f.fixed.replace != "":
			edit = append(edit, "-replace="+f.module+"="+f.fixed.replace)
		default:
			copied := filepath.Join(dir, anchor(f.module))
			if !copies[f.module] {
				copies[f.module] = true
				copyModule(t, f.module, copied)
				edit = append(edit, "-replace="+f.module+"="+copied)
			}
			for _, e := range f.fixed.edits {
				e.apply(t, copied)
			}
		}
	}
	golang(t, append(edit, modfile)...)
	golang(t, "build", "-mod=mod", "-modfile="+modfile, "-o", filepath.Join(dir, "bin", "findings"), ".")
	return filepath.Join(dir, "bin")
}

// copyModule copies the source of a module.
func copyModule(t *testing.T, module, to string) {
	t.Helper()
	from := strings.TrimSpace(golang(t, "list", "-m", "-f", "{{.Dir}}", module))
	require.NoError(t, os.CopyFS(to, os.DirFS(from)))
}

// apply applies an edit to a copy of a module.
func (e edit) apply(t *testing.T, dir string) {
	t.Helper()
	file := filepath.Join(dir, e.file)
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, 1, strings.Count(string(text), e.old), "%s: %q", e.file, e.old)
	require.NoError(t, os.Remove(file)) // it may not be written to
	require.NoError(t, os.WriteFile(file, []byte(strings.Replace(string(text), e.old, e.new, 1)), 0o600))
}

func golang(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", args...).CombinedOutput()
	require.NoError(t, err, "go %s: %s", strings.Join(args, " "), out)
	return string(out)
}
