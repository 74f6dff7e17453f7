package faultfs_test

import (
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/crashsim/crashsim/faultfs"
)

// kept performs a trace again, all of it.
func kept(t require.TestingT, trace *faultfs.Trace) *faultfs.Trace {
	e := trace.Edit()
	require.NoError(t, e.KeepAll(faultfs.OpNum(len(trace.Ops)-1)), "%s", trace.Text())
	require.False(t, e.Strayed())
	return e.Trace()
}

// overlapping lets some ops of a trace begin earlier: before others return.
func overlapping(t *rapid.T, trace *faultfs.Trace) {
	var edges []*faultfs.Edge // in their order
	for i := range trace.Ops {
		op := &trace.Ops[i]
		at := len(edges)
		if rapid.IntRange(0, 3).Draw(t, "overlaps") == 0 {
			at = rapid.IntRange(max(0, len(edges)-6), len(edges)).Draw(t, "begin")
		}
		edges = append(edges[:at:at], append([]*faultfs.Edge{&op.Begin}, edges[at:]...)...)
		edges = append(edges, &op.End)
	}
	for i, edge := range edges {
		*edge = faultfs.Edge(i + 1)
	}
}

func TestAnEditThatChangesNothingGivesTheSameTrace(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		trace := randomTrace(t).Trace()
		if rapid.Bool().Draw(t, "ops overlap") {
			overlapping(t, trace)
		}
		again := kept(t, trace)
		require.Equal(t, string(trace.Text()), string(again.Text()))
		require.Equal(t, trace.Setup, again.Setup)
		require.Equal(t, trace.Ops, again.Ops)
		require.Equal(t, trace.Base().Inodes(), again.Base().Inodes())
	})
}

func TestAnEditThatIsTakenBackGivesTheSameTrace(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		trace := randomTrace(t).Trace()
		overlapping(t, trace)
		e := trace.Edit()
		added := map[faultfs.OpNum]bool{}
		n := faultfs.OpNum(0)
		add := func() {
			for range rapid.SampledFrom([]int{0, 0, 0, 1, 2}).Draw(t, "added") {
				op := faultfs.Op{Kind: faultfs.OpCreate, Path: "/added " + string(rune('a'+n%26)) + string(rune('a'+n/26)), Mode: 0o600}
				if rapid.Bool().Draw(t, "sync") {
					op = faultfs.Op{Kind: faultfs.OpSync}
				}
				_, err := e.Add(op)
				require.NoError(t, err)
				added[n] = true
				n++
			}
		}
		add()
		for i := range trace.Ops {
			_, err := e.Keep(faultfs.OpNum(i))
			require.NoError(t, err)
			n++
			add()
		}
		require.False(t, e.Strayed())
		longer := e.Trace()
		text := longer.Text()
		parsed, err := faultfs.ParseTrace("longer", text)
		require.NoError(t, err, "%s", text)
		require.Equal(t, string(text), string(parsed.Text()), "edges and inodes are those that a reader finds")
		back := longer.Edit()
		for i := range longer.Ops {
			if added[faultfs.OpNum(i)] {
				back.Drop(faultfs.OpNum(i))
				continue
			}
			_, err := back.Keep(faultfs.OpNum(i))
			require.NoError(t, err)
		}
		require.False(t, back.Strayed())
		require.Equal(t, trace.Ops, back.Trace().Ops)
	})
}

// script performs calls on a file system, the first ones as its setup.
func script(t *testing.T, setup, program func(f *faultfs.FS)) *faultfs.Trace {
	t.Helper()
	f := faultfs.New()
	setup(f)
	f = f.Checkpoint()
	program(f)
	return f.Trace()
}

func write(t *testing.T, h afero.File, text string) {
	t.Helper()
	_, err := h.WriteString(text)
	require.NoError(t, err)
}

func create(t *testing.T, f *faultfs.FS, name, text string) afero.File {
	t.Helper()
	h, err := f.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o644)
	require.NoError(t, err)
	write(t, h, text)
	return h
}

// find returns the number of the first op whose text begins like that.
func find(t *testing.T, trace *faultfs.Trace, text string) faultfs.OpNum {
	t.Helper()
	for i := range trace.Ops {
		if strings.HasPrefix(trace.Ops[i].Line(), text) {
			return faultfs.OpNum(i)
		}
	}
	require.Fail(t, "there is no such op", text)
	return 0
}

// without drops an op.
func without(t *testing.T, trace *faultfs.Trace, text string) (*faultfs.Edit, error) {
	t.Helper()
	n := find(t, trace, text)
	e := trace.Edit()
	require.NoError(t, e.KeepAll(n-1))
	e.Drop(n)
	return e, e.KeepAll(faultfs.OpNum(len(trace.Ops) - 1))
}

func TestEditKeepsTheMarksOfTheSetup(t *testing.T) {
	trace := script(t, func(f *faultfs.FS) {
		require.NoError(t, create(t, f, "/f", "a").Close())
		f.Mark("ready")
	}, func(f *faultfs.FS) {
		h := create(t, f, "/f.tmp", "b")
		require.NoError(t, h.Sync())
		require.NoError(t, h.Close())
		require.NoError(t, f.Rename("/f.tmp", "/f"))
	})
	e, err := without(t, trace, "fsync")
	require.NoError(t, err)
	require.Equal(t, trace.Setup, e.Trace().Setup)
	require.Len(t, e.Trace().Ops, len(trace.Ops)-1)
	require.NotContains(t, string(e.Trace().Text()), "span=", "the ops of a sequential program are sequential")
}

func TestAFileThatIsNotCreatedTakesItsOpsWithIt(t *testing.T) {
	trace := script(t, func(*faultfs.FS) {}, func(f *faultfs.FS) {
		gone := create(t, f, "/gone", "")
		require.NoError(t, f.Remove("/gone"))
		other := create(t, f, "/other", "theirs")
		write(t, gone, "junk") // into an inode whose number another file has without the first create
		require.NoError(t, other.Close())
		require.NoError(t, gone.Close())
	})
	_, err := without(t, trace, "create /gone")
	require.ErrorIs(t, err, syscall.ENOENT, "the name that is not there cannot be removed")
	e := trace.Edit()
	for i := range trace.Ops {
		if op := &trace.Ops[i]; op.Path == "/gone" {
			continue
		}
		if _, err = e.Keep(faultfs.OpNum(i)); err != nil {
			break
		}
	}
	var pe *fs.PathError
	require.ErrorAs(t, err, &pe)
	require.ErrorIs(t, err, syscall.ENOENT, "nor can it be written to by its number")
	data, err := afero.ReadFile(e.FS(), "/other")
	require.NoError(t, err)
	require.Equal(t, "theirs", string(data))
}

func TestAddedFilesDoNotChangeWhatHandlesLeadTo(t *testing.T) {
	trace := script(t, func(*faultfs.FS) {}, func(f *faultfs.FS) {
		unlinked := create(t, f, "/unlinked", "")
		replaced := create(t, f, "/f", "old")
		require.NoError(t, create(t, f, "/f.tmp", "new").Close())
		require.NoError(t, f.Remove("/unlinked"))
		require.NoError(t, f.Rename("/f.tmp", "/f"))
		require.NoError(t, create(t, f, "/later", "mine").Close())
		write(t, unlinked, "junk")
		write(t, replaced, "junk")
	})
	e := trace.Edit()
	for _, name := range []string{"/x", "/y", "/z"} {
		_, err := e.Add(faultfs.Op{Kind: faultfs.OpCreate, Path: name, Mode: 0o644})
		require.NoError(t, err)
	}
	require.NoError(t, e.KeepAll(faultfs.OpNum(len(trace.Ops)-1)))
	require.False(t, e.Strayed())
	for name, want := range map[string]string{"/x": "", "/y": "", "/z": "", "/f": "new", "/later": "mine"} {
		data, err := afero.ReadFile(e.FS(), name)
		require.NoError(t, err)
		require.Equal(t, want, string(data), name)
	}
}

func TestOpsGoThroughTheHandleThatWasOpened(t *testing.T) {
	trace := script(t, func(f *faultfs.FS) {
		require.NoError(t, create(t, f, "/f", "old").Close())
	}, func(f *faultfs.FS) {
		h := create(t, f, "/f.tmp", "new")
		require.NoError(t, f.Rename("/f.tmp", "/f"))
		write(t, h, ", more") // by now /f leads there
		require.NoError(t, h.Close())
		h, err := f.OpenFile("/f", os.O_WRONLY|os.O_APPEND, 0)
		require.NoError(t, err)
		write(t, h, ", by name")
		require.NoError(t, h.Close())
	})
	e, err := without(t, trace, "rename")
	require.NoError(t, err)
	require.True(t, e.Strayed(), "the second handle is of the file that was not replaced")
	for name, want := range map[string]string{"/f.tmp": "new, more", "/f": "old\x00\x00\x00\x00\x00\x00, by name"} {
		data, err := afero.ReadFile(e.FS(), name)
		require.NoError(t, err)
		require.Equal(t, want, string(data), name)
	}
	ops := e.Trace().Ops
	require.Equal(t, "/f.tmp", ops[2].Path, "the path is one that leads to the file")
}

func TestRetryAsksForTheFaultAnew(t *testing.T) {
	f := faultfs.New()
	fault, err := faultfs.ParseFault("fsync nth=1 err=EIO")
	require.NoError(t, err)
	f.Inject(faultfs.SyncFailure{Report: faultfs.ReportNow}, fault)
	h := create(t, f, "/f", "bytes")
	require.Error(t, h.Sync())
	trace := f.Trace()
	last := faultfs.OpNum(len(trace.Ops) - 1)
	require.True(t, trace.Ops[last].Loses())
	require.Equal(t, trace.Ops, kept(t, trace).Ops, "what was lost stays lost")
	e := trace.Edit()
	require.NoError(t, e.KeepAll(last-1))
	is, err := e.Retry(last) // no fault is injected this time
	require.NoError(t, err)
	require.False(t, is.Failed())
	require.False(t, is.Loses())
}

func TestAWriteThatAFaultCutsShortIsTwoOps(t *testing.T) {
	f := faultfs.New()
	h := create(t, f, "/f", "bytes")
	write(t, h, "more")
	require.NoError(t, f.SyncAll())
	trace := f.Trace()
	fault, err := faultfs.ParseFault("write nth=2 err=ENOSPC short=2")
	require.NoError(t, err)
	e := trace.Edit()
	e.FS().Inject(faultfs.SyncFailure{}, fault)
	err = e.KeepAll(2)
	require.ErrorIs(t, err, syscall.ENOSPC)
	_, err = e.Keep(3)
	require.NoError(t, err)
	short := e.Trace()
	require.Len(t, short.Ops, len(trace.Ops)+1)
	require.NotContains(t, string(short.Text()), "span=")
	parsed, err := faultfs.ParseTrace("short", short.Text())
	require.NoError(t, err)
	require.Equal(t, string(short.Text()), string(parsed.Text()))
}

func TestOpsAreKeptInTheirOrder(t *testing.T) {
	f := faultfs.New()
	f.Mark("one")
	f.Mark("two")
	e := f.Trace().Edit()
	_, err := e.Keep(1)
	require.NoError(t, err)
	require.Panics(t, func() { _, _ = e.Keep(0) })
	require.Equal(t, []string{"two"}, e.Trace().Marks())
}
