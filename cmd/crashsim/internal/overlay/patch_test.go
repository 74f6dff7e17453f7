package overlay

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// standard returns a file of the Go that runs the tests.
func standard(t *testing.T, name string) (string, []byte) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("package syscall is patched for Linux")
	}
	root, err := exec.Command("go", "env", "GOROOT").Output()
	require.NoError(t, err)
	file := filepath.Join(strings.TrimSpace(string(root)), "src", "syscall", name)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Skipf("there is no source of the standard library: %v", err)
	}
	return file, text
}

func TestEachEntryOfThisGoAsksTheHook(t *testing.T) {
	name, text := standard(t, "syscall_linux.go")
	patched, added, err := patchEntries(name, text)
	require.NoError(t, err)
	require.Equal(t, len(entries), bytes.Count(patched, []byte("crashsimHook(trap")))
	require.Equal(t, bytes.Count(text, []byte("\n")), bytes.Count(patched, []byte("\n")), "lines stay where they are")
	require.NotContains(t, string(added), "RawSyscall6(")
	_, err = parse("added.go", added)
	require.NoError(t, err)
}

func TestNothingAsksBetweenForkAndExec(t *testing.T) {
	name, text := standard(t, "exec_linux.go")
	patched, err := patchFork(name, text)
	require.NoError(t, err)
	for line := range strings.Lines(string(patched)) {
		code, _, _ := strings.Cut(line, "//")
		require.NotContains(t, code, "RawSyscall", "a call that asks")
	}
}

func TestAnotherGoIsAnErrorThatNamesTheFunction(t *testing.T) {
	name, text := standard(t, "syscall_linux.go")
	for _, e := range entries {
		for what, bad := range map[string][]byte{
			"is gone":               bytes.ReplaceAll(text, []byte("func "+e.name+"("), []byte("func Other"+e.name+"(")),
			"has another signature": bytes.ReplaceAll(text, []byte("func "+e.name+"(trap,"), []byte("func "+e.name+"(trap, a0,")),
			"has no body":           bytes.ReplaceAll(text, []byte("func "+e.name+"(trap"), []byte("func "+e.name+"(trap, a1, a2, a3 uintptr)\nfunc x"+e.name+"(trap")),
		} {
			_, _, err := patchEntries(name, bad)
			require.ErrorContains(t, err, "function "+e.name, "%s %s", e.name, what)
			require.ErrorContains(t, err, name)
		}
	}
	name, text = standard(t, "exec_unix.go")
	_, err := patchExec(name, bytes.ReplaceAll(text, []byte("func forkExec("), []byte("func forkExec2(")))
	require.ErrorContains(t, err, "there is no function forkExec")
	name, text = standard(t, "exec_linux.go")
	_, err = patchFork(name, bytes.ReplaceAll(text, []byte("func forkAndExecInChild1("), []byte("func f(")))
	require.ErrorContains(t, err, "there is no function forkAndExecInChild1")
}

func TestAnOverlayIsWrittenOnceAndNamesFilesThatExist(t *testing.T) {
	standard(t, "syscall_linux.go")
	cache := t.TempDir()
	first, err := Write(t.Context(), Build{Cache: cache})
	require.NoError(t, err)
	before, err := os.ReadDir(cache)
	require.NoError(t, err)
	second, err := Write(t.Context(), Build{Cache: cache})
	require.NoError(t, err)
	require.Equal(t, first, second)
	after, err := os.ReadDir(cache)
	require.NoError(t, err)
	require.Len(t, after, len(before))
	// What somebody has damaged is written again.
	require.NoError(t, os.WriteFile(first, []byte("{}"), 0o600))
	_, err = Write(t.Context(), Build{Cache: cache})
	require.NoError(t, err)
	text, err := os.ReadFile(first)
	require.NoError(t, err)
	require.Contains(t, string(text), "syscall_linux.go")
}
