package runner_test

import (
	"testing"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/require"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner"
	"github.com/crashsim/crashsim/runner/report"
)

// A page shows of each failure what stood in its files before the run, in the page
// cache, on the disk, and after recovery.
func TestAFailureHasTheContentsOfItsFiles(t *testing.T) {
	s := runner.Scenario{
		Name:  "hasty",
		Setup: func(fs *faultfs.FS) error { return afero.WriteFile(fs, "/f", []byte("old"), 0o644) },
		Workload: func(fs *faultfs.FS) error {
			if err := afero.WriteFile(fs, "/other", []byte("x"), 0o600); err != nil {
				return err
			}
			if err := afero.WriteFile(fs, "/f.tmp", []byte("new"), 0o644); err != nil {
				return err
			}
			return fs.Rename("/f.tmp", "/f")
		},
		Recover: func(disk afero.Fs) error { return afero.WriteFile(disk, "/recovered", nil, 0o640) },
		Oracle: oracle.Func(func(disk afero.Fs, _ oracle.Marks) []oracle.Violation {
			if data, err := afero.ReadFile(disk, "/f"); err != nil || len(data) != 3 || data[0] == 0 {
				return []oracle.Violation{{Kind: oracle.Torn, Path: "/f", Detail: "is torn"}}
			}
			return nil
		}),
	}
	results, err := runner.Run(t.Context(), s, runner.Options{})
	require.NoError(t, err)
	sections := results[0].Sections()
	require.NotEmpty(t, sections[0].Failures)
	files := sections[0].Failures[0].Files
	content := func(mode, data string) report.Content {
		return report.Content{Exists: true, Mode: mode, Data: []byte(data)}
	}
	require.Equal(t, "/f", files[0].Path)
	require.Equal(t, content("0644", "old"), files[0].Before)
	require.Equal(t, content("0644", "new"), files[0].Cache)
	require.False(t, files[0].Disk.Same(files[0].Cache))
	require.Equal(t, files[0].Disk, files[0].Recovered)
	last := files[len(files)-1]
	require.Equal(t, "/recovered", last.Path)
	require.False(t, last.Disk.Exists)
	require.Equal(t, "0640", last.Recovered.Mode)
}
