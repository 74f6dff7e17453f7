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
	"github.com/crashsim/crashsim/faultfs/model"
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

func fix(t *testing.T, s runner.Scenario, preset string) repair.Repair {
	t.Helper()
	m, err := model.Parse(preset)
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
	for _, preset := range model.Presets() {
		r := fix(t, s, preset.Name)
		trace, err := s.Record()
		require.NoError(t, err)
		sites := repair.Sites(trace)
		smallest := sites + 1
		for bits := range 1 << sites {
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
			results, err := runner.Run(context.Background(), variant, runner.Options{Models: []model.Model{preset.Model}, First: true})
			require.NoError(t, err)
			require.NotEqual(t, runner.Unknown, results[0].Outcome.Verdict)
			if results[0].Outcome.Verdict == runner.Kept {
				smallest = min(smallest, len(set))
			}
		}
		require.Len(t, r.Syncs, smallest, preset.Name)
		require.Less(t, r.Tried, 1<<sites+2)
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
	_, err := s.Fix(context.Background(), model.Default(), runner.Options{})
	require.ErrorContains(t, err, "nothing was ever seen to fail")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = saving("").Fix(ctx, model.Default(), runner.Options{})
	require.ErrorIs(t, err, context.Canceled)
}

// A program that no sync repairs is told what else has to change: what is taken
// away until it is right is what is wrong with it.
func TestChangeIsWhatIsWrong(t *testing.T) {
	write := func(name string, flag int, texts ...string) func(*faultfs.FS) error {
		return func(fs *faultfs.FS) error {
			f, err := fs.OpenFile(name, flag, 0o644)
			if err != nil {
				return err
			}
			for _, text := range texts {
				if _, err := f.WriteString(text); err != nil {
					return err
				}
			}
			return errors.Join(f.Sync(), f.Close())
		}
	}
	pages := strings.Repeat("n", 8192)
	old := strings.Repeat("o", 8192)
	oldOrNew := func(old, fresh string) oracle.Oracle {
		return oracle.OldOrNew{Path: "/f", Versions: []oracle.Content{oracle.Data(old), oracle.Data(fresh)}}
	}
	with := func(text string) func(*faultfs.FS) error {
		return func(fs *faultfs.FS) error { return afero.WriteFile(fs, "/f", []byte(text), 0o644) }
	}
	for _, c := range []struct {
		name, want string
		s          runner.Scenario
	}{
		{"two pages", "a write is torn", runner.Scenario{Setup: with(old), Workload: write("/f", os.O_WRONLY, pages), Oracle: oldOrNew(old, pages)}},
		{"append", "a single call persists in parts", runner.Scenario{Setup: with("old"), Workload: write("/f", os.O_WRONLY|os.O_APPEND, "new"), Oracle: oldOrNew("old", "oldnew")}},
		{"two writes", "the order of the calls is wrong", runner.Scenario{Setup: with("old"), Workload: write("/f", os.O_WRONLY, "n", "ew"), Oracle: oldOrNew("old", "new")}},
		{"told too early", "says that it is done before", runner.Scenario{
			Setup: with("old"),
			Workload: func(fs *faultfs.FS) error {
				fs.Mark("saved")
				return write("/f", os.O_WRONLY, "new")(fs)
			},
			Oracle: oracle.OldOrNew{Path: "/f", Versions: []oracle.Content{oracle.Data("old"), oracle.Data("new")}, Mark: "saved"},
		}},
		{"recovery", "it is the recovery", runner.Scenario{
			Setup: with("old"), Workload: saving("fd").Workload,
			Recover: func(disk afero.Fs) error { // it writes in place what it has read
				text, err := afero.ReadFile(disk, "/f")
				return errors.Join(err, afero.WriteFile(disk, "/f", text, 0o644))
			},
			Oracle: oldOrNew("old", "new"),
		}},
	} {
		c.s.Name = "canary"
		r := fix(t, c.s, "posix")
		require.NotEmpty(t, r.Beyond, c.name)
		require.Contains(t, r.Change, c.want, c.name)
	}
	require.Empty(t, fix(t, saving(""), "posix").Change)
}

// The repaired program that is handed out is the one that was judged.
func TestRepairedProgramIsRight(t *testing.T) {
	s := saving("")
	s.Trace = fix(t, s, "posix").Program
	require.Empty(t, fix(t, s, "posix").Syncs)
	results, err := runner.Run(context.Background(), s, runner.Options{Models: []model.Model{model.Default()}})
	require.NoError(t, err)
	require.Equal(t, runner.Kept, results[0].Outcome.Verdict)
}

func TestAddTellsWhereInTheSource(t *testing.T) {
	at := faultfs.CallSite{File: "app/save.go", Line: 41}
	for want, a := range map[string]repair.AddedSync{
		"add f.Sync() for /f after app/save.go:41":                 {Path: "/f", Site: at},
		"add f.Sync() for /f after call 4":                         {Path: "/f", After: 3},
		"open /d, call its Sync and close it after app/save.go:41": {Path: "/d", Dir: true, Site: at},
	} {
		require.Equal(t, want, a.Add())
	}
}
