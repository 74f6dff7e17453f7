package runner_test

import (
	"errors"
	"os"
	"testing"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/require"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner"
)

// saver is a program that saves a file and says so: always, or only if it is true.
func saver(always bool) runner.Scenario {
	return runner.Scenario{
		Name: "save",
		Workload: func(fs *faultfs.FS) error {
			err := Save(fs, "/config", "port=8080") // the program under test
			if err == nil || always {
				fs.Mark("saved") // the user is told
			}
			return err
		},
		Oracle: oracle.OldOrNew{Path: "/config", Mark: "saved",
			Versions: []oracle.Content{oracle.Absent, oracle.Data("port=8080")}},
	}
}

func TestSaveSurvivesPowerLossAndCallsThatFail(t *testing.T) {
	var got recordingT
	runner.Check(&got, saver(false), runner.Options{Sweep: true})
	require.Empty(t, got.errors)
	require.Len(t, got.logs, 1)
	require.Contains(t, got.logs[0], "save under posix: kept; ")
}

// A program that says "saved" although Save has failed breaks its promise as soon as a
// call fails.
func TestSavedMustNotBeSaidWhereSaveHasFailed(t *testing.T) {
	var got recordingT
	runner.Check(&got, saver(true), runner.Options{})
	require.Empty(t, got.errors)
	runner.Check(&got, saver(true), runner.Options{Sweep: true})
	require.Len(t, got.errors, 1)
	require.Contains(t, got.errors[0], "with the fault")
}

// Save is the program of the tests above.
func Save(fs afero.Fs, path, data string) error {
	f, err := fs.OpenFile(path+".tmp", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteString(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err = fs.Rename(path+".tmp", path); err != nil {
		return err
	}
	dir, err := fs.Open("/")
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
