package workdir_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/model"
	"github.com/crashsim/crashsim/faultfs/persist"
	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner"
	"github.com/crashsim/crashsim/runner/workdir"
)

// texts are what the program under test puts, one after the other. The first takes more
// than a page.
var texts = []string{strings.Repeat("first", 1000), "second"}

// putting puts texts, and says after each that it is stored.
func putting(fs *faultfs.FS) error {
	d, err := workdir.Open(fs, "/results")
	if err != nil {
		return err
	}
	d.Numbered()
	for _, text := range texts {
		if _, err := d.Put("shelf", []byte(text)); err != nil {
			return err
		}
		fs.Mark(text[:5])
	}
	return nil
}

// stored promises that what was put is there, and that nothing is torn.
func stored(disk afero.Fs, marks oracle.Marks) (wrong []oracle.Violation) {
	d, err := workdir.Open(disk, "/results")
	if err != nil {
		return []oracle.Violation{{Kind: oracle.Refused, Detail: err.Error()}}
	}
	var found []string
	torn, err := d.Each("shelf", func(_ string, text []byte) error {
		found = append(found, string(text))
		return nil
	})
	if err != nil {
		return []oracle.Violation{{Kind: oracle.Refused, Detail: err.Error()}}
	}
	for _, name := range torn {
		wrong = append(wrong, oracle.Violation{Kind: oracle.Torn, Path: name})
	}
	for _, text := range texts {
		if marks.Has(text[:5]) && !slices.Contains(found, text) {
			wrong = append(wrong, oracle.Violation{Kind: oracle.Lost, Detail: text[:5]})
		}
	}
	for _, text := range found {
		if !slices.Contains(texts, text) {
			wrong = append(wrong, oracle.Violation{Kind: oracle.Alien, Detail: text})
		}
	}
	return wrong
}

func presets() (models []model.Model) {
	for _, p := range model.Presets() {
		models = append(models, p.Model)
	}
	return models
}

// Who goes on in a directory that a crash has left puts again what it does not find.
func TestNoCrashTearsOrLosesWhatWasPut(t *testing.T) {
	runner.Check(t, runner.Scenario{
		Name: "workdir", Workload: putting, Oracle: oracle.Func(stored), WorkOn: putting,
	}, runner.Options{Models: presets(), MaxRuns: 200000})
}

func TestEachSyncOfPutIsMissedWhereItIsNotThere(t *testing.T) {
	scenario := runner.Scenario{Name: "workdir", Workload: putting, Oracle: oracle.Func(stored)}
	mutants, err := scenario.Mutate(t.Context(), runner.Options{MaxRuns: 200000, Depth: runner.Times(0)})
	require.NoError(t, err)
	killed := map[string]int{}
	for _, m := range mutants {
		require.NotEqual(t, runner.Unjudged, m.Fate, m.Call)
		if m.Fate == runner.Killed {
			killed[m.Lacks]++
		}
	}
	// For each text one sync of the file; the syncs of directories also before the first.
	require.Equal(t, len(texts), killed["sync"])
	require.GreaterOrEqual(t, killed["directory sync"], len(texts)+1)
}

func TestTornFilesAreNoticedAndPutAgain(t *testing.T) {
	fs := afero.NewMemMapFs()
	d, err := workdir.Open(fs, "/results")
	require.NoError(t, err)
	name, err := d.Put("shelf", []byte("whole"))
	require.NoError(t, err)
	file := "/results/shelf/" + name
	require.NoError(t, afero.WriteFile(fs, file, []byte("who"), 0o644))
	require.NoError(t, afero.WriteFile(fs, "/results/shelf/.new-x", []byte("not complete"), 0o644))

	count := func() (texts, torn []string) {
		torn, err := d.Each("shelf", func(_ string, text []byte) error {
			texts = append(texts, string(text))
			return nil
		})
		require.NoError(t, err)
		return texts, torn
	}
	whole, torn := count()
	require.Empty(t, whole)
	require.Equal(t, []string{file}, torn)
	_, err = d.Put("shelf", []byte("whole"))
	require.NoError(t, err)
	whole, torn = count()
	require.Equal(t, []string{"whole"}, whole)
	require.Empty(t, torn)

	failure := errors.New("no")
	_, err = d.Each("shelf", func(string, []byte) error { return failure })
	require.ErrorIs(t, err, failure)
	require.ErrorContains(t, err, file)
	torn, err = d.Each("nothing", func(string, []byte) error { return failure })
	require.NoError(t, err)
	require.Empty(t, torn)
	shelves, err := d.Shelves()
	require.NoError(t, err)
	require.Equal(t, []string{"shelf"}, shelves)
}

// drawRuns draws runs that share many of their first steps.
func drawRuns(t *rapid.T) []workdir.Run {
	number := func(name string) int32 { return rapid.Int32Range(-3, 5).Draw(t, name) }
	var runs []workdir.Run
	for range rapid.IntRange(0, 8).Draw(t, "runs") {
		r := workdir.Run{
			Search:  rapid.SampledFrom([]string{"a", "b"}).Draw(t, "search"),
			Point:   rapid.IntRange(0, 9).Draw(t, "point"),
			Outcome: rapid.SampledFrom([]string{"", "kept", `{"violations":[{"kind":"lost"}]}`}).Draw(t, "outcome"),
			Cuts:    rapid.SampledFrom([]string{"", "1", "123456789012345678901234567890"}).Draw(t, "cuts"),
		}
		for range rapid.IntRange(0, 3).Draw(t, "bounds") {
			lo := rapid.Int32Range(0, 4).Draw(t, "low")
			r.Box = append(r.Box, persist.Bound{Cell: persist.Cell(number("cell")), Lo: persist.Version(lo), Hi: persist.Version(lo + 1)})
		}
		for range rapid.IntRange(0, 6).Draw(t, "steps") {
			r.Reads = append(r.Reads, persist.Read{Cell: persist.Cell(number("cell")), Value: persist.Version(number("value"))})
		}
		runs = append(runs, r)
	}
	return runs
}

func TestRunsAreReadAsTheyWereWritten(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := drawRuns(t)
		text := workdir.Append(nil, want)
		var got []workdir.Run
		require.NoError(t, workdir.Parse(text, func(r *workdir.Run) error {
			r.Reads = append([]persist.Read(nil), r.Reads...)
			got = append(got, *r)
			return nil
		}))
		require.Equal(t, fmt.Sprint(want), fmt.Sprint(got))
	})
}

func TestBadRunsAreRefusedWithTheirLine(t *testing.T) {
	for _, c := range []struct{ text, err string }{
		{"", "does not begin"},
		{"crashsim boxes 2\n", "does not begin"},
		{"crashsim boxes 1\nrun 0 read 0 outcome 0\n", "line 2: want: run"},
		{"crashsim boxes 1\noutcome \nrun 0 read 1 outcome 0\n", "line 3: want: run"},
		{"crashsim boxes 1\noutcome \nrun 0 1:2 read 0 outcome 0\n", "line 3: want: run"},
		{"crashsim boxes 1\noutcome \nrun 0 read 0 7 outcome 0\n", "line 3: want: run"},
		{"crashsim boxes 1\noutcome \nrun -1 read 0 outcome 0\n", "line 3: want: run"},
		{"crashsim boxes 1\nwhat\n", `"what", want search, outcome or run`},
		{"crashsim boxes 1\nsearch x", "line 2 does not end"},
	} {
		err := workdir.Parse([]byte(c.text), func(*workdir.Run) error { return nil })
		require.ErrorContains(t, err, c.err, "%q", c.text)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(workdir.Append(nil, []workdir.Run{{Search: "s", Reads: []persist.Read{{Cell: 1, Value: 2}}, Outcome: "kept", Cuts: "8"}}))
	f.Fuzz(func(t *testing.T, text []byte) {
		var runs []workdir.Run
		if workdir.Parse(text, func(r *workdir.Run) error { runs = append(runs, *r); return nil }) != nil {
			return
		}
		var again []workdir.Run
		require.NoError(t, workdir.Parse(workdir.Append(nil, runs), func(r *workdir.Run) error { again = append(again, *r); return nil }))
		require.Equal(t, fmt.Sprint(runs), fmt.Sprint(again))
	})
}
