package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/require"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/model"
	"github.com/crashsim/crashsim/faultfs/mount"
	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner"
)

// judgedWhile judges a program whose check fails on some disks, and lets something
// happen before one of the checks.
func judgedWhile(t *testing.T, o Options, at int64, happens func(c *Checker)) (runner.Result, error) {
	t.Helper()
	trace, err := Record(context.Background(), Program{
		Setup: Shell("echo old >f"), Args: Shell("echo new >f; echo saved; echo more >g; echo done"), Timeout: time.Minute,
	})
	if errors.Is(err, mount.ErrUnavailable) {
		t.Skip(err)
	}
	require.NoError(t, err)
	c, err := NewChecker(o)
	require.NoError(t, err)
	asked, err := c.Oracle(Shell(`[ -s f ] || exit 1; ! grep -q saved "$CRASHSIM_MARKS" || grep -q new f`))
	require.NoError(t, err)
	var count atomic.Int64
	s := runner.Scenario{Name: "program", Trace: trace, Oracle: oracle.Func(func(disk afero.Fs, marks oracle.Marks) []oracle.Violation {
		if count.Add(1) == at {
			if !o.Materialise {
				_, err := c.at(disk.(*faultfs.FS))
				require.NoError(t, err)
			}
			happens(c)
		}
		return asked.Judge(disk, marks)
	})}
	dir := filepath.Join(t.TempDir(), "failures")
	results, err := runner.Run(context.Background(), s, runner.Options{
		Models: []model.Model{model.Default()}, Workers: 1, Failures: dir, Timeout: time.Minute,
	})
	closed := c.Close()
	if err != nil {
		require.Error(t, closed, "Close says it too")
		require.NoDirExists(t, dir)
		return runner.Result{}, err
	}
	require.NoError(t, closed)
	return results[0], nil
}

func TestProgramOfTheNextTestsIsBroken(t *testing.T) {
	r, err := judgedWhile(t, Options{}, 0, nil)
	require.NoError(t, err)
	require.Equal(t, runner.Broken, r.Outcome.Verdict, r.Report())
	require.Greater(t, r.Coverage.Runs, 4)
}

// Whenever something of our own fails there is an error and no verdict.
func TestKilledShellIsNoVerdict(t *testing.T) {
	for at := int64(2); at < 6; at++ {
		_, err := judgedWhile(t, Options{}, at, func(c *Checker) {
			for _, m := range c.mounts {
				for _, idle := range m.window.idle {
					for _, f := range idle {
						f.kill()
					}
				}
			}
		})
		require.ErrorIs(t, err, oracle.ErrNoVerdict)
		require.ErrorIs(t, err, errForker)
	}
}

func TestMountThatIsTakenAwayIsNoVerdict(t *testing.T) {
	each := func(c *Checker, f func(dir string)) {
		for _, m := range c.mounts {
			require.NotNil(t, m.window.view, "root has views")
			require.NoError(t, m.window.view.Do(func() error {
				f(m.window.dir)
				return nil
			}))
		}
	}
	if os.Geteuid() != 0 {
		t.Skip("only root can take a mount away")
	}
	connections := t.TempDir()
	require.NoError(t, syscall.Mount("fusectl", connections, "fusectl", 0, ""))
	defer func() { require.NoError(t, syscall.Unmount(connections, syscall.MNT_DETACH)) }()
	for name, takeAway := range map[string]func(dir string){
		"unmounted": func(dir string) { require.NoError(t, syscall.Unmount(dir, syscall.MNT_DETACH)) },
		"aborted": func(dir string) {
			require.NoError(t, os.WriteFile(filepath.Join(connections, minorOf(t, dir), "abort"), []byte("1"), 0))
		},
		"hidden": func(dir string) {
			require.NoError(t, syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			for at := int64(1); at < 5; at++ {
				_, err := judgedWhile(t, Options{}, at, func(c *Checker) { each(c, takeAway) })
				require.ErrorIs(t, err, oracle.ErrNoVerdict)
				require.ErrorContains(t, err, "was taken away")
			}
		})
	}
}

// minorOf returns the minor number of the device of a mount, which is the name of
// its connection, from the kernel's list.
func minorOf(t *testing.T, dir string) string {
	t.Helper()
	text, err := os.ReadFile("/proc/thread-self/mountinfo")
	require.NoError(t, err)
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); fields[4] == dir {
			_, minor, _ := strings.Cut(fields[2], ":")
			return minor
		}
	}
	t.Fatal("not mounted: " + dir)
	return ""
}

// A check that fails where it has no room to work may have failed for that.
func TestFullDiskIsNoVerdict(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can mount a small disk")
	}
	small := t.TempDir()
	require.NoError(t, syscall.Mount("tmpfs", small, "tmpfs", 0, "size=256k"))
	defer func() { require.NoError(t, syscall.Unmount(small, syscall.MNT_DETACH)) }()
	t.Setenv("TMPDIR", small)
	for at := int64(1); at < 8; at++ {
		_, err := judgedWhile(t, Options{Materialise: at < 4}, at%4, func(*Checker) {
			f, err := os.Create(filepath.Join(small, "filler"))
			require.NoError(t, err)
			defer func() { require.NoError(t, f.Close()) }()
			for err == nil {
				_, err = f.Write(make([]byte, 4096))
			}
			require.ErrorIs(t, err, syscall.ENOSPC)
		})
		if at == 4 {
			require.NoError(t, err, "nothing happened")
			continue
		}
		require.ErrorIs(t, err, oracle.ErrNoVerdict)
		require.ErrorIs(t, err, syscall.ENOSPC)
		require.NoError(t, os.Remove(filepath.Join(small, "filler")))
	}
}

// Without descriptors no check can be run.
func TestNoDescriptorsIsNoVerdict(t *testing.T) {
	for _, o := range []Options{{}, {Materialise: true}} {
		for at := int64(1); at < 4; at++ {
			var before syscall.Rlimit
			require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &before))
			_, err := judgedWhile(t, o, at, func(*Checker) {
				none := before
				none.Cur = 3
				require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &none))
				t.Cleanup(func() { require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &before)) })
			})
			require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &before))
			require.ErrorIs(t, err, oracle.ErrNoVerdict)
			require.ErrorIs(t, err, syscall.EMFILE)
		}
	}
}

// A check that a signal ended which may come from outside is run again: a system that
// is short of memory kills whatever it likes. One that does it each time is a finding.
func TestACheckThatWasKilledOnceIsNoVerdict(t *testing.T) {
	once := filepath.Join(t.TempDir(), "once")
	judgedBy := func(check string) ([]runner.Result, error) {
		c, err := NewChecker(Options{})
		if errors.Is(err, mount.ErrUnavailable) {
			t.Skip(err)
		}
		require.NoError(t, err)
		defer func() { require.NoError(t, c.Close()) }()
		fs := faultfs.New().Checkpoint()
		require.NoError(t, afero.WriteFile(fs, "/f", []byte("new"), 0o600))
		s := runner.Scenario{Name: "program", Trace: fs.Trace()}
		s.Oracle, err = c.Oracle(Shell(check))
		require.NoError(t, err)
		return runner.Run(context.Background(), s, runner.Options{Models: []model.Model{model.Default()}, Timeout: time.Minute})
	}
	for _, signal := range []string{"KILL", "TERM"} {
		_ = os.Remove(once)
		_, err := judgedBy("[ ! -e f ] || [ -e " + once + " ] || { echo >" + once + "; kill -" + signal + " 0; }")
		require.ErrorIs(t, err, oracle.ErrNoVerdict)
		require.ErrorIs(t, err, oracle.ErrDoubtful)
		results, err := judgedBy("[ ! -e f ] || kill -" + signal + " 0")
		require.NoError(t, err)
		require.Equal(t, runner.Breaks(oracle.Refused), results[0].Outcome, results[0].Report())
	}
}

// A command during which the system was short of something says nothing, whether it
// failed or not.
func TestAShortageIsNoVerdict(t *testing.T) {
	require.NotEmpty(t, shortages(), "this system has no counter of what it kills")
	name := filepath.Join(t.TempDir(), "events")
	counts := func(kills, refused int) {
		text := fmt.Sprintf("low 0\nmax %d\noom 9\noom_kill %d\noom_group_kill 0\n", refused, kills)
		require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
	}
	counts(4, 7)
	known := []shortage{{counter(name, "oom_kill "), errMemory}, {counter(name, "max "), errProcesses}}
	system := shortages
	shortages = func() []shortage { return known }
	defer func() { shortages = system }()
	failed := errors.New("the command failed")
	require.NoError(t, undisturbed(func() error { return nil }))
	require.Equal(t, failed, undisturbed(func() error { return failed }))
	require.Equal(t, errMemory, undisturbed(func() error { counts(5, 7); return nil }))
	require.Equal(t, errProcesses, undisturbed(func() error { counts(5, 8); return nil }))
	err := undisturbed(func() error { counts(11, 8); return failed })
	require.ErrorIs(t, err, errMemory)
	require.ErrorContains(t, err, "the command failed")
	require.NoError(t, undisturbed(func() error { return nil }))

	// In the middle of a run it ends the run.
	_, err = judgedWhile(t, Options{}, 3, func(*Checker) {
		n := 0
		known = []shortage{{func() (int, bool) { n++; return n, true }, errMemory}}
	})
	require.ErrorIs(t, err, oracle.ErrNoVerdict)
	require.ErrorIs(t, err, errMemory)
}
