//go:build linux

package mount_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/mount"
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

// serve mounts a file system at a new directory while t runs, and skips t
// where that is not possible.
func serve(t testing.TB, fs *faultfs.FS, o mount.Options) string {
	t.Helper()
	dir := t.TempDir()
	m, err := mount.Serve(fs, dir, o)
	if errors.Is(err, mount.ErrUnavailable) {
		t.Skip(err)
	}
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, m.Close()) })
	return dir
}

// calls returns the ops of a trace, without those of the given kinds.
func calls(fs *faultfs.FS, without ...faultfs.OpKind) []string {
	lines := []string{}
	for _, op := range fs.Trace().Ops {
		skip := false
		for _, kind := range without {
			skip = skip || op.Kind == kind
		}
		if !skip {
			lines = append(lines, op.Line())
		}
	}
	return lines
}

// changes returns the ops of a trace that change something, sync, or mark.
func changes(fs *faultfs.FS) []string {
	return calls(fs, faultfs.OpOpen, faultfs.OpClose, faultfs.OpRead, faultfs.OpReaddir)
}

// requireReadsBack requires that the text of a trace reads back as the same.
func requireReadsBack(t *testing.T, fs *faultfs.FS) {
	t.Helper()
	trace := fs.Trace()
	again, err := faultfs.ParseTrace("trace", trace.Text())
	require.NoError(t, err)
	require.True(t, trace.Same(again), "the text of the trace reads back as another")
	require.Equal(t, len(trace.Ops), len(again.Ops))
	for i := range trace.Ops {
		if trace.Ops[i].Errno != 0 {
			continue // was not tried again
		}
		require.Equal(t, trace.Ops[i].Ino, again.Ops[i].Ino, "inode of op %d", i+1)
	}
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
