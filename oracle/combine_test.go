package oracle_test

import (
	"testing"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/oracle"
	"github.com/spf13/afero"
	"github.com/stretchr/testify/require"
)

func TestNoLitterReports(t *testing.T) {
	files := tree{"/db/data": "", "/db/a.tmp": "", "/db/b.tmp": "", "/db/old/x": "", "/c.tmp": ""}
	tests := []struct {
		name   string
		litter oracle.NoLitter
		want   string
	}{
		{"nothing without a pattern", oracle.NoLitter{}, ""},
		{"nothing where nothing matches", oracle.NoLitter{Match: []string{"/db/*.bak", "/db/lock", "/no/*"}}, ""},
		{"each file that matches", oracle.NoLitter{Match: []string{"/db/*.tmp"}},
			"litter /db/a.tmp: was left behind: it matches /db/*.tmp\nlitter /db/b.tmp: was left behind: it matches /db/*.tmp"},
		{"a file by its name", oracle.NoLitter{Match: []string{"/db/a.tmp"}},
			"litter /db/a.tmp: was left behind: it matches /db/a.tmp"},
		{"files in the root", oracle.NoLitter{Match: []string{"/*.tmp"}},
			"litter /c.tmp: was left behind: it matches /*.tmp"},
		{"a file once", oracle.NoLitter{Match: []string{"/db/a*", "/db/*.tmp", "/db/a.tmp"}, Except: []string{"/db/b*"}},
			"litter /db/a.tmp: was left behind: it matches /db/a*"},
		{"all but exceptions", oracle.NoLitter{Match: []string{"/db/*"}, Except: []string{"/db/data", "/db/old"}},
			"litter /db/a.tmp: was left behind: it matches /db/*\nlitter /db/b.tmp: was left behind: it matches /db/*"},
		{"a bad pattern", oracle.NoLitter{Match: []string{"/db/["}},
			`refused /db/[: cannot be read: pattern "/db/[": syntax error in pattern`},
		{"a wildcard in a directory", oracle.NoLitter{Match: []string{"/*/x"}},
			`refused /*/x: cannot be read: a pattern may have wildcards in its last element only`},
		{"a directory that is none", oracle.NoLitter{Match: []string{"/c.tmp/*"}},
			`refused /c.tmp: cannot be read: readdirent /c.tmp: not a directory`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			require.Equal(t, test.want, found(test.litter.Judge(files.disk(t), noMarks{t})))
		})
	}
}

func TestNoLitterReportsAReadErrorAsRefused(t *testing.T) {
	for _, pattern := range []string{"/db/*", "/db/x"} {
		violations := oracle.NoLitter{Match: []string{pattern}}.Judge(brokenFs{}, noMarks{t})
		require.Equal(t, oracle.Refused, kindOf(t, violations))
	}
}

func TestLitterIsAWarningAndNothingElseIs(t *testing.T) {
	for k := oracle.NoKind; k <= oracle.Litter; k++ {
		require.Equal(t, k == oracle.Litter, k.Warning())
	}
}

func TestKindsHaveATextFormThatParses(t *testing.T) {
	for k := oracle.Lost; k <= oracle.Litter; k++ {
		parsed, err := oracle.ParseKind(k.String())
		require.NoError(t, err)
		require.Equal(t, k, parsed)
	}
	_, err := oracle.ParseKind("late")
	require.EqualError(t, err, `unknown kind "late", want one of lost, torn, stale, alien, refused, hung, litter`)
}

func TestAllReportsWhatEachOracleFindsInOrder(t *testing.T) {
	disk := tree{"/b": ""}.disk(t)
	require.Empty(t, oracle.All().Judge(disk, noMarks{t}))
	require.Empty(t, oracle.All(oracle.Exists("/b"), oracle.Gone("/a")).Judge(disk, noMarks{t}))
	require.Equal(t, "lost /a: is missing\nstale /b: exists, although it was removed",
		found(oracle.All(oracle.Exists("/a"), oracle.Exists("/b"), oracle.Gone("/b")).Judge(disk, noMarks{t})))
}

func TestWhenReadsNothingWithoutItsMark(t *testing.T) {
	o := oracle.When("saved", oracle.Exists("/a"))
	require.Empty(t, o.Judge(brokenFs{}, times(0)))
	require.Equal(t, oracle.Refused, kindOf(t, o.Judge(brokenFs{}, times(1))))
	require.Equal(t, "lost /a: is missing", found(o.Judge(faultfs.New(), times(1))))
}

func TestExistsAndGoneReportAReadErrorAsRefused(t *testing.T) {
	require.Equal(t, "refused /a: cannot be read: broken", found(oracle.Exists("/a").Judge(brokenFs{}, noMarks{t})))
	require.Equal(t, "refused /a: cannot be read: broken", found(oracle.Gone("/a").Judge(brokenFs{}, noMarks{t})))
}

func TestExistsTakesADirectory(t *testing.T) {
	disk := tree{"/d/f": ""}.disk(t)
	require.Empty(t, oracle.Exists("/d").Judge(disk, noMarks{t}))
	require.Equal(t, oracle.Stale, kindOf(t, oracle.Gone("/d").Judge(disk, noMarks{t})))
}

func TestAcceptedReportsAFailedCheckAsRefused(t *testing.T) {
	check := func(disk afero.Fs) error { return disk.Mkdir("/d", 0o777) }
	disk := faultfs.New()
	require.Empty(t, oracle.Accepted("/d", check).Judge(disk, noMarks{t}))
	require.Equal(t, "refused /d: the program's own check failed: mkdir /d: file exists",
		found(oracle.Accepted("/d", check).Judge(disk, noMarks{t})))
}
