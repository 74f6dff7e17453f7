package faultfs_test

import (
	"errors"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/spf13/afero"
	"github.com/stretchr/testify/require"
)

// newFS returns a file system with some of each type of inode: /file with
// "0123456789", /empty, /dir with an entry, /void without, and links.
func newFS(t testing.TB) *faultfs.FS {
	f := faultfs.New()
	require.NoError(t, afero.WriteFile(f, "/file", []byte("0123456789"), 0o666))
	require.NoError(t, afero.WriteFile(f, "/empty", nil, 0o666))
	require.NoError(t, f.MkdirAll("/dir/sub", 0o777))
	require.NoError(t, f.Mkdir("/void", 0o777))
	require.NoError(t, f.SymlinkIfPossible("dir", "/link"))
	require.NoError(t, f.SymlinkIfPossible("nothing", "/dangling"))
	require.NoError(t, f.SymlinkIfPossible("loop", "/loop"))
	return f.Checkpoint()
}

func open(t testing.TB, f afero.Fs, name string, flag int) afero.File {
	t.Helper()
	h, err := f.OpenFile(name, flag, 0o666)
	require.NoError(t, err)
	t.Cleanup(func() { _ = h.Close() })
	return h
}

func content(t testing.TB, f afero.Fs, name string) string {
	t.Helper()
	b, err := afero.ReadFile(f, name)
	require.NoError(t, err)
	return string(b)
}

// last returns the newest op of a kind.
func last(t testing.TB, f *faultfs.FS, kind faultfs.OpKind) faultfs.Op {
	t.Helper()
	ops := f.Trace().Ops
	for i := len(ops) - 1; i >= 0; i-- {
		if ops[i].Kind == kind {
			return ops[i]
		}
	}
	t.Fatalf("no %v in the trace", kind)
	return faultfs.Op{}
}

func TestErrnoOfEachCall(t *testing.T) {
	long := "/" + strings.Repeat("n", 256)
	for _, c := range []struct {
		name string
		call func(f *faultfs.FS) error
		want syscall.Errno
	}{
		{"open of a missing file", func(f *faultfs.FS) error { _, err := f.Open("/x"); return err }, syscall.ENOENT},
		{"open of the empty path", func(f *faultfs.FS) error { _, err := f.Open(""); return err }, syscall.ENOENT},
		{"create without a parent", func(f *faultfs.FS) error { _, err := f.Create("/x/y"); return err }, syscall.ENOENT},
		{"create below a file", func(f *faultfs.FS) error { _, err := f.Create("/file/y"); return err }, syscall.ENOTDIR},
		{"create of a directory", func(f *faultfs.FS) error { _, err := f.Create("/dir"); return err }, syscall.EISDIR},
		{"create with a slash behind", func(f *faultfs.FS) error { _, err := f.Create("/x/"); return err }, syscall.EISDIR},
		{"create with a NUL", func(f *faultfs.FS) error { _, err := f.Create("/x\x00"); return err }, syscall.EINVAL},
		{"open for writing of a directory", func(f *faultfs.FS) error { _, err := f.OpenFile("/dir", os.O_WRONLY, 0); return err }, syscall.EISDIR},
		{"O_EXCL of a file", func(f *faultfs.FS) error { _, err := f.OpenFile("/file", os.O_CREATE|os.O_EXCL, 0o666); return err }, syscall.EEXIST},
		{"O_EXCL of a link to nothing", func(f *faultfs.FS) error {
			_, err := f.OpenFile("/dangling", os.O_CREATE|os.O_EXCL, 0o666)
			return err
		}, syscall.EEXIST},
		{"open of a link to itself", func(f *faultfs.FS) error { _, err := f.Open("/loop"); return err }, syscall.ELOOP},
		{"stat through a link to itself", func(f *faultfs.FS) error { _, err := f.Stat("/loop/x"); return err }, syscall.ELOOP},
		{"long name", func(f *faultfs.FS) error { return f.Mkdir(long, 0o777) }, syscall.ENAMETOOLONG},
		{"long path", func(f *faultfs.FS) error { return f.Mkdir(strings.Repeat("/a", 2048), 0o777) }, syscall.ENAMETOOLONG},
		{"mkdir of what exists", func(f *faultfs.FS) error { return f.Mkdir("/file", 0o777) }, syscall.EEXIST},
		{"mkdir of a link to nothing", func(f *faultfs.FS) error { return f.Mkdir("/dangling/", 0o777) }, syscall.EEXIST},
		{"mkdir without a parent", func(f *faultfs.FS) error { return f.Mkdir("/x/y", 0o777) }, syscall.ENOENT},
		{"mkdirall through a file", func(f *faultfs.FS) error { return f.MkdirAll("/file/x", 0o777) }, syscall.ENOTDIR},
		{"remove of a full directory", func(f *faultfs.FS) error { return f.Remove("/dir") }, syscall.ENOTEMPTY},
		{"remove of the root", func(f *faultfs.FS) error { return f.Remove("/") }, syscall.EBUSY},
		{"remove of dot", func(f *faultfs.FS) error { return f.Remove("/void/.") }, syscall.EINVAL},
		{"remove of dot dot", func(f *faultfs.FS) error { return f.Remove("/void/..") }, syscall.ENOTEMPTY},
		{"remove of a link with a slash behind", func(f *faultfs.FS) error { return f.Remove("/link/") }, syscall.ENOTDIR},
		{"removeall of dot", func(f *faultfs.FS) error { return f.RemoveAll("/dir/.") }, syscall.EINVAL},
		{"rename into itself", func(f *faultfs.FS) error { return f.Rename("/dir", "/dir/sub/x") }, syscall.EINVAL},
		{"rename over its parent", func(f *faultfs.FS) error { return f.Rename("/dir/sub", "/dir") }, syscall.ENOTEMPTY},
		{"rename over a full directory", func(f *faultfs.FS) error { return f.Rename("/void", "/dir") }, syscall.ENOTEMPTY},
		{"rename of a file over a directory", func(f *faultfs.FS) error { return f.Rename("/file", "/void") }, syscall.EISDIR},
		{"rename of a directory over a file", func(f *faultfs.FS) error { return f.Rename("/void", "/file") }, syscall.ENOTDIR},
		{"rename of nothing", func(f *faultfs.FS) error { return f.Rename("/x", "/y") }, syscall.ENOENT},
		{"rename of dot", func(f *faultfs.FS) error { return f.Rename("/void/.", "/y") }, syscall.EBUSY},
		{"link of a directory", func(f *faultfs.FS) error { return f.LinkIfPossible("/dir", "/x") }, syscall.EPERM},
		{"link to what exists", func(f *faultfs.FS) error { return f.LinkIfPossible("/file", "/empty") }, syscall.EEXIST},
		{"symlink to the empty path", func(f *faultfs.FS) error { return f.SymlinkIfPossible("", "/x") }, syscall.ENOENT},
		{"readlink of a file", func(f *faultfs.FS) error { _, err := f.ReadlinkIfPossible("/file"); return err }, syscall.EINVAL},
		{"chmod of a link to nothing", func(f *faultfs.FS) error { return f.Chmod("/dangling", 0) }, syscall.ENOENT},
		{"chown of nothing", func(f *faultfs.FS) error { return f.Chown("/x", 0, 0) }, syscall.ENOENT},
		{"chtimes of nothing", func(f *faultfs.FS) error { return f.Chtimes("/x", time.Time{}, time.Time{}) }, syscall.ENOENT},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFS(t)
			before := tree(f, "")
			err := c.call(f)
			var path *os.PathError
			var link *os.LinkError
			require.True(t, errors.As(err, &path) || errors.As(err, &link), "%T", err)
			require.ErrorIs(t, err, c.want)
			if ops := f.Trace().Ops; !strings.Contains(c.name, "all ") { // those are several ops
				require.Equal(t, c.want, ops[len(ops)-1].Errno, "the trace holds the error")
			}
			require.Equal(t, before, tree(f, ""), "a call that fails has no effect")
		})
	}
}

func TestHandleErrno(t *testing.T) {
	f := newFS(t)
	p := make([]byte, 1)
	reader, writer := open(t, f, "/file", os.O_RDONLY), open(t, f, "/file", os.O_WRONLY)
	neither, dir := open(t, f, "/file", os.O_WRONLY|os.O_RDWR), open(t, f, "/dir", os.O_RDONLY)
	closed := open(t, f, "/file", os.O_RDWR)
	require.NoError(t, closed.Close())
	second := func(_ any, err error) error { return err }
	for name, c := range map[string]struct {
		err  error
		want error
	}{
		"write of a reader":     {second(reader.Write(p)), syscall.EBADF},
		"writeat of a reader":   {second(reader.WriteAt(p, 0)), syscall.EBADF},
		"truncate of a reader":  {reader.Truncate(0), syscall.EINVAL},
		"read of a writer":      {second(writer.Read(p)), syscall.EBADF},
		"readat of a writer":    {second(writer.ReadAt(p, 0)), syscall.EBADF},
		"truncate below zero":   {writer.Truncate(-1), syscall.EINVAL},
		"read of neither":       {second(neither.Read(p)), syscall.EBADF},
		"write of neither":      {second(neither.Write(p)), syscall.EBADF},
		"read of a directory":   {second(dir.Read(p)), syscall.EISDIR},
		"write of a directory":  {second(dir.Write(p)), syscall.EBADF},
		"readdir of a file":     {second(reader.Readdir(-1)), syscall.ENOTDIR},
		"seek before the start": {second(reader.Seek(-1, io.SeekStart)), syscall.EINVAL},
		"seek from nowhere":     {second(reader.Seek(0, 9)), syscall.EINVAL},
		"read when closed":      {second(closed.Read(p)), os.ErrClosed},
		"write when closed":     {second(closed.Write(p)), os.ErrClosed},
		"seek when closed":      {second(closed.Seek(0, 0)), os.ErrClosed},
		"stat when closed":      {second(closed.Stat()), os.ErrClosed},
		"sync when closed":      {closed.Sync(), os.ErrClosed},
		"close when closed":     {closed.Close(), os.ErrClosed},
		"truncate when closed":  {closed.Truncate(0), syscall.EBADF},
	} {
		require.ErrorIs(t, c.err, c.want, name)
		var path *os.PathError
		require.ErrorAs(t, c.err, &path, name)
	}
	require.Equal(t, "0123456789", content(t, f, "/file"))
}

func TestUnlinkedOpenFileLivesOn(t *testing.T) {
	f := newFS(t)
	h := open(t, f, "/file", os.O_RDWR)
	require.NoError(t, f.Remove("/file"))
	require.NoError(t, afero.WriteFile(f, "/file", []byte("other"), 0o666))
	_, err := h.WriteString("abc")
	require.NoError(t, err)
	b, err := io.ReadAll(h)
	require.NoError(t, err)
	require.Equal(t, "3456789", string(b))
	require.Equal(t, "other", content(t, f, "/file"))
	write := f.Trace().Ops[len(f.Trace().Ops)-1]
	for _, op := range f.Trace().Ops {
		if op.Kind == faultfs.OpWrite && string(op.Data) == "abc" {
			write = op
		}
	}
	require.Empty(t, write.Path, "no path leads to the inode")
	require.True(t, strings.HasPrefix(write.Line(), "write #2 0 "), write.Line())
}

func TestAppendWritesAtTheEndAtEachWrite(t *testing.T) {
	f := newFS(t)
	one, two := open(t, f, "/empty", os.O_RDWR|os.O_APPEND), open(t, f, "/empty", os.O_WRONLY|os.O_APPEND)
	for _, s := range []string{"a", "b"} {
		for _, h := range []afero.File{one, two} {
			_, err := h.WriteString(s)
			require.NoError(t, err)
		}
	}
	require.Equal(t, "aabb", content(t, f, "/empty"))
	_, err := one.Seek(0, io.SeekStart)
	require.NoError(t, err)
	b := make([]byte, 2)
	_, err = one.Read(b)
	require.NoError(t, err)
	_, err = one.WriteString("c")
	require.NoError(t, err)
	require.Equal(t, "aabbc", content(t, f, "/empty"))
	_, err = one.WriteAt([]byte("x"), 0)
	require.Error(t, err)
}

func TestTruncatingOpenKeepsTheInode(t *testing.T) {
	f := newFS(t)
	old := open(t, f, "/file", os.O_RDWR)
	_, err := f.Create("/file")
	require.NoError(t, err)
	op := last(t, f, faultfs.OpTruncate)
	require.Equal(t, faultfs.Ino(2), op.Ino)
	require.Zero(t, op.Size)
	_, err = old.WriteString("new")
	require.NoError(t, err)
	require.Equal(t, "new", content(t, f, "/file"))
}

func TestHolesReadAsZeros(t *testing.T) {
	f := newFS(t)
	h := open(t, f, "/file", os.O_RDWR)
	_, err := h.WriteAt([]byte("x"), 10000)
	require.NoError(t, err)
	require.Equal(t, "0123456789"+strings.Repeat("\x00", 9990)+"x", content(t, f, "/file"))
	require.NoError(t, h.Truncate(5))
	require.NoError(t, h.Truncate(1<<40))
	info, err := h.Stat()
	require.NoError(t, err)
	require.Equal(t, int64(1)<<40, info.Size())
	b := make([]byte, 20)
	_, err = h.ReadAt(b, 0)
	require.NoError(t, err)
	require.Equal(t, "01234"+strings.Repeat("\x00", 15), string(b))
}

func TestRenameReplaces(t *testing.T) {
	t.Run("a file", func(t *testing.T) {
		f := newFS(t)
		over := open(t, f, "/empty", os.O_RDONLY)
		require.NoError(t, f.Rename("/file", "/empty"))
		op := last(t, f, faultfs.OpRename)
		require.Equal(t, []any{faultfs.Ino(2), faultfs.Ino(3), "file", "empty"}, []any{op.Ino, op.Replaced, op.Name, op.ToName})
		require.Equal(t, "0123456789", content(t, f, "/empty"))
		info, err := over.Stat()
		require.NoError(t, err)
		require.Zero(t, info.Size(), "the replaced file lives on for its handles")
	})
	t.Run("an empty directory", func(t *testing.T) {
		f := newFS(t)
		require.NoError(t, f.Rename("/dir", "/void"))
		_, err := f.Stat("/void/sub")
		require.NoError(t, err)
	})
	t.Run("nothing, if both names are one inode", func(t *testing.T) {
		f := newFS(t)
		require.NoError(t, f.LinkIfPossible("/file", "/hard"))
		require.NoError(t, f.Rename("/file", "/hard"))
		op := last(t, f, faultfs.OpRename)
		require.True(t, op.Idle())
		require.Equal(t, content(t, f, "/file"), content(t, f, "/hard"))
	})
	t.Run("the link, not what it points to", func(t *testing.T) {
		f := newFS(t)
		require.NoError(t, f.Rename("/file", "/link"))
		require.Equal(t, "0123456789", content(t, f, "/link"))
		_, err := f.Stat("/dir/sub")
		require.NoError(t, err)
	})
}

func TestExchangeSwapsTwoNames(t *testing.T) {
	t.Run("a file and a directory", func(t *testing.T) {
		f := newFS(t)
		require.NoError(t, f.Exchange("/file", "/dir"))
		op := last(t, f, faultfs.OpExchange)
		require.Equal(t, []any{faultfs.Ino(2), "file", "dir"}, []any{op.Ino, op.Name, op.ToName})
		require.Equal(t, "exchange /file /dir", op.Summary())
		require.Equal(t, "0123456789", content(t, f, "/dir"))
		_, err := f.Stat("/file/sub")
		require.NoError(t, err)
	})
	t.Run("nothing, if both names are one inode", func(t *testing.T) {
		f := newFS(t)
		require.NoError(t, f.LinkIfPossible("/file", "/hard"))
		require.NoError(t, f.Exchange("/file", "/hard"))
		op := last(t, f, faultfs.OpExchange)
		require.True(t, op.Idle())
	})
	t.Run("a fault leaves both", func(t *testing.T) {
		f := newFS(t)
		f.Inject(faultfs.SyncFailure{}, faultfs.Fault{Kind: faultfs.OpExchange, Path: "/empty", Errno: syscall.ENOSPC})
		require.ErrorIs(t, f.Exchange("/file", "/empty"), syscall.ENOSPC)
		require.Equal(t, "0123456789", content(t, f, "/file"))
		require.Empty(t, content(t, f, "/empty"))
	})
	for _, c := range []struct {
		what, one, other string
		want             syscall.Errno
	}{
		{"the first must exist", "/gone", "/file", syscall.ENOENT},
		{"the second must exist", "/file", "/gone", syscall.ENOENT},
		{"no directory into itself", "/dir", "/dir/sub", syscall.EINVAL},
		{"nor the other way round", "/dir/sub", "/dir", syscall.EINVAL},
		{"a slash asks for a directory", "/dir", "/file/", syscall.ENOTDIR},
		{"not the root", "/", "/file", syscall.EBUSY},
	} {
		t.Run(c.what, func(t *testing.T) {
			require.ErrorIs(t, newFS(t).Exchange(c.one, c.other), c.want)
		})
	}
}

func TestHardLinksShareTheInode(t *testing.T) {
	f := newFS(t)
	require.NoError(t, f.LinkIfPossible("/file", "/dir/hard"))
	h := open(t, f, "/dir/hard", os.O_WRONLY)
	_, err := h.WriteString("ABC")
	require.NoError(t, err)
	require.Equal(t, "ABC3456789", content(t, f, "/file"))
	require.NoError(t, f.Remove("/file"))
	require.Equal(t, "ABC3456789", content(t, f, "/dir/hard"))
}

func TestReaddirInPages(t *testing.T) {
	f := faultfs.New()
	for _, name := range []string{"/e", "/b", "/d", "/a", "/c"} {
		require.NoError(t, f.Mkdir(name, 0o777))
	}
	h := open(t, f, "/", os.O_RDONLY)
	names, err := h.Readdirnames(2)
	require.NoError(t, err)
	require.Equal(t, []string{"a", "b"}, names)
	require.NoError(t, f.Remove("/c"))
	infos, err := h.Readdir(2)
	require.NoError(t, err)
	require.Equal(t, []string{"d", "e"}, []string{infos[0].Name(), infos[1].Name()}, "an entry removed since is left out")
	_, err = h.Readdirnames(2)
	require.ErrorIs(t, err, io.EOF)
	_, err = h.Seek(0, io.SeekStart)
	require.NoError(t, err)
	names, err = h.Readdirnames(0)
	require.NoError(t, err)
	require.Equal(t, []string{"a", "b", "d", "e"}, names)
}

func TestRemovedDirectoryListsNothing(t *testing.T) {
	f := newFS(t)
	h := open(t, f, "/void", os.O_RDONLY)
	require.NoError(t, f.Remove("/void"))
	_, err := h.Readdirnames(-1)
	require.ErrorIs(t, err, syscall.ENOENT)
	require.NoError(t, h.Sync())
}

func TestDirectorySyncIsAnFsyncOfTheDirectory(t *testing.T) {
	f := newFS(t)
	require.NoError(t, open(t, f, "/dir", os.O_RDONLY).Sync())
	op := last(t, f, faultfs.OpFsync)
	require.Equal(t, []any{"/dir", faultfs.Ino(4)}, []any{op.Path, op.Ino})
}

func TestModesLoseTheUmask(t *testing.T) {
	f := faultfs.New()
	require.NoError(t, f.Mkdir("/d", 0o777|os.ModeSetgid|os.ModeSticky))
	require.NoError(t, afero.WriteFile(f, "/f", nil, 0o666|os.ModeSetuid))
	require.Equal(t, uint32(0o1755), last(t, f, faultfs.OpMkdir).Mode)
	require.Equal(t, uint32(0o4644), last(t, f, faultfs.OpCreate).Mode)
	require.NoError(t, f.Chmod("/f", 0o777))
	require.Equal(t, uint32(0o777), last(t, f, faultfs.OpChmod).Mode)
}

func TestTimesAreLogical(t *testing.T) {
	run := func(f *faultfs.FS) []time.Time {
		var times []time.Time
		for _, name := range []string{"/a", "/b"} {
			require.NoError(t, afero.WriteFile(f, name, []byte("x"), 0o666))
			info, err := f.Stat(name)
			require.NoError(t, err)
			times = append(times, info.ModTime())
		}
		require.True(t, times[0].Before(times[1]))
		return times
	}
	want := run(faultfs.New())
	f := faultfs.Unrecorded(faultfs.New().Trace().Base())
	require.Equal(t, want, run(f))
	f.Reset()
	require.Equal(t, want, run(f), "a reset file system starts at the same time")
}

func TestSyncFlagsRecordTheSyncOfEachWrite(t *testing.T) {
	for flag, want := range map[int]faultfs.OpKind{os.O_SYNC: faultfs.OpFsync, dsync: faultfs.OpFdatasync, 0: faultfs.OpWrite} {
		f := newFS(t)
		h := open(t, f, "/file", os.O_WRONLY|flag)
		_, err := h.WriteString("x")
		require.NoError(t, err)
		_, err = h.Write(nil)
		require.NoError(t, err)
		require.NoError(t, h.Close())
		ops := f.Trace().Ops
		require.Equal(t, faultfs.OpWrite, ops[1].Kind)
		require.Equal(t, want, ops[2].Kind, "behind the write")
		require.Equal(t, ops[1].Ino, ops[2].Ino)
		if flag != 0 {
			require.Len(t, ops, 5, "a write of nothing is not synced")
		}
	}
}

func TestAferoHelpersWork(t *testing.T) {
	f := newFS(t)
	require.Implements(t, (*afero.Lstater)(nil), f)
	tmp, err := afero.TempFile(f, "/dir", "t")
	require.NoError(t, err)
	require.NoError(t, afero.SafeWriteReader(f, "/new/deep/file", strings.NewReader("x")))
	var paths []string
	require.NoError(t, afero.Walk(f, "/new", func(path string, _ os.FileInfo, err error) error {
		paths = append(paths, path)
		return err
	}))
	require.Equal(t, []string{"/new", "/new/deep", "/new/deep/file"}, paths)
	ok, err := afero.DirExists(f, "/dir")
	require.NoError(t, err)
	require.True(t, ok)
	require.NoError(t, f.Remove(tmp.Name()))
}

// What a path that ends in dots leads to is emptied and not removed, as by
// package os.
func TestRemoveAllOfDotsKeepsTheDirectory(t *testing.T) {
	f := faultfs.New()
	require.NoError(t, f.MkdirAll("/a/b", 0o777))
	require.NoError(t, f.RemoveAll("/a/b/c/.."), "there is no /a/b/c")
	require.ErrorIs(t, f.RemoveAll("/a/b/.."), syscall.ENOTEMPTY)
	_, err := f.Stat("/a/b")
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = f.Stat("/a")
	require.NoError(t, err)
}

// The link that the path goes through is removed before what it led to.
func TestRemoveAllThroughALinkThatItRemoves(t *testing.T) {
	f := faultfs.New()
	require.NoError(t, f.Mkdir("/a", 0o777))
	require.NoError(t, f.SymlinkIfPossible("..", "/a/up"))
	require.NoError(t, f.RemoveAll("/a/up/a"))
	_, err := f.Stat("/a")
	require.ErrorIs(t, err, os.ErrNotExist)
}
