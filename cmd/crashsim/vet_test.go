package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestVetHasItsExitStatuses(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module m\n\ngo 1.25\n"), 0o600))
	code := filepath.Join(dir, "m.go")
	for _, c := range []struct {
		text   string
		status int
		told   string
	}{
		{"package m\n", exitOK, ""},
		{"package m\n\nfunc f() { g() }\n", exitUsage, "undefined: g"},
	} {
		require.NoError(t, os.WriteFile(code, []byte(c.text), 0o600))
		status, out, said := ran("vet", "-C", dir, ".")
		require.Equal(t, c.status, status, "%s%s", out, said)
		require.Empty(t, out)
		require.Contains(t, said, c.told)
	}
	status, _, said := ran("vet", "-C", dir, "-skip=nonsense", ".")
	require.Equal(t, exitUsage, status)
	require.Contains(t, said, "the checks are: rename, writefile")
	status, _, said = ran("vet", "-json", ".")
	require.Equal(t, exitUsage, status)
	require.Contains(t, said, "can have only one")
}

func TestVetShowsWhatItWouldRun(t *testing.T) {
	status, out, said := ran("vet", "-n", "-C", "x", "-skip", "error", "./a b")
	require.Equal(t, exitOK, status, said)
	require.Regexp(t, `^go vet -C x -vettool=\S+ -crashsim.skip error './a b'\n$`, out)
}

func TestGoVetIsKnownByWhatItAsksFor(t *testing.T) {
	for _, args := range [][]string{{"-V=full"}, {"-flags"}, {"-json", "-crashsim.skip=error", "/tmp/b001/vet.cfg"}} {
		require.True(t, isVetTool(args), args)
	}
	for _, args := range [][]string{nil, {"exec", "vet.cfg"}, {"vet", "-V=full"}, {"--help"}} {
		require.False(t, isVetTool(args), args)
	}
}

// ran runs the command and returns its status and what it printed.
func ran(args ...string) (status int, out, said string) {
	var stdout, stderr bytes.Buffer
	status = run(args, &stdout, &stderr)
	return status, stdout.String(), stderr.String()
}
