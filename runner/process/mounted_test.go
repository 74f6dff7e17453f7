package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/require"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/model"
	"github.com/crashsim/crashsim/faultfs/mount"
	"github.com/crashsim/crashsim/faultfs/persist"
	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner"
)

// seenIn is all that can be read below a directory of the system.
func seenIn(dir string) (string, error) {
	seen := ""
	err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := os.Lstat(path)
		if err != nil || path == dir {
			return err
		}
		data := ""
		switch {
		case info.Mode().IsRegular():
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			data = fmt.Sprintf("%q %d", text, info.Size())
		case info.Mode()&os.ModeSymlink != 0:
			if data, err = os.Readlink(path); err != nil {
				return err
			}
		}
		seen += fmt.Sprintln(path[len(dir):], info.Mode()|0o700, data)
		return nil
	})
	return seen, err
}

// outside is the name by which a process that is not in a window finds what stands there.
func outside(w *window) string {
	if w.view == nil {
		return w.dir
	}
	return w.view.Outside()
}

// Whatever a mount has shown before: it shows the disk at hand. The oracle reads
// each disk through the mount that stood for all the disks before it, and a copy
// of it in an ordinary directory.
func TestMountShowsTheDiskAtHand(t *testing.T) {
	p := Program{Setup: Shell(`mkdir d e; echo 1 >d/a; echo 2 >b; ln b c`), Timeout: time.Minute, Args: Shell(`
rm b; mkdir b; echo 3 >b/x; mv d/a e/a; echo 4 >>c; ln -s e s; rmdir d; echo 5 >d; chmod 600 d
mv e/a c; echo 6 >e/a; rm d; mkdir d; mv b d/b; echo done`)}
	trace, err := Record(context.Background(), p)
	if errors.Is(err, mount.ErrUnavailable) {
		t.Skip(err)
	}
	require.NoError(t, err)
	c, err := NewChecker(Options{})
	require.NoError(t, err)
	var mu sync.Mutex
	disks := map[string]bool{}
	lookers := newLookers(t, 2)
	compare := oracle.Func(func(disk afero.Fs, _ oracle.Marks) []oracle.Violation {
		wrong := func(err error) []oracle.Violation {
			return []oracle.Violation{{Kind: oracle.Torn, Detail: err.Error()}}
		}
		fs := disk.(*faultfs.FS)
		m, err := c.at(fs)
		if err != nil {
			return wrong(err)
		}
		copied := filepath.Join(t.TempDir(), "copy")
		if err := copyOut(fs, copied); err != nil {
			return wrong(err)
		}
		// The program of the next disk finds its own inodes where this one made some.
		got, err := lookers.see(outside(m.window), filepath.Join(outside(m.window), "made"))
		if err != nil {
			return wrong(err)
		}
		want, err := seenIn(copied)
		if err != nil || got != want {
			return wrong(fmt.Errorf("%w\n%s\n%s", err, want, got))
		}
		mu.Lock()
		defer mu.Unlock()
		disks[got] = true
		return nil
	})
	ext4, err := model.Parse("ext4,names=directory")
	require.NoError(t, err)
	s := runner.Scenario{Name: "names", Trace: trace}
	s.Oracle = oracle.All(compare, oracle.When("done", oracle.Exists("/e")))
	results, err := runner.Run(context.Background(), s, runner.Options{Models: []model.Model{ext4}, MaxRuns: 1500, All: true})
	require.NoError(t, err)
	require.Empty(t, results[0].Notes)
	require.Empty(t, results[0].Failures, results[0].Report())
	require.Greater(t, len(disks), 100, results[0].Line())
	require.NoError(t, c.Close())
}

// What stat counts is one link on an undetermined disk, and what it is on a copy:
// the limit that the package tells of. That both names are of one file, both say.
func TestLinksAreCountedOnCopiesOnly(t *testing.T) {
	live := faultfs.New()
	require.NoError(t, afero.WriteFile(live, "/f", []byte("data"), 0o644))
	require.NoError(t, live.LinkIfPossible("/f", "/g"))
	live.Crash()
	m, err := model.Parse("strict")
	require.NoError(t, err)
	plan := persist.Lower(live.Trace(), m)
	for want, o := range map[string]Options{"1 same": {}, "2 same": {Materialise: true}} {
		c, err := NewChecker(o)
		if errors.Is(err, mount.ErrUnavailable) {
			t.Skip(err)
		}
		require.NoError(t, err)
		said, err := c.Oracle(Shell(`echo "torn: $(stat -c %h f) $([ f -ef g ] && echo same)"; exit 1`))
		require.NoError(t, err)
		disk := plan.NewDisk()
		disk.Begin(plan.Points()-1, persist.Subset{})
		violations := said.Judge(faultfs.Unrecorded(disk), disk.Marks())
		require.Equal(t, []oracle.Violation{{Kind: oracle.Torn, Detail: want}}, violations)
		require.NoError(t, c.Close())
	}
}

// A disk may hold paths as long as any, though the copy stands deep itself.
func TestCopyHoldsTheLongestPaths(t *testing.T) {
	live := faultfs.New()
	path := ""
	for len(path) < 4000 {
		path += "/" + strings.Repeat("d", 200)
		require.NoError(t, live.Mkdir(path, 0o755))
	}
	require.NoError(t, afero.WriteFile(live, path+"/f", []byte("data"), 0o640))
	require.NoError(t, live.LinkIfPossible(path+"/f", path+"/g"))
	require.NoError(t, live.SymlinkIfPossible("nowhere", path+"/s"))
	dir := filepath.Join(t.TempDir(), strings.Repeat("x", 200))
	require.NoError(t, copyOut(live, dir))
	root, err := os.OpenRoot(dir)
	require.NoError(t, err)
	defer func() { require.NoError(t, root.Close()) }()
	data, err := root.ReadFile(path[1:] + "/g")
	require.NoError(t, err)
	require.Equal(t, "data", string(data))
	info, err := root.Stat(path[1:] + "/f")
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o640), info.Mode())
	target, err := root.Readlink(path[1:] + "/s")
	require.NoError(t, err)
	require.Equal(t, "nowhere", target)
}
