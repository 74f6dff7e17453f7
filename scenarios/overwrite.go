package scenarios

import (
	"errors"
	"os"
	"path"

	"github.com/spf13/afero"

	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner"
)

const (
	table   = "/db/table"
	journal = "/db/table-journal"
)

// overwrite writes a table over its old contents and syncs it.
func overwrite(disk afero.Fs, data []byte) error {
	f, err := disk.OpenFile(table, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(data, 0)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// overwriteJournaled saves the old contents in a journal first, as SQLite does
// with its rollback journal. That the journal is gone commits the change.
func overwriteJournaled(disk afero.Fs, data []byte) error {
	old, err := afero.ReadFile(disk, table)
	if err != nil {
		return err
	}
	if err := writeSynced(disk, journal, seal(old)); err != nil {
		return err
	}
	// The old contents must be found again before they are overwritten.
	if err := syncDir(disk, path.Dir(journal)); err != nil {
		return err
	}
	if err := overwrite(disk, data); err != nil {
		return err
	}
	return endJournal(disk)
}

func endJournal(disk afero.Fs) error {
	if err := disk.Remove(journal); err != nil {
		return err
	}
	return syncDir(disk, path.Dir(journal))
}

// rollBack undoes a change that was cut short. A journal that is not whole was
// itself cut short, before the table was touched.
func rollBack(disk afero.Fs) error {
	sealed, exists, err := readIfThere(disk, journal)
	if err != nil || !exists {
		return err
	}
	if old, whole := unseal(sealed); whole {
		// If only the process died, the journal may not be on the disk yet.
		if err := errors.Join(syncFile(disk, journal), syncDir(disk, path.Dir(journal))); err != nil {
			return err
		}
		if err := overwrite(disk, old); err != nil {
			return err
		}
	}
	return endJournal(disk)
}

func overwrites() []runner.Scenario {
	texts := []string{sized(6000, "old row; "), sized(6000, "new row; "), sized(6000, "newer row; ")}
	base := runner.Scenario{
		Setup: withFile(table, texts[0]),
		Oracle: oracle.All(
			oracle.OldOrNew{Path: table, Versions: contents(texts...), Mark: saved},
			oracle.NoLitter{Match: []string{journal}},
		),
	}
	broken, fixed := base, base
	broken.Name = "overwrite-in-place"
	broken.Lesson = "a write over old data is not atomic: each block of it is on the disk or not"
	broken.Workload = saving(overwrite, texts[1:])
	broken.Declared = verdicts{"kill": keeps, "strict ext4 xfs btrfs posix": breaks(torn)}.each()

	fixed.Name = broken.Name + "-fixed"
	fixed.Lesson = "save the old data in a journal, durable with its name, before overwriting it; roll back if the journal is still there"
	fixed.Workload = saving(overwriteJournaled, texts[1:])
	fixed.Recover = rollBack
	fixed.Declared = keptEverywhere()
	return []runner.Scenario{broken, fixed}
}
