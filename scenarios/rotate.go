package scenarios

import (
	"errors"
	"fmt"
	"io/fs"
	"path"

	"github.com/spf13/afero"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner"
)

// rotated are the files of a log that is rotated by renaming, the oldest first.
var rotated = []string{appLog + ".2", appLog + ".1", appLog}

// rotateByRenaming moves each file on to the next older name and begins a new
// one. What was in the oldest file is in use no more by then.
func rotateByRenaming(disk afero.Fs) error {
	for i := 1; i < len(rotated); i++ {
		err := disk.Rename(rotated[i], rotated[i-1])
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return writeSynced(disk, appLog, nil)
}

// segment is a file of a log that is rotated by numbering: a file keeps its name.
func segment(n int) string { return fmt.Sprintf("/var/log/app-%06d.log", n) }

// readAll returns a reader of a log that is spread over files.
func readAll(files func(disk afero.Fs) ([]string, error)) func(disk afero.Fs) ([]string, error) {
	return func(disk afero.Fs) ([]string, error) {
		names, err := files(disk)
		if err != nil {
			return nil, err
		}
		var all []string
		for _, name := range names {
			entries, err := readFrames(name)(disk)
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return nil, err
			}
			all = append(all, entries...)
		}
		return all, nil
	}
}

func byAge(afero.Fs) ([]string, error) { return rotated, nil }

func byNumber(disk afero.Fs) ([]string, error) {
	names, err := namesIn(disk, "/var/log")
	for i := range names {
		names[i] = path.Join("/var/log", names[i])
	}
	return names, err
}

// cutNewest cuts the torn tail off the newest segment. The others were whole
// before the next was begun.
func cutNewest(disk afero.Fs) error {
	names, err := byNumber(disk)
	if err != nil || len(names) == 0 {
		return err
	}
	return cutTornTail(names[len(names)-1])(disk)
}

func logRotation() []runner.Scenario {
	entries := []string{"one", "two", "three", "four", "five", "six"}
	const perFile = 2
	logging := func(begin func(disk afero.Fs, file int) error, name func(file int) string) func(*faultfs.FS) error {
		return func(fs *faultfs.FS) error {
			for i, entry := range entries {
				file := i / perFile
				if i%perFile == 0 {
					if err := begin(fs, file); err != nil {
						return err
					}
				}
				if err := appendFrame(fs, name(file), entry); err != nil {
					return err
				}
				fs.Mark(logged)
			}
			return nil
		}
	}
	promise := func(files func(disk afero.Fs) ([]string, error)) oracle.Oracle {
		return oracle.Log{Path: appLog, Read: readAll(files), Appended: entries, Mark: logged}
	}
	broken := runner.Scenario{
		Name:   "log-rotation",
		Lesson: "renames that no directory sync follows: a file may be seen under its old and its new name, or the newest not at all",
		Setup:  withDirs("/var/log"),
		Workload: logging(func(disk afero.Fs, file int) error {
			if file == 0 {
				return createDurably(disk, appLog, "/var/log")
			}
			return rotateByRenaming(disk)
		}, func(int) string { return appLog }),
		Recover:  cutTornTail(appLog),
		Oracle:   promise(byAge),
		Declared: verdicts{"kill strict ext4 xfs": keeps, "btrfs": breaks(alien), "posix": breaks(alien, lost)}.each(),
	}
	fixed := runner.Scenario{
		Name:   "log-rotation-fixed",
		Lesson: "number the files and never rename them; sync the directory before the first entry of a new one",
		Setup:  withDirs("/var/log"),
		Workload: logging(func(disk afero.Fs, file int) error {
			return createDurably(disk, segment(file), "/var/log")
		}, segment),
		Recover:  cutNewest,
		Oracle:   promise(byNumber),
		Declared: keptEverywhere(),
	}
	return []runner.Scenario{broken, fixed}
}
