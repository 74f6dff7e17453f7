package runner

import (
	"fmt"
	"testing"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/require"

	"github.com/crashsim/crashsim/faultfs/model"
	"github.com/crashsim/crashsim/oracle"
)

// saying is a program of unsynced files whose check says something of each that is missing.
func saying(files int, says func(i int) string) Scenario {
	s := unsyncedFiles(files)
	s.Oracle = oracle.Func(func(disk afero.Fs, marks oracle.Marks) []oracle.Violation {
		for i := range files {
			if _, err := disk.Stat(fmt.Sprintf("/f%d", i)); err != nil && marks.Has("done") {
				return []oracle.Violation{{Kind: oracle.Refused, Detail: says(i)}}
			}
		}
		return nil
	})
	return s
}

func TestFailuresAreToldByTheWordThatTheCheckBeginsWith(t *testing.T) {
	s := saying(4, func(i int) string { return fmt.Sprintf("%s: file %d is gone", []string{"ACK", "DUR"}[i/2], i) })
	results, err := Run(t.Context(), s, Options{Models: []model.Model{model.Default()}, Failures: t.TempDir()})
	require.NoError(t, err)
	r := &results[0]
	require.Equal(t, "broken(refused)", r.Outcome.String())
	require.Len(t, r.Failures, 2)
	require.Regexp(t, "ACK: file [01] is gone", r.Failures[0].Story+r.Failures[1].Story)
	require.Regexp(t, "DUR: file [23] is gone", r.Failures[0].Story+r.Failures[1].Story)
	require.Regexp(t, "--refused.txt$", r.Failures[0].File)
	require.Regexp(t, "--refused-2.txt$", r.Failures[1].File)
	for _, f := range r.Failures {
		stored, err := readStored(f.File)
		require.NoError(t, err)
		violations, err := stored.Judge(s, Options{})
		require.NoError(t, err)
		require.Equal(t, f.Violations, violations)
		require.Greater(t, f.Cases, 1)
	}
}

func TestFailuresThatAreToldAreFew(t *testing.T) {
	s := saying(20, func(i int) string { return fmt.Sprintf("key-%d: gone", i) })
	results, err := Run(t.Context(), s, Options{Models: []model.Model{model.Default()}, MaxLosses: 1})
	require.NoError(t, err)
	require.Len(t, results[0].Failures, maxFindings)
	require.Contains(t, results[0].Notes, "more than 12 different failures were found; the others are not told")
}

func TestWordOfACheckIsOneWord(t *testing.T) {
	for detail, word := range map[string]string{
		"DUR: key 7 is gone":                         "DUR",
		"the check failed: DUR: key 7 is gone":       "DUR",
		"open /f: no such file":                      "",
		"holds version 0, though the mark says more": "",
		"recovery failed: the log is torn: at 7":     "",
		"the check failed: exit status 1":            "",
		"12: is no word":                             "",
	} {
		require.Equal(t, word, groundOf(&oracle.Violation{Detail: detail}).word, detail)
	}
}
