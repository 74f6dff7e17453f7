// Package drawn draws random programs, models and checkers for the tests of the
// runner, and judges every cut of a small program by itself. It is the slow
// definition that fast searches are held against. Only tests import it.
package drawn

import (
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/model"
	"github.com/crashsim/crashsim/faultfs/persist"
	"github.com/crashsim/crashsim/oracle"
)

// Paths are the paths that programs and checkers use.
var Paths = []string{"/a", "/b", "/d", "/d/a", "/d/b"}

// Trace draws a small program, half of the time on top of a setup.
func Trace(t *rapid.T) *faultfs.Trace {
	f := faultfs.New()
	mind := faultfs.New() // the same, to try things on
	if rapid.Bool().Draw(t, "setup") {
		ops(t, f, mind, 4)
		f = f.Checkpoint()
	}
	ops(t, f, mind, 8)
	return f.Trace()
}

func ops(t *rapid.T, f, mind *faultfs.FS, most int) {
	for i := range rapid.IntRange(most/2, most).Draw(t, "ops") {
		for range 6 {
			op := Op(t, i)
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

// Op draws an op; what it writes depends on its number.
func Op(t *rapid.T, i int) faultfs.Op {
	kinds := []faultfs.OpKind{
		faultfs.OpWrite, faultfs.OpWrite, faultfs.OpWrite, faultfs.OpRename, faultfs.OpRename, faultfs.OpMkdir, faultfs.OpCreate,
		faultfs.OpMark, faultfs.OpMark, faultfs.OpTruncate, faultfs.OpUnlink, faultfs.OpChmod, faultfs.OpFsync,
		faultfs.OpSync, faultfs.OpLink, faultfs.OpExchange,
	}
	path := rapid.SampledFrom(Paths)
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

// Model draws a preset, the weak ones more often.
func Model(t *rapid.T) model.Model {
	presets := model.Presets()
	m := rapid.SampledFrom(append(presets[2:], presets...)).Draw(t, "preset").Model
	m.Unit, m.Block = 4, 8
	if rapid.Bool().Draw(t, "split") {
		m.Rename = model.RenameSplit
	}
	return m
}

// Checker is a program that is crashed and looks at what is left.
type Checker func(disk *faultfs.FS, marks oracle.Marks) uint64

// Seeded is a checker that does some of the things that a recovery does; what
// it does next depends on what it has seen. What it returns depends on all of
// it, and is one of a few outcomes.
func Seeded(seed uint64, steps int) Checker {
	return func(disk *faultfs.FS, marks oracle.Marks) uint64 {
		seen := Mix(seed, "begin")
		for range steps {
			path, other := Paths[seen%5], Paths[seen/5%5]
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
				saw = Entries(disk, path+"/..")
			case 4:
				saw = Plainly(disk.Rename(path, other))
			case 5:
				saw = Plainly(afero.WriteFile(disk, path, []byte("recovered"), 0o600))
			case 6:
				saw = Plainly(disk.Remove(path))
			case 7:
				return seen % 3
			case 8:
				info, err := disk.Stat(path)
				if saw = Plainly(err); err == nil {
					saw = fmt.Sprint(info.Size()*boolInt(!info.IsDir()), info.Mode())
				}
			default:
				data, err := afero.ReadFile(disk, path)
				saw = string(data) + Plainly(err)
			}
			seen = Mix(seen, saw)
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

// Mix adds what was seen to a hash of what was seen before.
func Mix(h uint64, saw any) uint64 {
	sum := fnv.New64a()
	fmt.Fprint(sum, h, saw)
	return sum.Sum64() >> 1
}

// Plainly is an error without the path.
func Plainly(err error) string {
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

// Entries returns the names in a directory.
func Entries(disk *faultfs.FS, path string) (names []string) {
	infos, _ := afero.ReadDir(disk, path)
	for _, info := range infos {
		names = append(names, info.Name())
	}
	return names
}

// SomeChecker draws one that looks at little, or at much.
func SomeChecker(t *rapid.T) Checker {
	steps := rapid.SampledFrom([]int{4, 2, 1, 10, 20, 0}).Draw(t, "steps")
	return Seeded(rapid.Uint64().Draw(t, "seed"), steps)
}

// Cut is a cut at a crash point, and what the checker says of it; Again,
// without that, where the cut was there with the same marks before.
type Cut struct {
	Point    int
	Versions []persist.Version // by cell
	Again    bool
	Losses   int
	Outcome  uint64
}

// BruteForce runs a checker on every cut by itself; nil means too many.
func BruteForce(t require.TestingT, plan *persist.Plan, check Checker) []Cut {
	var all []Cut
	known := map[string]bool{}
	disk := plan.NewDisk()
	live := faultfs.Unrecorded(disk)
	box := plan.NewBox()
	for point := range plan.Points() {
		cuts := AllCuts(plan, point)
		if cuts == nil {
			return nil
		}
		box.Move(point)
		for _, cut := range cuts {
			key := fmt.Sprint(len(plan.Marks(point)), cut)
			if known[key] {
				all = append(all, Cut{Point: point, Versions: cut, Again: true})
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
			subset, err := plan.Pin(point, lost)
			require.NoError(t, err)
			live.Reset()
			require.True(t, disk.Begin(point, subset))
			outcome := check(live, disk.Marks())
			require.Empty(t, disk.Taken(), "nothing is left to choose")
			all = append(all, Cut{point, cut, false, len(lost), outcome})
		}
	}
	return all
}

// AllCuts lists the legal cuts of a crash point, one cell after the other.
func AllCuts(plan *persist.Plan, point int) [][]persist.Version {
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
				if _, ok := box.Try(persist.Bound{Cell: id, Lo: v, Hi: v}); ok { // no hole in it, of a plan of some of the cuts
					longer = append(longer, append(slices.Clip(cut), v))
				}
			}
		}
		if cuts = longer; len(cuts) > most {
			return nil
		}
	}
	return cuts
}

// Parsed returns the trace of some ops in text form.
func Parsed(t require.TestingT, ops string) *faultfs.Trace {
	trace, err := faultfs.ParseTrace("program", []byte("-- ops --\n"+ops))
	require.NoError(t, err)
	return trace
}
