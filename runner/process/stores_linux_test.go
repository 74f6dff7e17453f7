package process_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/runner"
	"github.com/crashsim/crashsim/runner/process"
)

// storing builds the program that stores.
func storing(t *testing.T) string {
	t.Helper()
	skipWithoutFUSE(t)
	program := filepath.Join(t.TempDir(), "stores")
	out, err := exec.Command("go", "build", "-o", program, "./testdata/stores").CombinedOutput()
	require.NoError(t, err, "%s", out)
	return program
}

// twoFiles makes two files of three pages.
const twoFiles = "head -c 12288 /dev/zero >f; head -c 12288 /dev/zero >g"

func recordStores(t require.TestingT, program string, args ...string) *faultfs.Trace {
	p := process.Program{Setup: process.Shell(twoFiles), Args: append([]string{program}, args...), Timeout: time.Minute}
	trace, err := process.Record(context.Background(), p)
	require.NoError(t, err)
	require.Empty(t, trace.Notes)
	return trace
}

func TestStoresComeBeforeTheCallsThatComeAfterThem(t *testing.T) {
	program := storing(t)
	for name, c := range map[string]struct{ args, want []string }{
		"msync of a later page": {
			[]string{"map f", "store f 0 head", "store f 4096 data", "msync f 4096 4096", "msync f 0 4096", "print saved"},
			[]string{"write /f [0,4)", "write /f [4096,4100)", "fdatasync /f [4096,8192)", "fdatasync /f [0,4096)", "mark saved"},
		},
		"msync in order": {
			[]string{"map f", "store f 4096 data", "msync f 4096 4096", "store f 0 head", "msync f 0 4096", "print saved"},
			[]string{"write /f [4096,4100)", "fdatasync /f [4096,8192)", "write /f [0,4)", "fdatasync /f [0,4096)", "mark saved"},
		},
		"a mark": {
			[]string{"map f", "store f 0 a", "print saved", "store f 0 b"},
			[]string{"write /f [0,1)", "mark saved", "write /f [0,1)"},
		},
		"names": {
			[]string{"map f", "store f 0 a", "mkdir d", "store f 1 b", "rename d e", "store f 2 c"},
			[]string{"write /f [0,1)", "mkdir /d", "write /f [1,2)", "rename /d /e", "write /f [2,3)"},
		},
		"a sync of another file": {
			[]string{"map f", "map g", "store f 0 a", "fsync g", "store g 0 a", "fsync f"},
			[]string{"write /f [0,1)", "fdatasync /g", "write /g [0,1)", "fdatasync /f"},
		},
		"a sync of everything": {
			[]string{"map f", "store f 0 a", "sync", "store f 0 b"},
			[]string{"write /f [0,1)", "sync", "write /f [0,1)"},
		},
		"a write elsewhere in the file": {
			[]string{"map f", "store f 0 a", "write f 8192 b", "store f 1 c", "fsync f"},
			[]string{"write /f [0,1)", "write /f [8192,8193)", "write /f [1,2)", "fdatasync /f"},
		},
		"a truncate": {
			[]string{"map f", "store f 8192 a", "store f 0 b", "truncate f 4096", "store f 1 c"},
			[]string{"write /f [0,1)", "write /f [8192,8193)", "truncate /f to 4096", "write /f [1,2)"},
		},
		"the file's own name is gone": {
			[]string{"map f", "unlink f", "store f 0 a", "fsync f", "store f 1 b"},
			[]string{"unlink /f", "write #2 [0,1)", "fdatasync #2", "write #2 [1,2)"},
		},
		"no descriptor is left": {
			[]string{"map f", "close f", "store f 0 a", "msync f 0 4096", "store f 1 b", "unmap f", "mkdir d"},
			[]string{"write /f [0,1)", "fdatasync /f [0,4096)", "write /f [1,2)", "mkdir /d"},
		},
		"two processes share a map": {
			[]string{"map f", "store f 0 a", "child", "map f", "store f 1 b", "mkdir d", "store f 4096 c", "msync f 0 4096"},
			[]string{"write /f [0,1)", "write /f [1,2)", "mkdir /d", "write /f [4096,4097)", "fdatasync /f [0,4096)"},
		},
		"nothing changes": {
			[]string{"map f", "store f 0 a", "mkdir d", "store f 0 a", "fsync f", "store f 0 a", "print saved"},
			[]string{"write /f [0,1)", "mkdir /d", "fdatasync /f", "mark saved"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			trace := recordStores(t, program, c.args...)
			var got []string
			for _, op := range changesAndSyncs(trace) {
				got = append(got, strings.ReplaceAll(op, "fsync", "fdatasync"))
			}
			for i := range got {
				got[i] = strings.ReplaceAll(got[i], "fdatafdatasync", "fdatasync")
			}
			require.Equal(t, c.want, got)
		})
	}
}

func TestAStoreThatPrecedesASyncCanBeThereBefore(t *testing.T) {
	program := storing(t)
	const check = `head -c 4 f | grep -q head && { tail -c +4097 f | head -c 4 | grep -q data || { echo torn: a header without data; exit 1; }; }
		grep -q saved $CRASHSIM_MARKS && { head -c 4 f | grep -q head || { echo lost: no header; exit 1; }; }
		exit 0`
	for verdict, args := range map[runner.Verdict][]string{
		runner.Broken: {"map f", "store f 0 head", "store f 4096 data", "msync f 4096 4096", "msync f 0 4096", "print saved"},
		runner.Kept:   {"map f", "store f 4096 data", "msync f 4096 4096", "store f 0 head", "msync f 0 4096", "print saved"},
	} {
		trace := recordStores(t, program, args...)
		for _, model := range []string{"posix", "ext4", "btrfs"} {
			r := judge(t, trace, check, "", model, process.Options{})
			require.Equal(t, verdict, r.Outcome.Verdict, "%s %v: %s", model, args, r.Why)
		}
	}
}

// TestNoOrderOfStoresIsMadeUp judges programs that differ only in the order of two
// stores between two calls. Under kill, one of them is right and the other is not; nobody
// can see which, so that neither is called broken, and kept is said with a warning.
func TestNoOrderOfStoresIsMadeUp(t *testing.T) {
	program := storing(t)
	const check = `head -c 4 f | grep -q head && { tail -c +4097 f | head -c 4 | grep -q data || { echo torn: a header without data; exit 1; }; }; exit 0`
	stores := [][]string{{"store f 0 head", "store f 4096 data"}, {"store f 4096 data", "store f 0 head"}}
	for _, both := range stores {
		trace := recordStores(t, program, append(append([]string{"map f"}, both...), "msync f 0 12288", "print saved")...)
		for model, verdict := range map[string]runner.Verdict{
			"kill": runner.Kept, "strict": runner.Kept, "ext4": runner.Broken, "posix": runner.Broken, "strict,unit=512": runner.Kept,
		} {
			r := judge(t, trace, check, "", model, process.Options{})
			require.Equal(t, verdict, r.Outcome.Verdict, "%s %v: %s", model, both, r.Why)
			if verdict == runner.Kept {
				require.Contains(t, strings.Join(r.Notes, "\n"), "the program stored more than one word into maps of files between two of its calls (1 time)", model)
			}
		}
	}
}

// TestStoresWithACallBetweenThemHaveTheirOrder has the same two programs with a call of
// the system between the stores.
func TestStoresWithACallBetweenThemHaveTheirOrder(t *testing.T) {
	program := storing(t)
	const check = `head -c 4 f | grep -q head && { tail -c +4097 f | head -c 4 | grep -q data || { echo torn: a header without data; exit 1; }; }; exit 0`
	for verdict, args := range map[runner.Verdict][]string{
		runner.Broken: {"map f", "store f 0 head", "mkdir d", "store f 4096 data"},
		runner.Kept:   {"map f", "store f 4096 data", "mkdir d", "store f 0 head"},
	} {
		trace := recordStores(t, program, args...)
		for _, model := range []string{"kill", "strict"} {
			r := judge(t, trace, check, "", model, process.Options{})
			require.Equal(t, verdict, r.Outcome.Verdict, "%s %v: %s", model, args, r.Why)
			require.NotContains(t, strings.Join(r.Notes, "\n"), "more than one word", "%s %v", model, args)
		}
	}
}

func TestAnMsyncOfAnotherPageForcesNothing(t *testing.T) {
	program := storing(t)
	const check = `grep -q saved $CRASHSIM_MARKS && { head -c 4 f | grep -q head || { echo lost: no header; exit 1; }; }
		exit 0`
	for msync, verdict := range map[string]runner.Verdict{
		"msync f 4096 4096": runner.Broken, "msync f 0 4096": runner.Kept, "msync f 0 8192": runner.Kept, "msync f 0 12288": runner.Kept, "fsync f": runner.Kept,
	} {
		trace := recordStores(t, program, "map f", "store f 0 head", "store f 4096 data", msync, "print saved")
		for _, model := range []string{"posix", "ext4", "posix,unit=512"} {
			r := judge(t, trace, check, "", model, process.Options{})
			require.Equal(t, verdict, r.Outcome.Verdict, "%s %v: %s", model, msync, r.Why)
		}
	}
}

// TestStoresAreThoseThatTheProgramLogs draws programs, and holds what is recorded
// of them to what they know that they do.
func TestStoresAreThoseThatTheProgramLogs(t *testing.T) {
	program := storing(t)
	if checks := flag.Lookup("rapid.checks"); checks.Value.String() == checks.DefValue && os.Getenv("CRASHSIM_LONG") == "" {
		require.NoError(t, checks.Value.Set("25")) // each is a process that is traced
		defer func() { require.NoError(t, checks.Value.Set(checks.DefValue)) }()
	}
	rapid.Check(t, func(r *rapid.T) {
		content := map[string][]byte{"f": make([]byte, 12288), "g": make([]byte, 12288)}
		seen := map[string][]byte{"f": make([]byte, 12288), "g": make([]byte, 12288)}
		args, want := []string{"map f", "map g"}, []string(nil)
		look := func() {
			for _, name := range []string{"f", "g"} {
				for page := 0; page < 12288; page += 4096 {
					now, then := content[name][page:page+4096], seen[name][page:page+4096]
					from, to := 0, 4096
					for from < to && now[from] == then[from] {
						from++
					}
					for to > from && now[to-1] == then[to-1] {
						to--
					}
					if from < to {
						want = append(want, fmt.Sprintf("write /%s [%d,%d) %q", name, page+from, page+to, now[from:to]))
					}
				}
				seen[name] = slices.Clone(content[name])
			}
		}
		for i := range rapid.IntRange(1, 25).Draw(r, "steps") {
			name := rapid.SampledFrom([]string{"f", "g"}).Draw(r, "file")
			offset := rapid.IntRange(0, 12280).Draw(r, "offset")
			text := fmt.Sprint("t", i)
			switch step := rapid.SampledFrom([]string{"store", "store", "store", "msync", "fsync", "mkdir", "print", "write"}).Draw(r, "step"); step {
			case "store":
				args = append(args, fmt.Sprintf("store %s %d %s", name, offset, text))
				copy(content[name][offset:], text)
			case "write":
				args = append(args, fmt.Sprintf("write %s %d %s", name, offset, text))
				look()
				copy(content[name][offset:], text)
				copy(seen[name][offset:], text)
				want = append(want, fmt.Sprintf("write /%s [%d,%d) %q", name, offset, offset+len(text), text))
			case "msync":
				args = append(args, fmt.Sprintf("msync %s %d 4096", name, offset&^4095))
				look()
				want = append(want, fmt.Sprintf("sync %s %d-%d", name, offset&^4095, offset&^4095+4096))
			case "fsync":
				args = append(args, "fsync "+name)
				look()
				want = append(want, "sync "+name)
			case "mkdir":
				args = append(args, "mkdir "+text)
				look()
				want = append(want, "mkdir /"+text)
			case "print":
				args = append(args, "print "+text)
				look()
				want = append(want, "mark "+text)
			}
		}
		look() // at the end
		require.Equal(r, want, logged(recordStores(r, program, args...)), "%q", args)
	})
}

// logged is a trace as the program of the test logs it.
func logged(trace *faultfs.Trace) []string {
	var log []string
	for i := range trace.Ops {
		switch op := &trace.Ops[i]; {
		case op.Kind == faultfs.OpWrite:
			log = append(log, op.Summary()+" "+strconv.Quote(string(op.Data)))
		case op.Kind.Syncs():
			line := "sync " + strings.TrimPrefix(op.Path, "/")
			if !op.Only.Empty() {
				line += " " + op.Only.String()
			}
			log = append(log, line)
		case op.Kind.Changes(), op.Kind == faultfs.OpMark:
			log = append(log, op.Summary())
		}
	}
	return log
}
