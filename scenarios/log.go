package scenarios

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/spf13/afero"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner"
)

// A framed log is one that can tell its own torn tail: each line is an entry
// without a newline in it, a blank, and the checksum of the entry.

func frame(entry string) string { return entry + " " + checksum(entry) + "\n" }

// parseFrames returns the entries that are whole, up to the first one that is
// not, and the offset where they end. The checksum is found from the right, so
// an entry may have blanks in it.
func parseFrames(log []byte) (entries []string, end int) {
	for {
		line, _, ended := bytes.Cut(log[end:], []byte("\n"))
		blank := bytes.LastIndexByte(line, ' ')
		if !ended || blank < 0 || checksum(line[:blank]) != string(line[blank+1:]) {
			return entries, end
		}
		entries = append(entries, string(line[:blank]))
		end += len(line) + 1
	}
}

// appendFrame appends an entry and syncs the log, but not its name.
func appendFrame(disk afero.Fs, name, entry string) error {
	return appendText(disk, name, frame(entry), afero.File.Sync)
}

// appendText appends a text and hands the file to sync before it is closed.
func appendText(disk afero.Fs, name, text string, sync func(afero.File) error) error {
	f, err := disk.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if err == nil {
		err = sync(f)
	}
	return errors.Join(err, f.Close())
}

// neverSync is the sync of those who trust close.
func neverSync(afero.File) error { return nil }

// readFrames returns a reader of a framed log. What comes behind the whole
// entries is a torn tail.
func readFrames(name string) func(disk afero.Fs) ([]string, error) {
	return func(disk afero.Fs) ([]string, error) {
		log, err := afero.ReadFile(disk, name)
		if err != nil {
			return nil, err
		}
		entries, _ := parseFrames(log)
		return entries, nil
	}
}

// readLines returns a reader that believes what it finds: whatever stands
// between two newlines is an entry.
func readLines(name string) func(disk afero.Fs) ([]string, error) {
	return func(disk afero.Fs) ([]string, error) {
		log, err := afero.ReadFile(disk, name)
		if err != nil || len(log) == 0 {
			return nil, err
		}
		return strings.Split(strings.TrimSuffix(string(log), "\n"), "\n"), nil
	}
}

// cutTornTail returns a recovery that cuts off what an interrupted append left
// of a framed log, so that the next append is not hidden behind it.
func cutTornTail(name string) func(disk afero.Fs) error {
	return func(disk afero.Fs) error {
		f, err := disk.OpenFile(name, os.O_RDWR, 0)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		log, err := afero.ReadAll(f)
		_, end := parseFrames(log)
		if err == nil && end < len(log) {
			err = f.Truncate(int64(end))
		}
		if err = errors.Join(err, f.Close()); err != nil {
			return err
		}
		return writeAgain(disk, name, log[:end])
	}
}

// createDurably makes an empty file whose name survives.
func createDurably(disk afero.Fs, name, dir string) error {
	if err := writeSynced(disk, name, nil); err != nil {
		return err
	}
	return syncDir(disk, dir)
}

// A committed log has no checksums. Its first page says how many bytes are
// valid, and that number is raised only once they are on the disk.
const committedStart = 4096

func createCommitted(disk afero.Fs, name, dir string) error {
	if err := writeSynced(disk, name, make([]byte, committedStart)); err != nil {
		return err
	}
	return syncDir(disk, dir)
}

// committed returns how many bytes behind the first page are valid.
func committed(f afero.File) (int64, error) {
	var count [8]byte
	_, err := f.ReadAt(count[:], 0)
	if errors.Is(err, io.EOF) {
		return 0, nil // a crash cut the creation short: nothing is valid yet
	}
	return int64(binary.BigEndian.Uint64(count[:])), err
}

func appendCommitted(disk afero.Fs, name, entry string) error {
	f, err := disk.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close() // all that matters is synced by then
	end, err := committed(f)
	if err != nil {
		return err
	}
	if _, err := f.WriteAt([]byte(entry+"\n"), committedStart+end); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	end += int64(len(entry)) + 1
	if _, err := f.WriteAt(binary.BigEndian.AppendUint64(nil, uint64(end)), 0); err != nil {
		return err
	}
	return f.Sync()
}

func readCommitted(name string) func(disk afero.Fs) ([]string, error) {
	return func(disk afero.Fs) ([]string, error) {
		f, err := disk.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close() // it was only read
		end, err := committed(f)
		if err != nil || end == 0 {
			return nil, err
		}
		log := make([]byte, end)
		if _, err := f.ReadAt(log, committedStart); err != nil {
			return nil, fmt.Errorf("the log is shorter than it says: %w", err)
		}
		return strings.Split(strings.TrimSuffix(string(log), "\n"), "\n"), nil
	}
}

const logged = "logged"

// appending is a workload that prepares a log, appends one entry after the
// other, and says so each time.
func appending(prepare func(disk afero.Fs) error, add func(disk afero.Fs, entry string) error, entries []string) func(*faultfs.FS) error {
	return func(fs *faultfs.FS) error {
		if err := prepare(fs); err != nil {
			return err
		}
		for _, entry := range entries {
			if err := add(fs, entry); err != nil {
				return err
			}
			fs.Mark(logged)
		}
		return nil
	}
}

const appLog = "/var/log/app.log"

func appendLogs() []runner.Scenario {
	// The third entry lies across the end of the first data unit.
	entries := []string{sized(1500, "started; "), sized(1500, "user 7 logged in; "), sized(1500, "stopped; ")}
	create := func(disk afero.Fs) error { return createDurably(disk, appLog, "/var/log") }
	base := runner.Scenario{Setup: withDirs("/var/log")}
	promise := func(read func(afero.Fs) ([]string, error)) oracle.Oracle {
		return oracle.Log{Path: appLog, Read: read, Appended: entries, Mark: logged}
	}

	plain, plainFixed, sums, sumsFixed := base, base, base, base
	plain.Name = "append-log"
	plain.Lesson = "an append is not atomic: without a checksum, half an entry or one of NULs reads like an entry"
	plain.Workload = appending(create, func(disk afero.Fs, entry string) error {
		return appendText(disk, appLog, entry+"\n", afero.File.Sync)
	}, entries)
	plain.Oracle = promise(readLines(appLog))
	plain.Declared = verdicts{"kill": keeps, "strict ext4 xfs btrfs posix": breaks(torn)}.each()

	plainFixed.Name = "append-log-fixed"
	plainFixed.Lesson = "two syncs do without checksums: the entry first, then the number of bytes that count"
	plainFixed.Workload = appending(
		func(disk afero.Fs) error { return createCommitted(disk, appLog, "/var/log") },
		func(disk afero.Fs, entry string) error { return appendCommitted(disk, appLog, entry) }, entries)
	plainFixed.Oracle = promise(readCommitted(appLog))
	plainFixed.Declared = keptEverywhere()

	sums.Name = "append-log-checksum"
	sums.Lesson = "a checksum tells what is torn and makes nothing durable: without a sync, entries that were reported are lost"
	sums.Workload = appending(create, func(disk afero.Fs, entry string) error {
		return appendText(disk, appLog, frame(entry), neverSync)
	}, entries)
	sums.Recover = cutTornTail(appLog)
	sums.Oracle = promise(readFrames(appLog))
	sums.Declared = verdicts{"kill": keeps, "strict ext4 xfs btrfs posix": breaks(lost)}.each()

	sumsFixed.Name = "append-log-checksum-fixed"
	sumsFixed.Lesson = "a checksum for each entry and a sync before it is reported; recovery cuts the torn tail off"
	sumsFixed.Workload = appending(create, func(disk afero.Fs, entry string) error {
		return appendFrame(disk, appLog, entry)
	}, entries)
	sumsFixed.Recover = cutTornTail(appLog)
	sumsFixed.Oracle = promise(readFrames(appLog))
	sumsFixed.Declared = keptEverywhere()
	return []runner.Scenario{plain, plainFixed, sums, sumsFixed}
}
