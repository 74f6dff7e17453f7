package persist_test

import (
	"context"
	"fmt"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/model"
	"github.com/crashsim/crashsim/faultfs/persist"
)

// The slow definition is asked elsewhere, for small programs. Larger ones are
// counted in two ways that share nothing but the groups.
func TestTablesCountWhatTryingCounts(t *testing.T) {
	t.Parallel()
	both, onlyTables := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		grid := drawGrid(t)
		trace := drawTrace(t, grid, 20)
		if rapid.Bool().Draw(t, "overlap") {
			trace = overlap(t, trace)
		}
		for _, m := range models(t, grid, 4) {
			plan := persist.Lower(trace, m)
			cuts, exact := plan.Count(t.Context())
			tried, triedExact := plan.CountByTrying(t.Context())
			switch {
			case exact && triedExact:
				both++
				require.Equal(t, tried.String(), cuts.String(), "%s\n%s", m, trace.Text())
			case exact:
				onlyTables++
				require.GreaterOrEqual(t, tried.Cmp(cuts), 0, "%s\n%s", m, trace.Text())
			}
		}
	})
	t.Logf("%d plans counted in both ways, %d by tables only", both, onlyTables)
	require.Positive(t, both)
}

func TestEachByteOfALongWriteIsThereOrNot(t *testing.T) {
	plan := persist.Lower(parse(t, "create /f\nwrite /f 0 \"x\"*20000\nmark done\n"), model.MustParse("posix,append=all,unit=1,block=1"))
	cuts, exact := plan.Count(t.Context())
	require.True(t, exact)
	// The size goes up to a byte only with that byte: with n of them there, the
	// others are there or not. With the name and without it, at both marks.
	want := new(big.Int).Lsh(big.NewInt(1), 20001)
	want.Sub(want, big.NewInt(1)).Lsh(want, 2)
	require.Equal(t, want, cuts)
}

// Ops that touch two of many directories each, in a program that syncs nothing,
// need each other in a tangle.
func TestCountIsABoundWhereNeedsAreTangled(t *testing.T) {
	var ops strings.Builder
	const dirs = 80
	random := rand.New(rand.NewPCG(1, 2))
	for i := range dirs {
		fmt.Fprintf(&ops, "mkdir /d%d\ncreate /d%d/f\n", i, i)
	}
	for range 400 {
		two := random.Perm(dirs)
		fmt.Fprintf(&ops, "exchange /d%d/f /d%d/f\n", two[0], two[1])
	}
	plan := persist.Lower(parse(t, ops.String()), model.MustParse("posix,names=directory"))
	bound, exact := plan.Count(t.Context())
	require.False(t, exact)
	least, exact := persist.Lower(parse(t, ops.String()), model.MustParse("posix,names=journal")).Count(t.Context())
	require.True(t, exact)
	require.Positive(t, bound.Cmp(least))
}

func TestCountIsABoundWhereItIsInterrupted(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		trace := drawTrace(t, 4, 8)
		plan := persist.Lower(trace, drawModel(t, 4))
		cuts, exact := plan.Count(t.Context())
		if !exact {
			return
		}
		ctx := &ending{Context: t.Context(), left: rapid.IntRange(0, plan.Points()-1).Draw(t, "points")}
		bound, exact := plan.Count(ctx)
		require.False(t, exact)
		require.GreaterOrEqual(t, bound.Cmp(cuts), 0, "%s of %s\n%s", bound, cuts, trace.Text())
	})
}

// ending is a context that ends when it has been asked so many times.
type ending struct {
	context.Context
	left int
}

func (e *ending) Err() error {
	if e.left--; e.left < 0 {
		return context.Canceled
	}
	return nil
}

// A program that makes one generation of files after the other, and replaces them:
// what the names of one generation need of the one before follows from the order
// of the journal, and ties nothing that much comes between.
func TestCountOfGenerationsIsExact(t *testing.T) {
	fs := faultfs.New()
	do := func(op faultfs.Op) {
		_, err := fs.Do(op)
		require.NoError(t, err)
	}
	for range 3 {
		for i := range 200 {
			do(faultfs.Op{Kind: faultfs.OpCreate, Path: "/new", Mode: 0o644})
			do(faultfs.Op{Kind: faultfs.OpWrite, Path: "/new", Data: []byte("data")})
			do(faultfs.Op{Kind: faultfs.OpRename, Path: "/new", To: fmt.Sprint("/f", i)})
		}
	}
	for _, p := range model.Presets() {
		_, exact := persist.Lower(fs.Trace(), p.Model).Count(t.Context())
		require.True(t, exact, p.Name)
	}
}
