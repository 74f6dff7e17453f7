package scenarios

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/afero"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner"
)

// A counted log is a framed log that also knows how long it is: two pages of
// another file say, in turn, how many entries are durable and where they end.
// What is damaged before that is no torn tail.
const (
	countedLog  = "/log/entries"
	countedHead = "/log/head"
)

// openCounted opens both files, and reads the head.
func openCounted(disk afero.Fs) (log, head afero.File, m meta, err error) {
	if log, err = disk.OpenFile(countedLog, os.O_RDWR, 0); err != nil {
		return nil, nil, meta{}, err
	}
	if head, err = disk.OpenFile(countedHead, os.O_RDWR, 0); err != nil {
		return nil, nil, meta{}, errors.Join(err, log.Close())
	}
	if m, err = newestMeta(head); err != nil {
		return nil, nil, meta{}, errors.Join(err, log.Close(), head.Close())
	}
	return log, head, m, nil
}

// writeHead says how many entries there are, and where they end, once they are
// durable.
func writeHead(head afero.File, m meta) error {
	if _, err := head.WriteAt(m.encode(), m.tx%2*pageSize); err != nil {
		return err
	}
	return head.Sync()
}

func appendCounted(disk afero.Fs, entry string) error {
	log, head, m, err := openCounted(disk)
	if err != nil {
		return err
	}
	_, err = log.WriteAt([]byte(frame(entry)), m.root)
	if err == nil {
		err = log.Sync()
	}
	if err == nil {
		err = writeHead(head, meta{m.tx + 1, m.root + int64(len(frame(entry)))})
	}
	return errors.Join(err, log.Close(), head.Close())
}

// readCounted returns the entries, or says that what was durable is damaged.
func readCounted(disk afero.Fs) ([]string, error) {
	log, head, m, err := openCounted(disk)
	if err != nil {
		return nil, err
	}
	entries, _, err := checkCounted(log, m)
	return entries, errors.Join(err, log.Close(), head.Close())
}

// checkCounted returns the entries, and their frames.
func checkCounted(log io.Reader, m meta) (entries []string, frames []byte, err error) {
	text, err := io.ReadAll(log)
	entries, end := parseFrames(text)
	if err == nil && int64(end) < m.root {
		err = fmt.Errorf("the log is damaged at %d, and was whole up to %d", end, m.root)
	}
	return entries, text[:end], err
}

// cutUncounted cuts a torn tail off, and counts an entry that the head does not
// know yet.
func cutUncounted(disk afero.Fs) error {
	log, head, m, err := openCounted(disk)
	if err != nil {
		return err
	}
	entries, frames, err := checkCounted(log, m)
	if err == nil {
		err = log.Truncate(int64(len(frames)))
	}
	if err == nil {
		err = writeAgain(disk, countedLog, frames)
	}
	if err == nil {
		err = writeHead(head, meta{int64(len(entries)), int64(len(frames))})
	}
	return errors.Join(err, log.Close(), head.Close())
}

func rottenLogs() []runner.Scenario {
	entries := []string{"opened", sized(600, "a longer entry, over two sectors; "), "closed"}
	broken := runner.Scenario{
		Name:   "bit-rot-in-log",
		Lesson: "a bad checksum is no proof of a torn tail: a bit that rots in the middle makes recovery throw away all that follows",
		Setup:  withFile(countedLog, ""),
		Workload: appending(func(afero.Fs) error { return nil }, func(disk afero.Fs, entry string) error {
			return appendFrame(disk, countedLog, entry)
		}, entries),
		Recover:  cutTornTail(countedLog),
		Oracle:   oracle.Log{Path: countedLog, Read: readFrames(countedLog), Appended: entries, Mark: logged},
		Declared: verdicts{"kill": keeps, "strict ext4 xfs btrfs posix": breaks(lost)}.each(),
	}
	broken.Damage = oracle.Detects(broken.Oracle)

	fixed := broken
	fixed.Name += "-fixed"
	fixed.Lesson = "let the log know how long it is: damage before its end is an error, only what lies behind is a torn tail"
	fixed.Setup = func(fs *faultfs.FS) error {
		head := append(meta{}.encode(), make([]byte, 2*pageSize)...)[:2*pageSize]
		return errors.Join(withFile(countedLog, "")(fs), withFile(countedHead, string(head))(fs))
	}
	fixed.Workload = appending(func(afero.Fs) error { return nil }, appendCounted, entries)
	fixed.Recover = cutUncounted
	fixed.Oracle = oracle.Log{Path: countedLog, Read: readCounted, Appended: entries, Mark: logged}
	fixed.Damage = oracle.Detects(fixed.Oracle)
	fixed.Declared = keptEverywhere()
	return []runner.Scenario{broken, fixed}
}

// Pages are a file of pages of one sector each, with one value on each.
const (
	pagesFile  = "/db/pages"
	sectorSize = 512
)

type pages []string

// page is a value with a checksum, and with it where it belongs: in which
// edition of the file, and at which number.
func (t pages) page(edition, number int) []byte {
	text := fmt.Sprintf("%d %d %s", edition, number, t[number])
	return seal([]byte(text + strings.Repeat(" ", sectorSize-len(seal([]byte(text))))))
}

// parsePage reads a page.
func parsePage(page []byte) (edition, number int, value string, err error) {
	text, whole := unseal(page)
	if !whole {
		return 0, 0, "", errors.New("a page is damaged")
	}
	_, err = fmt.Sscan(string(text), &edition, &number, &value)
	return edition, number, value, err
}

// readPages reads them. Without strict it believes of a page with a good
// checksum that it is the right one.
func readPages(strict bool) func(disk afero.Fs) (pages, error) {
	return func(disk afero.Fs) (pages, error) {
		data, err := afero.ReadFile(disk, pagesFile)
		if err != nil {
			return nil, err
		}
		var t pages
		first := -1
		for page := range slices.Chunk(data, sectorSize) {
			edition, number, value, err := parsePage(page)
			if err != nil {
				return nil, err
			}
			if first < 0 {
				first = edition
			}
			if strict && (edition != first || number != len(t)) {
				return nil, fmt.Errorf("page %d of edition %d is where page %d of edition %d belongs", number, edition, len(t), first)
			}
			t = append(t, value)
		}
		return t, nil
	}
}

func (t pages) save(disk afero.Fs, edition int) error {
	var data []byte
	for number := range t {
		data = append(data, t.page(edition, number)...)
	}
	return replaceFile(disk, pagesFile, data)
}

func misplacedPages() []runner.Scenario {
	editions := []pages{{"ann", "bob", "cid"}, {"ann", "bea", "cid"}, {"ann", "bea", "dan"}}
	promise := func(strict bool) oracle.Oracle {
		return oracle.Prefix[pages]{
			Path: pagesFile, Read: readPages(strict), States: editions, Equal: slices.Equal[pages], Mark: saved,
		}
	}
	broken := runner.Scenario{
		Name:   "misdirected-page",
		Lesson: "a checksum says that a page is whole, not that it is the one that was asked for: a disk may write it elsewhere",
		Setup: func(fs *faultfs.FS) error {
			return errors.Join(withDirs("/db")(fs), editions[0].save(fs, 0))
		},
		Workload: func(fs *faultfs.FS) error {
			for i, t := range editions[1:] {
				if err := t.save(fs, i+1); err != nil {
					return err
				}
				fs.Mark(saved)
			}
			return nil
		},
		Oracle:   promise(false),
		Declared: verdicts{"kill": keeps, "strict ext4 xfs btrfs posix": breaks(stale, torn)}.each(),
	}
	broken.Damage = oracle.Detects(broken.Oracle)

	fixed := broken
	fixed.Name += "-fixed"
	fixed.Lesson = "put a page's number and edition under its checksum, and believe a page only where it belongs"
	fixed.Oracle = promise(true)
	fixed.Damage = oracle.Detects(fixed.Oracle)
	fixed.Declared = keptEverywhere()
	return []runner.Scenario{broken, fixed}
}
