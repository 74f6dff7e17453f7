package runner

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/model"
	"github.com/crashsim/crashsim/faultfs/persist"
	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner/internal/drawn"
	"github.com/crashsim/crashsim/runner/workdir"
)

// counted is a random scenario, and how often its oracle was asked.
type counted struct {
	Scenario
	asked *atomic.Int64
}

// drawScenario draws a program with a recovery that may change the disk, and an oracle
// that finds something wrong now and then.
func drawScenario(t *rapid.T) counted {
	check, recovery := drawn.SomeChecker(t), drawn.SomeChecker(t)
	wrong := rapid.IntRange(0, 3).Draw(t, "wrong")
	c := counted{asked: &atomic.Int64{}}
	trace := drawn.Trace(t)
	c.Scenario = Scenario{
		Name: "drawn", Trace: trace, Command: &Command{Check: fmt.Sprint("seed ", rapid.Uint64().Draw(t, "name"))},
		Oracle: oracle.Func(func(disk afero.Fs, marks oracle.Marks) []oracle.Violation {
			c.asked.Add(1)
			if got := int(check(disk.(*faultfs.FS), marks)); got > 0 && got < wrong {
				return []oracle.Violation{{Kind: oracle.Kind(got), Path: "/a", Detail: "says \"\xff\n\" the check"}}
			}
			return nil
		}),
	}
	if rapid.Bool().Draw(t, "recovers") {
		c.Recover = func(disk afero.Fs) error {
			if fs, ok := disk.(*faultfs.FS); ok && recovery(fs, listMarks{}) == 7 {
				return os.ErrInvalid
			}
			return nil
		}
	}
	return c
}

// reportOf runs a scenario and returns all that is said of it, and how many runs of the
// checker were known, and made.
func reportOf(t require.TestingT, s Scenario, o Options) (text string, known, made int) {
	results, err := Run(context.Background(), s, o)
	require.NoError(t, err)
	for i := range results {
		r := &results[i]
		text += r.Report() + r.Line() + "\n"
		for _, f := range r.Failures {
			text += string(r.Stored(f).Text())
		}
		k, m := r.Kept()
		known, made = known+k, made+m
	}
	return text, known, made
}

// freshDir returns a directory of results that nobody has used.
func freshDir() string { return "/results/" + rand.Text() }

// drawOptions draws options under which the scenario is not judged for long.
func drawOptions(t *rapid.T) Options {
	return Options{
		Models: []model.Model{drawn.Model(t)}, MaxRuns: rapid.SampledFrom([]int{200, 0, 20}).Draw(t, "budget"),
		All: rapid.Bool().Draw(t, "all"), Workers: rapid.IntRange(1, 3).Draw(t, "workers"),
	}
}

func isSmall(s *Scenario, o *Options) bool {
	for _, m := range o.Models {
		if cuts, _ := persist.Lower(s.Trace, m).Count(context.Background()); cuts.BitLen() > 7 {
			return false
		}
	}
	return true
}

// quickStore lets each batch of runs be stored as a file of its own, so that there are
// many, in memory.
func quickStore(t *testing.T) afero.Fs {
	every, runs, fs := storeEvery, storeRuns, resultsFs
	storeEvery, storeRuns, resultsFs = 0, 1, afero.NewMemMapFs()
	t.Cleanup(func() { storeEvery, storeRuns, resultsFs = every, runs, fs })
	return resultsFs
}

// judgedTwice returns what some runs were given of which the directory holds two.
func judgedTwice(t require.TestingT, fs afero.Fs, dir string) (twice []string) {
	d, err := workdir.Open(fs, dir)
	require.NoError(t, err)
	shelves, err := d.Shelves()
	require.NoError(t, err)
	for _, shelf := range shelves {
		seen := map[string]bool{}
		_, err = d.Each(shelf, func(_ string, text []byte) error {
			if !workdir.HoldsRuns(text) {
				return nil
			}
			return workdir.Parse(text, func(r *workdir.Run) error {
				given := r.Search + givenTo(r.Point, r.Box) + fmt.Sprint(r.Reads)
				if seen[given] {
					twice = append(twice, given)
				}
				seen[given] = true
				return nil
			})
		})
		require.NoError(t, err)
	}
	return twice
}

// A kill leaves some of the files, since each is put as a whole, and perhaps some that are
// not complete. Whatever it leaves, the report is the same, and nothing that is stored is
// judged again.
func TestWhatAKillLeavesIsNotJudgedAgain(t *testing.T) {
	fs := quickStore(t)
	stopped := 0
	rapid.Check(t, func(r *rapid.T) {
		s, o := drawScenario(r), drawOptions(r)
		if !isSmall(&s.Scenario, &o) {
			return
		}
		want, known, made := reportOf(r, s.Scenario, o)
		require.Zero(r, known+made)

		whole, half := freshDir(), freshDir()
		o.Workdir = []string{whole}
		got, _, _ := reportOf(r, s.Scenario, o)
		require.Equal(r, want, got)
		left := copySome(r, fs, whole, half)

		o.Workdir = []string{half}
		got, known, made = reportOf(r, s.Scenario, o)
		require.Equal(r, want, got)
		require.Equal(r, known > 0, left > 0)
		require.Empty(r, judgedTwice(r, fs, half))
		if known > 0 && made > 0 {
			stopped++
		}
		got, _, made = reportOf(r, s.Scenario, o)
		require.Equal(r, want, got)
		require.Zero(r, made, "all was stored")
	})
	require.Positive(t, stopped)
}

// copySome copies some files of results, each with another one that is torn, and returns
// how many runs they hold.
func copySome(t *rapid.T, fs afero.Fs, from, to string) (runs int) {
	seed := rapid.Byte().Draw(t, "files")
	files, err := afero.Glob(fs, filepath.Join(from, "*", "*"))
	require.NoError(t, err)
	for _, file := range files {
		text, err := afero.ReadFile(fs, file)
		require.NoError(t, err)
		shelf := filepath.Join(to, filepath.Base(filepath.Dir(file)))
		require.NoError(t, fs.MkdirAll(shelf, 0o777))
		switch sha256.Sum256(append(text, seed))[0] % 4 { // how many files there are is not drawn
		case 0, 1:
			runs += strings.Count("\n"+string(text), "\nrun ")
		case 2:
			text = text[:len(text)/2]
		default:
			continue
		}
		require.NoError(t, afero.WriteFile(fs, filepath.Join(shelf, filepath.Base(file)), text, 0o666))
	}
	return runs
}

func TestReportOfShardsIsThatOfOneMachine(t *testing.T) {
	quickStore(t)
	apart := 0
	rapid.Check(t, func(r *rapid.T) {
		s, o := drawScenario(r), drawOptions(r)
		if !isSmall(&s.Scenario, &o) {
			return
		}
		want, _, _ := reportOf(r, s.Scenario, o)
		for _, n := range rapid.SampledFrom([][]int{{2}, {3}, {7}, {1}}).Draw(r, "shards") {
			var dirs []string
			worked := 0
			for i := range n {
				one := o
				one.Workdir, one.Shard, one.Shards = []string{freshDir()}, i, n
				_, _, made := reportOf(r, s.Scenario, one)
				if made > 0 {
					worked++
				}
				dirs = append(dirs, one.Workdir...)
			}
			if worked > 1 {
				apart++
			}
			merged := o
			merged.Workdir, merged.Merge = slices.Concat([]string{freshDir()}, dirs), true
			got, known, made := reportOf(r, s.Scenario, merged)
			require.Equal(r, want, got, "%d shards", n)
			if !strings.Contains(want, "budget") && !strings.Contains(want, "search ended") && !strings.Contains(want, "kept;") {
				require.Zero(r, made, "%d shards, %d known: %s", n, known, want)
			}
		}
	})
	require.Positive(t, apart)
}

// threeFiles writes files, unsynced, and promises nothing.
func threeFiles() Scenario {
	return Scenario{
		Name: "three-files",
		Workload: func(fs *faultfs.FS) error {
			for _, name := range []string{"/a", "/b", "/c"} {
				if err := afero.WriteFile(fs, name, []byte("data"), 0o644); err != nil {
					return err
				}
			}
			return nil
		},
		Oracle: oracle.Func(func(disk afero.Fs, _ oracle.Marks) []oracle.Violation {
			for _, name := range []string{"/a", "/b", "/c"} {
				_, _ = afero.ReadFile(disk, name)
			}
			return nil
		}),
		Command: &Command{Check: "three"},
	}
}

func TestMergeSaysWhatIsMissing(t *testing.T) {
	fs := quickStore(t)
	s, dir := threeFiles(), freshDir()
	o := Options{Models: []model.Model{model.Default()}, Workdir: []string{dir}}
	merged := o
	merged.Merge = true
	fails := func(want string) {
		t.Helper()
		_, err := Run(t.Context(), s, merged)
		require.ErrorIs(t, err, oracle.ErrNoVerdict)
		require.ErrorContains(t, err, want)
	}
	fails("no results are stored")
	for i := range 2 {
		o.Shard, o.Shards = i, 3
		results, err := Run(t.Context(), s, o)
		require.NoError(t, err)
		require.Equal(t, fmt.Sprintf("%d/3", i+1), results[0].Shard())
		require.Equal(t, Unknown, results[0].Outcome.Verdict)
	}
	fails("of 3 shards, these have not come to their end: 3/3")
	o.Shard = 2
	_, err := Run(t.Context(), s, o)
	require.NoError(t, err)
	results, err := Run(t.Context(), s, merged)
	require.NoError(t, err)
	require.Equal(t, Kept, results[0].Outcome.Verdict)
	require.Regexp(t, `^\d+ parts judged hold \d+ cuts, as many as are legal$`, results[0].Proof())

	files, err := afero.Glob(fs, filepath.Join(dir, "*", "*"))
	require.NoError(t, err)
	torn := slices.IndexFunc(files, func(file string) bool {
		text, err := afero.ReadFile(fs, file)
		return err == nil && workdir.HoldsRuns(text)
	})
	require.NoError(t, afero.WriteFile(fs, files[torn], []byte("crashsim boxes 1\n"), 0o666))
	fails("is not there, or torn")
	merged.Merge = false
	results, err = Run(t.Context(), s, merged)
	require.NoError(t, err)
	require.Equal(t, []string{files[torn]}, results[0].Torn())
	merged.Merge = true
	_, err = Run(t.Context(), s, merged)
	require.NoError(t, err, "one machine has judged all, what was torn again")
}

func TestResultsOfAnotherCheckDoNotCount(t *testing.T) {
	quickStore(t)
	s := threeFiles()
	o := Options{Models: []model.Model{model.Default()}, Workdir: []string{freshDir()}}
	_, _, made := reportOf(t, s, o)
	require.Positive(t, made)
	_, known, _ := reportOf(t, s, o)
	require.Positive(t, known)
	s.Command = &Command{Check: "another"}
	_, known, _ = reportOf(t, s, o)
	require.Zero(t, known)
	s.Command = nil // in a test: another oracle of the same name is another check
	for range 2 {
		_, known, _ = reportOf(t, s, o)
		require.Zero(t, known)
	}
}

// A check that is not deterministic is judged case by case, and goes on like that.
func TestSearchOfAWaveringCheckGoesOn(t *testing.T) {
	fs := quickStore(t)
	s, runs := threeFiles(), atomic.Int64{}
	s.Oracle = oracle.Func(func(disk afero.Fs, _ oracle.Marks) []oracle.Violation {
		names, first := []string{"/a", "/b", "/c"}, int(runs.Add(1))
		for i := range names {
			_, _ = afero.ReadFile(disk, names[(i+first)%len(names)])
		}
		return nil
	})
	o := Options{Models: []model.Model{model.Default()}, Workdir: []string{freshDir()}, Workers: 1}
	want, _, made := reportOf(t, s, o)
	got, known, again := reportOf(t, s, o)
	require.Equal(t, want, got)
	require.Positive(t, known)
	require.Zero(t, again, "of %d", made)
	require.Empty(t, judgedTwice(t, fs, o.Workdir[0]))

	o.Workdir, o.Shards = []string{freshDir()}, 2
	results, err := Run(t.Context(), s, o)
	require.NoError(t, err)
	require.Empty(t, results[0].Shard(), "it cannot be divided")
}
