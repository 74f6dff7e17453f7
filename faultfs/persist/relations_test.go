package persist_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/model"
	"github.com/crashsim/crashsim/faultfs/persist"
)

// small reports whether a program has few enough cuts to list them.
func small(trace *faultfs.Trace, m model.Model) bool {
	cuts, _ := persist.Lower(trace, m).Count(context.Background())
	return cuts.IsInt64() && cuts.Int64() < 300
}

// stronger returns models that promise no less than a model, each by one
// promise more.
//
// Of the promise "sync", none is below all others and journal above; name and
// own both force the names of an inode, but own says nothing of the name under
// which a directory was made (see TestOwnNamesAreNotMoreThanNames), and inode
// says nothing of names that changed later.
func stronger(m model.Model, trace *faultfs.Trace) map[string]model.Model {
	models := map[string]model.Model{}
	add := func(name string, change func(*model.Model)) {
		n := m
		change(&n)
		models[name] = n
	}
	if m.Append < model.AppendAll {
		add("append", func(n *model.Model) { n.Append++ })
	}
	if m.Truncate < model.TruncateAtomic {
		add("truncate", func(n *model.Model) { n.Truncate++ })
	}
	if m.Names < model.NamesJournal {
		add("names", func(n *model.Model) { n.Names++ })
	}
	if m.Rename < model.RenameAtomic {
		add("rename", func(n *model.Model) { n.Rename++ })
	}
	if m.Replace < model.ReplaceData {
		add("replace", func(n *model.Model) { n.Replace++ })
	}
	add("order", func(n *model.Model) { n.Order = model.OrderAll })
	add("cache", func(n *model.Model) { n.Cache = model.CacheKept })
	switch m.Sync {
	case model.SyncNone:
		for _, s := range []model.Sync{model.SyncName, model.SyncOwn, model.SyncInode} {
			add(fmt.Sprint("sync ", s), func(n *model.Model) { n.Sync = s })
		}
	default:
		add("sync", func(n *model.Model) { n.Sync = model.SyncJournal })
	}
	// The steps of order=all are units: smaller ones are more steps, which say
	// more than one step does unless its size needs its data anyway. A sync that is
	// limited to a part forces what lies in it as a whole, which smaller units do more
	// often, unless the part begins and ends with a unit.
	if m.Block%(2*m.Unit) == 0 && (m.Order == model.OrderNone || m.Append == model.AppendAll) && limitedTo(trace, 2*m.Unit) {
		add("unit", func(n *model.Model) { n.Unit *= 2 })
	}
	return models
}

// limitedTo reports whether the syncs that are limited to a part are limited to whole units.
func limitedTo(trace *faultfs.Trace, unit int64) bool {
	return !slices.ContainsFunc(trace.Ops, func(op faultfs.Op) bool { return op.Only.From%unit != 0 || op.Only.To%unit != 0 })
}

func TestModelThatPromisesMoreLeavesASubset(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		grid := drawGrid(t)
		trace := drawTrace(t, grid, 5)
		for _, m := range models(t, grid, 2)[3:] { // little is left to promise above the first
			if !small(trace, m) {
				continue
			}
			whole := lines(t, trace, m)
			for name, n := range stronger(m, trace) {
				subset(t, lines(t, trace, n), whole, "more "+name+" adds to "+m.String(), n, trace)
			}
		}
	})
}

// A larger unit is a promise, except under order=all where a size does not
// need its data: there a unit less is a step less.
func TestLargerUnitCanAddCasesWhereUnitsAreSteps(t *testing.T) {
	trace := parse(t, "write /f 0 \"b\"*8\n")
	small := model.MustParse("posix,order=all,unit=4,block=8")
	large := model.MustParse("posix,order=all,unit=8,block=8")
	require.Len(t, without(lines(t, trace, large), lines(t, trace, small)), 1, "eight NULs, and nothing of the data")
}

// A larger unit is no promise where a sync is limited to a part of it: it then forces
// nothing of that unit.
func TestLargerUnitCanAddCasesWhereASyncIsLimited(t *testing.T) {
	trace := parse(t, "write /f 0 \"b\"*4\nfdatasync /f ; only=0-5\nmark synced\n")
	small := model.MustParse("xfs,unit=4,block=8")
	large := model.MustParse("xfs,unit=8,block=8")
	require.Equal(t, []string{
		`{"marks":["synced"],"tree":{"/f":{"data":"AAAAAA==","mode":"0644"}}}`,
	}, without(lines(t, trace, large), lines(t, trace, small)))
	require.False(t, limitedTo(trace, 8))
	require.True(t, limitedTo(parse(t, "create /f\nfdatasync /f ; only=0-8\n"), 8))
}

func TestPresetsLieInEachOther(t *testing.T) {
	t.Parallel()
	chains := [][]string{{"kill", "strict", "ext4", "xfs", "posix"}, {"strict", "btrfs", "posix"}}
	rapid.Check(t, func(t *rapid.T) {
		grid := drawGrid(t)
		trace := drawTrace(t, grid, 5)
		if !small(trace, model.Default()) {
			return
		}
		for _, chain := range chains {
			for i := range chain[1:] {
				strong, weak := model.MustParse(chain[i]), model.MustParse(chain[i+1])
				subset(t, lines(t, trace, strong), lines(t, trace, weak), chain[i]+" in "+chain[i+1], strong, trace)
			}
		}
	})
}

// The directory was made where a file had been, and moved away. The promise
// own forces only the names that there are now, so the old file may be back;
// the promise name forces the effect that made the directory.
func TestOwnNamesAreNotMoreThanNames(t *testing.T) {
	trace := parse(t, "unlink /d\nmkdir /d\nrename /d /e\ncreate /e/f\nfsync /e/f\nmark synced\n", "create /d\n")
	own, name := lines(t, trace, model.MustParse("posix,sync=own")), lines(t, trace, model.MustParse("posix,sync=name"))
	require.Equal(t, []string{
		`{"marks":["synced"],"tree":{"/d":{"data":"","mode":"0644"},"/e":{"dir":true,"mode":"0755"},"/e/f":{"data":"","mode":"0644"}}}`,
	}, without(own, name))
}

// replayed records ops again, from the state in which a trace begins.
func replayed(t require.TestingT, trace *faultfs.Trace, ops []faultfs.Op) *faultfs.Trace {
	fs := faultfs.NewOn(trace.Base())
	for _, op := range ops {
		_, err := fs.Do(op)
		require.NoError(t, err)
	}
	return fs.Trace()
}

func TestAddedSyncNeverAddsACase(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		grid := drawGrid(t)
		trace := drawTrace(t, grid, 5)
		at := rapid.IntRange(0, len(trace.Ops)).Draw(t, "at")
		sync := drawSyncAt(t, trace, at)
		if sync.Kind == faultfs.OpNone {
			return
		}
		synced := replayed(t, trace, slices.Insert(slices.Clone(trace.Ops), at, sync))
		plain := replayed(t, trace, trace.Ops)
		for _, m := range models(t, grid, 6) {
			if small(plain, m) {
				subset(t, lines(t, synced, m), lines(t, plain, m), "with the added sync", m, synced)
			}
		}
	})
}

// drawSyncAt draws a sync of something that there is at a place in a trace.
func drawSyncAt(t *rapid.T, trace *faultfs.Trace, at int) faultfs.Op {
	kinds := []faultfs.OpKind{faultfs.OpFsync, faultfs.OpFsync, faultfs.OpFdatasync, faultfs.OpSync}
	kind := rapid.SampledFrom(kinds).Draw(t, "added sync")
	if kind == faultfs.OpSync {
		return faultfs.Op{Kind: kind}
	}
	inos := []faultfs.Ino{faultfs.Root}
	for ino := faultfs.Root + 1; ino <= trace.Base().Inodes(); ino++ {
		inos = append(inos, ino)
	}
	for _, op := range trace.Ops[:at] {
		if !op.Failed() && (op.Kind == faultfs.OpCreate || op.Kind == faultfs.OpMkdir) {
			inos = append(inos, op.Ino)
		}
	}
	ino := rapid.SampledFrom(inos).Draw(t, "added sync of")
	if trace.Base().Type(ino) == faultfs.Symlink {
		return faultfs.Op{}
	}
	return faultfs.Op{Kind: kind, Ino: ino}
}

func TestWriteSplitAtABlockLeavesTheSameCases(t *testing.T) {
	t.Parallel()
	splits := 0
	rapid.Check(t, func(t *rapid.T) {
		grid := drawGrid(t)
		trace := drawTrace(t, grid, 5)
		for _, m := range models(t, grid, 6) {
			// With append=all the second half no longer needs the first. With the
			// cache kept the split adds a moment at which the program can die.
			at, ops := splitWrite(trace, m.Block)
			if at < 0 || m.Append == model.AppendAll || m.Cache == model.CacheKept || !small(trace, m) {
				continue
			}
			splits++
			whole, halves := replayed(t, trace, trace.Ops), replayed(t, trace, ops)
			same(t, lines(t, whole, m), lines(t, halves, m), m, halves)
		}
	})
	require.Positive(t, splits)
}

// splitWrite splits the first write across a block boundary there, and returns
// which one that is, -1 for none.
func splitWrite(trace *faultfs.Trace, block int64) (int, []faultfs.Op) {
	for i, op := range trace.Ops {
		border := (op.Off/block + 1) * block
		if op.Kind != faultfs.OpWrite || op.Failed() || op.Off+int64(len(op.Data)) <= border {
			continue
		}
		first, second := op, op
		first.Data, second.Data, second.Off = op.Data[:border-op.Off], op.Data[border-op.Off:], border
		return i, slices.Replace(slices.Clone(trace.Ops), i, i+1, first, second)
	}
	return -1, nil
}

// The exceptions of the test above, each with the case that the split adds.
func TestSplitCanAddCases(t *testing.T) {
	whole := parse(t, "write /f 0 \"b\"*8\n")
	halves := parse(t, "write /f 0 \"b\"*4\nwrite /f 4 \"b\"*4\n")
	kill := model.MustParse("kill,append=none,unit=4,block=4")
	added := without(lines(t, halves, kill), lines(t, whole, kill))
	require.Equal(t, []string{`{"marks":[],"tree":{"/f":{"data":"YmJiYg==","mode":"0644"}}}`}, added)

	over := "create /f\nwrite /f 0 \"aaaa\"\n"
	whole = parse(t, "write /f 0 \"b\"*8\n", over)
	halves = parse(t, "write /f 0 \"b\"*4\nwrite /f 4 \"b\"*4\n", over)
	all := model.MustParse("posix,append=all,unit=4,block=4")
	added = without(lines(t, halves, all), lines(t, whole, all))
	require.Equal(t, []string{`{"marks":[],"tree":{"/f":{"data":"YWFhYWJiYmI=","mode":"0644"}}}`}, added)
}

// Only the live states, and all of them, are left when the cache is kept; they
// are cases under every other model too.
func TestLiveStatesAreCases(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		grid := drawGrid(t)
		trace := drawTrace(t, grid, 6)
		live := liveStates(t, trace)
		for _, m := range models(t, grid, 4) {
			switch {
			case m.Cache == model.CacheKept:
				same(t, live, lines(t, trace, m), m, trace)
			case small(trace, m):
				subset(t, live, lines(t, trace, m), "live", m, trace)
			}
		}
	})
}

// liveStates lists what the running program saw before its first op and after
// each, by running it again.
func liveStates(t *rapid.T, trace *faultfs.Trace) []string {
	fs := faultfs.NewOn(trace.Base())
	marks := []string{}
	add := func(ops []faultfs.Op) {
		for _, op := range ops {
			if op.Kind == faultfs.OpMark {
				marks = append(marks, op.Label)
			}
		}
		slices.Sort(marks)
		marks = slices.Compact(marks)
	}
	add(trace.Setup)
	found := []string{asJSON(map[string]any{"marks": marks, "tree": liveTree(t, fs)})}
	for i, op := range trace.Ops {
		_, err := fs.Do(op)
		require.NoError(t, err)
		add(trace.Ops[i : i+1])
		found = append(found, asJSON(map[string]any{"marks": marks, "tree": liveTree(t, fs)}))
	}
	slices.Sort(found)
	return slices.Compact(found)
}

func liveTree(t *rapid.T, fs *faultfs.FS) map[string]any {
	tree := map[string]any{}
	var walk func(dir string)
	walk = func(dir string) {
		names, err := afero.ReadDir(fs, dir+"/")
		require.NoError(t, err)
		for _, info := range names {
			path := dir + "/" + info.Name()
			mode := fmt.Sprintf("%04o", info.Mode().Perm())
			switch link, err := fs.ReadlinkIfPossible(path); {
			case err == nil:
				tree[path] = map[string]any{"link": link}
			case info.IsDir():
				tree[path] = map[string]any{"dir": true, "mode": mode}
				walk(path)
			default:
				data, err := afero.ReadFile(fs, path)
				require.NoError(t, err)
				tree[path] = map[string]any{"data": data, "mode": mode}
			}
		}
	}
	walk("")
	return tree
}

func TestTextOfATraceLeavesTheSameCases(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		grid := drawGrid(t)
		trace := drawTrace(t, grid, 5)
		if rapid.Bool().Draw(t, "overlap") {
			trace = overlap(t, trace)
		}
		again, err := faultfs.ParseTrace("trace", trace.Text())
		require.NoError(t, err)
		for _, m := range models(t, grid, 2) {
			if small(trace, m) {
				same(t, lines(t, trace, m), lines(t, again, m), m, trace)
			}
		}
	})
}

// parse reads the ops of a program, and its setup if there is one.
func parse(t require.TestingT, ops string, setup ...string) *faultfs.Trace {
	text := "-- ops --\n" + ops
	if len(setup) > 0 {
		text = "-- setup --\n" + setup[0] + text
	}
	trace, err := faultfs.ParseTrace("program", []byte(text))
	require.NoError(t, err)
	return trace
}

// without returns the cases of a list that are not in another one.
func without(cases, others []string) []string {
	return slices.DeleteFunc(slices.Clone(cases), func(line string) bool { return slices.Contains(others, line) })
}
