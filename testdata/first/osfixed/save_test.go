package save

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/crashsim/crashsim/runner"
	"github.com/crashsim/crashsim/runner/process"
)

func Save(name, text string) error {
	f, err := os.Create(name + ".tmp")
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(name+".tmp", name)
}

func TestSaveSurvivesPowerLoss(t *testing.T) {
	process.CheckDir(t, process.Dir{
		Name:     "save",
		Setup:    func(dir string) error { return os.WriteFile(filepath.Join(dir, "config"), []byte("old"), 0o644) },
		Workload: func(dir string, mark func(string)) error { return Save(filepath.Join(dir, "config"), "new") },
		Check: func(dir string, marks []string) error {
			text, err := os.ReadFile(filepath.Join(dir, "config"))
			if err == nil && string(text) != "old" && string(text) != "new" {
				err = fmt.Errorf("torn: the file holds %q", text)
			}
			return err
		},
	}, runner.Options{})
}
