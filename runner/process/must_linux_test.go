package process_test

import (
	"bytes"
	"os"
	"os/exec"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/crashsim/crashsim/runner"
	"github.com/crashsim/crashsim/runner/process"
)

// mustVariable says to TestChildOfMust whether it must run.
const mustVariable = "CRASHSIM_TEST_MUST"

// TestChildOfMust is run by the next test, where nothing can be mounted.
func TestChildOfMust(t *testing.T) {
	must, isChild := os.LookupEnv(mustVariable)
	if !isChild {
		t.Skip("only run by another test")
	}
	process.CheckDir(t, process.Dir{
		Name: "must", Must: must == "yes",
		Workload: func(dir string, _ func(string)) error { return os.WriteFile(dir+"/f", nil, 0o600) },
		Check:    func(string, []string) error { return nil },
	}, runner.Options{})
	t.Error("it was judged")
}

// Where nothing can be mounted, a test is skipped and says why, and fails if it must run.
func TestMustMakesItAFailureThatNothingCanBeMounted(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can take the right to mount from a process")
	}
	for must, want := range map[string]struct {
		result string
		fails  bool
	}{"no": {"--- SKIP: TestChildOfMust", false}, "yes": {"--- FAIL: TestChildOfMust", true}} {
		self, err := os.Executable()
		require.NoError(t, err)
		cmd := exec.CommandContext(t.Context(), self, "-test.run=^TestChildOfMust$", "-test.v", "-test.timeout=1m")
		cmd.WaitDelay = time.Second
		cmd.Env = append(os.Environ(), mustVariable+"="+must)
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		require.NoError(t, startWithoutRights(cmd))
		err = cmd.Wait()
		require.Equal(t, want.fails, err != nil, out.String())
		require.Contains(t, out.String(), want.result)
		require.Contains(t, out.String(), "no FUSE file system can be mounted")
		require.Contains(t, out.String(), "run as root", "it says what to do")
		require.NotContains(t, out.String(), "it was judged")
	}
}

// startWithoutRights starts a command that can mount nothing.
func startWithoutRights(cmd *exec.Cmd) error {
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread has lost the right too
		err := unix.Prctl(unix.PR_CAPBSET_DROP, unix.CAP_SYS_ADMIN, 0, 0, 0)
		if err == nil {
			err = cmd.Start()
		}
		started <- err
	}()
	return <-started
}
