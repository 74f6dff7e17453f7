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

// writeLogWithChecksum is the seed's WriteLogWithChecksum. It never syncs.
func writeLogWithChecksum(disk afero.Fs, filename, logEntry string) error {
	checksumValue := checksum(logEntry)
	file, err := disk.OpenFile(filename, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer file.Close()

	if _, err := file.WriteString(fmt.Sprintf("%s %s\n", logEntry, checksumValue)); err != nil {
		return err
	}
	if err := verifyLogChecksum(disk, filename); err != nil {
		return fmt.Errorf("log verification failed: %w", err)
	}
	return nil
}

// verifyLogChecksum is the seed's VerifyLogChecksum. At the first line that is
// not two words it stops and says that all is well: that is every entry with a
// blank in it, the seed's own example too, and a tail of NULs.
func verifyLogChecksum(disk afero.Fs, filename string) error {
	file, err := disk.Open(filename)
	if err != nil {
		return err
	}
	defer file.Close()

	var logEntry, checksumValue string
	for {
		if _, err := fmt.Fscanf(file, "%s %s\n", &logEntry, &checksumValue); err != nil {
			break
		}
		if checksum(logEntry) != checksumValue {
			return fmt.Errorf("checksum verification failed for log entry: %s", logEntry)
		}
	}
	return nil
}

// readVerified reads a log as somebody would who trusts the verifier: each line
// is an entry, a blank and a checksum that was looked at.
func readVerified(filename string) func(disk afero.Fs) ([]string, error) {
	return func(disk afero.Fs) ([]string, error) {
		if err := verifyLogChecksum(disk, filename); err != nil {
			return nil, err
		}
		lines, err := readLines(filename)(disk)
		for i, line := range lines {
			if blank := strings.LastIndexByte(line, ' '); blank >= 0 {
				lines[i] = line[:blank]
			}
		}
		return lines, err
	}
}

// writeLogDurably is writeLogWithChecksum with what it lacks: the entry is
// synced, and so is the name of the log, which this call may have made.
func writeLogDurably(disk afero.Fs, filename, logEntry string) error {
	if err := appendFrame(disk, filename, logEntry); err != nil {
		return err
	}
	if err := syncDir(disk, path.Dir(filename)); err != nil {
		return err
	}
	entries, err := readFrames(filename)(disk)
	if err == nil && (len(entries) == 0 || entries[len(entries)-1] != logEntry) {
		err = fmt.Errorf("log verification failed: %s", logEntry)
	}
	return err
}

func seedLog() []runner.Scenario {
	entries := []string{
		"started",
		"This is a test log entry.",
		sized(4500, "a longer one, such as a stack trace; "),
	}
	// The checksum of the second entry lies across the end of a data unit.
	words := []string{sized(3990, "word,"), "another", "last"}
	logging := func(write func(disk afero.Fs, filename, logEntry string) error, entries ...string) func(*faultfs.FS) error {
		return func(fs *faultfs.FS) error {
			for _, entry := range entries {
				if err := write(fs, "/log.txt", entry); err != nil {
					return err
				}
				fs.Mark("logged")
			}
			return nil
		}
	}
	return []runner.Scenario{
		{
			Name:     "seed-checksum-log",
			Lesson:   "a log that is verified but never synced loses entries, and the verifier stops silently at the first entry with a blank in it",
			Workload: logging(writeLogWithChecksum, entries...),
			Oracle: oracle.Log{
				Path: "/log.txt", Read: readVerified("/log.txt"), Appended: entries, Mark: "logged",
			},
			Declared: verdicts{
				"kill":                        keeps,
				"strict ext4 xfs btrfs posix": breaks(lost, torn),
			}.each(),
		},
		{
			Name:     "seed-checksum-log-one-word",
			Lesson:   "where the verifier does see a torn entry it refuses the whole log, and every later entry with it: nobody cuts the tail off",
			Setup:    logging(writeLogWithChecksum, words[0]),
			Workload: logging(writeLogWithChecksum, words[1:]...),
			Oracle: oracle.Log{
				Path: "/log.txt", Read: readVerified("/log.txt"), Appended: words, Mark: "logged",
			},
			Declared: verdicts{
				"kill":                 keeps,
				"strict":               breaks(lost, refused),
				"ext4 xfs btrfs posix": breaks(lost, torn, alien, refused),
			}.each(),
		},
		{
			Name:     "seed-checksum-log-fixed",
			Lesson:   "sync each entry and the new log's directory, find the checksum from the right, and cut a torn tail off before going on",
			Workload: logging(writeLogDurably, entries...),
			Recover:  cutTornTail("/log.txt"),
			Oracle: oracle.Log{
				Path: "/log.txt", Read: readFrames("/log.txt"), Appended: entries, Mark: "logged",
			},
			Declared: keptEverywhere(),
		},
	}
}
