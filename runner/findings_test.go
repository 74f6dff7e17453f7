package runner

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/model"
	"github.com/crashsim/crashsim/faultfs/persist"
	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner/blame"
	"github.com/crashsim/crashsim/runner/internal/drawn"
)

// foundIn runs a program that is given as text and returns what was found, each as the op that
// lost something, or where nothing was lost, and the op behind it, a line.
func foundIn(t *testing.T, preset, setup, ops string, o oracle.Oracle) (*Result, []string) {
	t.Helper()
	trace, err := faultfs.ParseTrace("test", []byte("crashsim trace 1\n\n-- setup --\n"+setup+"-- ops --\n"+ops))
	require.NoError(t, err)
	m, err := model.Parse(preset)
	require.NoError(t, err)
	results, err := Run(context.Background(), Scenario{Name: "found", Trace: trace, Oracle: o}, Options{Models: []model.Model{m}})
	require.NoError(t, err)
	return &results[0], pairsOf(&results[0])
}

func pairsOf(r *Result) []string {
	var found []string
	for _, f := range r.Failures {
		ops := f.Plan.Trace().Ops
		switch p := f.Pair; {
		case p == nil:
			found = append(found, fmt.Sprintf("%s: nothing was lost", f.Kind))
		case p.Bond == blame.Before || p.Bond == blame.Told:
			found = append(found, fmt.Sprintf("%s: %s, %s", f.Kind, ops[p.Lost.Op].Summary(), ops[p.Op].Summary()))
		default:
			found = append(found, fmt.Sprintf("%s: %s, %s", f.Kind, ops[p.Lost.Op].Summary(), p.Bond))
		}
	}
	slices.Sort(found)
	return found
}

// wholeOrOld wants each of some files whole or as it was before.
func wholeOrOld(old, whole string, paths ...string) oracle.Oracle {
	promises := make([]oracle.Oracle, len(paths))
	for i, path := range paths {
		promises[i] = oracle.OldOrNew{Path: path, Versions: []oracle.Content{oracle.Data(old), oracle.Data(whole)}}
	}
	return oracle.All(promises...)
}

// replaces is a program that replaces a file without the sync that it needs.
func replaces(path string) string {
	return fmt.Sprintf("create %[1]s.tmp\nwrite %[1]s.tmp 0 \"whole\"\nrename %[1]s.tmp %[1]s\nfsync /\n", path)
}

func TestTwoCausesOfOneKindAreToldBoth(t *testing.T) {
	setup := "create /a\nwrite /a 0 \"old\"\ncreate /b\nwrite /b 0 \"old\"\n"
	r, found := foundIn(t, "posix", setup, replaces("/a")+replaces("/b"), wholeOrOld("old", "whole", "/a", "/b"))
	require.Equal(t, "broken(torn)", r.Outcome.String())
	require.Equal(t, []string{
		"torn: write /a.tmp [0,5), rename /a.tmp /a",
		"torn: write /b.tmp [0,5), rename /b.tmp /b",
	}, found)
}

// Three pages of a write without a sync are lost in seven ways, and its size besides: one sync
// rules all of them out.
func TestOneMissingSyncIsToldOnce(t *testing.T) {
	whole := strings.Repeat("w", 3*4096)
	ops := fmt.Sprintf("create /g\nwrite /g 0 %q\nrename /g /f\nfsync /\nmark done\n", whole)
	r, found := foundIn(t, "posix", "create /f\nwrite /f 0 \"old\"\n", ops, wholeOrOld("old", whole, "/f"))
	require.Len(t, found, 1, "%v", found)
	require.Greater(t, r.Failures[0].Cases, 7)
}

// A program that changes a file in place can be killed between its writes; that another
// file is renamed before it is synced is told all the same.
func TestAKillThatIsEnoughDoesNotHideWhatTakesAPowerCut(t *testing.T) {
	setup := "create /a\nwrite /a 0 \"oldold\"\ncreate /b\nwrite /b 0 \"old\"\n"
	both := oracle.All(wholeOrOld("oldold", "newnew", "/a"), wholeOrOld("old", "whole", "/b"))
	_, found := foundIn(t, "posix", setup, "write /a 0 \"new\"\nwrite /a 3 \"new\"\nfsync /a\n"+replaces("/b"), both)
	require.Equal(t, []string{"torn: nothing was lost", "torn: write /b.tmp [0,5), rename /b.tmp /b"}, found)

	_, found = foundIn(t, "strict", setup, "write /a 0 \"new\"\nwrite /a 3 \"new\"\nfsync /a\n", both)
	require.Equal(t, []string{"torn: nothing was lost"}, found, "that the second write is lost shows no more than the kill before it")
}

// What one line of the program does in a loop is mended once.
func TestALoopIsToldOnce(t *testing.T) {
	const files = 7
	var ops, setup string
	var paths []string
	for i := range files {
		path := fmt.Sprintf("/f%d", i)
		paths = append(paths, path)
		setup += fmt.Sprintf("create %s\nwrite %[1]s 0 \"old\"\n", path)
		for n, line := range strings.Split(strings.TrimSpace(replaces(path)), "\n") {
			ops += fmt.Sprintf("%s ; at=app/save.go:%d\n", line, 10+n)
		}
	}
	r, found := foundIn(t, "posix", setup, ops, wholeOrOld("old", "whole", paths...))
	require.Len(t, found, 1, "%v", found)
	require.GreaterOrEqual(t, r.Failures[0].Cases, files)
}

func TestCausesThatAreToldAreFew(t *testing.T) {
	var ops, setup string
	var paths []string
	for _, path := range []string{"/a", "/b", "/c", "/d", "/e", "/f"} {
		paths = append(paths, path)
		setup += fmt.Sprintf("create %s\nwrite %[1]s 0 \"old\"\n", path)
		ops += replaces(path)
	}
	r, found := foundIn(t, "posix", setup, ops, wholeOrOld("old", "whole", paths...))
	require.Len(t, found, maxOfGround)
	require.Contains(t, r.Notes, "failures that are torn have more than 4 causes; the others are not told")
}

// Each case that is wrong is told by a finding of its kind, or it is said that there are more;
// and no two findings have one cause.
func TestEachWrongCaseHasACauseThatIsTold(t *testing.T) {
	several := 0
	brokenPrograms(t, func(t *rapid.T, s Scenario, r *Result, cuts []drawn.Cut) {
		at := placesOf(r.Plan.Trace())
		for i, f := range r.Failures {
			for _, g := range r.Failures[:i] {
				if g.Kind == f.Kind {
					several++
					require.False(t, causeOf(g, ground{}, "").explains(&suspectCase{r.Plan, at, f.After, f.Lost, ""}), "%s\n%s", g.Story, f.Story)
				}
			}
		}
		if slices.ContainsFunc(r.Notes, func(n string) bool { return strings.Contains(n, "not told") }) {
			return
		}
		pool := newPool(&s, r.Plan, &Options{})
		defer pool.close()
		for _, c := range cuts {
			k := suspectCase{r.Plan, at, r.Plan.After(c.Point), lostIn(r.Plan, &c), ""}
			if c.Outcome == 0 || losesLess(r.Plan, cuts, &c, k.lost) {
				continue // it may look as the one does that loses less
			}
			told := slices.ContainsFunc(r.Failures, func(f *Failure) bool {
				return f.Kind == oracle.Kind(c.Outcome) && (causeOf(f, ground{}, "").explains(&k) || f.Pair == nil && isNoMoreThanAKill(t, pool, &c, &k))
			})
			require.True(t, told, "after %d, without %v: %s\n%s", k.after, k.lost, oracle.Kind(c.Outcome), r.Report())
		}
	})
	many(t, several, 3, "some programs must have several causes of a kind")
}

// lostIn returns what a cut lacks.
func lostIn(plan *persist.Plan, c *drawn.Cut) []persist.Effect {
	var lost []persist.Effect
	for op := range plan.After(c.Point) + 1 {
		for _, e := range plan.Effects(op) {
			if c.Versions[e.Cell] < e.Version {
				lost = append(lost, e)
			}
		}
	}
	return lost
}

// losesLess reports whether at the same crash point a cut is wrong in the same way that
// loses a part of what a cut loses.
func losesLess(plan *persist.Plan, cuts []drawn.Cut, c *drawn.Cut, lost []persist.Effect) bool {
	return slices.ContainsFunc(cuts, func(d drawn.Cut) bool {
		return d.Outcome == c.Outcome && d.Point == c.Point && d.Losses < c.Losses && isPart(lostIn(plan, &d), lost)
	})
}

// isNoMoreThanAKill reports whether a case is wrong in the same way with nothing lost, or whatever was
// kept behind what it lost.
func isNoMoreThanAKill(t require.TestingT, pool *pool, c *drawn.Cut, k *suspectCase) bool {
	kind := oracle.Kind(c.Outcome)
	if len(k.lost) == 0 {
		return true
	}
	cut, err := pool.plan.Pin(c.Point, k.lost)
	require.NoError(t, err)
	return blame.Find(blame.WrongCut{Plan: pool.plan, Point: c.Point, Cut: cut, Kind: kind, Lost: k.lost}, pool.wrong).Bond == blame.Alone
}
