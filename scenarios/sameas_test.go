package scenarios

import (
	"context"
	"errors"
	"io/fs"
	"testing"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/require"

	"github.com/crashsim/crashsim/faultfs/model"
	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner"
)

// No version is typed by hand, and the verdicts are those of the oracles that have them all:
// each of these programs promises what one file holds.
func TestWithoutAnOracleTheVerdictsAreTheSame(t *testing.T) {
	files := map[string]string{
		"seed-write-ahead": "/datafile.txt", "seed-write-ahead-redo": "/datafile.txt", "seed-write-ahead-fixed": "/var/db/datafile.txt",
		"seed-atomic-rename": "/data/test_Atomnic_Renaming.txt", "seed-atomic-rename-fixed": "/data/test_Atomnic_Renaming.txt",
		"rename-without-fsync": config, "rename-without-fsync-fixed": config,
		"rename-without-directory-fsync": config, "rename-without-directory-fsync-fixed": config,
		"overwrite-in-place": table, "overwrite-in-place-fixed": table,
	}
	compared := 0
	for _, s := range All() {
		file, ok := files[s.Name]
		if !ok {
			continue
		}
		compared++
		s.Oracle = oracle.SameAs(func(disk afero.Fs) (string, error) {
			data, err := afero.ReadFile(disk, file)
			if errors.Is(err, fs.ErrNotExist) {
				return "nothing", nil
			}
			return string(data), err
		}, saved)
		posix := model.Default()
		want := s.Declared[posix].Verdict
		s.Declared, s.Damage, s.Faults = nil, nil, nil
		results, err := runner.Run(context.Background(), s, runner.Options{Models: []model.Model{posix}, First: true})
		require.NoError(t, err, s.Name)
		require.Equal(t, want, results[0].Outcome.Verdict, "%s: %v", s.Name, results[0].Why)
	}
	require.Equal(t, len(files), compared)
}
