package scenarios

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crashsim/crashsim/faultfs/model"
	"github.com/crashsim/crashsim/runner"
)

// What no sync repairs is told what else has to change. The table is what the
// programs are known for; the answers are computed.
func TestWhatNoSyncRepairsIsToldWhatToChange(t *testing.T) {
	want := map[string]string{}
	for change, names := range map[string]string{
		"a write is torn": "seed-checksum-log seed-checksum-log-one-word seed-write-ahead-redo overwrite-in-place append-log segment-preallocation",
		"the order of the calls is wrong": "seed-write-ahead seed-write-ahead-other-directory just-before-fsync-partial " +
			"two-file-update viper-write-config",
		"the program says that it is done before": "just-before-fsync-buffered",
		"a single call persists in parts":         "log-rotation",
		"it is the recovery":                      "recovery-clears-first recovery-not-idempotent",
	} {
		for name := range strings.FieldsSeq(names) {
			want[name] = change
		}
	}
	for _, s := range All() {
		r, err := s.Fix(t.Context(), model.Default(), runner.Options{})
		require.NoError(t, err, s.Name)
		change, beyond := want[s.Name]
		require.Equal(t, beyond, len(r.Beyond) > 0, "%s: %v", s.Name, r.Beyond)
		require.Contains(t, r.Change, change, s.Name)
		require.Equal(t, beyond, r.Change != "", s.Name)
		delete(want, s.Name)
	}
	require.Empty(t, want)
}
