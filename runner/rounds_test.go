package runner

import (
	"context"
	"fmt"
	"maps"
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
	"github.com/crashsim/crashsim/runner/internal/drawn"
)

// members returns, by the definition, whether a cut is inside a claim.
func members(plan *persist.Plan, claim Claim) func(point, losses int, cut []persist.Version) bool {
	listed := func(of *persist.Plan, wanted bool) map[string]bool {
		in := map[string]bool{}
		for point := 0; wanted && point < of.Points(); point++ {
			for _, cut := range drawn.AllCuts(of, point) {
				in[fmt.Sprint(point, cut)] = true
			}
		}
		return in
	}
	files, ops := listed(plan.WholeFiles(), claim.WholeFiles), listed(plan.WholeOps(), claim.WholeOps)
	return func(point, losses int, cut []persist.Version) bool {
		key := fmt.Sprint(point, cut)
		return claim.Exhaustive || losses < claim.FewerLosses || files[key] || ops[key]
	}
}

// A verdict up to a claim misses no failing case inside the claim, whatever ended the search.
func TestNoFailingCaseInsideAClaimIsMissed(t *testing.T) {
	held := map[string]int{}
	rapid.Check(t, func(t *rapid.T) {
		m := drawn.Model(t)
		trace := drawn.Trace(t)
		plan, check := persist.Lower(trace, m), drawn.SomeChecker(t)
		cuts := drawn.BruteForce(t, plan, check)
		if cuts == nil {
			return
		}
		rare := rapid.SampledFrom([]uint64{7, 30, 300}).Draw(t, "rare")
		s := Scenario{Name: "drawn", Trace: trace, Oracle: oracle.Func(func(disk afero.Fs, marks oracle.Marks) []oracle.Violation {
			if check(disk.(*faultfs.FS), marks)%rare == 0 {
				return []oracle.Violation{{Kind: oracle.Torn}}
			}
			return nil
		})}
		for _, o := range []Options{
			{}, {MaxRuns: rapid.IntRange(1, 12).Draw(t, "runs")}, {MaxRuns: 20, Samples: -1}, {MaxLosses: 1}, {MaxLosses: 2, Samples: 3},
			{Enough: Claim{TornWrites: true, WholeOps: true}}, {Enough: Claim{WholeFiles: true, Random: 2}}, {Enough: drawClaim(t, "enough")},
		} {
			o.Models, o.Workers = []model.Model{m}, 1
			results, err := Run(context.Background(), s, o)
			require.NoError(t, err)
			r := &results[0]
			if r.Outcome.Verdict == Broken || r.doubted {
				continue
			}
			claim := r.Coverage.Claim
			require.Equal(t, claim.Exhaustive, r.Coverage.Exhaustive)
			for _, part := range claim.parts() {
				held[part]++
			}
			require.Equal(t, r.Outcome.Verdict == Kept, claim.Exhaustive || o.Enough != Claim{} && claim.Covers(o.Enough), "%s covers %s", claim, o.Enough)
			inside := members(plan, claim)
			for _, c := range cuts {
				if !c.Again && inside(c.Point, c.Losses, c.Versions) {
					require.NotZero(t, c.Outcome%rare, "claimed: %s; missed: point %d, %v\n%s", claim, c.Point, c.Versions, trace.Text())
				}
			}
		}
	})
	for _, part := range []string{claimExhaustive, claimNoLosses, claimTorn, claimFiles, claimOps} {
		require.Positive(t, held[part], part)
	}
}

// Crashes in recovery are inside a claim as the power cut is: recoveries on the cases of a
// family are crashed, and leave cases of the same family.
func TestCrashesInRecoveryThatAreClaimedAreThoseOfBruteForce(t *testing.T) {
	compared := map[round]int{}
	rapid.Check(t, func(t *rapid.T) {
		m, trace, recovery := drawn.Model(t), drawn.Trace(t), drawRecovery(t)
		if len(trace.Ops) > 4 {
			trace.Ops = trace.Ops[:4]
		}
		r := rapid.SampledFrom([]round{wholeFiles, wholeOps}).Draw(t, "family")
		slow := &slowLives{model: m, recover: recovery, ends: map[string]bool{}, round: r}
		slow.crash(t, persist.Lower(trace, m), nil, 1)
		if slow.runs >= manyRuns {
			return
		}
		compared[r]++
		require.Equal(t, slices.Sorted(maps.Keys(slow.ends)), livesOf(t, trace, m, recovery, 1, r), "%s\n%s", m, trace.Text())
	})
	require.Positive(t, compared[wholeFiles])
	require.Positive(t, compared[wholeOps])
}

// unsyncedFiles writes so many files and syncs none, and promises nothing that a crash
// can break, though the oracle can fail.
func unsyncedFiles(n int) Scenario {
	return Scenario{
		Name: "unsynced",
		Workload: func(fs *faultfs.FS) error {
			for i := range n {
				if err := afero.WriteFile(fs, fmt.Sprintf("/f%d", i), []byte("some text"), 0o644); err != nil {
					return err
				}
			}
			fs.Mark("done")
			return nil
		},
		Oracle: oracle.Func(func(disk afero.Fs, marks oracle.Marks) []oracle.Violation {
			left := 0
			for i := range n {
				if data, err := afero.ReadFile(disk, fmt.Sprintf("/f%d", i)); err == nil && len(data) == 9 {
					left++
				}
			}
			if left == 0 && marks.Has("done") && disk.Name() == "" {
				return []oracle.Violation{{Kind: oracle.Lost}}
			}
			return nil
		}),
	}
}

func TestVerdictUpToWhatIsEnoughSaysSoAndIsNotExhaustive(t *testing.T) {
	enough := Claim{FewerLosses: 3, WholeFiles: true, Random: 50, Seed: 3}
	o := Options{Models: []model.Model{model.Default()}, Enough: enough}
	results, err := Run(t.Context(), unsyncedFiles(8), o)
	require.NoError(t, err)
	r := &results[0]
	require.Equal(t, Kept, r.Outcome.Verdict)
	require.Equal(t, enough, r.Coverage.Claim, "the search goes no further")
	require.False(t, r.Coverage.Exhaustive)
	require.Contains(t, r.Line(), "unsynced under posix: kept up to: all cases with at most 2 losses; each file whole or untouched; 50 random cuts, seed 3; cuts ")
	first, _, _ := strings.Cut(r.Report(), "\n")
	require.Contains(t, first, "kept up to: all cases with at most 2 losses")
	require.NotContains(t, r.Report(), "exhaustive")

	o.MaxRuns = 20
	results, err = Run(t.Context(), unsyncedFiles(8), o)
	require.NoError(t, err)
	r = &results[0]
	require.Equal(t, Unknown, r.Outcome.Verdict)
	require.False(t, r.Coverage.Claim.Covers(enough))
	require.Contains(t, r.Why, "; enough would be: all cases with at most 2 losses; each file whole or untouched; 50 random cuts, seed 3")

	results, err = Run(t.Context(), unsyncedFiles(1), Options{Models: o.Models, Enough: Claim{FewerLosses: 20}})
	require.NoError(t, err)
	require.True(t, results[0].Coverage.Exhaustive, "where there is no more, it is all")
}

// What is found in a family is a failure like any other: it is stored, and what is stored
// fails again.
func TestFailureOfAFamilyIsAFailureLikeAnyOther(t *testing.T) {
	found, inRecovery := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		m, trace, recovery, check := drawn.Model(t), drawn.Trace(t), drawRecovery(t), drawn.SomeChecker(t)
		if len(trace.Ops) > 4 {
			trace.Ops = trace.Ops[:4]
		}
		s := Scenario{Name: "drawn", Trace: trace}
		if rapid.Bool().Draw(t, "recover") {
			s.Recover = func(disk afero.Fs) error {
				recovery(disk.(*faultfs.FS), listMarks(nil))
				return nil
			}
		}
		for i := range 20 {
			s.Oracle = oracle.Func(func(disk afero.Fs, marks oracle.Marks) []oracle.Violation {
				if check(disk.(*faultfs.FS), marks)%5 == uint64(i%5) {
					return []oracle.Violation{{Kind: oracle.Torn}}
				}
				return nil
			})
			enough := []Claim{{WholeFiles: true}, {WholeOps: true}, {TornWrites: true}, {Random: 5}}[i/5]
			results, err := Run(context.Background(), s, Options{Models: []model.Model{m}, Workers: 1, Enough: enough})
			require.NoError(t, err)
			for _, f := range results[0].Failures {
				found++
				if len(f.RecoveryCrashes) > 0 {
					inRecovery++
				}
				require.Same(t, f.Plan.Free(), f.Plan, "it is told of all cuts")
				stored, err := ParseFailure("failure", results[0].Stored(f).Text())
				require.NoError(t, err)
				violations, err := stored.Judge(s, Options{})
				require.NoError(t, err)
				require.Contains(t, violations, oracle.Violation{Kind: oracle.Torn}, "%s", f.Story)
			}
		}
	})
	require.Positive(t, found)
	t.Logf("%d failures, %d of them in recovery", found, inRecovery)
}
