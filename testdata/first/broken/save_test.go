package save

import (
	"testing"

	"github.com/spf13/afero"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner"
)

func Save(fs afero.Fs, name, text string) error { // the program under test
	if err := afero.WriteFile(fs, name+".tmp", []byte(text), 0o644); err != nil {
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
