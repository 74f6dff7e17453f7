package process_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/inprocess"
	"github.com/crashsim/crashsim/faultfs/model"
	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner"
	"github.com/crashsim/crashsim/runner/process"
)

// needDoor skips a test that is not run by crashsim test.
func needDoor(t *testing.T) {
	t.Helper()
	if !inprocess.Available() {
		t.Skip("package os is the ordinary one: go run ./cmd/crashsim test ./runner/process")
	}
}

func TestInProcessEachLackingSyncIsFound(t *testing.T) {
	needDoor(t)
	for name, c := range map[string]struct {
		syncFile, syncDir bool
		outcome           runner.Outcome
	}{
		"sound":                           {true, true, runner.Keeps()},
		"without a sync of the file":      {false, true, runner.Breaks(oracle.Torn)},
		"without a sync of its directory": {true, false, runner.Breaks(oracle.Stale)},
	} {
		t.Run(name, func(t *testing.T) {
			d := replacing(c.syncFile, c.syncDir)
			d.Must = true
			d.Declared = map[model.Model]runner.Outcome{model.MustParse("posix"): c.outcome, model.MustParse("kill"): runner.Keeps()}
			process.CheckDir(t, d, runner.Options{})
		})
	}
}

// Goroutines of a program share its directory, and a leak of a descriptor in one run is not
// seen by the next one.
func TestInProcessGoroutinesAndLeaksAreOfTheirRun(t *testing.T) {
	needDoor(t)
	d := process.Dir{
		Name: "goroutines",
		Workload: func(dir string, mark func(string)) error {
			var all sync.WaitGroup
			for i := range 4 {
				all.Go(func() { _ = os.WriteFile(filepath.Join(dir, fmt.Sprint(i)), []byte("x"), 0o644) })
			}
			all.Wait()
			return nil
		},
		Check: func(dir string, _ []string) error {
			f, err := os.Open(dir) // and it stays open
			if err != nil {
				return err
			}
			_, err = f.Readdirnames(-1)
			return err
		},
		Declared: map[model.Model]runner.Outcome{model.MustParse("posix"): runner.Keeps()},
	}
	process.CheckDir(t, d, runner.Options{Workers: 4})
}

func TestInProcessWhatCannotBeHadIsSaid(t *testing.T) {
	needDoor(t)
	dir, err := inprocess.Open(faultfs.New())
	require.NoError(t, err)
	defer dir.Close()
	file := filepath.Join(dir.Path(), "f")
	require.NoError(t, os.WriteFile(file, make([]byte, 4096), 0o600))
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	require.NoError(t, err)
	_, err = unix.Mmap(int(f.Fd()), 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	require.ErrorIs(t, err, unix.ENODEV)
	require.Contains(t, fmt.Sprint(dir.Refused()), "shared map")
	require.ErrorIs(t, os.Chdir(dir.Path()), unix.ENOTSUP)
	require.Contains(t, fmt.Sprint(dir.Refused()), "working directory")
	cmd := exec.Command("true")
	cmd.Dir = dir.Path()
	require.ErrorContains(t, cmd.Run(), "files live in this process")
	cmd = exec.Command("true")
	cmd.Stdout = f
	require.ErrorContains(t, cmd.Run(), "open file of the directory")
	require.NoError(t, f.Close())
}

// A map that is only read shows what is written later.
func TestInProcessAMapThatIsReadFollowsWrites(t *testing.T) {
	needDoor(t)
	dir, err := inprocess.Open(faultfs.New())
	require.NoError(t, err)
	defer dir.Close()
	f, err := os.Create(filepath.Join(dir.Path(), "f"))
	require.NoError(t, err)
	_, err = f.WriteString("before")
	require.NoError(t, err)
	held, err := unix.Mmap(int(f.Fd()), 0, 4096, unix.PROT_READ, unix.MAP_SHARED)
	require.NoError(t, err)
	require.Equal(t, "before", string(held[:6]))
	_, err = f.WriteAt([]byte("after!"), 0)
	require.NoError(t, err)
	require.Equal(t, "after!", string(held[:6]))
	require.NoError(t, errors.Join(unix.Munmap(held), f.Close()))
}

// Links lead across the border in both directions.
func TestInProcessLinksCrossTheBorder(t *testing.T) {
	needDoor(t)
	dir, err := inprocess.Open(faultfs.New())
	require.NoError(t, err)
	defer dir.Close()
	outside := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(outside, "real"), []byte("real"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir.Path(), "virtual"), []byte("virtual"), 0o600))
	require.NoError(t, os.Symlink(outside, filepath.Join(dir.Path(), "out")))
	require.NoError(t, os.Symlink(dir.Path(), filepath.Join(outside, "in")))
	for path, want := range map[string]string{
		dir.Path() + "/out/real":                      "real",
		outside + "/in/virtual":                       "virtual",
		outside + "/in/out/in/virtual":                "virtual",
		dir.Path() + "/../" + outside + "/in/virtual": "virtual",
	} {
		text, err := os.ReadFile(path)
		require.NoError(t, err, path)
		require.Equal(t, want, string(text))
	}
	require.ErrorIs(t, os.Rename(filepath.Join(outside, "real"), filepath.Join(dir.Path(), "real")), unix.EXDEV)
}
