package search

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/model"
	"github.com/crashsim/crashsim/faultfs/persist"
	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner/internal/drawn"
)

// shared judges what one shard is given, and returns the runs that it made.
func shared(plan *persist.Plan, check drawn.Checker, shard Shard) []*Attempt[uint64] {
	var made []*Attempt[uint64]
	run := onDisks(plan, check, inOrder)
	s := New(plan, Options[uint64]{
		Visit: func(*Cube[uint64]) bool { return true },
		Run: func(ctx context.Context, attempts []*Attempt[uint64]) {
			run(ctx, attempts)
			for _, a := range attempts {
				kept := *a
				kept.Reads, kept.Taken = append([]persist.Read(nil), a.Reads...), append([]persist.Bound(nil), a.Taken...)
				made = append(made, &kept)
			}
		},
	})
	s.PushFresh(0, plan.Points(), false)
	if s.Share(context.Background(), shard) {
		s.Work(context.Background())
	}
	return made
}

// answered explores a plan with what a tree knows alone; missing is how many runs it
// could not answer.
func answered(plan *persist.Plan, tree *Tree[uint64]) (cubes []Cube[uint64], missing int) {
	box := plan.NewBox()
	e := New(plan, Options[uint64]{
		Run: func(_ context.Context, attempts []*Attempt[uint64]) {
			for _, a := range attempts {
				if !tree.Answer(box, a) {
					a.Skipped = true
					missing++
				}
			}
		},
		Visit: func(c *Cube[uint64]) bool {
			cubes = append(cubes, c.Kept())
			return true
		},
	})
	e.Explore(context.Background())
	return cubes, missing
}

func TestRunsOfAllShardsTogetherAreThoseOfOneSearch(t *testing.T) {
	t.Parallel()
	apart := 0
	rapid.Check(t, func(t *rapid.T) {
		plan := persist.Lower(drawn.Trace(t), drawn.Model(t))
		if cuts, _ := plan.Count(context.Background()); cuts.BitLen() > 12 {
			return
		}
		check := drawn.SomeChecker(t)
		want, _ := visited(plan, check, Budget{MaxLosses: -1}, inOrder)
		most := rapid.IntRange(0, 20).Draw(t, "most")
		turn := rapid.IntRange(0, 20).Draw(t, "turn")
		for _, n := range []int{1, 2, 3, 7} {
			tree := NewTree[uint64]()
			ran := make([]int, n)
			for i := range n {
				made := shared(plan, check, Shard{Index: i, Count: n, Most: most, Turn: turn})
				ran[i] = len(made)
				for _, a := range made {
					require.True(t, tree.Add(a.Reads, a.Outcome))
				}
			}
			if n > 1 && max(ran[0], ran[1]) > most && min(ran[0], ran[1]) > most {
				apart++
			}
			got, missing := answered(plan, tree)
			require.Zero(t, missing, "%d shards", n)
			require.Equal(t, want, got)
		}
	})
	if !testing.Short() { // of a few drawn programs all may be small
		require.Positive(t, apart, "some searches must be large enough to be divided")
	}
}

// summing is a checker that reads all of a record, so that its runs are as many as
// mixtures of old and new pages.
func summing(disk *faultfs.FS, _ oracle.Marks) uint64 {
	f, err := disk.Open("/f")
	if err != nil {
		return 1
	}
	defer func() { _ = f.Close() }()
	sum, buf := uint64(0), make([]byte, 4096)
	for {
		n, err := f.Read(buf)
		if err != nil {
			return drawn.Mix(sum, "end") % 3
		}
		sum = drawn.Mix(sum, buf[0]) + uint64(n)
	}
}

func TestOneHardPointIsDividedEvenly(t *testing.T) {
	plan := persist.Lower(drawn.Parsed(t, "create /f\nwrite /f 0 \"x\"*49152\n"), model.Default())
	const n = 7
	all := len(shared(plan, summing, Shard{}))
	for i := range n {
		mine := len(shared(plan, summing, Shard{Index: i, Count: n, Most: RunsToShare(n)}))
		require.LessOrEqual(t, 20*mine*n, 21*all, "%d of %d runs", mine, all)
	}
}

func TestWhatWaitsAtOneNodeGoesToOneShard(t *testing.T) {
	plan := persist.Lower(drawn.Parsed(t, "create /a\ncreate /b\ncreate /d\n"), model.Default())
	for turn := range 3 {
		for i := range 3 {
			made := shared(plan, drawn.Seeded(1, 9), Shard{Index: i, Count: 3, Turn: turn})
			require.Equal(t, i == turn, len(made) > 0)
		}
	}
}
