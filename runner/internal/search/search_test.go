package search

import (
	"context"
	"fmt"
	"math/big"
	"slices"
	"testing"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/model"
	"github.com/crashsim/crashsim/faultfs/persist"
	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner/internal/drawn"
)

// onDisks makes a checker the run of a search. The attempts of a batch are
// run in the order of their shuffled numbers, each on one of two disks.
func onDisks(plan *persist.Plan, check drawn.Checker, shuffle func(n int) []int) func(context.Context, []*Attempt[uint64]) {
	type place struct {
		disk *persist.Disk
		live *faultfs.FS
	}
	var places [2]place
	for i := range places {
		disk := plan.NewDisk()
		places[i] = place{disk, faultfs.Unrecorded(disk)}
	}
	return func(_ context.Context, attempts []*Attempt[uint64]) {
		for n, i := range shuffle(len(attempts)) {
			a, p := attempts[i], places[n%2]
			p.live.Reset()
			if a.Empty = !p.disk.Begin(a.Point, a.Subset); a.Empty {
				continue
			}
			a.Outcome = check(p.live, p.disk.Marks())
			a.Reads = append(a.Reads, p.disk.Reads()...)
			a.Taken = append(a.Taken, p.disk.Taken()...)
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
func visited(plan *persist.Plan, check drawn.Checker, b Budget, shuffle func(int) []int) ([]Cube[uint64], *Search[uint64]) {
	var cubes []Cube[uint64]
	e := New(plan, Options[uint64]{Run: onDisks(plan, check, shuffle), Budget: &b, Visit: func(c *Cube[uint64]) bool {
		cubes = append(cubes, c.Kept())
		return true
	}})
	e.Explore(context.Background())
	return cubes, e
}

// holds returns a test whether a cut of its crash point is in a cube.
func holds(plan *persist.Plan, c *Cube[uint64]) func(cut []persist.Version) bool {
	box := plan.NewBox()
	box.Move(c.Point)
	box.RestrictTo(c.Subset)
	for _, b := range c.Taken {
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
func requireJudged(t require.TestingT, plan *persist.Plan, cubes []Cube[uint64], cuts []drawn.Cut, claimed func(drawn.Cut) bool) {
	cover := make([]int, len(cuts))
	losses := 0
	for i := range cubes {
		c := &cubes[i]
		require.GreaterOrEqual(t, c.Losses, losses, "fewest losses first")
		losses = c.Losses
		within, least := holds(plan, c), -1
		for k, j := range cuts {
			if j.Point != c.Point || !within(j.Versions) {
				continue
			}
			cover[k]++
			require.False(t, j.Again, "an earlier point had cut %v of point %d", j.Versions, j.Point)
			require.Equal(t, j.Outcome, c.Outcome, "cut %v of point %d", j.Versions, j.Point)
			if least < 0 || j.Losses < least {
				least = j.Losses
			}
		}
		require.Equal(t, least, c.Losses)
	}
	for k, j := range cuts {
		require.LessOrEqual(t, cover[k], 1, "cut %v of point %d is in two cubes", j.Versions, j.Point)
		if claimed(j) && !j.Again {
			require.Equal(t, 1, cover[k], "cut %v of point %d is in no cube", j.Versions, j.Point)
		}
	}
}

// onEveryCut checks a property of random programs and checkers, given the
// checker's outcome on every cut.
func onEveryCut(t *testing.T, property func(t *rapid.T, plan *persist.Plan, check drawn.Checker, cuts []drawn.Cut)) {
	t.Parallel()
	tried, tooMany := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		plan := persist.Lower(drawn.Trace(t), drawn.Model(t))
		for range 4 {
			check := drawn.SomeChecker(t)
			cuts := drawn.BruteForce(t, plan, check)
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
	onEveryCut(t, func(t *rapid.T, plan *persist.Plan, check drawn.Checker, cuts []drawn.Cut) {
		cubes, e := visited(plan, check, Budget{MaxLosses: -1}, inOrder)
		requireJudged(t, plan, cubes, cuts, func(drawn.Cut) bool { return true })
		require.True(t, e.stats.Done)
		require.False(t, e.private)
		require.Equal(t, len(cubes), e.stats.Cases)
		ran := 0
		for _, c := range cubes {
			if c.Ran {
				ran++
			}
		}
		require.Equal(t, ran, e.stats.Runs)
	})
}

func TestBudgetCutsOffWhatTheClaimSays(t *testing.T) {
	onEveryCut(t, func(t *rapid.T, plan *persist.Plan, check drawn.Checker, cuts []drawn.Cut) {
		b := Budget{MaxLosses: rapid.IntRange(-1, 4).Draw(t, "losses"), MaxRuns: rapid.IntRange(0, 12).Draw(t, "runs")}
		cubes, e := visited(plan, check, b, inOrder)
		requireJudged(t, plan, cubes, cuts, func(j drawn.Cut) bool { return e.stats.Done || j.Losses <= e.stats.Losses })
		require.Equal(t, e.stats.Done, judgedAll(plan, cubes, cuts))
		for _, c := range cubes {
			require.True(t, b.MaxLosses < 0 || c.Losses <= b.MaxLosses)
		}
		if b.MaxRuns > 0 {
			require.LessOrEqual(t, e.stats.Runs, b.MaxRuns)
		} else if !e.stats.Done {
			require.Equal(t, b.MaxLosses, e.stats.Losses)
		}
	})
}

// judgedAll reports whether the cubes hold all cuts.
func judgedAll(plan *persist.Plan, cubes []Cube[uint64], cuts []drawn.Cut) bool {
	left := slices.DeleteFunc(slices.Clone(cuts), func(j drawn.Cut) bool { return j.Again })
	for i := range cubes {
		within := holds(plan, &cubes[i])
		left = slices.DeleteFunc(left, func(j drawn.Cut) bool { return j.Point == cubes[i].Point && within(j.Versions) })
	}
	return len(left) == 0
}

func TestVisitsDoNotDependOnTheOrderOfRuns(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		plan := persist.Lower(drawn.Trace(t), drawn.Model(t))
		check := drawn.SomeChecker(t)
		b := Budget{MaxLosses: rapid.IntRange(-1, 4).Draw(t, "losses"), MaxRuns: rapid.IntRange(0, 50).Draw(t, "runs")}
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
	plan := persist.Lower(drawn.Parsed(t, "create /a\ncreate /b\ncreate /c\n"), model.Default())
	for enough := 1; enough < 8; enough++ {
		visits := 0
		e := New(plan, Options[uint64]{Run: onDisks(plan, drawn.Seeded(1, 9), inOrder), Visit: func(*Cube[uint64]) bool {
			visits++
			return visits < enough
		}})
		e.Explore(context.Background())
		require.LessOrEqual(t, visits, enough)
		require.Equal(t, visits == enough, !e.stats.Done)
	}
}

// wavering reads everything, each time in another order.
func wavering() drawn.Checker {
	runs := 0
	return func(disk *faultfs.FS, _ oracle.Marks) uint64 {
		runs++
		saw := make([]string, len(drawn.Paths))
		for k := range drawn.Paths {
			i := (k + runs) % len(drawn.Paths)
			data, err := afero.ReadFile(disk, drawn.Paths[i])
			saw[i] = fmt.Sprintf("%q %s", data, drawn.Plainly(err))
		}
		return drawn.Mix(0, saw) % 5
	}
}

func TestCheckerThatWaversIsExploredAsWell(t *testing.T) {
	t.Parallel()
	found := 0
	rapid.Check(t, func(t *rapid.T) {
		plan := persist.Lower(drawn.Trace(t), drawn.Model(t))
		cuts := drawn.BruteForce(t, plan, wavering())
		if cuts == nil {
			return
		}
		cubes, e := visited(plan, wavering(), Budget{MaxLosses: -1}, inOrder)
		requireJudged(t, plan, cubes, cuts, func(drawn.Cut) bool { return true })
		require.True(t, e.stats.Done)
		require.Equal(t, e.private, e.strange != nil)
		if e.private {
			found++
		}
	})
	require.Positive(t, found)
}

// A checker that reads the same in another order each time takes no more runs than one that
// keeps an order, but for those before it is found out.
func TestRunsOfACheckerThatWaversAreShared(t *testing.T) {
	program := ""
	for _, name := range []string{"/a", "/b", "/c"} {
		program += "write " + name + " 0 \"x\"\nwrite " + name + " 0 \"y\"\n"
	}
	plan := persist.Lower(drawn.Parsed(t, program), model.Default())
	straight := func() drawn.Checker {
		waver := wavering()
		return func(disk *faultfs.FS, marks oracle.Marks) uint64 {
			for _, name := range drawn.Paths {
				_, _ = afero.ReadFile(disk, name)
			}
			return waver(disk, marks)
		}
	}
	inTurn, e := visited(plan, straight(), Budget{MaxLosses: -1}, inOrder)
	require.False(t, e.private)
	wavers, f := visited(plan, wavering(), Budget{MaxLosses: -1}, inOrder)
	require.True(t, f.private)
	require.Greater(t, len(inTurn), 4*e.stats.Runs, "there is something to share")
	require.LessOrEqual(t, f.stats.Runs, e.stats.Runs+10)
	require.Greater(t, len(wavers), 4*f.stats.Runs)
}

func TestCheckerThatWaversIsFoundOut(t *testing.T) {
	plan := persist.Lower(drawn.Parsed(t, "create /a\ncreate /b\n"), model.Default())
	_, e := visited(plan, wavering(), Budget{MaxLosses: -1}, inOrder)
	require.True(t, e.private)
	require.NotNil(t, e.strange)
	require.NotEqual(t, e.strange.Expected, e.strange.Read)
	require.NotEmpty(t, e.strange.Expected)
	require.NotEmpty(t, e.strange.Read)
}

func TestCutsOfTheCubesAddUpToTheCountOfThePlan(t *testing.T) {
	t.Parallel()
	exactly := 0
	rapid.Check(t, func(t *rapid.T) {
		plan := persist.Lower(drawn.Trace(t), drawn.Model(t))
		want, exact := plan.Count(context.Background())
		if !exact || want.BitLen() > 12 {
			return
		}
		from := rapid.IntRange(0, plan.Points()-1).Draw(t, "from")
		before, exact := plan.CountBefore(context.Background(), from)
		require.True(t, exact)
		cubes, _ := visited(plan, drawn.SomeChecker(t), Budget{MaxLosses: -1}, inOrder)
		sum, early := new(big.Int), new(big.Int)
		box := plan.NewBox()
		for i := range cubes {
			box.Move(cubes[i].Point)
			require.True(t, box.RestrictTo(cubes[i].Whole()))
			cuts, exact := box.Count()
			require.True(t, exact)
			require.Positive(t, cuts.Sign())
			sum.Add(sum, cuts)
			if cubes[i].Point < from {
				early.Add(early, cuts)
			}
		}
		require.Equal(t, want.String(), sum.String())
		require.Equal(t, before.String(), early.String())
		exactly++
	})
	require.Positive(t, exactly)
}
