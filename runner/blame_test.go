package runner

import (
	"context"
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

// history is an oracle that wants one of the states that the program saw between
// two of its ops, and none older than at the last mark.
func history(trace *faultfs.Trace) oracle.Oracle {
	live := faultfs.NewOn(trace.Base())
	newest := map[string]int{showed(live, nil): 0}
	var marked []int // the number of ops before each mark
	for i, op := range trace.Ops {
		if _, err := live.Do(op); err != nil {
			panic(err)
		}
		if op.Kind == faultfs.OpMark {
			marked = append(marked, i)
		}
		newest[showed(live, nil)] = i + 1
	}
	return oracle.Func(func(disk afero.Fs, marks oracle.Marks) []oracle.Violation {
		state, known := newest[showed(disk.(*faultfs.FS), nil)]
		told := len(marks.All())
		switch {
		case !known:
			return []oracle.Violation{{Kind: oracle.Torn, Detail: "no state"}}
		case told > 0 && told <= len(marked) && state < marked[told-1]:
			return []oracle.Violation{{Kind: oracle.Stale, Detail: "an older state"}}
		}
		return nil
	})
}

// brokenPrograms draws programs that lose states, and gives their failures to a
// property, with the outcome of every cut by brute force: a kind each.
func brokenPrograms(t *testing.T, property func(t *rapid.T, s Scenario, r *Result, cuts []drawn.Cut)) {
	t.Parallel()
	broken := 0
	rapid.Check(t, func(t *rapid.T) {
		trace, m := drawn.Trace(t), drawn.Model(t)
		s := Scenario{Name: "drawn", Trace: trace, Oracle: history(trace)}
		cuts := drawn.BruteForce(t, persist.Lower(trace, m), func(disk *faultfs.FS, marks oracle.Marks) uint64 {
			if v := s.Oracle.Judge(disk, marks); len(v) > 0 {
				return uint64(v[0].Kind)
			}
			return 0
		})
		if cuts == nil {
			return
		}
		results, err := Run(context.Background(), s, Options{Models: []model.Model{m}, All: true})
		require.NoError(t, err)
		if r := &results[0]; r.Outcome.Verdict == Broken {
			broken++
			property(t, s, r, cuts)
		}
	})
	many(t, broken, 20, "most programs must be broken")
}

func TestNoCaseWithFewerLossesFailsLikeThat(t *testing.T) {
	brokenPrograms(t, func(t *rapid.T, _ Scenario, r *Result, cuts []drawn.Cut) {
		for i, f := range r.Failures {
			if slices.ContainsFunc(r.Failures[:i], func(g *Failure) bool { return g.Kind == f.Kind }) {
				continue // it has another cause, and need not be the smallest of its kind
			}
			best := drawn.Cut{Losses: -1}
			for _, c := range cuts {
				if c.Outcome == uint64(f.Kind) && (best.Losses < 0 || c.Losses < best.Losses) {
					best = c
				}
			}
			require.Equal(t, best.Losses, len(f.Lost))
			require.Equal(t, r.Plan.After(best.Point), f.After, "the first crash point")
		}
	})
}

// caseOf is a failure as package blame sees it.
func caseOf(t require.TestingT, f *Failure) blame.WrongCut {
	cut, err := f.Plan.Pin(f.point, f.Lost)
	require.NoError(t, err)
	return blame.WrongCut{Plan: f.Plan, Point: f.point, Cut: cut, Kind: f.Kind, Lost: f.Lost}
}

func TestNeitherHalfOfAPairIsWrongAlone(t *testing.T) {
	brokenPrograms(t, func(t *rapid.T, s Scenario, r *Result, _ []drawn.Cut) {
		pool := newPool(&s, r.Plan, &Options{})
		defer pool.close()
		for _, f := range r.Failures {
			if f.Pair == nil {
				require.Empty(t, f.Lost)
				continue
			}
			c := caseOf(t, f)
			for _, l := range f.Lost {
				require.NotContains(t, kindsOf(pool.once(f.point, c.With(l)).Outcome), f.Kind, "with %v", l)
			}
			require.Contains(t, f.Lost, f.Pair.Lost)
			if f.Pair.Bond == blame.Alone || f.Pair.Last {
				continue
			}
			point, subset, ok := c.Without(*f.Pair)
			require.True(t, ok)
			require.NotContains(t, kindsOf(pool.once(point, subset).Outcome), f.Kind, "without %v", f.Pair)
		}
	})
}

// What the pair says is missing, is: with a sync between its halves the case is
// none any more.
func TestOrderThatAPairLacksRulesTheCaseOut(t *testing.T) {
	brokenPrograms(t, func(t *rapid.T, s Scenario, r *Result, _ []drawn.Cut) {
		for _, f := range r.Failures {
			if f.Pair == nil || f.Pair.Bond != blame.Before && f.Pair.Bond != blame.Told {
				continue
			}
			fs := faultfs.NewOn(s.Trace.Base())
			for i, op := range s.Trace.Ops {
				if faultfs.OpNum(i) == f.Pair.Op {
					_, err := fs.Do(faultfs.Op{Kind: faultfs.OpSync})
					require.NoError(t, err)
				}
				_, err := fs.Do(op)
				require.NoError(t, err)
			}
			ordered := persist.Lower(fs.Trace(), r.Model)
			var lost []persist.Effect
			for _, e := range f.Lost {
				op := e.Op
				if op >= f.Pair.Op {
					op++
				}
				lost = append(lost, ordered.Effects(op)[e.Index])
			}
			point := 0
			for ; ordered.After(point) != f.After+1; point++ {
			}
			_, err := ordered.Pin(point, lost)
			require.Error(t, err)
		}
	})
}

// The short program is judged here without the help of the one that made it short.
func TestShortProgramFailsInTheSameWay(t *testing.T) {
	shorter := 0
	brokenPrograms(t, func(t *rapid.T, s Scenario, r *Result, _ []drawn.Cut) {
		for _, f := range r.Failures {
			short, violations, err := r.Stored(f).Explain(s, Options{})
			require.NoError(t, err)
			require.Equal(t, f.Violations, violations)
			require.Equal(t, f.Pair, foundAgain(f, &short), "the pair is found again")
			if short.Ops == nil {
				continue
			}
			require.True(t, short.Done)
			again, err := faultfs.ParseTrace("short", short.Plan.Trace().Text())
			require.NoError(t, err)
			plan := persist.Lower(again, r.Model)
			subset, err := plan.Pin(short.Point, short.Lost)
			require.NoError(t, err)
			pool := newPool(&s, plan, &Options{})
			defer pool.close()
			require.Equal(t, violations, pool.once(short.Point, subset).Outcome.violations)
			require.Len(t, short.Lost, len(f.Lost))
			require.Len(t, again.Ops, len(short.Ops))
			require.Equal(t, f.After, short.Ops[len(short.Ops)-1])
			if len(short.Ops) < int(f.After)+1 {
				shorter++
			}
			for i, op := range short.Ops {
				require.Equal(t, s.Trace.Ops[op].Summary(), again.Ops[i].Summary())
			}
		}
	})
	many(t, shorter, 5, "some programs must be shortened")
}

// foundAgain returns the pair of a short program with the numbers of the whole one.
func foundAgain(f *Failure, short *blame.Short) *blame.Pair {
	if short.Pair == nil || short.Ops == nil {
		return short.Pair
	}
	p := *short.Pair
	whole := func(e persist.Effect) persist.Effect { return f.Plan.Effects(short.Ops[e.Op])[e.Index] }
	p.Lost = whole(p.Lost)
	if p.Bond == blame.Before || p.Bond == blame.Within {
		p.Kept = whole(p.Kept)
	}
	if p.Bond != blame.Alone {
		p.Op = short.Ops[p.Op]
	}
	return &p
}

// What was forced stays forced, and nothing else is: what a program lacks is not to be
// mistaken for what was dropped.
func TestDroppedSyncsForcedNothingThatIsLeft(t *testing.T) {
	brokenPrograms(t, func(t *rapid.T, s Scenario, r *Result, _ []drawn.Cut) {
		for _, f := range r.Failures {
			short, _, err := r.Stored(f).Explain(s, Options{})
			require.NoError(t, err)
			if short.Ops == nil {
				continue
			}
			whole, left := r.Plan.NewBox(), short.Plan.NewBox()
			whole.Move(f.point)
			left.Move(short.Point)
			for i, op := range short.Ops {
				for _, e := range short.Plan.Effects(faultfs.OpNum(i)) {
					all := r.Plan.Effects(op)
					k := slices.IndexFunc(all, func(was persist.Effect) bool { return r.Plan.What(was) == short.Plan.What(e) })
					if k < 0 {
						continue // a write that makes the file grow, since another one does not
					}
					was := all[k]
					require.Equal(t, whole.Bound(was.Cell).Lo >= was.Version, left.Bound(e.Cell).Lo >= e.Version,
						"%s of %s is forced in one program and not in the other", short.Plan.What(e), s.Trace.Ops[op].Summary())
				}
			}
		}
	})
}

// many requires that a property was tried as often as it takes to trust it; with
// -short, few programs are drawn.
func many(t *testing.T, n, want int, what string) {
	t.Helper()
	if testing.Short() {
		want = 0
	}
	require.Greater(t, n, want, what)
}
