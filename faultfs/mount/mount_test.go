//go:build linux

package mount_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crashsim/crashsim/faultfs"
)

// childVariable names the part of TestMain that a process plays: programs that
// would hang the serving process, or are killed, are processes of their own.
const childVariable = "CRASHSIM_MOUNT_TEST_CHILD"

// children are the programs; each gets the directory of the mount.
var children = map[string]func(dir string) error{
	"map":          storeThroughMap,
	"reader":       readThroughMap,
	"appended":     storeThroughAppended,
	"append":       appendMany,
	"rpc":          serveDisks,
	"asker":        askOwnMount,
	"copier":       copyMount,
	"server":       serveUntilKilled,
	"unprivileged": serveUnprivileged,
	"holder":       holdOpen,
}

func TestMain(m *testing.M) {
	name := os.Getenv(childVariable)
	if name == "" {
		os.Exit(m.Run())
	}
	if err := children[name](os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, name+":", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// childTimeout is how long a program may take before it is killed.
const childTimeout = 30 * time.Second

// child makes the command of a program; it is killed with the test.
func child(t *testing.T, name, dir string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), childTimeout)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, os.Args[0], dir)
	cmd.Env = append(os.Environ(), childVariable+"="+name)
	cmd.Stderr = os.Stderr
	return cmd
}

// shell runs a script with the mount as its working directory.
func shell(t *testing.T, dir, script string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), childTimeout)
	defer cancel()
	out, err := exec.CommandContext(ctx, "sh", "-c", "cd \"$1\" || exit 1\n"+script, "sh", dir).CombinedOutput()
	require.NoError(t, err, "%s", out)
	return string(out)
}

// calls returns the ops of a trace, without those of the given kinds.
func calls(s *served, without ...faultfs.OpKind) []string {
	lines := []string{}
	for _, op := range s.ops() {
		if !slices.Contains(without, op.Kind) {
			lines = append(lines, op.Line())
		}
	}
	return lines
}

// changes returns the ops of a trace that change something, sync, or mark.
func changes(s *served) []string {
	return calls(s, faultfs.OpOpen, faultfs.OpClose, faultfs.OpRead, faultfs.OpReaddir)
}

// requireReadsBack requires that the text of a trace reads back as the same.
func requireReadsBack(t *testing.T, s *served) {
	t.Helper()
	require.Empty(t, s.readsBack())
}

// mounts returns the lines of mountinfo that are about a directory.
func mounts(t *testing.T, dir string) []string {
	t.Helper()
	text, err := os.ReadFile("/proc/self/mountinfo")
	require.NoError(t, err)
	var lines []string
	for line := range strings.Lines(string(text)) {
		if strings.Contains(line, dir) {
			lines = append(lines, line)
		}
	}
	return lines
}
