package scenarios_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/model"
	"github.com/crashsim/crashsim/runner"
	"github.com/crashsim/crashsim/scenarios"
)

// trouble is what breaks a scenario besides a power cut that ends the program.
type trouble string

const (
	callFails       trouble = "a call fails"
	recoveryCrashes trouble = "recovery is crashed"
	worksOn         trouble = "the program is killed and works on"
	dataRots        trouble = "durable data rots"
)

var troubles = map[string]trouble{
	"retry-fsync":              callFails,
	"rename-after-failed-sync": callFails,
	"ignore-short-write":       callFails,
	"log-full-disk":            callFails,
	"recovery-clears-first":    recoveryCrashes,
	"recovery-not-idempotent":  recoveryCrashes,
	"kill-then-work-on":        worksOn,
	"resync-after-restart":     worksOn,
	"bit-rot-in-log":           dataRots,
	"misdirected-page":         dataRots,
}

// tried says how often a result tried a trouble.
func (w trouble) tried(r *runner.Result) int {
	switch w {
	case callFails:
		return r.Coverage.Faults
	case recoveryCrashes:
		return r.Coverage.Recoveries
	case worksOn:
		return r.Coverage.Kills
	case dataRots:
		return r.Coverage.Damages
	}
	return 0
}

// spared is a scenario that is run without the trouble.
func (w trouble) spared(s runner.Scenario) (runner.Scenario, runner.Options) {
	var o runner.Options
	switch w {
	case callFails:
		s.Faults = nil
	case recoveryCrashes:
		o.Depth = runner.Times(0)
	case worksOn:
		s.WorkOn = nil
	case dataRots:
		s.Damage = nil
	}
	return s, o
}

// all runs a scenario under every preset, to the end.
func all(t *testing.T, s runner.Scenario, o runner.Options) []runner.Result {
	t.Helper()
	o.All = true
	for _, p := range model.Presets() {
		o.Models = append(o.Models, p.Model)
	}
	results, err := runner.Run(t.Context(), s, o)
	require.NoError(t, err)
	require.Len(t, results, len(model.Presets()))
	for _, r := range results {
		require.Empty(t, r.Notes)
		require.True(t, r.Coverage.Exhaustive, "%s", r.Line())
	}
	return results
}

// TestEachFaultScenarioBreaksOnlyByItsFault takes away the one trouble that a
// scenario is about: what is left keeps the promise.
func TestEachFaultScenarioBreaksOnlyByItsFault(t *testing.T) {
	for name, what := range troubles {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, ok := scenarios.Find(name)
			require.True(t, ok)
			broken := 0
			for _, r := range all(t, s, runner.Options{}) {
				require.True(t, r.Outcome.Equal(s.Declared[r.Model]), "%s", r.Report())
				if r.Outcome.Verdict == runner.Broken {
					broken++
				}
			}
			require.Positive(t, broken)
			without, o := what.spared(s)
			for _, r := range all(t, without, o) {
				require.True(t, r.Outcome.Equal(runner.Keeps()), "%s", r.Report())
			}
		})
	}
}

// TestEachFixedFaultScenarioMeetsTheFault: a twin that the trouble does not
// reach would be Kept for nothing.
func TestEachFixedFaultScenarioMeetsTheFault(t *testing.T) {
	for name, what := range troubles {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, ok := scenarios.Find(name + "-fixed")
			require.True(t, ok)
			for _, r := range all(t, s, runner.Options{}) {
				require.True(t, r.Outcome.Equal(runner.Keeps()), "%s", r.Report())
				if what != worksOn && what != dataRots || r.Model.Cache == model.CacheLost {
					require.Positive(t, what.tried(&r), "%s: never %s", r.Line(), what)
				}
			}
		})
	}
}

// TestFixedScenariosGoOnAfterTheirFaults: one that only stops would say little
// about how to go on.
func TestFixedScenariosGoOnAfterTheirFaults(t *testing.T) {
	for name, what := range troubles {
		if what != callFails {
			continue
		}
		t.Run(name, func(t *testing.T) {
			s, ok := scenarios.Find(name + "-fixed")
			require.True(t, ok)
			require.NotEmpty(t, s.Faults)
			for _, p := range model.Presets() {
				for _, fault := range s.Faults {
					fs := faultfs.New()
					require.NoError(t, s.Setup(fs))
					fs = fs.Checkpoint()
					fs.Inject(p.Model.Failure, fault)
					require.NoError(t, s.Workload(fs), p.Name)
					require.Equal(t, []int{1}, fs.Fired(), p.Name)
				}
			}
		})
	}
}

// TestTheTableOfTroublesIsWhole finds the troubles of each broken scenario
// anew: it needs one if it is Kept without.
func TestTheTableOfTroublesIsWhole(t *testing.T) {
	needs := map[string]trouble{}
	for _, s := range scenarios.All() {
		if strings.HasSuffix(s.Name, "-fixed") {
			continue
		}
		for _, w := range []trouble{callFails, recoveryCrashes, worksOn, dataRots} {
			if w == callFails && s.Faults == nil || w == recoveryCrashes && s.Recover == nil ||
				w == worksOn && s.WorkOn == nil || w == dataRots && s.Damage == nil {
				continue
			}
			without, o := w.spared(s)
			if !slices.ContainsFunc(all(t, without, o), func(r runner.Result) bool { return r.Outcome.Verdict != runner.Kept }) {
				needs[s.Name] = w // Depth does without work after a kill, too, so that comes last
			}
		}
	}
	require.Equal(t, troubles, needs)
}
