package viper

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crashsim/crashsim/faultfs/model"
	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner"
)

var update = flag.Bool("update", false, "store the traces that package scenarios replays")

func TestWriteConfig(t *testing.T) {
	s, err := scenario("viper-write-config", writeConfig)
	require.NoError(t, err)
	s.Declared = map[model.Model]runner.Outcome{}
	for _, p := range model.Presets() {
		s.Declared[p.Model] = runner.Breaks(oracle.Torn, oracle.Refused)
	}
	s.Declared[model.MustParse("kill")] = runner.Breaks(oracle.Torn)
	s.Declared[model.MustParse("strict")] = runner.Breaks(oracle.Torn)
	checkStored(t, s)
	runner.Check(t, s, runner.Options{})
}

func TestWriteConfigDurably(t *testing.T) {
	s, err := scenario("viper-write-config-fixed", writeConfigDurably)
	require.NoError(t, err)
	s.Recover = removeTemp
	s.Declared = map[model.Model]runner.Outcome{}
	for _, p := range model.Presets() {
		s.Declared[p.Model] = runner.Keeps()
	}
	checkStored(t, s)
	runner.Check(t, s, runner.Options{})
}

// checkStored holds the trace that package scenarios replays to what viper does.
func checkStored(t *testing.T, s runner.Scenario) {
	t.Helper()
	trace, err := s.Record()
	require.NoError(t, err)
	name := filepath.Join("..", "traces", s.Name+".txt")
	if *update {
		require.NoError(t, os.WriteFile(name, trace.Text(), 0o644))
	}
	stored, err := os.ReadFile(name)
	require.NoError(t, err)
	require.Equal(t, withoutDeferred(stored), withoutDeferred(trace.Text()), "run go test -update, and read the difference")
}

// deferredSite is the call site of a close, which viper defers: to which line a
// deferred call is put down depends on how the compiler was called.
var deferredSite = regexp.MustCompile(`(?m)^(close .*) at=\S+$`)

func withoutDeferred(trace []byte) string { return deferredSite.ReplaceAllString(string(trace), "$1") }
