package scenarios_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/model"
	"github.com/crashsim/crashsim/runner"
	"github.com/crashsim/crashsim/runner/repair"
	"github.com/crashsim/crashsim/scenarios"
)

func TestNamesAreUniqueAndFound(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range scenarios.All() {
		require.Regexp(t, `^[a-z0-9]+(-[a-z0-9]+)*$`, s.Name)
		require.False(t, seen[s.Name], "two scenarios are named %s", s.Name)
		seen[s.Name] = true
		found, ok := scenarios.Find(s.Name)
		require.True(t, ok)
		require.Equal(t, s.Name, found.Name)
	}
	_, ok := scenarios.Find("no such scenario")
	require.False(t, ok)
}

func TestLessonsAreOneLine(t *testing.T) {
	for _, s := range scenarios.All() {
		require.NotEmpty(t, s.Lesson, s.Name)
		require.NotContains(t, s.Lesson, "\n", s.Name)
		require.False(t, strings.HasSuffix(s.Lesson, "."), "%s: a lesson has no full stop", s.Name)
		require.LessOrEqual(t, len(s.Lesson), 130, s.Name)
	}
}

func TestEachScenarioDeclaresEachPreset(t *testing.T) {
	for _, s := range scenarios.All() {
		require.Len(t, s.Declared, len(model.Presets()), s.Name)
		for _, p := range model.Presets() {
			o, ok := s.Declared[p.Model]
			require.True(t, ok, "%s declares nothing for %s", s.Name, p.Name)
			require.NotEqual(t, runner.Unknown, o.Verdict, s.Name)
			require.Equal(t, o.Verdict == runner.Broken, len(o.Kinds) > 0, s.Name)
		}
	}
}

func TestEachFixedScenarioHasABrokenTwinAndIsKept(t *testing.T) {
	for _, s := range scenarios.All() {
		twin, fixed := strings.CutSuffix(s.Name, "-fixed")
		kept := 0
		for _, o := range s.Declared {
			if o.Verdict == runner.Kept {
				kept++
			}
		}
		if !fixed {
			require.Less(t, kept, len(s.Declared), "%s is broken nowhere", s.Name)
			continue
		}
		require.Equal(t, len(s.Declared), kept, "%s is not Kept everywhere", s.Name)
		_, ok := scenarios.Find(twin)
		require.True(t, ok, "%s has no broken twin", s.Name)
	}
}

// A replay must be told from the program that it stands for by nothing.
func TestAReplayIsTheStoredTrace(t *testing.T) {
	files, err := filepath.Glob("traces/*.txt")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		s, ok := scenarios.Find(strings.TrimSuffix(filepath.Base(file), ".txt"))
		require.True(t, ok, "%s belongs to no scenario", file)
		trace, err := s.Record()
		require.NoError(t, err)
		stored, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Equal(t, string(stored), string(trace.Text()))
	}
}

// TestVerdictsAreTheDeclaredOnes judges every case of every scenario: a Kept
// verdict is exhaustive by what it means, and a Broken one has no other kinds.
func TestVerdictsAreTheDeclaredOnes(t *testing.T) {
	for _, s := range scenarios.All() {
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			runner.Check(t, s, toTheEnd())
		})
	}
}

// toTheEnd are options with which a search ends when all is judged, however busy
// the machine is. With -short the default budget of Check holds.
func toTheEnd(models ...model.Model) runner.Options {
	if testing.Short() {
		return runner.Options{Models: models}
	}
	return runner.Options{Models: models, MaxRuns: 1 << 22}
}

// TestFixedScenariosSurviveTornPages judges them on a disk that tears pages
// into sectors, which no preset does. That leaves very many cases, so that those
// that lose more than three effects are few here, unless CRASHSIM_LONG is set.
func TestFixedScenariosSurviveTornPages(t *testing.T) {
	tears, err := model.Parse("posix,unit=512")
	require.NoError(t, err)
	for _, s := range scenarios.All() {
		if strings.HasSuffix(s.Name, "-fixed") {
			t.Run(s.Name, func(t *testing.T) {
				t.Parallel()
				o := toTheEnd(tears)
				if os.Getenv("CRASHSIM_LONG") == "" {
					o.Enough = runner.Claim{FewerLosses: 4, WholeFiles: true, WholeOps: true}
				}
				runner.Check(t, s, o)
			})
		}
	}
}

// TestFixedScenariosSurviveAKillAndThenAPowerCut ends the program after each
// op, lets it recover on the page cache that it left, and cuts the power during
// or after that: what recovery read need not be on the disk.
func TestFixedScenariosSurviveAKillAndThenAPowerCut(t *testing.T) {
	for _, s := range scenarios.All() {
		if !strings.HasSuffix(s.Name, "-fixed") || s.Recover == nil {
			continue
		}
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			trace, err := s.Record()
			require.NoError(t, err)
			told := false
			for i := range trace.Ops {
				told = told || trace.Ops[i].Kind == faultfs.OpMark
				if !told || !trace.Ops[i].Kind.Changes() {
					continue // the oracle wants a promise; a kill after anything else is like one before it
				}
				killed := s
				killed.Workload = func(fs *faultfs.FS) error {
					if err := perform(fs, trace.Ops[:i+1]); err != nil {
						return err
					}
					return s.Recover(fs)
				}
				t.Run(fmt.Sprintf("after-op-%d", i), func(t *testing.T) {
					o := toTheEnd(model.Default())
					o.Failures = t.TempDir()
					runner.Check(t, killed, o)
				})
			}
		})
	}
}

// TestFixedScenariosNeedAllThatTheyDo leaves out one sync at a time, and copies
// where they rename. What the oracle does not notice is proved to change no
// case at all, as the sync of an empty file.
func TestFixedScenariosNeedAllThatTheyDo(t *testing.T) {
	for _, s := range scenarios.All() {
		if !strings.HasSuffix(s.Name, "-fixed") {
			continue
		}
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			mutants, err := s.Mutate(t.Context(), runner.Options{})
			require.NoError(t, err)
			killed := 0
			for _, m := range mutants {
				require.Contains(t, []runner.Fate{runner.Killed, runner.Harmless}, m.Fate, "without the %s of %s: %s", m.Lacks, m.Call, m.Fate)
				if m.Fate == runner.Killed {
					killed++
				}
			}
			require.Positive(t, killed)
		})
	}
}

// TestFixedScenariosSurviveEachSingleFault sweeps them: each op fails once with
// each error that fits it, and then power is cut, in recovery too.
func TestFixedScenariosSurviveEachSingleFault(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: every op of every scenario fails")
	}
	for _, s := range scenarios.All() {
		if strings.HasSuffix(s.Name, "-fixed") {
			t.Run(s.Name, func(t *testing.T) {
				t.Parallel()
				o := toTheEnd(model.Default())
				o.Sweep, o.Failures = true, t.TempDir()
				runner.Check(t, s, o)
			})
		}
	}
}

// perform does recorded ops again.
func perform(fs *faultfs.FS, ops []faultfs.Op) error {
	for _, op := range ops {
		if _, err := fs.Do(op); err != nil {
			return err
		}
	}
	return nil
}

// TestFixNeedsNoMoreThanTheTwin: where syncs of the workload are all that a broken
// scenario lacks, there are no more of them than its twin has found.
func TestFixNeedsNoMoreThanTheTwin(t *testing.T) {
	syncs := func(s runner.Scenario) (n int) {
		trace, err := s.Record()
		require.NoError(t, err)
		for i := range trace.Ops {
			if trace.Ops[i].Kind.Syncs() {
				n++
			}
		}
		return n
	}
	repaired := 0
	for _, s := range scenarios.All() {
		twin, ok := scenarios.Find(s.Name + "-fixed")
		if !ok {
			continue
		}
		r, err := s.Fix(t.Context(), model.Default(), runner.Options{})
		require.NoError(t, err, s.Name)
		later := slices.ContainsFunc(r.Syncs, func(s repair.AddedSync) bool { return s.Life != repair.Workload })
		if len(r.Syncs) > 0 && !later { // the twin may mend its later lives in another way
			repaired++
			require.LessOrEqual(t, len(r.Syncs), syncs(twin)-syncs(s), "%s: %v", s.Name, r.Syncs)
		}
	}
	require.Greater(t, repaired, 6)
}

// The cases that are listed and judged one by one are wrong in the ways that the
// search finds, which never lists them: where recovery is not crashed, no call
// fails and nothing rots, both judge every case of the power cut.
func TestListedCasesAreWrongAsTheSearchSays(t *testing.T) {
	compared, broken := 0, 0
	for _, s := range scenarios.All() {
		s.Damage = nil
		for _, name := range []string{"kill", "ext4", "posix"} {
			m, err := model.Parse(name)
			require.NoError(t, err)
			results, err := runner.Run(t.Context(), s, runner.Options{
				Models: []model.Model{m}, All: true, Depth: runner.Times(0), Faults: []faultfs.Fault{},
			})
			require.NoError(t, err)
			r := results[0]
			if len(r.Coverage.Cuts) > 4 {
				continue // there are enough others
			}
			states, err := s.States(t.Context(), m)
			require.NoError(t, err)
			got := runner.Keeps()
			for _, state := range states {
				for _, v := range state.Wrong {
					got = runner.Breaks(append(got.Kinds, v.Kind)...)
				}
			}
			require.Equal(t, r.Outcome, got, "%s under %s", s.Name, name)
			compared++
			if got.Verdict == runner.Broken {
				broken++
			}
		}
	}
	require.Greater(t, compared, 100)
	require.Greater(t, broken, 30)
}
