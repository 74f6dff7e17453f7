package runner_test

import (
	"errors"
	"os"
	"testing"

	"github.com/spf13/afero"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner"
)

func TestSaveSurvivesPowerLoss(t *testing.T) {
	runner.Check(t, runner.Scenario{
		Name: "save",
		Workload: func(fs *faultfs.FS) error {
			err := Save(fs, "/config", "port=8080") // your program
			fs.Mark("saved")                        // the user was told
			return err
		},
		Oracle: oracle.OldOrNew{Path: "/config", Mark: "saved",
			Versions: []oracle.Content{oracle.Absent, oracle.Data("port=8080")}},
	}, runner.Options{})
}

// Save is the program that the README's test crashes.
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
