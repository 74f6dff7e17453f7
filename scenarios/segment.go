package scenarios

import (
	"encoding/binary"
	"errors"
	"io"
	"os"

	"github.com/spf13/afero"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner"
)

// A segment is allocated at its full size before it is used, so that no append
// has to change the size of a file. A record is its length, in four bytes, and
// its text; behind the last one there are zeros.
const (
	preallocated = "/wal/segment"
	segmentSize  = 16 << 10
	lengthSize   = 4
)

// preallocate makes a segment of zeros, durably.
func preallocate(disk afero.Fs) error {
	f, err := disk.OpenFile(preallocated, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	if err := errors.Join(f.Truncate(segmentSize), f.Sync(), f.Close()); err != nil {
		return err
	}
	return syncDir(disk, "/wal")
}

// putRecords writes each record behind the one before it and syncs the segment.
func putRecords(fs *faultfs.FS, records []string) error {
	f, err := fs.OpenFile(preallocated, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close() // all that matters is synced by then
	at := int64(0)
	for _, record := range records {
		bytes := binary.BigEndian.AppendUint32(nil, uint32(len(record)))
		bytes = append(bytes, record...)
		if _, err := f.WriteAt(bytes, at); err != nil {
			return err
		}
		if err := f.Sync(); err != nil {
			return err
		}
		at += int64(len(bytes))
		fs.Mark(logged)
	}
	return nil
}

// readRecords returns a reader of a segment, up to the first record that has no
// length or that whole refuses.
func readRecords(whole func(record string) (text string, ok bool)) func(disk afero.Fs) ([]string, error) {
	return func(disk afero.Fs) ([]string, error) {
		f, err := disk.Open(preallocated)
		if err != nil {
			return nil, err
		}
		defer f.Close() // it was only read
		var records []string
		for at := int64(0); ; {
			var length [lengthSize]byte
			if _, err := f.ReadAt(length[:], at); errors.Is(err, io.EOF) {
				return records, nil
			} else if err != nil {
				return nil, err
			}
			n := int64(binary.BigEndian.Uint32(length[:]))
			if n == 0 || n > segmentSize {
				return records, nil
			}
			record := make([]byte, n)
			if _, err := f.ReadAt(record, at+lengthSize); errors.Is(err, io.EOF) {
				return records, nil
			} else if err != nil {
				return nil, err
			}
			text, ok := whole(string(record))
			if !ok {
				return records, nil
			}
			records = append(records, text)
			at += lengthSize + n
		}
	}
}

// believe takes any record for whole: there is a length, so there is a record.
func believe(record string) (text string, ok bool) { return record, true }

// verify takes a sealed record for whole if it is.
func verify(record string) (text string, ok bool) {
	data, whole := unseal([]byte(record))
	return string(data), whole
}

func segments() []runner.Scenario {
	// The third record lies across the end of the first data unit.
	texts := []string{sized(1500, "one, "), sized(1500, "two, "), sized(1500, "three, "), sized(5000, "four, ")}
	var sealed []string
	for _, text := range texts {
		sealed = append(sealed, string(seal([]byte(text))))
	}
	scenario := func(name, lesson string, records []string, whole func(string) (string, bool)) runner.Scenario {
		return runner.Scenario{
			Name: name, Lesson: lesson,
			Setup: withDirs("/wal"),
			Workload: func(fs *faultfs.FS) error {
				if err := preallocate(fs); err != nil {
					return err
				}
				return putRecords(fs, records)
			},
			Oracle: oracle.Log{Path: preallocated, Read: readRecords(whole), Appended: texts, Mark: logged},
		}
	}
	broken := scenario("segment-preallocation",
		"zeros behind the last record do not say that the last record is whole: its length may be there without its end",
		texts, believe)
	broken.Declared = verdicts{"kill": keeps, "strict ext4 xfs btrfs posix": breaks(torn)}.each()
	fixed := scenario("segment-preallocation-fixed",
		"allocate the segment durably before it is used, and let a checksum, not zeros, say where the log ends",
		sealed, verify)
	fixed.Declared = keptEverywhere()
	return []runner.Scenario{broken, fixed}
}
