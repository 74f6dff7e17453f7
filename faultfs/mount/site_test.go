//go:build linux && amd64

package mount_test

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/mount"
)

// TestEachOpHasTheLineThatCalledIt uses files from lines of this test.
func TestEachOpHasTheLineThatCalledIt(t *testing.T) {
	fs := fixture(t)
	dir := serve(t, fs, mount.Options{Sites: true, Marks: "marks"})
	_, _, first, ok := runtime.Caller(0)
	require.True(t, ok)
	f, err := os.OpenFile(filepath.Join(dir, "f"), os.O_RDWR, 0) // line 2
	require.NoError(t, err)
	_, err = f.WriteAt([]byte("ab"), 1) // line 4
	require.NoError(t, err)
	_, err = f.ReadAt(make([]byte, 1), 1) // line 6
	require.NoError(t, err)
	require.NoError(t, f.Sync())                                                          // line 8
	require.NoError(t, f.Truncate(1))                                                     // line 9
	require.NoError(t, f.Close())                                                         // line 10
	require.NoError(t, os.Rename(filepath.Join(dir, "f"), filepath.Join(dir, "g")))       // line 11
	require.NoError(t, os.Chmod(filepath.Join(dir, "g"), 0o600))                          // line 12
	require.NoError(t, os.Remove(filepath.Join(dir, "g")))                                // line 13
	require.NoError(t, os.WriteFile(filepath.Join(dir, "marks"), []byte("saved\n"), 0o6)) // line 14
	want := map[faultfs.OpKind]int{
		faultfs.OpOpen: 2, faultfs.OpWrite: 4, faultfs.OpRead: 6, faultfs.OpFsync: 8, faultfs.OpTruncate: 9, faultfs.OpClose: 10,
		faultfs.OpRename: 11, faultfs.OpChmod: 12, faultfs.OpUnlink: 13, faultfs.OpMark: 14,
	}
	for _, op := range fs.ops() {
		if op.Kind == faultfs.OpClose { // see disk.op
			require.Zero(t, op.Site)
			delete(want, op.Kind)
			continue
		}
		require.Equal(t, first+want[op.Kind], op.Site.Line, "%s", op.Call())
		require.Equal(t, "mount/site_test.go", op.Site.File)
		require.Equal(t, "mount_test.TestEachOpHasTheLineThatCalledIt", op.Site.Func)
		require.Contains(t, op.Stack, op.Site)
		require.Greater(t, len(op.Stack), 2)
		delete(want, op.Kind)
	}
	require.Empty(t, want)
	require.Empty(t, fs.readsBack())
}

func TestWithoutSitesNoOpHasOne(t *testing.T) {
	fs := fixture(t)
	dir := serve(t, fs, mount.Options{})
	require.NoError(t, os.Mkdir(filepath.Join(dir, "e"), 0o700))
	for _, op := range fs.ops() {
		require.Empty(t, op.Site)
		require.Empty(t, op.Stack)
	}
}
