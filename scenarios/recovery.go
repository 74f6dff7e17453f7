package scenarios

import (
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strconv"

	"github.com/spf13/afero"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner"
)

// A document is saved by an intent: what it is to hold is written to a file of
// its own, durably, and that is a promise. Then the document is overwritten, a
// page at a time, and the intent removed. The removal takes no sync: to carry an
// intent out twice does no harm, and the next one's name is synced before the
// document is touched.
const (
	document = "/app/document"
	intent   = "/app/intent"
)

func saveByIntent(fs *faultfs.FS, text string) error {
	if err := writeSynced(fs, intent, seal([]byte(text))); err != nil {
		return err
	}
	if err := syncDir(fs, path.Dir(intent)); err != nil {
		return err
	}
	fs.Mark(saved)
	if err := carryOut(fs, []byte(text)); err != nil {
		return err
	}
	return removeIfThere(fs, intent)
}

func carryOut(disk afero.Fs, text []byte) error {
	f, err := disk.OpenFile(document, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close() // all that matters is synced by then
	at := int64(0)
	for page := range slices.Chunk(text, pageSize) {
		if _, err := f.WriteAt(page, at); err != nil {
			return err
		}
		at += pageSize
	}
	return f.Sync()
}

// readIntent returns what the document is to hold, nothing if there is no whole
// intent: one that was cut short was promised to nobody.
func readIntent(disk afero.Fs) (text []byte, whole bool, err error) {
	sealed, exists, err := readIfThere(disk, intent)
	if err != nil || !exists {
		return nil, false, err
	}
	if text, whole = unseal(sealed); !whole {
		return nil, false, nil
	}
	return text, true, errors.Join(writeAgain(disk, intent, sealed), syncDir(disk, path.Dir(intent)))
}

// finishFirst carries an intent out, then removes it.
func finishFirst(disk afero.Fs) error {
	text, whole, err := readIntent(disk)
	if err == nil && whole {
		err = carryOut(disk, text)
	}
	if err != nil {
		return err
	}
	return removeIfThere(disk, intent)
}

// clearFirst removes an intent once it is in memory, then carries it out.
func clearFirst(disk afero.Fs) error {
	text, whole, err := readIntent(disk)
	if err != nil {
		return err
	}
	if err := removeIfThere(disk, intent); err != nil || !whole {
		return err
	}
	return carryOut(disk, text)
}

func recoveryClearsFirst() []runner.Scenario {
	texts := []string{sized(6000, "first draft; "), sized(6000, "second draft; "), sized(6000, "final version; ")}
	base := runner.Scenario{
		Setup: withFile(document, texts[0]),
		Workload: func(fs *faultfs.FS) error {
			for _, text := range texts[1:] {
				if err := saveByIntent(fs, text); err != nil {
					return err
				}
			}
			return nil
		},
		Oracle: oracle.All(
			oracle.OldOrNew{Path: document, Versions: contents(texts...), Mark: saved},
			oracle.NoLitter{Match: []string{intent}},
		),
	}
	broken, fixed := base, base
	broken.Name = "recovery-clears-first"
	broken.Lesson = "a recovery that removes the log before it has made good what stands there can itself be crashed, and then there is no log"
	broken.Recover = clearFirst
	broken.Declared = verdicts{everyPreset: breaks(stale, torn)}.each()

	fixed.Name = broken.Name + "-fixed"
	fixed.Lesson = "recovery makes all of the log good, durably, before it removes it: crashed on the way, it begins again"
	fixed.Recover = finishFirst
	fixed.Declared = keptEverywhere()
	return []runner.Scenario{broken, fixed}
}

// A tally is a sum whose additions are logged. Only recovery brings the sum up
// to date and empties the log. Additions are numbered, and with the sum stands
// the number of the last one in it.
const (
	tallyFile = "/db/tally"
	tallyLog  = "/db/additions"
)

type tally struct{ last, sum int }

func (t tally) String() string { return fmt.Sprintf("%d %d", t.last, t.sum) }

func readTally(disk afero.Fs) (t tally, err error) {
	text, err := afero.ReadFile(disk, tallyFile)
	if err == nil {
		_, err = fmt.Sscan(string(text), &t.last, &t.sum)
	}
	return t, err
}

// addUp brings the sum up to date by the additions that it does not contain,
// and empties the log.
func addUp(disk afero.Fs, contains func(t tally, addition int) bool) error {
	if err := removeIfThere(disk, temp(tallyFile)); err != nil {
		return err
	}
	t, err := readTally(disk)
	if err != nil {
		return err
	}
	log, err := disk.OpenFile(tallyLog, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer log.Close() // all that matters is synced by then
	text, err := afero.ReadAll(log)
	if err != nil || len(text) == 0 {
		return err
	}
	entries, _ := parseFrames(text)
	for _, entry := range entries {
		var n, amount int
		if _, err := fmt.Sscan(entry, &n, &amount); err != nil {
			return err
		}
		if !contains(t, n) {
			t = tally{n, t.sum + amount}
		}
	}
	// If only the process died, a sum that contains all of them may not be on
	// the disk yet, so it is written in any case.
	if err := replaceFile(disk, tallyFile, []byte(t.String())); err != nil {
		return err
	}
	if err := log.Truncate(0); err != nil {
		return err
	}
	return log.Sync()
}

// upToLast says that the sum contains what is numbered no higher.
func upToLast(t tally, addition int) bool { return addition <= t.last }

// nothingYet says that what is in the log is not in the sum.
func nothingYet(tally, int) bool { return false }

func recoveryNotIdempotent() []runner.Scenario {
	amounts := []int{1, 10, 100}
	const added = "added"
	base := runner.Scenario{
		Setup: func(fs *faultfs.FS) error {
			if err := withFile(tallyFile, tally{0, 1000}.String())(fs); err != nil {
				return err
			}
			return withFile(tallyLog, "")(fs)
		},
		Workload: func(fs *faultfs.FS) error {
			for i, amount := range amounts {
				if err := appendFrame(fs, tallyLog, strconv.Itoa(i+1)+" "+strconv.Itoa(amount)); err != nil {
					return err
				}
				fs.Mark(added)
			}
			return nil
		},
		Oracle: oracle.Prefix[int]{
			Path: tallyFile,
			Read: func(disk afero.Fs) (int, error) {
				t, err := readTally(disk)
				return t.sum, err
			},
			States: oracle.StatesOf(1000, func(sum, amount int) int { return sum + amount }, amounts...),
			Equal:  func(read, model int) bool { return read == model },
			Mark:   added,
		},
	}
	broken, fixed := base, base
	broken.Name = "recovery-not-idempotent"
	broken.Lesson = "a recovery that adds up a log and then empties it adds twice if it is crashed between the two"
	broken.Recover = func(disk afero.Fs) error { return addUp(disk, nothingYet) }
	// The model calls a sum that it never had torn.
	broken.Declared = verdicts{everyPreset: breaks(torn)}.each()

	fixed.Name = broken.Name + "-fixed"
	fixed.Lesson = "number the entries, and keep the number of the last one that was applied in the same file as what it was applied to"
	fixed.Recover = func(disk afero.Fs) error { return addUp(disk, upToLast) }
	fixed.Declared = keptEverywhere()
	return []runner.Scenario{broken, fixed}
}
