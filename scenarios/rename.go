package scenarios

import (
	"path"

	"github.com/spf13/afero"

	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner"
)

const config = "/etc/app.conf"

// renameUnsynced replaces a file as many programs do: it syncs the directory,
// but not the data.
func renameUnsynced(disk afero.Fs, data []byte) error {
	if err := afero.WriteFile(disk, temp(config), data, 0o644); err != nil {
		return err
	}
	if err := disk.Rename(temp(config), config); err != nil {
		return err
	}
	return syncDir(disk, path.Dir(config))
}

// renameOnly replaces a file as many more do: it syncs the data, but not the
// directory.
func renameOnly(disk afero.Fs, data []byte) error {
	if err := writeSynced(disk, temp(config), data); err != nil {
		return err
	}
	return disk.Rename(temp(config), config)
}

// replaceConfig syncs both.
func replaceConfig(disk afero.Fs, data []byte) error { return replaceFile(disk, config, data) }

// removeTempConfig clears away what a save left that was cut short. The next
// one would write over it, but it may never come.
func removeTempConfig(disk afero.Fs) error { return removeIfThere(disk, temp(config)) }

func renames() []runner.Scenario {
	texts := []string{"port=80", "port=8080", sized(5000, "port=443 # and much more\n"), "port=8443"}
	base := runner.Scenario{
		Setup: withFile(config, texts[0]),
		Oracle: oracle.All(
			oracle.OldOrNew{Path: config, Versions: contents(texts...), Mark: saved},
			oracle.NoLitter{Match: []string{temp(config)}},
		),
	}
	noSync, noDirSync := base, base
	noSync.Name = "rename-without-fsync"
	noSync.Lesson = "a rename may be on the disk before the data of the file that it moves: the new file is full of NULs, or empty"
	noSync.Workload = saving(renameUnsynced, texts[1:])
	noSync.Declared = verdicts{"kill strict": keeps, "ext4 xfs btrfs posix": breaks(torn)}.each()

	noDirSync.Name = "rename-without-directory-fsync"
	noDirSync.Lesson = "a rename is on the disk when its directory is: until then the old file may come back"
	noDirSync.Workload = saving(renameOnly, texts[1:])
	noDirSync.Declared = verdicts{"kill": keeps, "strict ext4 xfs btrfs posix": breaks(stale)}.each()

	fixed := base
	fixed.Recover = removeTempConfig
	fixed.Workload = saving(replaceConfig, texts[1:])
	fixed.Declared = keptEverywhere()
	noSyncFixed, noDirSyncFixed := fixed, fixed
	noSyncFixed.Name = noSync.Name + "-fixed"
	noSyncFixed.Lesson = "sync the new file before it is renamed"
	noDirSyncFixed.Name = noDirSync.Name + "-fixed"
	noDirSyncFixed.Lesson = "sync the directory after the rename, and only then say that the file is saved"
	return []runner.Scenario{noSync, noSyncFixed, noDirSync, noDirSyncFixed}
}
