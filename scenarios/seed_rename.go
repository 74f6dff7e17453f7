package scenarios

import (
	"fmt"
	"os"
	"path"
	"strings"

	"github.com/spf13/afero"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner"
)

// clock stands in for time.Now, so that temporary names are the same each time.
type clock struct{ now int64 }

func (c *clock) UnixNano() int64 {
	c.now++
	return c.now
}

// atomicRenaming is the seed's Atomnic_Renaming. Path is put before the names
// as it is, so it must end in a slash.
func atomicRenaming(disk afero.Fs, now *clock, path string, data []byte) error {
	file := path + "test_Atomnic_Renaming.txt"
	randomFileTemp := fmt.Sprintf("%s.tmp.%d", file, now.UnixNano())

	fp, err := disk.OpenFile(randomFileTemp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	if _, err := fp.Write(data); err != nil {
		fp.Close()
		return err
	}
	if err := fp.Sync(); err != nil {
		fp.Close()
		return err
	}
	if err := fp.Close(); err != nil {
		return err
	}
	// The seed sleeps for 100 ms here. A disk has no idea of that.
	return disk.Rename(randomFileTemp, file)
}

// deferClose is the same with the Close deferred, as the seed's section on
// defer has it: the file is still open while it is renamed.
func deferClose(disk afero.Fs, now *clock, path string, data []byte) error {
	file := path + "test_Atomnic_Renaming.txt"
	randomFileTemp := fmt.Sprintf("%s.tmp.%d", file, now.UnixNano())

	fp, err := disk.OpenFile(randomFileTemp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	defer fp.Close()
	if _, err := fp.Write(data); err != nil {
		return err
	}
	if err := fp.Sync(); err != nil {
		return err
	}
	return disk.Rename(randomFileTemp, file)
}

type renaming func(disk afero.Fs, now *clock, path string, data []byte) error

// thenSyncDir is what both programs lack.
func thenSyncDir(rename renaming) renaming {
	return func(disk afero.Fs, now *clock, path string, data []byte) error {
		if err := rename(disk, now, path, data); err != nil {
			return err
		}
		return syncDir(disk, path)
	}
}

// removeTemps clears away what a crash between create and rename left. Each
// save has a temporary name of its own, so nothing else ever would.
func removeTemps(dir, prefix string) func(disk afero.Fs) error {
	return func(disk afero.Fs) error {
		names, err := namesIn(disk, dir)
		if err != nil {
			return err
		}
		for _, name := range names {
			if strings.HasPrefix(name, prefix) {
				if err := disk.Remove(path.Join(dir, name)); err != nil {
					return err
				}
			}
		}
		return nil
	}
}

func seedRename() []runner.Scenario {
	texts := []string{"first", "the second one", "third"}
	base := func(name, lesson string, rename renaming) runner.Scenario {
		return runner.Scenario{
			Name: name, Lesson: lesson,
			Setup: withDirs("/data"),
			Workload: func(fs *faultfs.FS) error {
				var now clock
				save := func(disk afero.Fs, data []byte) error { return rename(disk, &now, "/data/", data) }
				return saving(save, texts)(fs)
			},
			Oracle: oracle.All(
				oracle.OldOrNew{Path: "/data/test_Atomnic_Renaming.txt", Versions: created(texts...), Mark: saved},
				oracle.NoLitter{Match: []string{"/data/*.tmp.*"}},
			),
		}
	}
	broken := func(name, lesson string, rename renaming) runner.Scenario {
		s := base(name, lesson, rename)
		s.Declared = verdicts{"kill": keeps, "strict ext4 xfs btrfs posix": breaks(lost, stale)}.each()
		return s
	}
	fixed := func(name, lesson string, rename renaming) runner.Scenario {
		s := base(name, lesson, thenSyncDir(rename))
		s.Recover = removeTemps("/data", "test_Atomnic_Renaming.txt.tmp.")
		s.Declared = keptEverywhere()
		return s
	}
	return []runner.Scenario{
		broken("seed-atomic-rename",
			"a rename is atomic but not durable: without a sync of the directory, a save that was reported is undone",
			atomicRenaming),
		fixed("seed-atomic-rename-fixed",
			"sync the file, rename it, sync the directory; and clear away temporary files at the next start",
			atomicRenaming),
		broken("seed-defer-close",
			"a Close deferred past the Rename changes nothing, since close forces nothing; the directory sync is missing all the same",
			deferClose),
		fixed("seed-defer-close-fixed",
			"with the directory synced the save is safe, though the file is closed only after its rename",
			deferClose),
	}
}
