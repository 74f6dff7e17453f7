package faultfs_test

import (
	"bytes"
	"errors"
	"io"
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

func fault(t testing.TB, text string) faultfs.Fault {
	t.Helper()
	f, err := faultfs.ParseFault(text)
	require.NoError(t, err)
	return f
}

// behaviours are the ways in which file systems were seen to fail.
var (
	ext4        = faultfs.SyncFailure{Page: faultfs.PageClean, Report: faultfs.ReportNow, Journal: faultfs.JournalReadonly}
	xfs         = faultfs.SyncFailure{Page: faultfs.PageClean, Report: faultfs.ReportNow, Journal: faultfs.JournalShutdown}
	btrfs       = faultfs.SyncFailure{Page: faultfs.PageReverted, Report: faultfs.ReportNow, Journal: faultfs.JournalReadonly}
	dataJournal = faultfs.SyncFailure{Page: faultfs.PageClean, Report: faultfs.ReportNext}
	ideal       = faultfs.SyncFailure{Page: faultfs.PageDirty, Report: faultfs.ReportNow, Journal: faultfs.JournalOpen}
)

func faulty(t testing.TB, how faultfs.SyncFailure, faults ...string) *faultfs.FS {
	t.Helper()
	f := faultfs.New()
	require.NoError(t, f.Mkdir("/d", 0o755))
	require.NoError(t, afero.WriteFile(f, "/f", []byte("old"), 0o644))
	f = f.Checkpoint()
	var parsed []faultfs.Fault
	for _, text := range faults {
		parsed = append(parsed, fault(t, text))
	}
	f.Inject(how, parsed...)
	return f
}

func opsOf(f *faultfs.FS) string {
	var b strings.Builder
	for _, op := range f.Trace().Ops {
		op.Site = faultfs.CallSite{}
		b.WriteString(op.Line() + "\n")
	}
	return b.String()
}

func openFile(t testing.TB, f *faultfs.FS, name string) afero.File {
	t.Helper()
	h, err := f.OpenFile(name, os.O_RDWR, 0)
	require.NoError(t, err)
	return h
}

func readFile(t testing.TB, f *faultfs.FS, name string) string {
	t.Helper()
	data, err := afero.ReadFile(f, name)
	require.NoError(t, err)
	return string(data)
}

func TestFaultsAreReadAsTheyAreWritten(t *testing.T) {
	for _, text := range []string{
		"write /log nth=2 err=ENOSPC short=100", "fsync /log err=EIO", "fsync /log nth=2-5 at=d/f.go:7 err=EIO lost=0-4096 evict=yes",
		"* op=17 err=EIO", "* \"/a b*\" nth=3- err=EDQUOT", "write short=1", "fdatasync err=EIO journal=yes", "sync err=EIO",
	} {
		require.Equal(t, text, fault(t, text).String())
	}
}

func TestBadFaultsAreErrors(t *testing.T) {
	for _, c := range [][2]string{
		{"", "kind of op missing"}, {"writ /f err=EIO", `no op "writ" that can fail, want * or one of mkdir, create`},
		{"mark err=EIO", "that can fail"}, {"write /f", "a fault needs err=ERRNO"}, {"fsync /f err=EIO short=3", "only a write can be short"},
		{"write /f err=EIO lost=all", "only a sync can lose data"}, {"write /f err=NIX", `bad value "err=NIX"`},
		{"write /f nth=0 err=EIO", `bad value "nth=0"`}, {"write /f nth=3-2 err=EIO", "bad value"}, {"write [ err=EIO", "bad pattern"},
		{"write /f err=EIO err=EIO", `a second "err"`}, {"write /f color=red err=EIO", "unknown key \"color\", want one of nth"},
		{"fsync /f err=EIO ; x", "bad text"}, {"fsync err=EIO journal=yes lost=all", "loses no data"},
	} {
		_, err := faultfs.ParseFault(c[0])
		require.ErrorContains(t, err, c[1], c[0])
	}
}

func FuzzParseFault(f *testing.F) {
	f.Add("write /log nth=2-5 err=ENOSPC short=100 # why")
	f.Add("fsync \"/a b\" at=d/f.go:7 err=EIO lost=0-4096 evict=yes op=3")
	f.Fuzz(func(t *testing.T, text string) {
		parsed, err := faultfs.ParseFault(text)
		if err != nil {
			return
		}
		again, err := faultfs.ParseFault(parsed.String())
		require.NoError(t, err, parsed.String())
		require.Equal(t, parsed.String(), again.String())
	})
}

func TestEachKindOfCallCanFail(t *testing.T) {
	for _, c := range []struct {
		fault string
		call  func(f *faultfs.FS) error
	}{
		{"mkdir /m err=ENOSPC", func(f *faultfs.FS) error { return f.Mkdir("/m", 0o755) }},
		{"create /n err=EDQUOT", func(f *faultfs.FS) error { _, err := f.Create("/n"); return err }},
		{"truncate /f err=EIO", func(f *faultfs.FS) error { _, err := f.Create("/f"); return err }},
		{"open /f err=EINTR", func(f *faultfs.FS) error { _, err := f.Open("/f"); return err }},
		{"rename /g err=ENOSPC", func(f *faultfs.FS) error { return f.Rename("/f", "/g") }},
		{"link err=EIO", func(f *faultfs.FS) error { return f.LinkIfPossible("/f", "/g") }},
		{"symlink /g err=EIO", func(f *faultfs.FS) error { return f.SymlinkIfPossible("/f", "/g") }},
		{"unlink /f err=EIO", func(f *faultfs.FS) error { return f.Remove("/f") }},
		{"rmdir /d err=EIO", func(f *faultfs.FS) error { return f.Remove("/d") }},
		{"chmod /f err=EIO", func(f *faultfs.FS) error { return f.Chmod("/f", 0o600) }},
		{"stat /f err=EIO", func(f *faultfs.FS) error { _, err := f.Stat("/f"); return err }},
		{"sync err=EIO", func(f *faultfs.FS) error { return errors.Join(afero.WriteFile(f, "/f", []byte("x"), 0), f.SyncAll()) }},
	} {
		f := faulty(t, ext4, c.fault)
		want := fault(t, c.fault)
		require.ErrorIs(t, c.call(f), want.Errno, c.fault)
		require.Equal(t, []int{1}, f.Fired(), c.fault)
		ops := f.Trace().Ops
		last := ops[len(ops)-1]
		require.Equal(t, want.Kind, last.Kind, c.fault)
		require.True(t, last.Injected && last.Errno == want.Errno, c.fault)
		if c.fault == "sync err=EIO" {
			continue
		}
		require.Equal(t, "old", readFile(t, f, "/f"), c.fault)
		names, err := afero.ReadDir(f, "/")
		require.NoError(t, err)
		require.Len(t, names, 2, c.fault)
	}
}

func TestFullDiskAcceptsAPartAndStaysFull(t *testing.T) {
	f := faulty(t, ext4, "write /f nth=2 err=ENOSPC short=3", "write nth=3- err=ENOSPC")
	h := openFile(t, f, "/f")
	_, err := h.Write([]byte("one"))
	require.NoError(t, err)
	n, err := h.Write([]byte("second"))
	require.Equal(t, 3, n)
	require.ErrorIs(t, err, syscall.ENOSPC)
	var at *fs.PathError
	require.ErrorAs(t, err, &at)
	require.Equal(t, error(syscall.ENOSPC), at.Err, "a program may compare it")
	n, err = h.Write([]byte("third"))
	require.Zero(t, n)
	require.ErrorIs(t, err, syscall.ENOSPC)
	require.Equal(t, "onesec", readFile(t, f, "/f"))
	require.Equal(t, `open /f
write /f 0 "one"
write /f 3 "sec" ; injected=yes
write /f 6 "ond" ; err=ENOSPC injected=yes
write /f 6 "third" ; err=ENOSPC injected=yes
`, strings.Join(strings.SplitAfter(opsOf(f), "\n")[:5], ""))
}

func TestShortWriteIsToldAsPackageIOWants(t *testing.T) {
	f := faulty(t, ext4, "write short=2")
	h := openFile(t, f, "/f")
	n, err := h.Write([]byte("new"))
	require.Equal(t, 2, n)
	require.ErrorIs(t, err, io.ErrShortWrite)
	_, err = h.Write([]byte("x"))
	require.NoError(t, err)
	require.Equal(t, "nex", readFile(t, f, "/f"))
	one := faulty(t, ext4, "write short=2")
	n, err = openFile(t, one, "/f").Write([]byte("n"))
	require.True(t, n == 1 && err == nil, "one byte is written or not")
}

// What a program reads after a sync of its file failed, and what a later sync
// says: the rows of the table that are not about the disk.
func TestPagesAfterAFailedSync(t *testing.T) {
	for _, c := range []struct {
		how               faultfs.SyncFailure
		fault             string
		first, second     error
		content, content2 string // after the failed sync, and after two bytes more at the handle's offset
	}{
		{ext4, "fsync /f err=EIO", syscall.EIO, nil, "newer", "newer++"},
		{ext4, "fsync /f err=EIO evict=yes", syscall.EIO, nil, "old\x00\x00", "old\x00\x00++"},
		{btrfs, "fsync /f err=EIO", syscall.EIO, nil, "old", "old\x00\x00++"},
		{dataJournal, "fsync /f err=EIO", nil, syscall.EIO, "newer", "newer++"},
		{ideal, "fsync /f err=EIO", syscall.EIO, nil, "newer", "newer++"},
	} {
		f := faulty(t, c.how, c.fault)
		h := openFile(t, f, "/f")
		_, err := h.Write([]byte("newer"))
		require.NoError(t, err)
		require.ErrorIs(t, h.Sync(), c.first, c.fault)
		require.Equal(t, c.content, readFile(t, f, "/f"))
		require.ErrorIs(t, h.Sync(), c.second)
		require.NoError(t, h.Sync())
		_, err = h.Write([]byte("++"))
		require.NoError(t, err)
		require.Equal(t, c.content2, readFile(t, f, "/f"), "the offset of a handle does not go back")
	}
}

func TestLostPagesInTheMiddleLeaveAHole(t *testing.T) {
	f := faulty(t, btrfs, "fsync /f err=EIO lost=4096-8192", "fsync /f nth=2 err=EIO lost=8192-12288")
	h := openFile(t, f, "/f")
	page := func(b byte) []byte { return bytes.Repeat([]byte{b}, 4096) }
	_, err := h.Write(bytes.Join([][]byte{page('a'), page('b'), page('c')}, nil))
	require.NoError(t, err)
	require.ErrorIs(t, h.Sync(), syscall.EIO)
	require.Equal(t, string(page('a'))+string(page(0))+string(page('c')), readFile(t, f, "/f"))
	require.ErrorIs(t, h.Sync(), syscall.EIO)
	require.Equal(t, string(page('a'))+string(page(0)), readFile(t, f, "/f"), "not at the end of the file")
}

func TestErrorIsToldOnceToEachHandle(t *testing.T) {
	f := faulty(t, ext4, "fsync /f err=EIO")
	a, b := openFile(t, f, "/f"), openFile(t, f, "/f")
	_, err := a.Write([]byte("new"))
	require.NoError(t, err)
	require.ErrorIs(t, a.Sync(), syscall.EIO)
	late := openFile(t, f, "/f")
	require.NoError(t, a.Sync())
	require.ErrorIs(t, b.Sync(), syscall.EIO, "open when it came about")
	require.NoError(t, b.Sync())
	require.NoError(t, late.Sync(), "opened after it was told")

	f = faulty(t, dataJournal, "fsync /f err=EIO")
	a = openFile(t, f, "/f")
	_, err = a.Write([]byte("new"))
	require.NoError(t, err)
	require.NoError(t, a.Sync())
	require.NoError(t, a.Close())
	first, second := openFile(t, f, "/f"), openFile(t, f, "/f")
	require.ErrorIs(t, first.Sync(), syscall.EIO, "nobody was told yet")
	require.ErrorIs(t, second.Sync(), syscall.EIO)
	require.NoError(t, openFile(t, f, "/f").Sync())
}

func TestSyncWithNothingToWriteCannotFailToWriteIt(t *testing.T) {
	f := faulty(t, ext4, "fsync /f err=EIO nth=1-")
	h := openFile(t, f, "/f")
	require.NoError(t, h.Sync())
	require.Equal(t, []int{0}, f.Fired())
	_, err := h.Write([]byte("new"))
	require.NoError(t, err)
	require.ErrorIs(t, h.Sync(), syscall.EIO)
	require.NoError(t, h.Sync(), "the pages are clean")
}

func TestBrokenJournal(t *testing.T) {
	for _, c := range []struct {
		how           faultfs.SyncFailure
		write, reread error
	}{{ext4, syscall.EROFS, nil}, {btrfs, syscall.EROFS, nil}, {xfs, syscall.EIO, syscall.EIO}, {ideal, nil, nil}} {
		f := faulty(t, c.how, "fsync /d err=EIO")
		d, err := f.Open("/d")
		require.NoError(t, err)
		require.ErrorIs(t, d.Sync(), syscall.EIO)
		require.ErrorIs(t, f.Mkdir("/d/e", 0o755), c.write)
		_, err = f.Stat("/f")
		require.ErrorIs(t, err, c.reread)
		require.ErrorIs(t, d.Sync(), c.write)
		require.NoError(t, d.Close())
	}
}

func TestFailedCloseClosesAndFailedSyncWriteWritesNothingForSure(t *testing.T) {
	f := faulty(t, ext4, "close /f err=EIO", "fsync /f err=EIO")
	h, err := f.OpenFile("/f", os.O_WRONLY|os.O_SYNC, 0)
	require.NoError(t, err)
	n, err := h.Write([]byte("new"))
	require.Zero(t, n)
	require.ErrorIs(t, err, syscall.EIO)
	require.ErrorIs(t, h.Close(), syscall.EIO)
	require.ErrorIs(t, h.Close(), fs.ErrClosed)
}

func TestTraceOfAFaultyRunReadsBack(t *testing.T) {
	f := faulty(t, btrfs, "write /f nth=2 err=ENOSPC short=2", "fsync /f err=EIO evict=yes")
	h := openFile(t, f, "/f")
	_, _ = h.Write([]byte("first"))
	_, _ = h.Write([]byte("second"))
	_ = h.Sync()
	trace := f.Trace()
	again, err := faultfs.ParseTrace("again", trace.Text())
	require.NoError(t, err, string(trace.Text()))
	require.True(t, trace.Same(again), "%s\n%s", trace.Text(), again.Text())
	require.Contains(t, string(trace.Text()), "lost=all evicted=yes")
}

// Faults that match nothing change nothing.
func TestFaultsElsewhereAreNotNoticed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f, g := faultfs.New(), faultfs.New()
		g.Inject(btrfs, faultfs.Fault{Path: "/nowhere", Errno: syscall.EIO})
		paths := rapid.SampledFrom([]string{"/a", "/b", "/d", "/d/a"})
		for range rapid.IntRange(1, 20).Draw(t, "ops") {
			op := faultfs.Op{
				Kind: rapid.SampledFrom([]faultfs.OpKind{
					faultfs.OpCreate, faultfs.OpMkdir, faultfs.OpWrite, faultfs.OpWrite, faultfs.OpTruncate, faultfs.OpRename,
					faultfs.OpUnlink, faultfs.OpFsync, faultfs.OpSync, faultfs.OpChmod, faultfs.OpRead,
				}).Draw(t, "kind"),
				Path: paths.Draw(t, "path"), To: paths.Draw(t, "to"), Data: []byte("data"), Size: 2, Mode: 0o644, Site: faultfs.CallSite{File: "p.go", Line: 1},
			}
			_, err1 := f.Do(op)
			_, err2 := g.Do(op)
			require.Equal(t, err1, err2)
		}
		require.Equal(t, string(f.Trace().Text()), string(g.Trace().Text()))
	})
}
