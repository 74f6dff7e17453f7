package scenarios

import (
	"slices"
	"strings"

	"github.com/crashsim/crashsim/faultfs/model"
	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner"
)

// All returns every scenario, a broken one right before its twin, always in
// the same order.
func All() []runner.Scenario {
	return slices.Concat(
		seedRename(), seedLog(), seedWriteAhead(),
		beforeFsync(),
		renames(), overwrites(), twoFiles(),
		appendLogs(), logRotation(), segments(),
		metaPages(), walCheckpoint(),
		retrySync(), renameAfterFailedSync(),
		ignoreShortWrite(), logFullDisk(),
		recoveryClearsFirst(), recoveryNotIdempotent(), killThenWorkOn(),
		rottenLogs(), misplacedPages(),
		viperConfig(),
	)
}

// Find returns the scenario with the given name.
func Find(name string) (runner.Scenario, bool) {
	all := All()
	i := slices.IndexFunc(all, func(s runner.Scenario) bool { return s.Name == name })
	if i < 0 {
		return runner.Scenario{}, false
	}
	return all[i], true
}

// The kinds of violations that verdicts name.
const (
	lost    = oracle.Lost
	torn    = oracle.Torn
	stale   = oracle.Stale
	alien   = oracle.Alien
	refused = oracle.Refused
)

var keeps = runner.Keeps()

func breaks(kinds ...oracle.Kind) runner.Outcome { return runner.Breaks(kinds...) }

// verdicts are known verdicts by preset. A key may name several presets, with
// blanks between them.
type verdicts map[string]runner.Outcome

const everyPreset = "kill strict ext4 xfs btrfs posix"

// each returns the verdicts by single presets.
func (v verdicts) each() map[model.Model]runner.Outcome {
	table := map[model.Model]runner.Outcome{}
	for presets, outcome := range v {
		for preset := range strings.FieldsSeq(presets) {
			m := model.MustParse(preset)
			if _, twice := table[m]; twice {
				panic("crashsim: bug: two verdicts for the preset " + preset)
			}
			table[m] = outcome
		}
	}
	return table
}

// keptEverywhere is what a fixed twin declares.
func keptEverywhere() map[model.Model]runner.Outcome { return verdicts{everyPreset: keeps}.each() }
