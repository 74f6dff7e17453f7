//go:build linux

package mount_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/mount"
)

// now is a file system that tells of a sync that failed at once.
var now = faultfs.SyncFailure{Report: faultfs.ReportNow}

func TestFaultsReachPrograms(t *testing.T) {
	table := []struct {
		fault string
		want  error
		do    func(at func(string) string) error
	}{
		{"open /f err=EIO", unix.EIO, func(at func(string) string) error { return second(os.Open(at("f"))) }},
		{"create /new err=ENOSPC", unix.ENOSPC, func(at func(string) string) error { return second(os.Create(at("new"))) }},
		{"truncate /f err=EIO", unix.EIO, func(at func(string) string) error { return os.Truncate(at("f"), 1) }},
		{"mkdir /e err=EDQUOT", unix.EDQUOT, func(at func(string) string) error { return os.Mkdir(at("e"), 0o700) }},
		{"symlink /s err=EIO", unix.EIO, func(at func(string) string) error { return os.Symlink("f", at("s")) }},
		{"link /h err=EIO", unix.EIO, func(at func(string) string) error { return os.Link(at("f"), at("h")) }},
		{"rename /f err=EIO", unix.EIO, func(at func(string) string) error { return os.Rename(at("f"), at("h")) }},
		{"unlink /f err=EIO", unix.EIO, func(at func(string) string) error { return os.Remove(at("f")) }},
		{"chmod /f err=EIO", unix.EIO, func(at func(string) string) error { return os.Chmod(at("f"), 0o600) }},
		{"readdir /d err=EIO", unix.EIO, func(at func(string) string) error { return second(os.ReadDir(at("d"))) }},
		{"read /f err=EIO", unix.EIO, func(at func(string) string) error { return second(os.ReadFile(at("f"))) }},
		{"close /f err=EDQUOT", unix.EDQUOT, func(at func(string) string) error {
			f, err := os.Open(at("f"))
			if err != nil {
				return err
			}
			return f.Close()
		}},
	}
	for _, c := range table {
		t.Run(c.fault, func(t *testing.T) {
			fs := fixture(t)
			dir := serve(t, fs, mount.Options{})
			fs.inject(faultfs.SyncFailure{}, c.fault)
			at := func(name string) string { return filepath.Join(dir, name) }
			require.ErrorIs(t, c.do(at), c.want)
			require.NoError(t, c.do(at), "the fault is over")
			require.Equal(t, []int{1}, fs.fired())
			requireReadsBack(t, fs)
		})
	}
}

func TestShortWritesReachPrograms(t *testing.T) {
	fs := fixture(t)
	dir := serve(t, fs, mount.Options{})
	fs.inject(faultfs.SyncFailure{}, "write /f nth=1 err=ENOSPC short=3", "write /f nth=3 short=2")
	f := opened(t, filepath.Join(dir, "f"), os.O_WRONLY)
	n, err := f.WriteString("abcdefgh")
	require.ErrorIs(t, err, unix.ENOSPC)
	require.Equal(t, 3, n)
	_, err = f.WriteString("xy")
	require.NoError(t, err)
	// Package os writes on after a short write, as most programs do.
	_, err = f.WriteString("1234")
	require.NoError(t, err)
	require.Equal(t, []string{
		`write /f 0 "abc" ; injected=yes`, `write /f 3 "defgh" ; err=ENOSPC injected=yes`,
		`write /f 3 "xy"`, `write /f 5 "12" ; injected=yes`, `write /f 7 "34"`,
	}, changes(fs))
	requireReadsBack(t, fs)
}

func TestAShortWriteThatIsNotGoneOnWithOwesNothing(t *testing.T) {
	fs := fixture(t)
	dir := serve(t, fs, mount.Options{})
	fs.inject(faultfs.SyncFailure{}, "write /f nth=1 err=ENOSPC short=3")
	fd := int(opened(t, filepath.Join(dir, "f"), os.O_WRONLY).Fd())
	n, err := unix.Pwrite(fd, []byte("abcdefgh"), 0)
	require.NoError(t, err)
	require.Equal(t, 3, n)
	for range 2 {
		n, err = unix.Pwrite(fd, []byte("abcdefgh"), 100)
		require.NoError(t, err)
		require.Equal(t, 8, n)
	}
}

func TestFailedSyncsAreToldToEachHandleOnce(t *testing.T) {
	fs := fixture(t)
	dir := serve(t, fs, mount.Options{})
	name := filepath.Join(dir, "f")
	fs.inject(now, "fsync /f err=EIO")
	f, g := opened(t, name, os.O_WRONLY), opened(t, name, os.O_WRONLY)
	_, err := f.WriteString("ab")
	require.NoError(t, err)
	require.ErrorIs(t, f.Sync(), unix.EIO)
	h := opened(t, name, os.O_WRONLY)
	require.NoError(t, f.Sync())
	require.ErrorIs(t, g.Sync(), unix.EIO)
	require.NoError(t, g.Sync())
	require.NoError(t, h.Sync())
	require.Equal(t, []string{
		`write /f 0 "ab"`, "fsync /f ; err=EIO injected=yes lost=all",
		"fsync /f", "fsync /f ; err=EIO injected=yes", "fsync /f", "fsync /f",
	}, changes(fs))
	requireReadsBack(t, fs)
}

func TestANewFileHasNoErrorsToTell(t *testing.T) {
	fs := fixture(t)
	dir := serve(t, fs, mount.Options{})
	fs.inject(now)
	f := opened(t, filepath.Join(dir, "new"), os.O_WRONLY|os.O_CREATE)
	require.NoError(t, f.Sync())
	require.Equal(t, []string{"create /new 0644", "fsync /new"}, changes(fs))
}

func TestSyncedWritesFailWithTheirSync(t *testing.T) {
	fs := fixture(t)
	dir := serve(t, fs, mount.Options{})
	fs.inject(now, "fdatasync /f err=EIO")
	f := opened(t, filepath.Join(dir, "f"), os.O_WRONLY|unix.O_DSYNC)
	_, err := f.WriteString("ab")
	require.ErrorIs(t, err, unix.EIO)
	_, err = f.WriteString("ab")
	require.NoError(t, err)
}

func TestAFailedJournalEndsTheFileSystem(t *testing.T) {
	fs := fixture(t)
	dir := serve(t, fs, mount.Options{})
	fs.inject(faultfs.SyncFailure{Journal: faultfs.JournalReadonly}, "fsync /d err=EIO")
	require.ErrorIs(t, opened(t, filepath.Join(dir, "d"), os.O_RDONLY).Sync(), unix.EIO)
	require.ErrorIs(t, os.Mkdir(filepath.Join(dir, "e"), 0o700), unix.EROFS)
	_, err := os.ReadFile(filepath.Join(dir, "f"))
	require.NoError(t, err)
}
