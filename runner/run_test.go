package runner_test

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/require"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/persist"
	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner"
)

// save replaces a file through a temporary one, with the steps asked for.
func save(fs afero.Fs, path, data string, syncs ...string) error {
	tmp := path + ".tmp"
	f, err := fs.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	if _, err := f.WriteString(data); err != nil {
		return err
	}
	for _, s := range syncs {
		if s == "file" {
			if err := f.Sync(); err != nil {
				return err
			}
		}
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := fs.Rename(tmp, path); err != nil {
		return err
	}
	for _, s := range syncs {
		if s == "dir" {
			d, err := fs.Open("/")
			if err != nil {
				return err
			}
			if err := d.Sync(); err != nil {
				return err
			}
			return d.Close()
		}
	}
	return nil
}

func saving(name string, syncs ...string) runner.Scenario {
	versions := []oracle.Content{oracle.Data("zero")}
	for i := range 3 {
		versions = append(versions, oracle.Data(fmt.Sprintf("version %d", i+1)))
	}
	return runner.Scenario{
		Name: name,
		Setup: func(fs *faultfs.FS) error {
			return afero.WriteFile(fs, "/f", []byte("zero"), 0o644)
		},
		Workload: func(fs *faultfs.FS) error {
			for i := range 3 {
				if err := save(fs, "/f", fmt.Sprintf("version %d", i+1), syncs...); err != nil {
					return err
				}
				fs.Mark("saved")
			}
			return nil
		},
		Oracle: oracle.OldOrNew{Path: "/f", Versions: versions, Mark: "saved"},
	}
}

func all() []persist.Model {
	var models []persist.Model
	for _, p := range persist.Presets() {
		models = append(models, p.Model)
	}
	return models
}

func TestTry(t *testing.T) {
	for _, s := range []runner.Scenario{saving("none"), saving("file", "file"), saving("both", "file", "dir")} {
		results, err := runner.Run(context.Background(), s, runner.Options{Models: all()})
		require.NoError(t, err)
		for _, r := range results {
			t.Log(r.Report())
		}
	}
}
