package main

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// What exec finds out of a program that does the same each time is the same bytes in
// each run, whatever the number of workers and wherever temporary files are.
func TestExecPrintsTheSameBytes(t *testing.T) {
	skipWithoutFUSE(t)
	want := ""
	for _, workers := range []string{"1", "8", "2"} {
		t.Setenv("TMPDIR", t.TempDir())
		run := crashsim(t, "exec", "--json", "--workers", workers, "--model", "posix", "--model", "ext4",
			"--setup", "pwd >where; echo old >f", "--recover", "rm -f g", "--check", `grep -q . f || { echo "torn: $(cat where)"; exit 1; }`,
			"--faults", "write err=EIO", "--",
			"sh", "-c", "echo new >g; echo $PWD >>where; mv g f; mkdir d; echo 1 >d/1; echo saved in $PWD")
		run.Stderr = nil
		out, err := run.Output()
		require.Error(t, err, "it is broken")
		require.Equal(t, exitWrong, run.ProcessState.ExitCode(), "%s", out)
		if want == "" {
			want = string(out)
			require.Contains(t, want, `"kind": "torn"`)
		}
		require.Equal(t, want, string(out), "%s workers", workers)
	}
	entries, err := os.ReadDir(os.Getenv("TMPDIR"))
	require.NoError(t, err)
	require.Empty(t, entries)
}
