package repair_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/require"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/persist"
	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner"
	"github.com/crashsim/crashsim/runner/repair"
)

// saving replaces a file; syncs says which of its syncs it makes: "f" that of the
// file, "d" that of the directory.
func saving(syncs string) runner.Scenario {
	return runner.Scenario{
		Name:  "saving",
		Setup: func(fs *faultfs.FS) error { return afero.WriteFile(fs, "/f", []byte("old"), 0o644) },
		Workload: func(fs *faultfs.FS) error {
			f, err := fs.OpenFile("/f.tmp", os.O_CREATE|os.O_WRONLY, 0o644)
			if err != nil {
				return err
			}
			_, err = f.WriteString("new")
			if err == nil && strings.Contains(syncs, "f") {
				err = f.Sync()
			}
			if err := errors.Join(err, f.Close()); err != nil {
				return err
			}
			if err := fs.Rename("/f.tmp", "/f"); err != nil {
				return err
			}
			if strings.Contains(syncs, "d") {
				d, err := fs.Open("/")
				if err := errors.Join(err, d.Sync(), d.Close()); err != nil {
					return err
				}
			}
			fs.Mark("saved")
			return nil
		},
		Oracle: oracle.OldOrNew{Path: "/f", Versions: []oracle.Content{oracle.Data("old"), oracle.Data("new")}, Mark: "saved"},
	}
}

func fix(t *testing.T, s runner.Scenario, model string) repair.Repair {
	t.Helper()
	m, err := persist.ParseModel(model)
	require.NoError(t, err)
	r, err := s.Fix(context.Background(), m, runner.Options{})
	require.NoError(t, err)
	return r
}

func TestFixFindsWhatIsMissing(t *testing.T) {
	for _, c := range []struct {
		syncs, model string
		want         []string
	}{
		{"fd", "posix", nil},
		{"f", "posix", []string{"sync the directory / after rename /f.tmp /f"}},
		{"d", "posix", []string{"sync /f.tmp after write /f.tmp [0,3)"}},
		{"", "posix", []string{"sync /f.tmp after write /f.tmp [0,3)", "sync the directory / after rename /f.tmp /f"}},
		{"", "strict", []string{"sync the directory / after rename /f.tmp /f"}},
		{"", "kill", nil},
	} {
		var got []string
		for _, s := range fix(t, saving(c.syncs), c.model).Syncs {
			text, _, _ := strings.Cut(s.String(), " (")
			got = append(got, text)
		}
		require.Equal(t, c.want, got, "%q under %s", c.syncs, c.model)
	}
}

// The search is exact: of all sets of sites, none that is smaller will do.
func TestFixIsSmallestOfAllSets(t *testing.T) {
	s := saving("")
	one := s.Workload
	s.Workload = func(fs *faultfs.FS) error {
		if err := afero.WriteFile(fs, "/other", []byte("x"), 0o644); err != nil {
			return err
		}
		return one(fs)
	}
	for _, preset := range persist.Presets() {
		r := fix(t, s, preset.Name)
		trace, err := runner.Record(s)
		require.NoError(t, err)
		sites := repair.Sites(trace)
		smallest := len(sites) + 1
		for bits := range 1 << len(sites) {
			var set []int
			for i := range sites {
				if bits>>i&1 == 1 {
					set = append(set, i)
				}
			}
			program, err := repair.With(trace, set)
			require.NoError(t, err)
			variant := s
			variant.Trace = program
			results, err := runner.Run(context.Background(), variant, runner.Options{Models: []persist.Model{preset.Model}, First: true})
			require.NoError(t, err)
			require.NotEqual(t, runner.Unknown, results[0].Outcome.Verdict)
			if results[0].Outcome.Verdict == runner.Kept {
				smallest = min(smallest, len(set))
			}
		}
		require.Len(t, r.Syncs, smallest, preset.Name)
		require.Less(t, r.Tried, 1<<len(sites)+1)
	}
}

func TestWhatNoSyncRepairsIsProved(t *testing.T) {
	s := saving("")
	s.Workload = func(fs *faultfs.FS) error {
		err := afero.WriteFile(fs, "/f", []byte("new"), 0o644)
		fs.Mark("saved")
		return err
	}
	r := fix(t, s, "posix")
	require.Empty(t, r.Syncs)
	require.Equal(t, []oracle.Kind{oracle.Torn}, r.Beyond)
}

func TestOracleThatCannotFailIsAnError(t *testing.T) {
	s := saving("")
	s.Oracle = oracle.Func(func(afero.Fs, oracle.Marks) []oracle.Violation { return nil })
	_, err := s.Fix(context.Background(), persist.Default(), runner.Options{})
	require.ErrorContains(t, err, "it cannot fail")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = saving("").Fix(ctx, persist.Default(), runner.Options{})
	require.ErrorIs(t, err, context.Canceled)
}
