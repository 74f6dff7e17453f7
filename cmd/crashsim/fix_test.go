package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/model"
	"github.com/crashsim/crashsim/runner"
	"github.com/crashsim/crashsim/scenarios"
)

// A patch turns what "crashsim trace" prints into a program that keeps its
// promise.
func TestPatchRepairsTheTrace(t *testing.T) {
	patch, err := exec.LookPath("patch")
	if err != nil {
		t.Skip("there is no patch")
	}
	patched := 0
	for _, s := range scenarios.All() {
		text := output(t, scenarios.All(), "fix", s.Name, "--patch")
		if len(text) == 0 || bytes.HasPrefix(text, []byte("# ")) { // other lives lack a sync, too
			continue
		}
		dir := t.TempDir()
		file, diff := filepath.Join(dir, "t.txt"), filepath.Join(dir, "p.diff")
		require.NoError(t, os.WriteFile(file, output(t, scenarios.All(), "trace", s.Name), 0o644))
		require.NoError(t, os.WriteFile(diff, text, 0o644))
		said, err := exec.Command(patch, file, diff).CombinedOutput()
		require.NoError(t, err, "%s", said)
		text, err = os.ReadFile(file)
		require.NoError(t, err)
		s.Trace, err = faultfs.ParseTrace(file, text)
		require.NoError(t, err)
		s.Faults, s.Damage, s.Declared = nil, nil, nil
		results, err := runner.Run(t.Context(), s, runner.Options{Models: []model.Model{model.Default()}})
		require.NoError(t, err)
		require.Equal(t, runner.Kept, results[0].Outcome.Verdict, "%s", results[0].Report())
		patched++
	}
	require.GreaterOrEqual(t, patched, 5)
}

// How long the fix and the audit of every broken scenario take, in seconds.
func BenchmarkFixAndAuditOfTheLibrary(b *testing.B) {
	for b.Loop() {
		for _, s := range scenarios.All() {
			if len(s.Declared) == 0 || s.Declared[model.Default()].Verdict != runner.Broken {
				continue
			}
			_, err := s.Fix(b.Context(), model.Default(), runner.Options{})
			require.NoError(b, err)
			_, _ = s.Mutate(b.Context(), runner.Options{Models: []model.Model{model.Default()}})
		}
	}
	b.ReportMetric(b.Elapsed().Seconds()/float64(b.N), "s/library")
}
