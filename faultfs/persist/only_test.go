package persist_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/model"
	"github.com/crashsim/crashsim/faultfs/persist"
)

// lowest is the oldest that each of three pages can hold at the end.
func lowest(t *testing.T, preset, text string) string {
	t.Helper()
	trace, err := faultfs.ParseTrace("trace", []byte("-- setup --\nwrite /f 0 \"a\"*12288\n-- ops --\n"+text))
	require.NoError(t, err)
	m, err := model.Parse(preset)
	require.NoError(t, err)
	plan := persist.Lower(trace, m)
	disk := plan.NewDisk()
	held := make([]byte, 3)
	for page := range held {
		read := func(subset persist.Subset) byte {
			require.True(t, disk.Begin(plan.Points()-1, subset))
			first := make([]byte, 1)
			disk.ReadAt(disk.Entry(faultfs.Root, "f"), first, int64(page)*4096)
			return first[0]
		}
		held[page] = read(persist.Subset{})
		for _, taken := range slices.Clone(disk.Taken()) {
			held[page] = min(held[page], read(persist.Subset{}.And(taken.Older())))
		}
	}
	return string(held)
}

func TestALimitedSyncForcesOnlyItsData(t *testing.T) {
	const writes = "write /f 0 \"b\"\nwrite /f 4096 \"b\"\nwrite /f 8192 \"b\"\n"
	for sync, want := range map[string]string{
		"fdatasync /f":                                              "bbb",
		"fdatasync /f ; only=4096-8192":                             "aba",
		"fdatasync /f ; only=0-8192":                                "bba",
		"fdatasync /f ; only=8192-12288":                            "aab",
		"fdatasync /f ; only=4096-8192\nfdatasync /f ; only=0-4096": "bba",
		"fdatasync /f ; only=4096-8192\nfdatasync /f":               "bbb",
		"fdatasync /f ; only=100-200":                               "aaa",
	} {
		for _, model := range []string{"posix", "ext4", "btrfs", "posix,unit=512"} {
			require.Equal(t, want, lowest(t, model, writes+sync+"\n"), "%s: %s", model, sync)
		}
	}
}

func TestALookIsThatOfAWrite(t *testing.T) {
	for _, op := range []string{"fsync /f ; look=1", "write /f 0 \"a\" ; look=0", "write /f 0 \"a\" ; look=-1", "write /f 0 \"a\" ; look=x"} {
		_, err := faultfs.ParseTrace("trace", []byte("-- ops --\ncreate /f\n"+op+"\n"))
		require.ErrorContains(t, err, "bad attribute")
	}
	const text = "crashsim trace 1\n\n-- ops --\ncreate /f 0644\nwrite /f 0 \"a\" ; look=1\nwrite /f 0 \"b\" ; look=12\n"
	trace, err := faultfs.ParseTrace("trace", []byte(text))
	require.NoError(t, err)
	require.Equal(t, text, string(trace.Text()))
}

func TestALimitIsThatOfAnFdatasync(t *testing.T) {
	for _, op := range []string{"fsync /f ; only=0-1", "fdatasync /f ; only=2-1", "fdatasync /f ; only=x"} {
		_, err := faultfs.ParseTrace("trace", []byte("-- ops --\nwrite /f 0 \"a\"\n"+op+"\n"))
		require.ErrorContains(t, err, "bad attribute")
	}
}
