package process_test

import (
	"context"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/model"
	"github.com/crashsim/crashsim/runner"
	"github.com/crashsim/crashsim/runner/process"
)

// changesAndSyncs are the ops that change something or force it, and marks.
func changesAndSyncs(trace *faultfs.Trace) []string {
	var ops []string
	for i := range trace.Ops {
		if op := &trace.Ops[i]; op.Kind.Changes() || op.Kind.Syncs() || op.Kind == faultfs.OpMark {
			ops = append(ops, op.Summary())
		}
	}
	return ops
}

func needSync(t *testing.T, trace *faultfs.Trace) {
	t.Helper()
	if len(trace.Notes) > 0 {
		t.Skip(trace.Notes)
	}
}

func TestSyncOfEverythingIsRecorded(t *testing.T) {
	skipWithoutFUSE(t)
	const sync, mkdir = "sync", "mkdir /d"
	for name, c := range map[string]struct {
		program string
		want    []string
	}{
		"sync":                       {"mkdir d; sync; echo saved", []string{mkdir, sync, "mark saved"}},
		"syncfs of a file":           {"mkdir d; sync -f d; echo saved", []string{mkdir, sync, "mark saved"}},
		"of the working directory":   {"mkdir d; sync -f .; echo saved", []string{mkdir, sync, "mark saved"}},
		"of another file system":     {"mkdir d; sync -f /proc; echo saved", []string{mkdir, "mark saved"}},
		"of a file by its own name":  {"mkdir d; sync d; echo saved", []string{mkdir, "fsync /d", "mark saved"}},
		"in a child":                 {"mkdir d; (sh -c 'sync; exit 0'); echo saved", []string{mkdir, sync, "mark saved"}},
		"in the background":          {"mkdir d; sync & wait; echo saved", []string{mkdir, sync, "mark saved"}},
		"without changes":            {"sync", []string{sync}},
		"more than once":             {"sync; mkdir d; sync; sync -f .", []string{sync, mkdir, sync, sync}},
		"in another directory":       {"mkdir d; cd /; sync; echo saved", []string{mkdir, sync, "mark saved"}},
		"of something that is not":   {"mkdir d; sync -f nothing 2>/dev/null; echo saved", []string{mkdir, "mark saved"}},
		"by a program in its place":  {"mkdir d; exec sync", []string{mkdir, sync}},
		"with the output elsewhere":  {"mkdir d; sync >/dev/null 2>&1 </dev/null; echo saved", []string{mkdir, sync, "mark saved"}},
		"of a descriptor by a child": {"mkdir d; exec 9<d; sh -c 'sync -f /proc/self/fd/9'; echo saved", []string{mkdir, sync, "mark saved"}},
	} {
		t.Run(name, func(t *testing.T) {
			trace := record(t, "", c.program)
			needSync(t, trace)
			require.Equal(t, c.want, changesAndSyncs(trace))
		})
	}
}

func TestAProgramThatReliesOnSyncIsKept(t *testing.T) {
	skipWithoutFUSE(t)
	for _, program := range []string{
		"echo new >f.tmp; sync; mv f.tmp f; sync; echo saved",
		"echo new >f.tmp; sync -f f.tmp; mv f.tmp f; sync -f .; echo saved",
	} {
		trace := record(t, "echo old >f", program)
		needSync(t, trace)
		for _, preset := range model.Presets() {
			r := judge(t, trace, "old-or-new:f", "", preset.Name, process.Options{})
			require.Equal(t, runner.Kept, r.Outcome.Verdict, "%s: %s", preset.Name, r.Why)
		}
	}
	trace := record(t, "echo old >f", "echo new >f.tmp; sync -f /proc; mv f.tmp f; sync; echo saved")
	r := judge(t, trace, "old-or-new:f", "", "posix", process.Options{})
	require.Equal(t, runner.Broken, r.Outcome.Verdict)
}

func TestSourceLinesOfAProgramAreRecorded(t *testing.T) {
	skipWithoutFUSE(t)
	if runtime.GOARCH != "amd64" {
		t.Skip("needs amd64")
	}
	program := filepath.Join(t.TempDir(), "lines")
	out, err := exec.Command("go", "build", "-ldflags=-s", "-o", program, "../../faultfs/internal/callsite/testdata/lines").CombinedOutput()
	require.NoError(t, err, "%s", out)
	trace, err := process.Record(context.Background(), process.Program{Args: []string{program, "."}, Timeout: time.Minute})
	require.NoError(t, err)
	require.Empty(t, trace.Notes)
	lines := map[faultfs.CallSite]bool{}
	for _, op := range trace.Ops {
		if op.Kind == faultfs.OpMkdir {
			require.Contains(t, []string{"lines/main.go", "lines/more.go"}, op.Site.File)
			require.Positive(t, op.Site.Line)
			lines[op.Site] = true
		}
	}
	require.Greater(t, len(lines), 10)
}

func TestCallsByIOUringAreRecorded(t *testing.T) {
	skipWithoutFUSE(t)
	program := filepath.Join(t.TempDir(), "uring")
	out, err := exec.Command("go", "build", "-o", program, "./testdata/uring").CombinedOutput()
	require.NoError(t, err, "%s", out)
	trace, err := process.Record(context.Background(), process.Program{Args: []string{program}, Timeout: time.Minute})
	if err != nil && strings.Contains(err.Error(), "exit status 77") {
		t.Skip(err)
	}
	require.NoError(t, err)
	require.Empty(t, trace.Notes)
	require.Equal(t, []string{
		"create /f", "write /f [0,4)", "fsync /f", "write /f [4,8)", "fdatasync /f", "fdatasync /f", "mark saved",
	}, changesAndSyncs(trace))
}
