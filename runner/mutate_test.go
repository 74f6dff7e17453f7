package runner_test

import (
	"os"
	"testing"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/require"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner"
)

// replacing saves a file as it should be, with one sync more than it takes.
func replacing(promise oracle.Oracle) runner.Scenario {
	return runner.Scenario{
		Name:  "replacing",
		Setup: func(fs *faultfs.FS) error { return afero.WriteFile(fs, "/f", []byte("old"), 0o644) },
		Workload: func(fs *faultfs.FS) error {
			f, err := fs.OpenFile("/f.tmp", os.O_CREATE|os.O_WRONLY, 0o644)
			if err != nil {
				return err
			}
			if _, err := f.WriteString("new"); err != nil {
				return err
			}
			for range 2 {
				if err := f.Sync(); err != nil {
					return err
				}
			}
			if err := fs.Rename("/f.tmp", "/f"); err != nil {
				return err
			}
			dir, err := fs.Open("/")
			if err != nil {
				return err
			}
			if err := dir.Sync(); err != nil {
				return err
			}
			fs.Mark("saved")
			return nil
		},
		Oracle: promise,
	}
}

func TestMutantsAreKilledHarmlessOrSurvive(t *testing.T) {
	old, saved := oracle.Data("old"), oracle.Data("new")
	fates := func(promise oracle.Oracle) (list []string) {
		mutants, err := replacing(promise).Mutate(t.Context(), runner.Options{})
		require.NoError(t, err)
		for _, m := range mutants {
			list = append(list, m.Lacks+" "+m.Fate.String())
		}
		return list
	}
	require.Equal(t, []string{"sync harmless", "sync harmless", "rename killed", "directory sync killed"},
		fates(oracle.OldOrNew{Path: "/f", Versions: []oracle.Content{old, saved}, Mark: "saved"}),
		"either of two syncs will do")
	require.Equal(t, []string{"sync harmless", "sync harmless", "rename killed", "directory sync survived"},
		fates(oracle.OldOrNew{Path: "/f", Versions: []oracle.Content{old, saved}}),
		"nobody asks whether what was acknowledged is there")
}
