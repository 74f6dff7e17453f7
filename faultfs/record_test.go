package faultfs_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/spf13/afero"
	"github.com/stretchr/testify/require"
)

// here is the site of its caller, moved by some lines.
func here(lines int) faultfs.CallSite {
	pc, _, line, _ := runtime.Caller(1)
	return faultfs.CallSite{File: "faultfs/record_test.go", Line: line + lines, Func: path.Base(runtime.FuncForPC(pc).Name())}
}

func TestCallSiteIsTheCallersLine(t *testing.T) {
	f := newFS(t)
	h, err := f.OpenFile("/empty", os.O_RDWR, 0)
	require.NoError(t, err)
	require.Equal(t, here(-2), last(t, f, faultfs.OpOpen).Site)

	w := bufio.NewWriter(h)
	_, err = w.WriteString("x")
	require.NoError(t, err)
	require.NoError(t, w.Flush())
	require.Equal(t, here(-1), last(t, f, faultfs.OpWrite).Site, "bufio")

	_, err = fmt.Fprintf(h, "%d", 7)
	require.Equal(t, here(-1), last(t, f, faultfs.OpWrite).Site, "fmt")
	require.NoError(t, err)

	_, err = io.ReadAll(h)
	require.Equal(t, here(-1), last(t, f, faultfs.OpRead).Site, "io")
	require.NoError(t, err)

	err = afero.WriteFile(f, "/new", []byte("x"), 0o666)
	site := here(-1)
	require.NoError(t, err)
	for _, kind := range []faultfs.OpKind{faultfs.OpCreate, faultfs.OpWrite, faultfs.OpClose} {
		require.Equal(t, site, last(t, f, kind).Site, "afero")
	}

	require.NoError(t, f.MkdirAll("/deep/er/er", 0o777))
	require.Equal(t, here(-1), last(t, f, faultfs.OpMkdir).Site, "a method that calls others")
	for _, layers := range []int{5, 6, 7, 8, 9, 20} {
		w := io.Writer(h)
		for range layers {
			w = io.MultiWriter(w)
		}
		_, err = w.Write([]byte("x"))
		require.Equal(t, here(-1), last(t, f, faultfs.OpWrite).Site, "through %d writers of io", layers)
		require.NoError(t, err)
	}

	f.Mark("done")
	require.Equal(t, here(-1), last(t, f, faultfs.OpMark).Site)

	_, err = f.Do(faultfs.Op{Kind: faultfs.OpUnlink, Path: "/new"})
	require.Equal(t, here(-1), last(t, f, faultfs.OpUnlink).Site)
	require.NoError(t, err)

	var wait sync.WaitGroup
	wait.Go(func() {
		f.Mark("from a goroutine")
	})
	wait.Wait()
	site = here(-3)
	site.Func += ".func1"
	require.Equal(t, site, last(t, f, faultfs.OpMark).Site)
}

func TestPathFollowsTheFile(t *testing.T) {
	write := func(f *faultfs.FS, h afero.File) string {
		_, err := h.WriteString("x")
		require.NoError(t, err)
		op := last(t, f, faultfs.OpWrite)
		return op.Path
	}
	t.Run("renamed", func(t *testing.T) {
		f := faultfs.New()
		require.NoError(t, f.Mkdir("/d", 0o777))
		h := open(t, f, "/d/f.tmp", os.O_RDWR|os.O_CREATE)
		require.Equal(t, "/d/f.tmp", write(f, h))
		require.NoError(t, f.Rename("/d/f.tmp", "/d/f"))
		require.Equal(t, "/d/f", write(f, h))
		require.NoError(t, f.Rename("/d", "/e"))
		require.Equal(t, "/e/f", write(f, h))
		require.NoError(t, f.LinkIfPossible("/e/f", "/hard"))
		require.NoError(t, f.Remove("/e/f"))
		require.Equal(t, "/hard", write(f, h))
	})
	t.Run("the old name leads elsewhere", func(t *testing.T) {
		f := faultfs.New()
		h := open(t, f, "/f", os.O_RDWR|os.O_CREATE)
		require.NoError(t, f.Rename("/f", "/g"))
		other := open(t, f, "/f", os.O_RDWR|os.O_CREATE)
		require.Equal(t, "/g", write(f, h))
		require.Equal(t, "/f", write(f, other))
	})
	t.Run("made before the trace began", func(t *testing.T) {
		f := newFS(t)
		require.NoError(t, afero.WriteFile(f, "/dir/f", nil, 0o666))
		frozen := f.Checkpoint().Trace().Base()
		f = faultfs.NewOn(frozen)
		h := open(t, f, "/link/f", os.O_RDWR)
		require.NoError(t, f.Rename("/dir/f", "/dir/g"))
		require.Equal(t, "/dir/g", write(f, h))
		require.NoError(t, f.Rename("/dir", "/moved"))
		require.Equal(t, "/moved/g", write(f, h))
	})
	t.Run("unlinked", func(t *testing.T) {
		f := newFS(t)
		h := open(t, f, "/file", os.O_RDWR)
		require.NoError(t, f.Remove("/file"))
		require.Empty(t, write(f, h))
	})
	t.Run("below a removed directory", func(t *testing.T) {
		f := newFS(t)
		h := open(t, f, "/dir/f", os.O_RDWR|os.O_CREATE)
		require.NoError(t, f.Rename("/dir/f", "/dir/sub/f"))
		require.NoError(t, f.RemoveAll("/dir"))
		require.Empty(t, write(f, h))
	})
}

// TestDeadHandles holds every way in which a program can die.
func TestDeadHandles(t *testing.T) {
	for name, kill := range map[string]func(f *faultfs.FS){
		"crash":      func(f *faultfs.FS) { f.Crash() },
		"checkpoint": func(f *faultfs.FS) { f.Checkpoint() },
		"reset":      func(f *faultfs.FS) { f.Reset() },
	} {
		t.Run(name, func(t *testing.T) {
			f := faultfs.Unrecorded(newFS(t).Trace().Base())
			h, appender := open(t, f, "/file", os.O_RDWR), open(t, f, "/file", os.O_RDWR|os.O_APPEND|os.O_SYNC)
			dir, closed := open(t, f, "/", os.O_RDONLY), open(t, f, "/file", os.O_RDWR)
			require.NoError(t, closed.Close())
			info, err := h.Stat()
			require.NoError(t, err)
			kill(f)
			p := make([]byte, 1)
			second := func(_ any, err error) error { return err }
			for call, err := range map[string]error{
				"read": second(h.Read(p)), "readat": second(h.ReadAt(p, 0)), "write": second(h.Write(p)),
				"writeat": second(h.WriteAt(p, 0)), "append": second(appender.Write(p)), "append at": second(appender.WriteAt(p, 0)),
				"empty read": second(h.Read(nil)), "empty write": second(h.Write(nil)), "empty readat": second(h.ReadAt(nil, 0)),
				"empty writeat": second(h.WriteAt(nil, 0)), "negative": second(h.ReadAt(p, -1)), "seek": second(h.Seek(0, 0)),
				"truncate": h.Truncate(0), "sync": h.Sync(), "stat": second(h.Stat()), "close": h.Close(), "closed": closed.Close(),
				"readdir": second(dir.Readdir(-1)), "readdirnames": second(dir.Readdirnames(1)), "dir sync": dir.Sync(),
			} {
				require.ErrorIs(t, err, faultfs.ErrCrashed, call)
				require.ErrorIs(t, err, syscall.EIO, call)
				var path *os.PathError
				require.ErrorAs(t, err, &path, call)
			}
			require.Zero(t, info.Size(), "a disk on which a run has ended answers nothing")
			if name == "reset" {
				require.Equal(t, "0123456789", content(t, f, "/file"))
			}
		})
	}
}

func TestDeadFileSystemChangesNothing(t *testing.T) {
	f := newFS(t)
	require.NoError(t, afero.WriteFile(f, "/kept", []byte("x"), 0o666))
	before := f.Trace()
	f.Crash()
	second := func(_ any, err error) error { return err }
	for call, err := range map[string]error{
		"create": second(f.Create("/x")), "open": second(f.Open("/file")), "mkdir": f.Mkdir("/x", 0o777),
		"mkdirall": f.MkdirAll("/x/y", 0o777), "remove": f.Remove("/file"), "removeall": f.RemoveAll("/dir"),
		"rename": f.Rename("/file", "/x"), "link": f.LinkIfPossible("/file", "/x"), "symlink": f.SymlinkIfPossible("a", "/x"),
		"readlink": second(f.ReadlinkIfPossible("/link")), "stat": second(f.Stat("/file")), "chmod": f.Chmod("/file", 0),
		"chown": f.Chown("/file", 0, 0), "chtimes": f.Chtimes("/file", time.Time{}, time.Now()), "sync": f.SyncAll(),
		"do": second(f.Do(faultfs.Op{Kind: faultfs.OpUnlink, Path: "/file"})),
	} {
		require.ErrorIs(t, err, faultfs.ErrCrashed, call)
	}
	f.Mark("too late")
	require.Equal(t, before.Text(), f.Trace().Text())
	require.Equal(t, "x", content(t, f.Checkpoint(), "/kept"))
}

func TestTraceIsNotChangedByLaterOps(t *testing.T) {
	f := faultfs.New()
	f.Mark("one")
	trace := f.Trace()
	f.Mark("two")
	require.Equal(t, []string{"one"}, trace.Marks())
	require.Nil(t, faultfs.Unrecorded(trace.Base()).Trace())
}

func TestCheckpointMakesTheTraceTheSetup(t *testing.T) {
	f := faultfs.New()
	for i, want := range []int{0, 1, 2} {
		require.Len(t, f.Trace().Setup, want)
		require.Empty(t, f.Trace().Ops)
		require.NoError(t, f.Mkdir(fmt.Sprintf("/%d", i), 0o777))
		f = f.Checkpoint()
	}
	require.NotContains(t, string(f.Trace().Text()), "span=", "a sequential setup has the edges of one trace")
}

func TestDoRefusesWhatLitmusFilesRefuse(t *testing.T) {
	f := newFS(t)
	for _, c := range []struct {
		op   faultfs.Op
		want syscall.Errno
	}{
		{faultfs.Op{Kind: faultfs.OpCreate, Path: "/file"}, syscall.EEXIST},
		{faultfs.Op{Kind: faultfs.OpCreate, Path: "/dangling"}, syscall.EEXIST},
		{faultfs.Op{Kind: faultfs.OpCreate, Path: "/x/"}, syscall.EISDIR},
		{faultfs.Op{Kind: faultfs.OpUnlink, Path: "/dir"}, syscall.EISDIR},
		{faultfs.Op{Kind: faultfs.OpRmdir, Path: "/file"}, syscall.ENOTDIR},
		{faultfs.Op{Kind: faultfs.OpWrite, Path: "/file", Off: -1}, syscall.EFBIG},
		{faultfs.Op{Kind: faultfs.OpTruncate, Path: "/file", Size: -1}, syscall.EINVAL},
		{faultfs.Op{Kind: faultfs.OpFsync, Ino: 99}, syscall.ENOENT},
		{faultfs.Op{Kind: faultfs.OpWrite, Ino: 7}, syscall.EINVAL}, // a symbolic link
	} {
		_, err := f.Do(c.op)
		require.ErrorIs(t, err, c.want, c.op.Line())
		var path *os.PathError
		require.ErrorAs(t, err, &path)
	}
	op, err := f.Do(faultfs.Op{Kind: faultfs.OpMkdir, Path: "relative", Mode: 0o777})
	require.NoError(t, err)
	require.Equal(t, []any{"/relative", uint32(0o777), faultfs.Root}, []any{op.Path, op.Mode, op.Dir})
}

func TestConcurrentUse(t *testing.T) {
	f := newFS(t)
	shared := open(t, f, "/empty", os.O_RDWR|os.O_APPEND)
	const workers, rounds = 8, 50
	var (
		wait   sync.WaitGroup
		failed atomic.Int64
	)
	for w := range workers {
		wait.Go(func() {
			for i := range rounds {
				tmp, name := fmt.Sprintf("/dir/%d-%d.tmp", w, i), fmt.Sprintf("/dir/%d", i)
				err := errors.Join(
					afero.WriteFile(f, tmp, []byte(name), 0o666),
					f.Rename(tmp, name),
					f.Chmod(name, 0o600),
				)
				_, e1 := shared.WriteString("x")
				_, e2 := f.Stat(name)
				_, e3 := afero.ReadDir(f, "/dir")
				if errors.Join(err, e1, e2, e3) != nil {
					failed.Add(1)
				}
				if w == 0 && i == rounds/2 {
					other := open(t, f, "/file", os.O_RDWR)
					wait.Go(func() { _, _ = other.WriteString("y") })
					wait.Go(func() { _ = other.Close() })
				}
				f.Trace().Marks()
			}
		})
	}
	wait.Wait()
	require.Zero(t, failed.Load())
	info, err := shared.Stat()
	require.NoError(t, err)
	require.Equal(t, int64(workers*rounds), info.Size())
	requireEdgesInOrder(t, f.Trace().Ops)
	read, err := faultfs.ParseTrace("f", f.Trace().Text())
	require.NoError(t, err)
	require.Equal(t, string(f.Trace().Text()), string(read.Text()), "with the edges")
}

// requireEdgesInOrder holds what a trace promises of its edges: an op that
// returned before another began stands before it.
func requireEdgesInOrder(t *testing.T, ops []faultfs.Op) {
	t.Helper()
	overlaps := 0
	for i := range ops {
		require.Less(t, ops[i].Begin, ops[i].End)
		if i > 0 {
			require.Less(t, ops[i-1].End, ops[i].End, "ops stand in the order in which they returned")
			if ops[i].Begin < ops[i-1].End {
				overlaps++
			}
		}
	}
	t.Logf("%d ops, %d of them overlap the one before", len(ops), overlaps)
}

func TestCrashStopsConcurrentUse(t *testing.T) {
	f := newFS(t)
	h := open(t, f, "/file", os.O_RDWR|os.O_SYNC)
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			for {
				if _, err := h.WriteString("x"); errors.Is(err, faultfs.ErrCrashed) {
					return
				}
			}
		})
	}
	f.Crash()
	n := len(f.Trace().Ops)
	wait.Wait()
	require.Len(t, f.Trace().Ops, n)
}
