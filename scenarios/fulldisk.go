package scenarios

import (
	"errors"
	"io"
	"os"
	"syscall"

	"github.com/spf13/afero"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner"
)

// writeOnce writes a text as a program does that calls write(2) once and looks
// for -1: that the call took only a part is no error there.
func writeOnce(f afero.File, text string) error {
	_, err := f.WriteString(text)
	if errors.Is(err, io.ErrShortWrite) {
		return nil
	}
	return err
}

// writeAll writes on where a write was short, as os.File does by itself.
func writeAll(f afero.File, text string) error {
	for {
		n, err := f.WriteString(text)
		if !errors.Is(err, io.ErrShortWrite) {
			return err
		}
		text = text[n:]
	}
}

// appendBy appends a frame by the given way to write.
func appendBy(write func(afero.File, string) error) func(disk afero.Fs, entry string) error {
	return func(disk afero.Fs, entry string) error {
		f, err := disk.OpenFile(appLog, os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		err = write(f, frame(entry))
		if err == nil {
			err = f.Sync()
		}
		return errors.Join(err, f.Close())
	}
}

func ignoreShortWrite() []runner.Scenario {
	entries := []string{"started", "user 7 logged in", "user 7 logged out", "stopped"}
	base := runner.Scenario{
		Setup:   withFile(appLog, ""),
		Recover: cutTornTail(appLog),
		Oracle:  oracle.Log{Path: appLog, Read: readFrames(appLog), Appended: entries, Mark: logged},
		Faults:  []faultfs.Fault{{Kind: faultfs.OpWrite, Path: appLog, First: 2, Short: 20}},
	}
	broken, fixed := base, base
	broken.Name = "ignore-short-write"
	broken.Lesson = "a write may take only a part of what it is given, without an error: half an entry is acknowledged, and hides all that follow"
	broken.Workload = appending(neverPrepare, appendBy(writeOnce), entries)
	broken.Declared = verdicts{everyPreset: breaks(lost)}.each()

	fixed.Name = broken.Name + "-fixed"
	fixed.Lesson = "look at how much a write took and write the rest, then sync"
	fixed.Workload = appending(neverPrepare, appendBy(writeAll), entries)
	fixed.Declared = keptEverywhere()
	return []runner.Scenario{broken, fixed}
}

// errRefused says that an entry is not in the log, which takes others.
var errRefused = errors.New("the log has not taken the entry")

// appendUnless appends a frame. If that fails because there is no room, it
// calls undo with the file and the size that it had before.
func appendUnless(disk afero.Fs, entry string, undo func(f afero.File, size int64) error) error {
	f, err := disk.OpenFile(appLog, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close() // all that matters is synced by then
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	if err := writeAll(f, frame(entry)); err != nil {
		// A log that cannot be cut back takes no more entries.
		if err := undo(f, size); err != nil {
			return err
		}
		return errRefused
	}
	// After a sync that failed, too, nobody knows what is in the log.
	return f.Sync()
}

// neverUndo leaves the part of an entry that was written where it is.
func neverUndo(afero.File, int64) error { return nil }

func logFullDisk() []runner.Scenario {
	const rejected = "rejected"
	entries := []string{"started", "user 7 logged in", "user 7 logged out", "stopped"}
	logging := func(undo func(f afero.File, size int64) error) func(*faultfs.FS) error {
		return func(fs *faultfs.FS) error {
			for _, entry := range entries {
				switch err := appendUnless(fs, entry, undo); {
				case errors.Is(err, errRefused):
					fs.Mark(rejected)
				case err != nil:
					return err
				default:
					fs.Mark(logged)
				}
			}
			return nil
		}
	}
	base := runner.Scenario{
		Setup:   withFile(appLog, ""),
		Recover: cutTornTail(appLog),
		Oracle:  oracle.Log{Path: appLog, Read: readFrames(appLog), Appended: entries, Mark: logged, Failed: rejected},
		Faults:  []faultfs.Fault{{Kind: faultfs.OpWrite, Path: appLog, First: 2, Short: 20, Errno: syscall.ENOSPC}},
	}
	broken, fixed := base, base
	broken.Name = "log-full-disk"
	broken.Lesson = "what a full disk took of an entry stays in the log: recovery cuts there, and with it all that was appended later"
	broken.Workload = logging(neverUndo)
	broken.Declared = verdicts{everyPreset: breaks(lost)}.each()

	fixed.Name = broken.Name + "-fixed"
	fixed.Lesson = "where an append fails, cut the log back to its last whole entry before the next one, or take no more"
	fixed.Workload = logging(afero.File.Truncate)
	fixed.Declared = keptEverywhere()
	return []runner.Scenario{broken, fixed}
}
