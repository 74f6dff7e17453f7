package scenarios

import (
	"errors"
	"os"
	"path"
	"syscall"

	"github.com/spf13/afero"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner"
)

// syncAgain is the sync of those who take an error for something that passes.
// The second sync has nothing to write: the pages that the first one could not
// write are clean, or hold again what the disk does.
func syncAgain(f afero.File) error {
	if f.Sync() == nil {
		return nil
	}
	return f.Sync()
}

// loggingAnew is a workload that appends entries, and where one of them cannot
// be made durable writes the whole log anew, to another file. It does so from
// what it knows, not from what it reads: a page that was not written may read
// like one that was.
func loggingAnew(entries []string) func(*faultfs.FS) error {
	return func(fs *faultfs.FS) error {
		log := ""
		for _, entry := range entries {
			log += frame(entry)
			if appendFrame(fs, appLog, entry) != nil {
				if err := replaceFile(fs, appLog, []byte(log)); err != nil {
					return err
				}
			}
			fs.Mark(logged)
		}
		return nil
	}
}

// cutTornTailOfNewest is the recovery of a log that may have been replaced.
func cutTornTailOfNewest(disk afero.Fs) error {
	if err := removeIfThere(disk, temp(appLog)); err != nil {
		return err
	}
	if err := cutTornTail(appLog)(disk); err != nil {
		return err
	}
	// If only the process died, the name of a new log may not be on the disk
	// yet, and entries that come next would be lost with it.
	return syncDir(disk, path.Dir(appLog))
}

func retrySync() []runner.Scenario {
	// The second entry ends in the first page, the third one in the next.
	entries := []string{sized(1500, "started; "), sized(1500, "user 7 logged in; "), sized(1500, "stopped; ")}
	base := runner.Scenario{
		Setup:  withFile(appLog, ""),
		Oracle: oracle.Log{Path: appLog, Read: readFrames(appLog), Appended: entries, Mark: logged},
		Faults: []faultfs.Fault{{Kind: faultfs.OpFsync, Path: appLog, First: 2, Errno: syscall.EIO}},
	}
	broken, fixed := base, base
	broken.Name = "retry-fsync"
	broken.Lesson = "an fsync that returns 0 after one that failed has written nothing: what the first could not write is not dirty any more"
	broken.Workload = appending(neverPrepare, func(disk afero.Fs, entry string) error {
		return appendText(disk, appLog, frame(entry), syncAgain)
	}, entries)
	broken.Recover = cutTornTail(appLog)
	// Where the failed page stays dirty, the second sync does write it.
	broken.Declared = verdicts{"kill strict": keeps, "ext4 xfs btrfs posix": breaks(lost)}.each()

	fixed.Name = broken.Name + "-fixed"
	fixed.Lesson = "after an fsync that failed, write the data anew, to another file, and trust nothing that the old one reads like"
	fixed.Workload = loggingAnew(entries)
	fixed.Recover = cutTornTailOfNewest
	fixed.Declared = keptEverywhere()
	return []runner.Scenario{broken, fixed}
}

// neverPrepare is for a log that is there already.
func neverPrepare(afero.Fs) error { return nil }

// renameRegardless replaces the config with what it has written, whether or not
// that could be synced.
func renameRegardless(disk afero.Fs, data []byte) error {
	f, err := disk.OpenFile(temp(config), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	_ = f.Sync() // many ignore it: "it has always worked"
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := disk.Rename(temp(config), config); err != nil {
		return err
	}
	return syncDir(disk, path.Dir(config))
}

// replaceOrKeep replaces the config. A new file that cannot be written is
// removed, and the program tries once more with another one; if that fails too,
// the old config is still the config.
func replaceOrKeep(disk afero.Fs, data []byte) error {
	err := writeSynced(disk, temp(config), data)
	if err != nil {
		if err := removeTempConfig(disk); err != nil {
			return err
		}
		err = writeSynced(disk, temp(config), data)
	}
	if err != nil {
		return errors.Join(err, removeTempConfig(disk))
	}
	if err := disk.Rename(temp(config), config); err != nil {
		return err
	}
	return syncDir(disk, path.Dir(config))
}

func renameAfterFailedSync() []runner.Scenario {
	texts := []string{"port=80", "port=8080", sized(5000, "port=443 # and much more\n"), "port=8443"}
	base := runner.Scenario{
		Setup:   withFile(config, texts[0]),
		Recover: removeTempConfig,
		Oracle: oracle.All(
			oracle.OldOrNew{Path: config, Versions: contents(texts...), Mark: saved},
			oracle.NoLitter{Match: []string{temp(config)}},
		),
		Faults: []faultfs.Fault{{Kind: faultfs.OpFsync, Path: temp(config), First: 2, Errno: syscall.EIO}},
	}
	broken, fixed := base, base
	broken.Name = "rename-after-failed-sync"
	broken.Lesson = "to rename a file that could not be synced replaces good data by what the disk refused"
	broken.Workload = saving(renameRegardless, texts[1:])
	// Where the failed page stays dirty and all is written in order, the sync of
	// the directory writes it.
	broken.Declared = verdicts{"kill strict": keeps, "ext4 xfs btrfs posix": breaks(torn)}.each()

	fixed.Name = broken.Name + "-fixed"
	fixed.Lesson = "rename only what was synced: where the sync fails, remove the new file and begin again, or keep the old one and say so"
	fixed.Workload = saving(replaceOrKeep, texts[1:])
	fixed.Declared = keptEverywhere()
	return []runner.Scenario{broken, fixed}
}
