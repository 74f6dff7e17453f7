package litmus

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// measured are the facts about failing syncs that Rebello et al. measured (see
// faultfs.SyncFailure), each with the litmus files that hold it; a test of
// package faultfs stands where files cannot say it.
var measured = []struct{ fact, held string }{
	{"a data or journal block that is not written makes fsync fail", "s86 s88 s90"},
	{"size and names persist although the data did not; not on btrfs", "s81"},
	{"the page is clean with its new contents, or reverted on btrfs", "s79 s82 s85"},
	{"the program reads what the disk holds once the page is evicted, on btrfs at once", "s82 s85"},
	{"this fsync gets the error, or the next under data=journal", "s86 s78"},
	{"the kernel does not try again: a second fsync returns 0 and forces nothing", "s79 s87"},
	{"bytes written anew make the page dirty again", "s80"},
	{"the error is told once", "s86"},
	{"once to each open handle; kept for the first fsync after the next open", "TestErrorIsToldOnceToEachHandle"},
	{"other dirty pages are still written", "s78 s84"},
	{"writable until the journal fails, then read-only or shut down", "s88 s89 s90"},
	{"a lost append leaves an old or a zero block, on btrfs a hole that is not at the end", "s83"},
	{"a sync of a directory is all journal, and names made later never persist", "s77 s88 s90"},
}

func TestEachMeasuredFactHasItsFile(t *testing.T) {
	for _, m := range measured {
		for held := range strings.FieldsSeq(m.held) {
			if !strings.HasPrefix(held, "Test") {
				files, err := filepath.Glob(filepath.Join(filesDir, held+"-*.txtar"))
				require.NoError(t, err)
				assert.Len(t, files, 1, "%s: %s", m.fact, held)
				continue
			}
			source, err := os.ReadFile("../../faultfs/inject_test.go")
			require.NoError(t, err)
			assert.Contains(t, string(source), "func "+held+"(t", m.fact)
		}
	}
}
