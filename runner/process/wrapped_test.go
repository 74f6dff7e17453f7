package process_test

import (
	"context"
	"testing"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/require"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner"
	"github.com/crashsim/crashsim/runner/process"
)

// A command runs on the disk itself, which can be mounted. Who gives it another file
// system is told so: that is no verdict.
func TestACommandOnAWrappedDiskIsNoVerdict(t *testing.T) {
	checker, err := process.NewChecker(process.Options{Materialise: true})
	require.NoError(t, err)
	defer func() { require.NoError(t, checker.Close()) }()
	command, err := checker.Oracle([]string{"true"})
	require.NoError(t, err)
	s := runner.Scenario{
		Name: "wrapped", Workload: func(fs *faultfs.FS) error { return fs.Mkdir("/d", 0o755) },
		Oracle: oracle.Func(func(disk afero.Fs, marks oracle.Marks) []oracle.Violation {
			return command.Judge(afero.NewReadOnlyFs(disk), marks)
		}),
	}
	_, err = runner.Run(context.Background(), s, runner.Options{})
	require.ErrorIs(t, err, oracle.ErrNoVerdict)
	require.ErrorContains(t, err, "a command checks the disk that the runner hands out, and no *afero.ReadOnlyFs around it")
}

func TestARecoveryByCommandOnAWrappedDiskIsNoVerdict(t *testing.T) {
	checker, err := process.NewChecker(process.Options{})
	require.NoError(t, err)
	defer func() { require.NoError(t, checker.Close()) }()
	recovery, err := checker.Recover([]string{"true"})
	require.NoError(t, err)
	err = recovery(afero.NewMemMapFs())
	require.ErrorIs(t, err, oracle.ErrNoVerdict)
}
