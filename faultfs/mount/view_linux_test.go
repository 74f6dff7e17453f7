package mount_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/require"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/mount"
)

// newView makes a view that ends with t, and skips t where there can be none.
func newView(t *testing.T, at string) *mount.View {
	t.Helper()
	v, err := mount.NewView(at)
	if errors.Is(err, mount.ErrNoView) {
		t.Skip(err)
	}
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, v.Close()) })
	return v
}

// servedIn serves a file system with one file in a view, and skips t where it cannot.
func servedIn(t *testing.T, v *mount.View, contents string) *faultfs.FS {
	t.Helper()
	fs := faultfs.New()
	require.NoError(t, afero.WriteFile(fs, "/f", []byte(contents), 0o644))
	m, err := v.Serve(fs, mount.Options{Sites: true})
	if errors.Is(err, mount.ErrUnavailable) {
		t.Skip(err)
	}
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, m.Alive())
		require.NoError(t, m.Close())
	})
	return fs
}

// saidIn runs a command of the shell in a view.
func saidIn(t *testing.T, v *mount.View, text string) string {
	t.Helper()
	cmd := exec.Command("/bin/sh", "-c", text)
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	require.NoError(t, v.Start(cmd))
	require.NoError(t, cmd.Wait(), out.String())
	return out.String()
}

func TestViewsShowDifferentFileSystemsAtOnePath(t *testing.T) {
	at := t.TempDir()
	first := newView(t, at)
	require.Equal(t, at, first.Path())
	views := []*mount.View{first}
	for range 2 {
		another, err := first.Another()
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, another.Close()) })
		views = append(views, another)
	}
	var all []*faultfs.FS
	for i, v := range views {
		all = append(all, servedIn(t, v, string(rune('a'+i))))
	}
	for i, v := range views {
		require.Equal(t, string(rune('a'+i))+at+"\n", saidIn(t, v, `cd "`+at+`" && cat f && pwd -P && echo x >g`))
		_, err := all[i].Stat("/g")
		require.NoError(t, err)
		require.Equal(t, v.ID()+"\n", saidIn(t, v, "readlink /proc/self/ns/mnt"))
		for j := range i {
			require.NotEqual(t, views[j].ID(), v.ID())
		}
	}
	// Nobody else sees any of it.
	entries, err := os.ReadDir(at)
	require.NoError(t, err)
	require.Empty(t, entries)
	// But for who asks for it.
	out, err := exec.Command("cat", filepath.Join(views[1].Outside(), "f")).Output()
	require.NoError(t, err)
	require.Equal(t, "b", string(out))
}

func TestAViewShowsAPathWhereNothingIs(t *testing.T) {
	root := t.TempDir()
	beside := filepath.Join(root, "beside")
	require.NoError(t, os.MkdirAll(filepath.Join(beside, "deep"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(root, "file"), []byte("here"), 0o644))
	require.NoError(t, os.Symlink("file", filepath.Join(root, "link")))
	require.NoError(t, os.Chmod(root, 0o751))
	for _, at := range []string{filepath.Join(root, "no", "such", "dir"), "/crashsim-test/of a view"} {
		v := newView(t, at)
		another, err := v.Another()
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, another.Close()) })
		for _, v := range []*mount.View{v, another} {
			servedIn(t, v, "new")
			require.Equal(t, "newhere"+at+"\n", saidIn(t, v, `cd "`+at+`" && cat f "`+root+`/link" && pwd -P`))
			require.Equal(t, "751\n", saidIn(t, v, `stat -c %a "`+root+`"`))
			// What was there before is still the same.
			saidIn(t, v, `cd "`+beside+`" && mkdir -p deep/er && rmdir deep/er && echo more >written`)
		}
		require.FileExists(t, filepath.Join(beside, "written"))
		require.NoDirExists(t, at)
	}
	entries, err := os.ReadDir(root)
	require.NoError(t, err)
	require.Len(t, entries, 3)
}

func TestAPathThatCannotBeAViewsIsRefused(t *testing.T) {
	dir := t.TempDir()
	file, link := filepath.Join(dir, "file"), filepath.Join(dir, "link")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	require.NoError(t, os.Symlink("nowhere", link))
	for _, at := range []string{"", "relative", "/", "/usr/..", file, filepath.Join(file, "below"), link} {
		_, err := mount.NewView(at)
		if errors.Is(err, mount.ErrNoView) {
			t.Skip(err)
		}
		require.ErrorContains(t, err, "the path "+at, at)
	}
}

// Somebody for whom nobody waits any more can come when the view is closed.
func TestAClosedViewRunsNothing(t *testing.T) {
	v, err := mount.NewView(t.TempDir())
	if errors.Is(err, mount.ErrNoView) {
		t.Skip(err)
	}
	require.NoError(t, err)
	began, ended := make(chan struct{}, 8), make(chan error, 8)
	for range cap(ended) {
		go func() {
			err := v.Do(func() error { return nil })
			for began <- struct{}{}; err == nil; {
				err = v.Do(func() error { return nil })
			}
			ended <- err
		}()
	}
	for range cap(began) {
		<-began
	}
	require.NoError(t, v.Close())
	for range cap(ended) {
		require.ErrorIs(t, <-ended, os.ErrClosed)
	}
	require.ErrorIs(t, v.Start(exec.Command("true")), os.ErrClosed)
}

func TestAViewBindsADirectory(t *testing.T) {
	at, dir := t.TempDir(), t.TempDir()
	v := newView(t, at)
	require.NoError(t, v.Bind(dir))
	saidIn(t, v, `echo bound >"`+at+`/f"`)
	require.FileExists(t, filepath.Join(dir, "f"))
	require.NoError(t, v.Unbind())
	require.Equal(t, "", saidIn(t, v, `ls "`+at+`"`))
	require.Error(t, v.Unbind())
}

// A program that Start has started is in the view, and what only a watch shows is
// recorded there too, as is what it stores to a mapped file.
func TestAProgramIsRecordedInAView(t *testing.T) {
	v := newView(t, t.TempDir())
	fs := faultfs.New()
	m, err := v.Serve(fs, mount.Options{Sites: true})
	if errors.Is(err, mount.ErrUnavailable) {
		t.Skip(err)
	}
	require.NoError(t, err)
	cmd := exec.Command("/bin/sh", "-c", `cd "$0" && echo x >f && sync && sync -f .`, v.Path())
	require.NoError(t, m.Start(cmd))
	require.NoError(t, cmd.Wait())
	notes := m.Notes()
	require.NoError(t, m.Close())
	syncs := 0
	for i := range fs.Trace().Ops {
		if fs.Trace().Ops[i].Kind == faultfs.OpSync {
			syncs++
		}
	}
	if len(notes) == 0 {
		require.Equal(t, 2, syncs, "%s", fs.Trace().Text())
	}
}

// A view is not made where this process serves a mount: it would have to ask it.
func TestAViewIsNotMadeInAMountOfThisProcess(t *testing.T) {
	dir := t.TempDir()
	m, err := mount.Serve(newFixture(), dir, mount.Options{})
	if errors.Is(err, mount.ErrUnavailable) {
		t.Skip(err)
	}
	require.NoError(t, err)
	require.True(t, mount.Taken(filepath.Join(dir, "below")))
	require.False(t, mount.Taken(filepath.Dir(dir)))
	for _, at := range []string{dir, filepath.Join(dir, "below"), filepath.Join(dir, "no", "such")} {
		_, err := mount.NewView(at)
		if errors.Is(err, mount.ErrNoView) {
			_ = m.Close()
			t.Skip(err)
		}
		require.ErrorIs(t, err, syscall.EBUSY, at)
	}
	require.NoError(t, m.Close(), "it was not asked")
	require.False(t, mount.Taken(dir))
}
