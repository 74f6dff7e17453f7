package scenarios

import (
	"os"
	"path"

	"github.com/spf13/afero"

	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner"
)

// fsyncDir is the seed's.
func fsyncDir(disk afero.Fs, dir string) error {
	f, err := disk.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// writeAheadLog is the seed's WriteAheadLog. It empties the log before it
// writes it, then does the same to the data. Path is put before the names as
// it is, while the directory that is synced is path itself.
func writeAheadLog(disk afero.Fs, path string, data []byte) error {
	logFile := path + "logfile.txt"
	dataFile := path + "datafile.txt"

	fp, err := disk.OpenFile(logFile, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
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

	fp, err = disk.OpenFile(dataFile, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
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
	return fsyncDir(disk, path)
}

// redoBlindly is the recovery that the log seems to be made for: what it holds
// goes into the data file. Without a checksum in either there is no telling a
// log that was cut short from one that must be applied.
func redoBlindly(disk afero.Fs) error {
	data, _, err := readIfThere(disk, "./logfile.txt")
	if err != nil || len(data) == 0 {
		return err
	}
	if err := writeSynced(disk, "./datafile.txt", data); err != nil {
		return err
	}
	return fsyncDir(disk, "./")
}

// writeAheadChecked is the same protocol made sound: the log carries a
// checksum, and its name is durable too before the data file is touched.
func writeAheadChecked(disk afero.Fs, dir string, data []byte) error {
	if err := writeSynced(disk, path.Join(dir, "logfile.txt"), seal(data)); err != nil {
		return err
	}
	if err := fsyncDir(disk, dir); err != nil {
		return err
	}
	if err := writeSynced(disk, path.Join(dir, "datafile.txt"), data); err != nil {
		return err
	}
	return fsyncDir(disk, dir)
}

// redoChecked applies a log that is whole. If it is not, the crash came before
// the data file was touched.
func redoChecked(disk afero.Fs, dir string) error {
	logFile := path.Join(dir, "logfile.txt")
	sealed, exists, err := readIfThere(disk, logFile)
	if err != nil || !exists {
		return err
	}
	data, whole := unseal(sealed)
	if !whole {
		return nil
	}
	// It must be on the disk before the data file is emptied.
	if err := writeAgain(disk, logFile, sealed); err != nil {
		return err
	}
	if err := fsyncDir(disk, dir); err != nil {
		return err
	}
	if err := writeSynced(disk, path.Join(dir, "datafile.txt"), data); err != nil {
		return err
	}
	return fsyncDir(disk, dir)
}

func seedWriteAhead() []runner.Scenario {
	texts := []string{
		"Write-ahead logging example data",
		sized(5000, "more of the example data. "),
		sized(4500, "Something else. "),
	}
	writing := func(write func(disk afero.Fs, path string, data []byte) error, to string) func(afero.Fs, []byte) error {
		return func(disk afero.Fs, data []byte) error { return write(disk, to, data) }
	}
	promise := func(dataFile string) oracle.Oracle {
		return oracle.OldOrNew{Path: dataFile, Versions: created(texts...), Mark: saved}
	}
	return []runner.Scenario{
		{
			Name:     "seed-write-ahead",
			Lesson:   "a log that nobody replays protects nothing: the data file is emptied in place, and kill -9 is enough to see it so",
			Workload: saving(writing(writeAheadLog, "./"), texts),
			Oracle:   promise("/datafile.txt"),
			Declared: verdicts{everyPreset: breaks(torn)}.each(),
		},
		{
			Name:     "seed-write-ahead-redo",
			Lesson:   "without a checksum no recovery can tell a torn log from a whole one: replaying it destroys data that was safe",
			Workload: saving(writing(writeAheadLog, "./"), texts),
			Recover:  redoBlindly,
			Oracle:   promise("/datafile.txt"),
			Declared: verdicts{"kill": keeps, "strict ext4 xfs btrfs posix": breaks(torn)}.each(),
		},
		{
			Name:     "seed-write-ahead-other-directory",
			Lesson:   "a path without its slash puts the files beside the directory that is synced, so their names may be lost",
			Setup:    withDirs("/var/db"),
			Workload: saving(writing(writeAheadLog, "/var/db"), texts),
			Oracle:   promise("/var/dbdatafile.txt"),
			Declared: verdicts{"kill strict ext4 xfs btrfs": breaks(torn), "posix": breaks(lost, torn)}.each(),
		},
		{
			Name:     "seed-write-ahead-fixed",
			Lesson:   "the log has a checksum and a durable name before the data file is touched, and recovery applies it if it is whole",
			Setup:    withDirs("/var/db"),
			Workload: saving(writing(writeAheadChecked, "/var/db"), texts),
			Recover:  func(disk afero.Fs) error { return redoChecked(disk, "/var/db") },
			Oracle:   promise("/var/db/datafile.txt"),
			Declared: keptEverywhere(),
		},
	}
}
