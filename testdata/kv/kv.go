// Package kv is a small key-value store with a log and a checkpoint, for the tests of
// package machine. The store is sound. Six bugs can be planted in it, one at a time, each
// of a kind that stores of people have had: a test says that the machine finds each of
// them, and names the line that is marked with its name below.
//
// It does not scale: the whole state is kept in memory and written at each checkpoint, and
// it is used by one goroutine. Only tests import it.
package kv

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/afero"
)

// Bug is a bug that can be planted. The zero Bug is none: the store is sound.
type Bug string

// The bugs.
const (
	None              Bug = ""
	NoDirectorySync   Bug = "no-directory-sync"   // a checkpoint has its name, and the directory was not synced when the log is cut
	NoFileSync        Bug = "no-file-sync"        // a checkpoint is renamed before its data is synced
	LengthUnchecked   Bug = "length-unchecked"    // the checksum of a record does not cover its length
	RecoverTwice      Bug = "recover-twice"       // a recovery that is interrupted applies the log again the next time
	AckBeforeSync     Bug = "ack-before-sync"     // an addition returns before it is synced
	LogCutBeforeSync  Bug = "log-cut-before-sync" // the log is cut before the checkpoint is durable
	foldAt                = 2                     // recovery makes a checkpoint of so many records
	logName               = "/log"
	checkpointName        = "/checkpoint"
	newCheckpointName     = "/checkpoint.new"
	headSize              = 8 // of a record: length and checksum
)

// Bugs are all that can be planted.
var Bugs = []Bug{NoDirectorySync, NoFileSync, LengthUnchecked, RecoverTwice, AckBeforeSync, LogCutBeforeSync}

// Store is an open store: a number for each key.
type Store struct {
	fs    afero.Fs
	bug   Bug
	log   afero.File
	end   int64 // of the log
	seq   int   // of the newest record
	state map[string]int
}

// Open opens the store, and makes it where there is none. It recovers from a crash: what
// was begun at the end of the log and is not whole is cut off, and a log of some length
// becomes a checkpoint.
func Open(disk afero.Fs, bug Bug) (*Store, error) {
	s := &Store{fs: disk, bug: bug, state: map[string]int{}}
	if err := s.readCheckpoint(); err != nil {
		return nil, err
	}
	checkpointed := s.seq
	var err error
	if s.log, err = disk.OpenFile(logName, os.O_RDWR|os.O_CREATE, 0o644); err != nil {
		return nil, err
	}
	if err := s.syncDirectory(); err != nil {
		return nil, errors.Join(err, s.log.Close())
	}
	records, err := s.replay()
	if err == nil && records >= foldAt {
		seq := s.seq
		if bug == RecoverTwice {
			seq = checkpointed // what the checkpoint holds of the log is not written down
		}
		err = s.checkpoint(seq)
	}
	if err != nil {
		return nil, errors.Join(err, s.log.Close())
	}
	return s, nil
}

// Close closes the store. It makes nothing durable.
func (s *Store) Close() error { return s.log.Close() }

// All returns the numbers of all keys.
func (s *Store) All() (map[string]int, error) { return maps.Clone(s.state), nil }

// Add adds to the number of a key. When it returns, that is durable.
func (s *Store) Add(key string, n int) error {
	payload := fmt.Appendf(nil, "%d %s %d", s.seq+1, key, n)
	record := make([]byte, headSize, headSize+len(payload))
	binary.BigEndian.PutUint32(record, uint32(len(payload))) //nolint:gosec // it is short
	record = append(record, payload...)
	binary.BigEndian.PutUint32(record[4:], s.sum(record))
	if _, err := s.log.WriteAt(record, s.end); err != nil { // length-unchecked, ack-before-sync
		return err
	}
	if s.bug != AckBeforeSync {
		if err := s.log.Sync(); err != nil {
			return err
		}
	}
	s.end += int64(len(record))
	s.seq++
	s.state[key] += n
	return nil
}

// Checkpoint writes the whole state to a file of its own, and empties the log.
func (s *Store) Checkpoint() error { return s.checkpoint(s.seq) }

// sum is the checksum of a record.
func (s *Store) sum(record []byte) uint32 {
	sum := crc32.NewIEEE()
	if s.bug != LengthUnchecked {
		_, _ = sum.Write(record[:4])
	}
	_, _ = sum.Write(record[headSize:])
	return sum.Sum32()
}

// replay applies the records of the log that the checkpoint does not hold, and cuts off
// what is not whole. It returns how many it applied.
func (s *Store) replay() (applied int, err error) {
	data, err := io.ReadAll(s.log)
	if err != nil {
		return 0, err
	}
	for rest := data; len(rest) >= headSize; {
		size := headSize + int(binary.BigEndian.Uint32(rest))
		if size > len(rest) || binary.BigEndian.Uint32(rest[4:]) != s.sum(rest[:size]) {
			break
		}
		var seq, n int
		var key string
		if _, err := fmt.Sscanf(string(rest[headSize:size]), "%d %s %d", &seq, &key, &n); err != nil {
			return 0, fmt.Errorf("the log is corrupt at %d: %w", s.end, err)
		}
		if seq > s.seq {
			s.seq = seq
			s.state[key] += n
			applied++
		}
		s.end += int64(size)
		rest = rest[size:]
	}
	if s.end == int64(len(data)) {
		return applied, nil
	}
	return applied, errors.Join(s.log.Truncate(s.end), s.log.Sync())
}

// checkpoint writes the state, of which the newest record has a number, and cuts the log.
func (s *Store) checkpoint(seq int) error {
	var body strings.Builder
	fmt.Fprintf(&body, "%d\n", seq)
	for _, key := range slices.Sorted(maps.Keys(s.state)) {
		fmt.Fprintf(&body, "%s %d\n", key, s.state[key])
	}
	f, err := s.fs.OpenFile(newCheckpointName, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, "%08x\n%s", crc32.ChecksumIEEE([]byte(body.String())), body.String()) // no-file-sync
	if err == nil && s.bug == LogCutBeforeSync {
		err = s.cutLog()
	}
	if err == nil && s.bug != NoFileSync {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := s.fs.Rename(newCheckpointName, checkpointName); err != nil { // no-directory-sync, recover-twice
		return err
	}
	if s.bug != NoDirectorySync {
		if err := s.syncDirectory(); err != nil {
			return err
		}
	}
	return s.cutLog()
}

func (s *Store) cutLog() error {
	s.end = 0
	return errors.Join(s.log.Truncate(0), s.log.Sync()) // log-cut-before-sync
}

// readCheckpoint reads the newest checkpoint, if there is one.
func (s *Store) readCheckpoint() error {
	data, err := afero.ReadFile(s.fs, checkpointName)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	sum, body, _ := strings.Cut(string(data), "\n")
	if sum != fmt.Sprintf("%08x", crc32.ChecksumIEEE([]byte(body))) {
		return errors.New("the checkpoint is corrupt")
	}
	lines := strings.Split(strings.TrimSuffix(body, "\n"), "\n")
	if _, err := fmt.Sscan(lines[0], &s.seq); err != nil {
		return fmt.Errorf("the checkpoint is corrupt: %w", err)
	}
	for _, line := range lines[1:] {
		var key string
		var n int
		if _, err := fmt.Sscan(line, &key, &n); err != nil {
			return fmt.Errorf("the checkpoint is corrupt: %w", err)
		}
		s.state[key] = n
	}
	return nil
}

func (s *Store) syncDirectory() error {
	dir, err := s.fs.Open("/")
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
