package process_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crashsim/crashsim/faultfs/model"
	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner"
	"github.com/crashsim/crashsim/runner/process"
)

// replace replaces a file the way it should be done, but for the syncs that are
// left out.
func replace(dir, text string, syncFile, syncDir bool) error {
	tmp := filepath.Join(dir, "f.tmp")
	f, err := os.Create(tmp)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if err == nil && syncFile {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(tmp, filepath.Join(dir, "f")); err != nil || !syncDir {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func replacing(syncFile, syncDir bool) process.Dir {
	return process.Dir{
		Name:  "replacing",
		Setup: func(dir string) error { return os.WriteFile(filepath.Join(dir, "f"), []byte("old"), 0o600) },
		Workload: func(dir string, mark func(string)) error {
			err := replace(dir, "new", syncFile, syncDir)
			mark("saved")
			return err
		},
		Check: func(dir string, marks []string) error {
			text, err := os.ReadFile(filepath.Join(dir, "f"))
			switch {
			case err != nil:
				return err
			case string(text) == "new", string(text) == "old" && len(marks) == 0:
				return nil
			case string(text) == "old":
				return fmt.Errorf("stale: old after %q", marks)
			}
			return fmt.Errorf("torn: %q", text)
		},
	}
}

func TestDirThatIsReplacedSoundly(t *testing.T) {
	process.CheckDir(t, replacing(true, true), runner.Options{MaxRuns: 100_000})
}

// A program may keep absolute paths.
func TestADirHasOnePath(t *testing.T) {
	d := replacing(true, true)
	setup, workload, check := d.Setup, d.Workload, d.Check
	d.Setup = func(dir string) error {
		return errors.Join(setup(dir), os.WriteFile(filepath.Join(dir, "where"), []byte(dir), 0o600))
	}
	kept := func(dir string) (string, error) {
		text, err := os.ReadFile(filepath.Join(dir, "where"))
		return string(text), err
	}
	d.Workload = func(dir string, mark func(string)) error {
		dir, err := kept(dir)
		if err != nil {
			return err
		}
		return workload(dir, mark)
	}
	d.Recover = func(dir string) error {
		where, err := kept(dir)
		if err == nil {
			_, err = os.Stat(filepath.Join(where, "f"))
		}
		return err
	}
	d.Check = func(dir string, marks []string) error {
		where, err := kept(dir)
		if err != nil {
			return err
		}
		return check(where, marks)
	}
	process.CheckDir(t, d, runner.Options{MaxRuns: 100_000, Workers: 3})
}

func TestADirIsCheckedBeforeTheMarkAndAfterIt(t *testing.T) {
	// Each check leaves a line here, from a process of its own.
	const variable = "CRASHSIM_TEST_CHECKS"
	if os.Getenv(variable) == "" {
		t.Setenv(variable, filepath.Join(t.TempDir(), "checks"))
	}
	d := replacing(true, true)
	check := d.Check
	d.Check = func(dir string, marks []string) error {
		f, err := os.OpenFile(os.Getenv(variable), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(f, len(marks))
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
		return check(dir, marks)
	}
	process.CheckDir(t, d, runner.Options{MaxRuns: 100_000})
	checks, err := os.ReadFile(os.Getenv(variable))
	require.NoError(t, err, "nothing was checked")
	require.Contains(t, string(checks), "0\n")
	require.Contains(t, string(checks), "1\n", "cases before the mark and after it are judged")
}

func TestDirInSubtests(t *testing.T) {
	for name, c := range map[string]struct {
		syncFile, syncDir bool
		breaks            []oracle.Kind
	}{
		"without a sync of the file":      {false, true, []oracle.Kind{oracle.Torn}},
		"without a sync of its directory": {true, false, []oracle.Kind{oracle.Stale}},
	} {
		t.Run(name, func(t *testing.T) {
			d := replacing(c.syncFile, c.syncDir)
			d.Declared = map[model.Model]runner.Outcome{model.MustParse("posix"): runner.Breaks(c.breaks...), model.MustParse("kill"): runner.Keeps()}
			process.CheckDir(t, d, runner.Options{MaxRuns: 100_000})
		})
	}
}

// A recovery that crashes the process is a refusal, and the test goes on.
func TestDirWhoseRecoveryEndsTheProcess(t *testing.T) {
	d := replacing(false, true)
	d.Recover = func(dir string) error {
		if text, err := os.ReadFile(filepath.Join(dir, "f")); err == nil && len(text) > 0 && text[0] == 0 {
			os.Exit(7)
		}
		return nil
	}
	d.Declared = map[model.Model]runner.Outcome{model.MustParse("posix"): runner.Breaks(oracle.Refused, oracle.Torn)}
	process.CheckDir(t, d, runner.Options{MaxRuns: 100_000})
}
