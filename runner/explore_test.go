package runner

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/persist"
	"github.com/crashsim/crashsim/oracle"
)

var somePaths = []string{"/a", "/b", "/d", "/d/a", "/d/b"}

// drawTrace draws a small program, half of the time on top of a setup.
func drawTrace(t *rapid.T) *faultfs.Trace {
	f := faultfs.New()
	mind := faultfs.New() // the same, to try things on
	if rapid.Bool().Draw(t, "setup") {
		drawOps(t, f, mind, 4)
		f = f.Checkpoint()
	}
	drawOps(t, f, mind, 8)
	return f.Trace()
}

func drawOps(t *rapid.T, f, mind *faultfs.FS, most int) {
	for i := range rapid.IntRange(most/2, most).Draw(t, "ops") {
		for range 6 {
			op := drawOp(t, i)
			if op.Kind == faultfs.OpWrite {
				if _, err := mind.Do(faultfs.Op{Kind: faultfs.OpCreate, Path: op.Path, Mode: 0o644}); err == nil {
					_, err = f.Do(faultfs.Op{Kind: faultfs.OpCreate, Path: op.Path, Mode: 0o644})
					require.NoError(t, err)
				}
			}
			if _, err := mind.Do(op); err == nil {
				_, err = f.Do(op)
				require.NoError(t, err)
				break
			}
		}
	}
}

func drawOp(t *rapid.T, i int) faultfs.Op {
	kinds := []faultfs.OpKind{
		faultfs.OpWrite, faultfs.OpWrite, faultfs.OpWrite, faultfs.OpRename, faultfs.OpRename, faultfs.OpMkdir, faultfs.OpCreate,
		faultfs.OpMark, faultfs.OpMark, faultfs.OpTruncate, faultfs.OpUnlink, faultfs.OpChmod, faultfs.OpFsync,
		faultfs.OpSync, faultfs.OpLink, faultfs.OpExchange,
	}
	path := rapid.SampledFrom(somePaths)
	op := faultfs.Op{Kind: rapid.SampledFrom(kinds).Draw(t, "op"), Path: path.Draw(t, "path"), Mode: 0o755}
	switch op.Kind {
	case faultfs.OpWrite:
		op.Off = rapid.SampledFrom([]int64{0, 3, 6}).Draw(t, "offset")
		op.Data = []byte(strings.Repeat(string(rune('A'+i)), rapid.IntRange(1, 6).Draw(t, "length")))
	case faultfs.OpTruncate:
		op.Size = rapid.Int64Range(0, 6).Draw(t, "size")
	case faultfs.OpRename, faultfs.OpExchange, faultfs.OpLink:
		op.To = path.Draw(t, "to")
	case faultfs.OpMark:
		op.Label = rapid.SampledFrom([]string{"one", "two"}).Draw(t, "label")
	}
	return op
}

// drawModel draws a preset, the weak ones more often.
func drawModel(t *rapid.T) persist.Model {
	presets := persist.Presets()
	m := rapid.SampledFrom(append(presets[2:], presets...)).Draw(t, "preset").Model
	m.Unit, m.Block = 4, 8
	if rapid.Bool().Draw(t, "split") {
		m.Rename = persist.RenameSplit
	}
	return m
}

// checker is a program that is crashed and looks at what is left.
type checker func(disk *faultfs.FS, marks oracle.Marks) uint64

// seeded is a checker that does some of the things that a recovery does; what
// it does next depends on what it has seen. What it returns depends on all of
// it, and is one of a few outcomes.
func seeded(seed uint64, steps int) checker {
	return func(disk *faultfs.FS, marks oracle.Marks) uint64 {
		seen := mix(seed, "begin")
		for range steps {
			path, other := somePaths[seen%5], somePaths[seen/5%5]
			seen /= 25
			var saw any
			switch seen % 12 {
			case 0:
				saw = marks.Has("one")
			case 1:
				saw = marks.Count("two")
			case 2:
				saw = marks.All()
			case 3:
				saw = entries(disk, path+"/..")
			case 4:
				saw = plainly(disk.Rename(path, other))
			case 5:
				saw = plainly(afero.WriteFile(disk, path, []byte("recovered"), 0o600))
			case 6:
				saw = plainly(disk.Remove(path))
			case 7:
				return seen % 3
			case 8:
				info, err := disk.Stat(path)
				if saw = plainly(err); err == nil {
					saw = fmt.Sprint(info.Size()*boolInt(!info.IsDir()), info.Mode())
				}
			default:
				data, err := afero.ReadFile(disk, path)
				saw = string(data) + plainly(err)
			}
			seen = mix(seen, saw)
		}
		return seen % 3
	}
}

func boolInt(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

func mix(h uint64, saw any) uint64 {
	sum := fnv.New64a()
	fmt.Fprint(sum, h, saw)
	return sum.Sum64() >> 1
}

// plainly is an error without the path.
func plainly(err error) string {
	var path *fs.PathError
	var link *os.LinkError
	switch {
	case errors.As(err, &path):
		return path.Err.Error()
	case errors.As(err, &link):
		return link.Err.Error()
	}
	return fmt.Sprint(err)
}

func entries(disk *faultfs.FS, path string) (names []string) {
	infos, _ := afero.ReadDir(disk, path)
	for _, info := range infos {
		names = append(names, info.Name())
	}
	return names
}

// drawChecker draws one that looks at little, or at much.
func drawChecker(t *rapid.T) checker {
	steps := rapid.SampledFrom([]int{4, 2, 1, 10, 20, 0}).Draw(t, "steps")
	return seeded(rapid.Uint64().Draw(t, "seed"), steps)
}

// onDisks makes a checker the run of an explorer. The attempts of a batch are
// run in the order of their shuffled numbers, each on one of two disks.
func onDisks(plan *persist.Plan, check checker, shuffle func(n int) []int) func([]*attempt[uint64]) {
	type place struct {
		disk *persist.Disk
		live *faultfs.FS
	}
	var places [2]place
	for i := range places {
		disk := plan.NewDisk()
		places[i] = place{disk, faultfs.Unrecorded(disk)}
	}
	return func(attempts []*attempt[uint64]) {
		for n, i := range shuffle(len(attempts)) {
			a, p := attempts[i], places[n%2]
			p.live.Reset()
			if a.empty = !p.disk.Begin(a.point, a.part); a.empty {
				continue
			}
			a.outcome = check(p.live, p.disk.Marks())
			a.steps = append(a.steps, p.disk.Steps()...)
			a.taken = append(a.taken, p.disk.Taken()...)
		}
	}
}

func inOrder(n int) []int {
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	return order
}

func backwards(n int) []int {
	order := inOrder(n)
	slices.Reverse(order)
	return order
}

// visited explores a plan and returns the cubes in the order of the visits.
func visited(plan *persist.Plan, check checker, b budget, shuffle func(int) []int) ([]cube[uint64], *explorer[uint64]) {
	var cubes []cube[uint64]
	e := newExplorer(plan, onDisks(plan, check, shuffle), func(c *cube[uint64]) bool {
		kept := *c
		kept.taken = slices.Clone(c.taken)
		cubes = append(cubes, kept)
		return true
	}, &b)
	e.explore(context.Background())
	return cubes, e
}

// judged is a cut at a crash point, and what the checker says of it; again,
// without that, where the cut was there with the same marks before.
type judged struct {
	point   int
	cut     []persist.Version
	again   bool
	losses  int
	outcome uint64
}

// bruteForce runs a checker on every cut by itself; nil means too many.
func bruteForce(t require.TestingT, plan *persist.Plan, check checker) []judged {
	var all []judged
	known := map[string]bool{}
	disk := plan.NewDisk()
	live := faultfs.Unrecorded(disk)
	box := plan.NewBox()
	for point := range plan.Points() {
		cuts := allCuts(plan, point)
		if cuts == nil {
			return nil
		}
		box.Move(point)
		for _, cut := range cuts {
			key := fmt.Sprint(len(plan.Marks(point)), cut)
			if known[key] {
				all = append(all, judged{point: point, cut: cut, again: true})
				continue
			}
			known[key] = true
			var lost []persist.Effect
			for op := range plan.Trace().Ops {
				for _, e := range plan.Effects(faultfs.OpNum(op)) {
					if e.Version > cut[e.Cell] && e.Version <= box.Bound(e.Cell).Hi {
						lost = append(lost, e)
					}
				}
			}
			part, err := plan.Pin(point, lost)
			require.NoError(t, err)
			live.Reset()
			require.True(t, disk.Begin(point, part))
			outcome := check(live, disk.Marks())
			require.Empty(t, disk.Taken(), "nothing is left to choose")
			all = append(all, judged{point, cut, false, len(lost), outcome})
		}
	}
	return all
}

// allCuts lists the legal cuts of a crash point, one cell after the other.
func allCuts(plan *persist.Plan, point int) [][]persist.Version {
	const most = 400
	box := plan.NewBox()
	cuts := [][]persist.Version{{}}
	for id := range persist.Cell(plan.Cells()) {
		var longer [][]persist.Version
		for _, cut := range cuts {
			box.Move(point)
			for i, v := range cut {
				box.Restrict(persist.Bound{Cell: persist.Cell(i), Lo: v, Hi: v})
			}
			b := box.Bound(id)
			for v := b.Lo; v <= b.Hi; v++ {
				longer = append(longer, append(slices.Clip(cut), v))
			}
		}
		if cuts = longer; len(cuts) > most {
			return nil
		}
	}
	return cuts
}

// holds returns a test whether a cut of its crash point is in a cube.
func holds(plan *persist.Plan, c *cube[uint64]) func(cut []persist.Version) bool {
	box := plan.NewBox()
	box.Move(c.point)
	box.RestrictTo(c.part)
	for _, b := range c.taken {
		box.Restrict(b)
	}
	return func(cut []persist.Version) bool {
		for i, v := range cut {
			if b := box.Bound(persist.Cell(i)); v < b.Lo || v > b.Hi {
				return false
			}
		}
		return true
	}
}

// requireJudged requires that the cubes are disjoint, that each stands for its
// cuts, and that they hold every cut that claimed says must have been judged.
func requireJudged(t require.TestingT, plan *persist.Plan, cubes []cube[uint64], cuts []judged, claimed func(judged) bool) {
	cover := make([]int, len(cuts))
	losses := 0
	for i := range cubes {
		c := &cubes[i]
		require.GreaterOrEqual(t, c.losses, losses, "fewest losses first")
		losses = c.losses
		within, least := holds(plan, c), -1
		for k, j := range cuts {
			if j.point != c.point || !within(j.cut) {
				continue
			}
			cover[k]++
			require.False(t, j.again, "an earlier point had cut %v of point %d", j.cut, j.point)
			require.Equal(t, j.outcome, c.outcome, "cut %v of point %d", j.cut, j.point)
			if least < 0 || j.losses < least {
				least = j.losses
			}
		}
		require.Equal(t, least, c.losses)
	}
	for k, j := range cuts {
		require.LessOrEqual(t, cover[k], 1, "cut %v of point %d is in two cubes", j.cut, j.point)
		if claimed(j) && !j.again {
			require.Equal(t, 1, cover[k], "cut %v of point %d is in no cube", j.cut, j.point)
		}
	}
}

// onEveryCut checks a property of random programs and checkers, given the
// checker's outcome on every cut.
func onEveryCut(t *testing.T, property func(t *rapid.T, plan *persist.Plan, check checker, cuts []judged)) {
	t.Parallel()
	tried, tooMany := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		plan := persist.Lower(drawTrace(t), drawModel(t))
		for range 4 {
			check := drawChecker(t)
			cuts := bruteForce(t, plan, check)
			if cuts == nil {
				tooMany++
				break
			}
			tried++
			property(t, plan, check, cuts)
		}
	})
	require.Greater(t, tried, tooMany, "most programs must have few cuts")
}

func TestExplorationJudgesEveryCutOnce(t *testing.T) {
	onEveryCut(t, func(t *rapid.T, plan *persist.Plan, check checker, cuts []judged) {
		cubes, e := visited(plan, check, budget{maxLosses: -1}, inOrder)
		requireJudged(t, plan, cubes, cuts, func(judged) bool { return true })
		require.True(t, e.stats.Done)
		require.False(t, e.private)
		require.Equal(t, len(cubes), e.stats.Cases)
		ran := 0
		for _, c := range cubes {
			if c.ran {
				ran++
			}
		}
		require.Equal(t, ran, e.stats.Runs)
	})
}

func TestBudgetCutsOffWhatTheClaimSays(t *testing.T) {
	onEveryCut(t, func(t *rapid.T, plan *persist.Plan, check checker, cuts []judged) {
		b := budget{maxLosses: rapid.IntRange(-1, 4).Draw(t, "losses"), maxRuns: rapid.IntRange(0, 12).Draw(t, "runs")}
		cubes, e := visited(plan, check, b, inOrder)
		requireJudged(t, plan, cubes, cuts, func(j judged) bool { return e.stats.Done || j.losses <= e.stats.Losses })
		require.Equal(t, e.stats.Done, judgedAll(plan, cubes, cuts))
		for _, c := range cubes {
			require.True(t, b.maxLosses < 0 || c.losses <= b.maxLosses)
		}
		if b.maxRuns > 0 {
			require.LessOrEqual(t, e.stats.Runs, b.maxRuns)
		} else if !e.stats.Done {
			require.Equal(t, b.maxLosses, e.stats.Losses)
		}
	})
}

// judgedAll reports whether the cubes hold all cuts.
func judgedAll(plan *persist.Plan, cubes []cube[uint64], cuts []judged) bool {
	left := slices.DeleteFunc(slices.Clone(cuts), func(j judged) bool { return j.again })
	for i := range cubes {
		within := holds(plan, &cubes[i])
		left = slices.DeleteFunc(left, func(j judged) bool { return j.point == cubes[i].point && within(j.cut) })
	}
	return len(left) == 0
}

func TestVisitsDoNotDependOnTheOrderOfRuns(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		plan := persist.Lower(drawTrace(t), drawModel(t))
		check := drawChecker(t)
		b := budget{maxLosses: rapid.IntRange(-1, 4).Draw(t, "losses"), maxRuns: rapid.IntRange(0, 50).Draw(t, "runs")}
		if cuts, _ := plan.Count(context.Background()); cuts.BitLen() > 12 {
			return
		}
		want, _ := visited(plan, check, b, inOrder)
		got, _ := visited(plan, check, b, backwards)
		require.Equal(t, want, got)
		got, _ = visited(plan, check, b, func(n int) []int { return rapid.Permutation(inOrder(n)).Draw(t, "order") })
		require.Equal(t, want, got)
	})
}

func TestVisitorCanEndTheSearch(t *testing.T) {
	plan := persist.Lower(parsed(t, "create /a\ncreate /b\ncreate /c\n"), persist.Default())
	for enough := 1; enough < 8; enough++ {
		visits := 0
		e := newExplorer(plan, onDisks(plan, seeded(1, 9), inOrder), func(*cube[uint64]) bool {
			visits++
			return visits < enough
		}, &budget{maxLosses: -1})
		e.explore(context.Background())
		require.LessOrEqual(t, visits, enough)
		require.Equal(t, visits == enough, !e.stats.Done)
	}
}

// wavering reads everything, each time in another order.
func wavering() checker {
	runs := 0
	return func(disk *faultfs.FS, _ oracle.Marks) uint64 {
		runs++
		saw := make([]string, len(somePaths))
		for k := range somePaths {
			i := (k + runs) % len(somePaths)
			data, err := afero.ReadFile(disk, somePaths[i])
			saw[i] = fmt.Sprintf("%q %s", data, plainly(err))
		}
		return mix(0, saw) % 5
	}
}

func TestCheckerThatWaversIsExploredAsWell(t *testing.T) {
	t.Parallel()
	found := 0
	rapid.Check(t, func(t *rapid.T) {
		plan := persist.Lower(drawTrace(t), drawModel(t))
		cuts := bruteForce(t, plan, wavering())
		if cuts == nil {
			return
		}
		cubes, e := visited(plan, wavering(), budget{maxLosses: -1}, inOrder)
		requireJudged(t, plan, cubes, cuts, func(judged) bool { return true })
		require.True(t, e.stats.Done)
		require.Equal(t, e.private, e.strange != nil)
		if e.private {
			found++
		}
	})
	require.Positive(t, found)
}

func TestCheckerThatWaversIsFoundOut(t *testing.T) {
	plan := persist.Lower(parsed(t, "create /a\ncreate /b\n"), persist.Default())
	_, e := visited(plan, wavering(), budget{maxLosses: -1}, inOrder)
	require.True(t, e.private)
	require.NotNil(t, e.strange)
	require.NotEqual(t, e.strange.expected, e.strange.read)
	require.NotEmpty(t, e.strange.expected)
	require.NotEmpty(t, e.strange.read)
}

func parsed(t require.TestingT, ops string) *faultfs.Trace {
	trace, err := faultfs.ParseTrace("program", []byte("-- ops --\n"+ops))
	require.NoError(t, err)
	return trace
}
