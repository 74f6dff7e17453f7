package faultfs_test

import (
	"bytes"
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crashsim/crashsim/faultfs"
)

// at performs an op by numbers and requires that it succeeds.
func at(t *testing.T, f *faultfs.FS, op faultfs.Op) faultfs.Op {
	t.Helper()
	done, _, errno := f.DoAt(op, nil)
	require.Zero(t, errno, op.Line())
	return done
}

func lines(f *faultfs.FS) []string {
	all := []string{}
	for _, op := range f.Trace().Ops {
		all = append(all, op.Line())
	}
	return all
}

func TestOpsByNumberAreToldByPath(t *testing.T) {
	f := faultfs.New()
	dir := at(t, f, faultfs.Op{Kind: faultfs.OpMkdir, Dir: faultfs.Root, Name: "d", Mode: 0o700}).Ino
	ino := at(t, f, faultfs.Op{Kind: faultfs.OpCreate, Dir: dir, Name: "f", Mode: 0o600}).Ino
	at(t, f, faultfs.Op{Kind: faultfs.OpWrite, Ino: ino, Off: 3, Data: []byte("ab")})
	at(t, f, faultfs.Op{Kind: faultfs.OpWrite, Ino: ino, Off: -1, Data: []byte("cd")})
	at(t, f, faultfs.Op{Kind: faultfs.OpLink, Ino: ino, Dir: faultfs.Root, Name: "g"})
	at(t, f, faultfs.Op{Kind: faultfs.OpRename, Dir: faultfs.Root, Name: "d", ToDir: faultfs.Root, ToName: "e"})
	// The kernel looks at a name before it removes it.
	found, errno := f.LookAt(faultfs.Root, "g")
	require.Zero(t, errno)
	require.Equal(t, ino, found)
	at(t, f, faultfs.Op{Kind: faultfs.OpUnlink, Dir: faultfs.Root, Name: "g"})
	at(t, f, faultfs.Op{Kind: faultfs.OpFsync, Ino: ino})
	at(t, f, faultfs.Op{Kind: faultfs.OpSymlink, Dir: dir, Name: "s", Target: "f"})
	at(t, f, faultfs.Op{Kind: faultfs.OpUnlink, Dir: dir, Name: "f"})
	at(t, f, faultfs.Op{Kind: faultfs.OpTruncate, Ino: ino, Size: 1})
	at(t, f, faultfs.Op{Kind: faultfs.OpFsync, Ino: faultfs.Root})
	at(t, f, faultfs.Op{Kind: faultfs.OpMark, Label: "done"})
	require.Equal(t, []string{
		"mkdir /d 0700", "create /d/f 0600", `write /d/f 3 "ab"`, `write /d/f 5 "cd"`, "link /d/f /g", "rename /d /e",
		"unlink /g", "fsync /e/f", "symlink f /e/s", "unlink /e/f", "truncate #3 1", "fsync /", "mark done",
	}, lines(f))
	again, err := faultfs.ParseTrace("trace", f.Trace().Text())
	require.NoError(t, err)
	require.True(t, f.Trace().Same(again))
}

func TestOpsByNumberFailAsTheirCallsDo(t *testing.T) {
	f := faultfs.New()
	gone := at(t, f, faultfs.Op{Kind: faultfs.OpMkdir, Dir: faultfs.Root, Name: "gone"}).Ino
	at(t, f, faultfs.Op{Kind: faultfs.OpRmdir, Dir: faultfs.Root, Name: "gone"})
	file := at(t, f, faultfs.Op{Kind: faultfs.OpCreate, Dir: faultfs.Root, Name: "f"}).Ino
	for _, c := range []struct {
		op   faultfs.Op
		want syscall.Errno
	}{
		{faultfs.Op{Kind: faultfs.OpCreate, Dir: faultfs.Root, Name: "f"}, syscall.EEXIST},
		{faultfs.Op{Kind: faultfs.OpCreate, Dir: gone, Name: "x"}, syscall.ENOENT},
		{faultfs.Op{Kind: faultfs.OpCreate, Dir: file, Name: "x"}, syscall.ENOTDIR},
		{faultfs.Op{Kind: faultfs.OpLink, Ino: 99, Dir: faultfs.Root, Name: "x"}, syscall.ENOENT},
		{faultfs.Op{Kind: faultfs.OpRmdir, Dir: faultfs.Root, Name: "f"}, syscall.ENOTDIR},
		{faultfs.Op{Kind: faultfs.OpWrite, Ino: faultfs.Root}, syscall.EISDIR},
		{faultfs.Op{Kind: faultfs.OpFsync, Ino: 99}, syscall.ENOENT},
	} {
		_, _, errno := f.DoAt(c.op, nil)
		require.Equal(t, c.want, errno, c.op.Line())
	}
	_, errno := f.LookAt(faultfs.Root, "none")
	require.Equal(t, syscall.ENOENT, errno)
	_, errno = f.TargetAt(file)
	require.Equal(t, syscall.EINVAL, errno)
	_, _, errno = f.StatAt(99)
	require.Equal(t, syscall.ENOENT, errno)
	again, err := faultfs.ParseTrace("trace", f.Trace().Text())
	require.NoError(t, err)
	require.True(t, f.Trace().Same(again))
	f.Crash()
	_, _, errno = f.DoAt(faultfs.Op{Kind: faultfs.OpFsync, Ino: file}, nil)
	require.Equal(t, syscall.EIO, errno)
	_, errno = f.ReadAt(faultfs.Op{Ino: file}, make([]byte, 1))
	require.Equal(t, syscall.EIO, errno)
	require.Equal(t, syscall.EIO, f.ListAt(faultfs.Op{Ino: faultfs.Root}, nil))
}

func TestNamesOfAFileAreCounted(t *testing.T) {
	f := faultfs.New()
	count := func(ino faultfs.Ino) int {
		_, n, errno := f.StatAt(ino)
		require.Zero(t, errno)
		return n
	}
	ino := at(t, f, faultfs.Op{Kind: faultfs.OpCreate, Dir: faultfs.Root, Name: "a"}).Ino
	require.NoError(t, f.LinkIfPossible("/a", "/b"))
	require.Equal(t, 2, count(ino))
	f = f.Checkpoint()
	require.Equal(t, 2, count(ino))
	require.NoError(t, f.LinkIfPossible("/a", "/c"))
	other := at(t, f, faultfs.Op{Kind: faultfs.OpCreate, Dir: faultfs.Root, Name: "o"}).Ino
	require.NoError(t, f.Rename("/o", "/b"))
	require.Equal(t, []int{2, 1}, []int{count(ino), count(other)})
	require.NoError(t, f.Rename("/c", "/a"), "the same file: nothing is done")
	require.Equal(t, 2, count(ino))
	require.NoError(t, f.Remove("/a"))
	require.NoError(t, f.Remove("/c"))
	require.Equal(t, 0, count(ino))
}

// TestDataOfOpsIsNeverChanged holds the pages of a file, which are those of the
// trace where a write covers them, against later changes.
func TestDataOfOpsIsNeverChanged(t *testing.T) {
	f := faultfs.New()
	h, err := f.OpenFile("/f", os.O_RDWR|os.O_CREATE, 0o600)
	require.NoError(t, err)
	whole := bytes.Repeat([]byte("w"), 3*4096)
	n, err := h.WriteAt(whole, 4096-10)
	require.NoError(t, err)
	require.Equal(t, len(whole), n)
	written := string(whole)
	whole[5000] = 'c' // the buffer is the program's again
	_, err = h.WriteAt([]byte("later"), 6000)
	require.NoError(t, err)
	require.NoError(t, h.Truncate(9000))
	require.NoError(t, h.Truncate(20000))
	for _, op := range f.Trace().Ops {
		if op.Kind == faultfs.OpWrite && len(op.Data) > 5 {
			require.Equal(t, written, string(op.Data))
		}
	}
	got := make([]byte, 20000)
	_, err = h.ReadAt(got, 0)
	require.NoError(t, err)
	want := make([]byte, 20000)
	copy(want[4086:9000], written)
	copy(want[6000:], "later")
	require.Equal(t, string(want), string(got))
}
