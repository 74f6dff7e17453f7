package scenarios

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/afero"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner"
)

// A store with a write-ahead log: a transaction is durable once it is in the
// log; a checkpoint brings the data file, a page for each slot, up to date and
// empties the log. Transactions set slots to values, so that to apply one
// twice does no harm.
const (
	ledger    = "/db/ledger"
	ledgerLog = "/db/wal"
	slots     = 3
)

// transfer is a transaction over two slots.
type transfer struct {
	slot, other   int
	value, change string
}

func (t transfer) String() string {
	return fmt.Sprintf("%d=%s %d=%s", t.slot, t.value, t.other, t.change)
}

func parseTransfer(text string) (transfer, error) {
	var t transfer
	_, err := fmt.Sscanf(strings.ReplaceAll(text, "=", " "), "%d %s %d %s", &t.slot, &t.value, &t.other, &t.change)
	return t, err
}

// apply is the model: the values of all slots after a transaction.
func (t transfer) apply(values []string) []string {
	next := slices.Clone(values)
	next[t.slot], next[t.other] = t.value, t.change
	return next
}

// checkpoint applies the log to the data file, and empties the log. Between the
// two it calls barrier with the data file.
func checkpoint(disk afero.Fs, barrier func(afero.File) error) error {
	log, err := disk.OpenFile(ledgerLog, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer log.Close() // all that matters is synced by then
	text, err := afero.ReadAll(log)
	if err != nil {
		return err
	}
	entries, end := parseFrames(text)
	// What was read must be on the disk before the data file is touched.
	if err := writeAgain(disk, ledgerLog, text[:end]); err != nil {
		return err
	}
	data, err := disk.OpenFile(ledger, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer data.Close()
	for _, entry := range entries {
		t, err := parseTransfer(entry)
		if err == nil {
			err = errors.Join(writeSlot(data, t.slot, t.value), writeSlot(data, t.other, t.change))
		}
		if err != nil {
			return err
		}
	}
	if err := barrier(data); err != nil {
		return err
	}
	if err := log.Truncate(0); err != nil {
		return err
	}
	return log.Sync()
}

func writeSlot(data afero.File, slot int, value string) error {
	page := make([]byte, pageSize)
	copy(page, value)
	_, err := data.WriteAt(page, int64(slot)*pageSize)
	return err
}

func readLedger(disk afero.Fs) ([]string, error) {
	data, err := afero.ReadFile(disk, ledger)
	if err != nil {
		return nil, err
	}
	var values []string
	for page := range slices.Chunk(data, pageSize) {
		values = append(values, string(bytes.TrimRight(page, "\x00")))
	}
	return values, nil
}

func walCheckpoint() []runner.Scenario {
	initial := slices.Repeat([]string{"100"}, slots)
	transfers := []transfer{{0, 1, "70", "130"}, {1, 2, "90", "140"}, {2, 0, "100", "110"}, {0, 1, "80", "120"}, {1, 2, "20", "200"}}
	setup := func(fs *faultfs.FS) error {
		var image []byte
		for _, value := range initial {
			image = append(image, value+strings.Repeat("\x00", pageSize-len(value))...)
		}
		if err := withFile(ledger, string(image))(fs); err != nil {
			return err
		}
		return withFile(ledgerLog, "")(fs)
	}
	base := runner.Scenario{
		Setup: setup,
		Oracle: oracle.Prefix[[]string]{
			Path: ledger, Read: readLedger, States: oracle.StatesOf(initial, func(values []string, t transfer) []string { return t.apply(values) }, transfers...),
			Equal: slices.Equal[[]string], Mark: committedMark,
		},
	}
	with := func(s runner.Scenario, barrier func(afero.File) error) runner.Scenario {
		s.Workload = func(fs *faultfs.FS) error {
			for i, t := range transfers {
				if err := appendFrame(fs, ledgerLog, t.String()); err != nil {
					return err
				}
				fs.Mark(committedMark)
				if i%2 == 1 {
					if err := checkpoint(fs, barrier); err != nil {
						return err
					}
				}
			}
			return nil
		}
		s.Recover = func(disk afero.Fs) error { return checkpoint(disk, barrier) }
		return s
	}
	broken := with(base, neverSync)
	broken.Name = "wal-checkpoint"
	broken.Lesson = "a checkpoint that empties the log before the data file is synced throws away the only durable copy"
	broken.Declared = verdicts{"kill strict": keeps, "ext4 xfs btrfs posix": breaks(stale, torn)}.each()

	fixed := with(base, afero.File.Sync)
	fixed.Name = broken.Name + "-fixed"
	fixed.Lesson = "sync the data file, then empty the log; to apply a log a second time must do no harm"
	fixed.Declared = keptEverywhere()
	return []runner.Scenario{broken, fixed}
}
