package oracle_test

import (
	"strings"
	"testing"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/oracle"
	"github.com/spf13/afero"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// judgeFile judges one file, "-" for none, by versions and n acknowledgements.
func judgeFile(t require.TestingT, content string, n int, versions ...string) []oracle.Violation {
	files := tree{}
	if content != "-" {
		files["/f"] = content
	}
	o := oracle.OldOrNew{Path: "/f", Versions: texts(versions...), Mark: "saved"}
	return o.Judge(files.disk(t), times(n))
}

func TestOldOrNewAcceptsEachVersionFromTheAcknowledgedOneOn(t *testing.T) {
	versions := []string{"-", "one", "two!", "", "four"}
	for n := range versions {
		for m := n; m < len(versions); m++ {
			require.Empty(t, judgeFile(t, versions[m], n, versions...), "version %d, %d acknowledged", m, n)
		}
	}
}

func TestOldOrNewRejects(t *testing.T) {
	nul := strings.Repeat("\x00", 4)
	tests := []struct {
		name, content string
		acknowledged  int
		versions      []string
		want          string
	}{
		{"a file lost that was always there", "-", 0, []string{"old", "new"},
			`lost /f: is missing, but it exists in every version`},
		{"a file lost that was acknowledged", "-", 1, []string{"-", "new"},
			`lost /f: is missing, though the mark "saved" acknowledged version 1`},
		{"an acknowledged version lost to an older one", "old", 2, []string{"old", "mid", "new"},
			`stale /f: holds version 0, though the mark "saved" acknowledged version 2`},
		{"a removed file that came back", "old", 1, []string{"old", "-"},
			`stale /f: holds version 0, though the mark "saved" acknowledged version 1`},
		{"an empty file", "", 0, []string{"old", "new"},
			`torn /f: is empty; no version of the file is empty`},
		{"a prefix", "ne", 0, []string{"old", "new"},
			`torn /f: holds no whole version; it has 2 bytes: offsets 0 to 1 are as in version 1, which has 3 bytes`},
		{"zeros at full size", nul, 0, []string{"four", "five"},
			`torn /f: holds no whole version; it has 4 bytes: offsets 0 to 3 are NUL`},
		{"a mixture", "fiur", 0, []string{"four", "five"},
			`torn /f: holds no whole version; it has 4 bytes: offsets 0 to 1 are as in version 1, offsets 2 to 3 are as in version 0`},
		{"zeros behind a version", "five" + nul, 0, []string{"four", "five"},
			`torn /f: holds no whole version; it has 8 bytes: offsets 0 to 3 are as in version 1, offsets 4 to 7 are NUL`},
		{"many pieces", "a\x00c\x00e\x00", 0, []string{"-", "abcdef"},
			`torn /f: holds no whole version; it has 6 bytes: offset 0 is as in version 1, offset 1 is NUL, offset 2 is as in version 1 and so on`},
		{"foreign bytes", "new\x01", 0, []string{"old", "new"},
			`alien /f: holds 4 bytes, which are no version of the file: none has the byte 0x01 at offset 3`},
		{"bytes of a version at another offset", "ew", 0, []string{"old", "new"},
			`alien /f: holds 2 bytes, which are no version of the file: none has the byte 0x65 at offset 0`},
		{"a file that should never exist", "", 0, nil,
			`alien /f: exists and has 0 bytes, but it should not exist`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			require.Equal(t, test.want, found(judgeFile(t, test.content, test.acknowledged, test.versions...)))
		})
	}
}

func TestOldOrNewTakesTheNewestOfEqualVersions(t *testing.T) {
	require.Empty(t, judgeFile(t, "a", 2, "a", "b", "a"))
	require.Empty(t, judgeFile(t, "-", 2, "-", "b", "-"))
	require.Equal(t, oracle.Stale, kindOf(t, judgeFile(t, "a", 3, "a", "b", "a", "c")))
}

func TestOldOrNewWithoutAMarkAcknowledgesNothing(t *testing.T) {
	o := oracle.OldOrNew{Path: "/f", Versions: texts("old", "new")}
	require.Empty(t, o.Judge(tree{"/f": "old"}.disk(t), times(1)))
	require.Equal(t, oracle.Torn, kindOf(t, o.Judge(tree{"/f": "ol"}.disk(t), times(1))))
}

func TestTheZeroOldOrNewRejectsNothingButAFile(t *testing.T) {
	require.Empty(t, oracle.OldOrNew{}.Judge(faultfs.New(), times(0)))
}

func TestOldOrNewReportsAReadErrorAsRefused(t *testing.T) {
	o := oracle.OldOrNew{Path: "/f", Versions: texts("-", "new")}
	require.Equal(t, `refused /f: cannot be read: broken`, found(o.Judge(brokenFs{}, times(0))))
	disk := faultfs.New()
	require.NoError(t, disk.Mkdir("/f", 0o777))
	require.Equal(t, oracle.Refused, kindOf(t, o.Judge(disk, times(0))))
}

func TestOldOrNewJudgesWhatADecoderReturns(t *testing.T) {
	o := oracle.OldOrNew{
		Path: "/f", Versions: texts("-", "new"), Mark: "saved",
		Read: func(disk afero.Fs) ([]byte, error) {
			data, err := afero.ReadFile(disk, "/f")
			if err == nil && !strings.HasPrefix(string(data), "v1:") {
				return nil, errBroken
			}
			return []byte(strings.TrimPrefix(string(data), "v1:")), err
		},
	}
	require.Empty(t, o.Judge(tree{"/f": "v1:new"}.disk(t), times(1)))
	require.Empty(t, o.Judge(tree{}.disk(t), times(0)))
	require.Equal(t, oracle.Lost, kindOf(t, o.Judge(tree{}.disk(t), times(1))))
	require.Equal(t, oracle.Torn, kindOf(t, o.Judge(tree{"/f": "v1:ne"}.disk(t), times(1))))
	require.Equal(t, oracle.Refused, kindOf(t, o.Judge(tree{"/f": "ne"}.disk(t), times(1))))
}

func TestOldOrNewAsksForNoMarkThatDoesNotMatter(t *testing.T) {
	o := oracle.OldOrNew{Path: "/f", Versions: texts("-", "old", "new"), Mark: "saved"}
	require.Empty(t, o.Judge(tree{"/f": "new"}.disk(t), noMarks{t}))
	require.Equal(t, oracle.Torn, kindOf(t, o.Judge(tree{"/f": "ne"}.disk(t), noMarks{t})))
	require.Equal(t, oracle.Alien, kindOf(t, o.Judge(tree{"/f": "x"}.disk(t), noMarks{t})))
}

func TestOldOrNewReadsFilesLongerThanItsBuffer(t *testing.T) {
	long := strings.Repeat("0123456789abcdef", 10_000)
	require.Empty(t, judgeFile(t, long, 1, "-", long))
	require.Equal(t, `torn /f: holds no whole version; it has 159999 bytes: offsets 0 to 159998 are as in version 1, which has 160000 bytes`,
		found(judgeFile(t, long[:len(long)-1], 0, "-", long)))
}

// slowFile is the definition that OldOrNew is held to.
func slowFile(content string, acknowledged int, versions []string) oracle.Kind {
	whole := false
	for n, v := range versions {
		if v == content && n >= acknowledged {
			return oracle.NoKind
		}
		whole = whole || v == content
	}
	switch {
	case content == "-":
		return oracle.Lost
	case whole:
		return oracle.Stale
	}
	kind := oracle.Alien
	for _, v := range versions {
		if v != "-" {
			kind = oracle.Torn
		}
	}
	for at := range len(content) {
		known := content[at] == 0
		for _, v := range versions {
			known = known || v != "-" && at < len(v) && v[at] == content[at]
		}
		if !known {
			return oracle.Alien
		}
	}
	return kind
}

// anyText is a short text over a small alphabet, or "-".
var anyText = rapid.StringMatching("-|[ab\x00]{0,4}")

func TestOldOrNewAgreesWithItsDefinition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		versions := rapid.SliceOfN(anyText, 1, 4).Draw(t, "versions")
		content := rapid.OneOf(anyText, rapid.SampledFrom(versions), rapid.Just("abx")).Draw(t, "content")
		n := rapid.IntRange(0, len(versions)-1).Draw(t, "acknowledged")
		want := slowFile(content, n, versions)
		require.Equal(t, want, kindOf(t, judgeFile(t, content, n, versions...)))
	})
}

// Whatever a save in the sound order leaves between two of its calls must be
// accepted, with the marks made so far.
func TestOldOrNewAcceptsEveryLiveStateOfASoundSave(t *testing.T) {
	disk := faultfs.New()
	o := oracle.OldOrNew{Path: "/f", Versions: texts("-", "one", "two"), Mark: "saved"}
	var made marks
	step := func(err error) {
		require.NoError(t, err)
		require.Empty(t, o.Judge(disk, made))
	}
	for _, text := range []string{"one", "two"} {
		h, err := disk.Create("/f.tmp")
		step(err)
		_, err = h.Write([]byte(text))
		step(err)
		step(h.Sync())
		step(h.Close())
		step(disk.Rename("/f.tmp", "/f"))
		made = append(made, "saved")
		step(nil)
	}
	require.NoError(t, disk.Remove("/f"))
	require.Equal(t, oracle.Lost, kindOf(t, o.Judge(disk, made)))
}
