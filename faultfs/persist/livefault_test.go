package persist_test

import (
	"crypto/sha256"
	"fmt"
	"syscall"
	"testing"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/model"
	"github.com/crashsim/crashsim/faultfs/persist"
)

// tree returns every file below a directory, with what is in it.
func tree(t require.TestingT, fs afero.Fs, dir string, found map[string]string) map[string]string {
	infos, err := afero.ReadDir(fs, dir+"/")
	require.NoError(t, err)
	for _, info := range infos {
		path := dir + "/" + info.Name()
		found[path] = info.Mode().String()
		switch {
		case info.IsDir():
			tree(t, fs, path, found)
		case info.Mode().IsRegular():
			data, err := afero.ReadFile(fs, path)
			require.NoError(t, err)
			found[path] += fmt.Sprintf(" %d bytes, %x", len(data), sha256.Sum256(data))
		}
	}
	return found
}

// What a running program sees after syncs have failed, and after its file
// system did with their pages what it does, is the cut on which nothing is lost.
func TestNewestCutIsWhatTheProgramSeesWhereSyncsFail(t *testing.T) {
	fired := 0
	programs := func(t *rapid.T) {
		m := rapid.SampledFrom(model.Presets()).Draw(t, "preset").Model
		m.Failure.Page = faultfs.FailedPage(rapid.IntRange(0, 2).Draw(t, "failed"))
		m.Failure.Report = faultfs.Report(rapid.IntRange(0, 1).Draw(t, "report"))
		m.Unit = rapid.SampledFrom([]int64{512, 4096}).Draw(t, "unit")
		a := newAuthor(t, 4096)
		for range 3 {
			a.habit()
		}
		f := faultfs.Fault{Errno: syscall.EIO, Last: -1}
		f.Kind = rapid.SampledFrom([]faultfs.OpKind{faultfs.OpFsync, faultfs.OpFdatasync, faultfs.OpSync}).Draw(t, "kind")
		f.Evict = rapid.Bool().Draw(t, "evict")
		if rapid.Bool().Draw(t, "in part") {
			f.Lost = faultfs.Span{From: a.place("from", 1)}
			f.Lost.To = f.Lost.From + 4096
		}
		a.fs = a.fs.Checkpoint()
		a.mind = faultfs.New()
		live := a.fs
		m.Failure.Journal = faultfs.JournalOpen
		live.Inject(m.Failure, f)
		for _, op := range faultyOps(t) {
			_, _ = live.Do(op)
		}
		for _, n := range live.Fired() {
			fired += n
		}
		plan := persist.Lower(live.Trace(), m)
		disk := plan.NewDisk()
		require.True(t, disk.Begin(plan.Points()-1, persist.Subset{}))
		newest := faultfs.Unrecorded(disk)
		require.Equal(t, tree(t, live, "", map[string]string{}), tree(t, newest, "", map[string]string{}), "%s\n%s", m, live.Trace().Text())
	}
	// With -short so few programs are drawn that all their syncs may succeed: then others are drawn.
	for range 50 {
		if rapid.Check(t, programs); fired > 0 {
			break
		}
	}
	require.Positive(t, fired)
}

// faultyOps are writes, truncates and syncs of two files.
func faultyOps(t *rapid.T) []faultfs.Op {
	var ops []faultfs.Op
	for _, path := range []string{"/x", "/y"} {
		ops = append(ops, faultfs.Op{Kind: faultfs.OpCreate, Path: path, Mode: 0o644})
	}
	kinds := []faultfs.OpKind{
		faultfs.OpWrite, faultfs.OpWrite, faultfs.OpWrite, faultfs.OpTruncate, faultfs.OpFsync, faultfs.OpFsync, faultfs.OpFdatasync, faultfs.OpSync,
	}
	for i := range rapid.IntRange(1, 12).Draw(t, "ops") {
		op := faultfs.Op{
			Kind: rapid.SampledFrom(kinds).Draw(t, "kind"), Path: rapid.SampledFrom([]string{"/x", "/y"}).Draw(t, "path"),
			Off: rapid.SampledFrom([]int64{0, 100, 4000, 4096, 5000, 9000}).Draw(t, "offset"),
		}
		op.Size = op.Off
		op.Data = make([]byte, rapid.SampledFrom([]int{1, 200, 4096, 6000}).Draw(t, "length"))
		for k := range op.Data {
			op.Data[k] = byte('a' + i)
		}
		ops = append(ops, op)
	}
	return ops
}
