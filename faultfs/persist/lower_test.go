package persist_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/model"
	"github.com/crashsim/crashsim/faultfs/persist"
)

// An op that failed may name any inode, also one that never was.
func TestFailedOpMayNameAnyInode(t *testing.T) {
	trace := parse(t, "create /f\nfsync #2147483647 ; err=EBADF\n")
	plan := persist.Lower(trace, model.Default())
	require.Equal(t, 1, plan.Cells())
	require.Equal(t, faultfs.Ino(2), plan.NewDisk().Inodes())
}

// A program that died while two of its ops ran may have done the one and not
// the other.
func TestKilledProgramMayHaveDoneOneOfTwoOverlappingOps(t *testing.T) {
	trace := parse(t, "create /a ; span=1-3\ncreate /b ; span=2-4\n")
	require.Equal(t, []string{
		`{"marks":[],"tree":{"/a":{"data":"","mode":"0644"},"/b":{"data":"","mode":"0644"}}}`,
		`{"marks":[],"tree":{"/a":{"data":"","mode":"0644"}}}`,
		`{"marks":[],"tree":{}}`,
	}, lines(t, trace, model.MustParse("kill")))
}

func TestSyncForcesOnlyWhatHadReturnedBeforeItBegan(t *testing.T) {
	over := "create /f\n"
	overlapping := parse(t, "write /f 0 \"x\" ; span=1-3\nfsync /f ; span=2-4\nmark synced ; span=5-6\n", over)
	after := parse(t, "write /f 0 \"x\"\nfsync /f\nmark synced\n", over)
	empty := `{"marks":["synced"],"tree":{"/f":{"data":"","mode":"0644"}}}`
	require.Contains(t, lines(t, overlapping, model.Default()), empty)
	require.NotContains(t, lines(t, after, model.Default()), empty)
}

func TestPlanSaysWhatItIsOf(t *testing.T) {
	trace := parse(t, "create /f\nwrite /f 0 \"new\"\nmark saved\nchmod /f 0600\nunlink /f\n")
	plan := persist.Lower(trace, model.MustParse("ext4"))
	require.Same(t, trace, plan.Trace())
	require.Equal(t, "ext4", plan.Model().String())
	require.Equal(t, 4, plan.Cells())
	require.Equal(t, 6, plan.Points())
	require.Equal(t, faultfs.OpNum(-1), plan.After(0))
	require.Equal(t, faultfs.OpNum(4), plan.After(5))
	require.Empty(t, plan.Marks(2))
	require.Equal(t, []string{"saved"}, plan.Marks(3))
	var what []string
	for op := range trace.Ops {
		for i, e := range plan.Effects(faultfs.OpNum(op)) {
			require.Equal(t, i, e.Index)
			require.Equal(t, faultfs.OpNum(op), e.Op)
			what = append(what, plan.What(e))
		}
	}
	require.Equal(t, []string{`name "f"`, "data [0,3)", "size 3", "mode 0600", `removal of the name "f"`}, what)
	box := plan.NewBox()
	box.Move(5)
	e, made := box.Newest(0)
	require.True(t, made)
	require.Equal(t, persist.Effect{Op: 4, Index: 0, Cell: 0, Version: 2}, e)
	box.Move(0)
	_, made = box.Newest(0)
	require.False(t, made)
	_, made = box.Newest(-1)
	require.False(t, made)
}

// Many small writes into one unit, read at every version: patches are laid over
// each other, and some versions are kept whole.
func TestUnitIsReadAtEveryVersion(t *testing.T) {
	const writes = 100
	fs := faultfs.New()
	_, err := fs.Do(faultfs.Op{Kind: faultfs.OpCreate, Path: "/f", Mode: 0o644})
	require.NoError(t, err)
	live := make([]byte, 5000)
	contents := [][]byte{bytes.Clone(live)}
	for i := range writes {
		op := faultfs.Op{Kind: faultfs.OpWrite, Path: "/f", Off: int64(i*37%4000 + 5), Data: bytes.Repeat([]byte{byte(i + 1)}, 1+i%50)}
		if i%9 == 8 {
			op = faultfs.Op{Kind: faultfs.OpTruncate, Path: "/f", Size: int64(i * 41 % 4000)}
			clear(live[op.Size:])
		}
		_, err := fs.Do(op)
		require.NoError(t, err)
		copy(live[op.Off:], op.Data)
		contents = append(contents, bytes.Clone(live))
	}
	plan := persist.Lower(fs.Trace(), model.MustParse("kill"))
	disk := plan.NewDisk()
	for point := 1; point < plan.Points(); point++ {
		require.True(t, disk.Begin(point, persist.Subset{}))
		for _, part := range [][2]int{{0, 5000}, {4000, 100}, {17, 1}, {100, 1000}} {
			got := make([]byte, part[1])
			disk.ReadAt(2, got, int64(part[0]))
			want := make([]byte, part[1])
			copy(want, contents[point-1][part[0]:])
			require.Equal(t, want, got, "point %d", point)
		}
	}
}

// Once a disk is warm, reading it allocates nothing; through the file system
// over it, only the handle that afero's interface asks for.
func TestReadingADiskAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	trace := parse(t, "mkdir /d\nwrite /d/f 0 \"abc\"*2000\nwrite /d/f 3 \"xyz\"\nmark told\nchmod /d/f 0600\n")
	plan := persist.Lower(trace, model.Default())
	disk := plan.NewDisk()
	fs := faultfs.Unrecorded(disk)
	buf := make([]byte, 8192)
	last := plan.Points() - 1
	read := func() {
		fs.Reset()
		disk.Begin(last, persist.Subset{})
		dir := disk.Entry(faultfs.Root, "d")
		f := disk.Entry(dir, "f")
		disk.ReadAt(f, buf[:disk.Size(f)], 0)
		_ = disk.Mode(f)
		_ = disk.Names(dir)
		_ = disk.Marks().Count("told")
	}
	read()
	require.Zero(t, testing.AllocsPerRun(100, read))
	open := func() {
		read()
		h, err := fs.Open("/d/f")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.Read(buf); err != nil {
			t.Fatal(err)
		}
		if err := h.Close(); err != nil {
			t.Fatal(err)
		}
	}
	require.LessOrEqual(t, testing.AllocsPerRun(100, open), 1.0)
}
