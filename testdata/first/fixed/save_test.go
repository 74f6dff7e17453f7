package save

import (
	"errors"
	"os"
	"testing"

	"github.com/spf13/afero"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner"
)

func Save(fs afero.Fs, name, text string) error {
	f, err := fs.OpenFile(name+".tmp", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return fs.Rename(name+".tmp", name)
}

func TestSaveSurvivesPowerLoss(t *testing.T) {
	runner.Check(t, runner.Scenario{
		Name:     "save",
		Setup:    func(fs *faultfs.FS) error { return afero.WriteFile(fs, "/config", []byte("old"), 0o644) },
		Workload: func(fs *faultfs.FS) error { return Save(fs, "/config", "new") },
		Oracle: oracle.OldOrNew{Path: "/config",
			Versions: []oracle.Content{oracle.Data("old"), oracle.Data("new")}},
	}, runner.Options{})
}
