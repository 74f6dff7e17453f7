package blame_test

import (
	"slices"
	"testing"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/model"
	"github.com/crashsim/crashsim/faultfs/persist"
	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner/blame"
	"github.com/crashsim/crashsim/runner/internal/drawn"
)

// promise says what is wrong with a disk, nothing if nothing is.
type promise func(disk *faultfs.FS, marks oracle.Marks) []oracle.Violation

// judging runs a promise on the cuts of a plan, one at a time.
func judging(plan *persist.Plan, p promise) blame.CutJudge {
	disk := plan.NewDisk()
	return func(point int, subset persist.Subset) []oracle.Violation {
		if !disk.Begin(point, subset) {
			panic("there is no such cut")
		}
		return p(faultfs.Unrecorded(disk), disk.Marks())
	}
}

// wrongCase is a case with the fewest losses that is wrong at a crash point, found by
// trying all: nil if there is none, or one that lost nothing.
func wrongCase(t require.TestingT, plan *persist.Plan, judge blame.CutJudge, point int) *blame.WrongCut {
	box := plan.NewBox()
	var best *blame.WrongCut
	for _, cut := range drawn.AllCuts(plan, point) {
		var subset persist.Subset
		for id, v := range cut {
			subset = subset.And(persist.Bound{Cell: persist.Cell(id), Lo: v, Hi: v})
		}
		box.Move(point)
		require.True(t, box.RestrictTo(subset))
		lost := box.Lost()
		found := judge(point, subset)
		if len(found) > 0 && (best == nil || len(lost) < len(best.Lost)) {
			best = &blame.WrongCut{Plan: plan, Point: point, Cut: subset, Kind: found[0].Kind, Lost: slices.Clone(lost)}
		}
	}
	if best == nil || len(best.Lost) == 0 {
		return nil // nothing is wrong, or the program is wrong by itself
	}
	best.Read = everything(plan)
	return best
}

// everything is what a checker has read that looks at all there is.
func everything(plan *persist.Plan) (reads []persist.Read) {
	for id := range plan.Cells() {
		reads = append(reads, persist.Read{Cell: persist.Cell(id)})
	}
	return reads
}

// blamed finds the pair for a program in text form, and returns L and K in words.
func blamed(t *testing.T, preset, program string, p promise) (pair blame.Pair, lost, kept string) {
	t.Helper()
	m, err := model.Parse(preset)
	require.NoError(t, err)
	trace, err := faultfs.ParseTrace("program", []byte(program))
	require.NoError(t, err)
	plan := persist.Lower(trace, m)
	judge := judging(plan, p)
	c := wrongCase(t, plan, judge, plan.Points()-1)
	require.NotNil(t, c, "no case is wrong")
	pair = blame.Find(*c, judge)
	ops := trace.Ops
	lost = plan.What(pair.Lost) + " of " + ops[pair.Lost.Op].Summary()
	switch pair.Bond {
	case blame.Told:
		kept = ops[pair.Op].Summary()
	case blame.Before, blame.Within:
		kept = plan.What(pair.Kept) + " of " + ops[pair.Op].Summary()
	}
	return pair, lost, kept
}

func content(disk *faultfs.FS, name string) string {
	data, err := afero.ReadFile(disk, name)
	if err != nil {
		return "(none)"
	}
	return string(data)
}

func broken(kind oracle.Kind) []oracle.Violation {
	return []oracle.Violation{{Kind: kind, Detail: "wrong"}}
}

func TestTheMarkThatCountsIsBlamed(t *testing.T) {
	const program = "-- ops --\nmkdir /d\nmark hello\nwrite /d/f 0 \"x\"\nfsync /d/f\nfsync /d\nmark \"begin 1\"\nmark \"begin 2\"\nmark \"acked 1\"\n"
	for _, label := range []string{"acked 1", "begin 2", "hello"} {
		pair, lost, kept := blamed(t, "posix", program, func(disk *faultfs.FS, marks oracle.Marks) []oracle.Violation {
			if _, err := disk.Stat("/d"); marks.Has(label) && err != nil {
				return broken(oracle.Lost)
			}
			return nil
		})
		require.Equal(t, `name "d" of mkdir /d`, lost)
		require.Equal(t, blame.Told, pair.Bond)
		require.True(t, pair.Right)
		require.Equal(t, "mark "+label, kept)
	}
}

func TestMarksThatArePromisedByTheirNumberAreBlamedByIt(t *testing.T) {
	const program = "-- ops --\ncreate /f\nmark a\nmark a\nmark a\nmark a\n"
	_, _, kept := blamed(t, "posix", program, func(disk *faultfs.FS, marks oracle.Marks) []oracle.Violation {
		if marks.Count("a") >= 3 && content(disk, "/f") == "(none)" {
			return broken(oracle.Lost)
		}
		return nil
	})
	require.Equal(t, "mark a", kept)
}

// The order of a journal drags along what has nothing to do with the failure.
func TestTheEffectThatCountsIsBlamed(t *testing.T) {
	const program = "-- setup --\nwrite /f 0 \"old\"\n-- ops --\nwrite /g 0 \"newer\"\nchmod /g 0600\nmkdir /unrelated\nchmod /unrelated 0700\nrename /g /f\nmkdir /behind\n"
	for _, m := range []string{"posix", "ext4"} {
		pair, lost, kept := blamed(t, m, program, func(disk *faultfs.FS, _ oracle.Marks) []oracle.Violation {
			if data := content(disk, "/f"); data != "old" && data != "newer" {
				return broken(oracle.Torn)
			}
			return nil
		})
		require.Contains(t, lost, "of write /g [0,5)", m)
		require.Equal(t, blame.Before, pair.Bond, m)
		require.Equal(t, `name "f" of rename /g /f`, kept, m)
	}
}

// An effect behind a mark is to blame where the mark is not: with nothing told, the
// disk would be as wrong.
func TestAMarkIsNotBlamedForWhatCameBehindIt(t *testing.T) {
	const program = "-- setup --\nwrite /f 0 \"old\"\n-- ops --\nwrite /g 0 \"new\"\nmark hello\nrename /g /f\n"
	pair, lost, kept := blamed(t, "posix", program, func(disk *faultfs.FS, _ oracle.Marks) []oracle.Violation {
		if data := content(disk, "/f"); data != "old" && data != "new" {
			return broken(oracle.Lost) // the kind for which marks are looked at first
		}
		return nil
	})
	require.Contains(t, lost, "of write /g [0,3)")
	require.Equal(t, blame.Before, pair.Bond)
	require.Equal(t, `name "f" of rename /g /f`, kept)
}

// anyOf wants one of a few states, drawn at random, or one of them for each number of
// marks: it has nothing to do with what the program means.
func anyOf(t *rapid.T) promise {
	seed := rapid.Uint64().Draw(t, "seed")
	marked := rapid.Bool().Draw(t, "marks count")
	return func(disk *faultfs.FS, marks oracle.Marks) []oracle.Violation {
		h := seed
		for _, name := range drawn.Paths {
			h = drawn.Mix(h, content(disk, name))
		}
		if marked {
			h = drawn.Mix(h, marks.All())
		}
		if h%3 == 0 {
			return broken(oracle.Torn)
		}
		return nil
	}
}

func TestWithoutEitherHalfOfAPairTheCaseIsRight(t *testing.T) {
	pairs := 0
	rapid.Check(t, func(t *rapid.T) {
		plan := persist.Lower(drawn.Trace(t), drawn.Model(t))
		for point := range plan.Points() {
			if cuts := drawn.AllCuts(plan, point); len(cuts) > 200 {
				return
			}
		}
		p := anyOf(t)
		judge := judging(plan, p)
		for point := range plan.Points() {
			c := wrongCase(t, plan, judge, point)
			if c == nil {
				continue
			}
			pair := blame.Find(*c, judge)
			require.Contains(t, c.Lost, pair.Lost)
			require.Empty(t, judge(point, c.With(pair.Lost)), "with L: the losses are a smallest set")
			if pair.Bond == blame.Alone {
				continue
			}
			pairs++
			require.GreaterOrEqual(t, pair.Op, pair.Lost.Op)
			at, subset, ok := c.Without(pair)
			require.True(t, ok)
			if pair.Right && !pair.Last {
				require.Empty(t, judge(at, subset), "without K")
			}
			again, err := c.ParsePair(string(pair.Text(plan))[len("blame "):])
			require.NoError(t, err)
			require.Equal(t, pair, *again, "its text reads back")
		}
	})
	if !testing.Short() {
		require.Greater(t, pairs, 30)
	}
}
