package scenarios

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path"

	"github.com/spf13/afero"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner"
)

// beforeFsync are the three things that can be missing when power is cut just
// before an fsync: data still in a buffer, part of the data, and the directory.
func beforeFsync() []runner.Scenario {
	var all []runner.Scenario
	for _, pair := range []func() (broken, fixed runner.Scenario){buffered, partial, directory} {
		broken, fixed := pair()
		fixed.Name = broken.Name + "-fixed"
		fixed.Setup = broken.Setup
		fixed.Declared = keptEverywhere()
		all = append(all, broken, fixed)
	}
	return all
}

// openBuffered opens a new log behind a buffer.
func openBuffered(fs afero.Fs) (afero.File, *bufio.Writer, error) {
	f, err := fs.OpenFile(appLog, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, nil, err
	}
	return f, bufio.NewWriter(f), nil
}

// logBuffered believes that what was written is written: the buffer is flushed
// and the file synced when all is done.
func logBuffered(fs *faultfs.FS, entries []string) error {
	f, w, err := openBuffered(fs)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if _, err := w.WriteString(entry + "\n"); err != nil {
			return err
		}
		fs.Mark(logged)
	}
	return errors.Join(w.Flush(), f.Sync(), f.Close())
}

// logFlushed flushes the buffer and syncs the file before it says anything.
func logFlushed(fs *faultfs.FS, entries []string) error {
	f, w, err := openBuffered(fs)
	if err != nil {
		return err
	}
	if err := syncDir(fs, path.Dir(appLog)); err != nil {
		return err
	}
	for _, entry := range entries {
		if _, err := w.WriteString(frame(entry)); err != nil {
			return err
		}
		if err := errors.Join(w.Flush(), f.Sync()); err != nil {
			return err
		}
		fs.Mark(logged)
	}
	return f.Close()
}

func buffered() (broken, fixed runner.Scenario) {
	entries := []string{"started", "user 7 logged in", "stopped"}
	promise := func(read func(afero.Fs) ([]string, error)) oracle.Oracle {
		return oracle.Log{Path: appLog, Read: read, Appended: entries, Mark: logged}
	}
	broken = runner.Scenario{
		Name:     "just-before-fsync-buffered",
		Lesson:   "what is still in the program's own buffer dies with the program: no power cut is needed",
		Setup:    withDirs("/var/log"),
		Workload: func(fs *faultfs.FS) error { return logBuffered(fs, entries) },
		Oracle:   promise(readLines(appLog)),
		Declared: verdicts{
			"kill strict":          breaks(lost),
			"ext4 xfs btrfs posix": breaks(lost, torn),
		}.each(),
	}
	fixed = runner.Scenario{
		Lesson:   "flush the buffer and sync the file before saying that an entry is logged",
		Workload: func(fs *faultfs.FS) error { return logFlushed(fs, entries) },
		Recover:  cutTornTail(appLog),
		Oracle:   promise(readFrames(appLog)),
	}
	return broken, fixed
}

// report is a document that is written section by section.
type report [3]string

func (r report) String() string { return r[0] + r[1] + r[2] }

// writeReport believes that a report exists only when it is finished, since it
// is synced only then.
func writeReport(disk afero.Fs, name string, r report) error {
	f, err := disk.Create(name)
	if err != nil {
		return err
	}
	defer f.Close() // all that matters is synced by then
	for _, section := range r {
		if _, err := io.WriteString(f, section); err != nil {
			return err
		}
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return syncDir(disk, path.Dir(name))
}

// ending is the last line of a report, by which a reader knows that all of the
// report is there.
func ending(r report) string { return "\nend " + checksum(r.String()) + "\n" }

// dropUnfinished removes the reports that a crash left without a true ending.
func dropUnfinished(disk afero.Fs) error {
	names, err := namesIn(disk, "/reports")
	if err != nil {
		return err
	}
	for _, name := range names {
		name = path.Join("/reports", name)
		text, err := afero.ReadFile(disk, name)
		if err != nil {
			return err
		}
		body, _, _ := bytes.Cut(text, []byte("\nend "))
		if string(text) == string(body)+ending(report{string(body)}) {
			continue
		}
		if err := disk.Remove(name); err != nil {
			return err
		}
	}
	return nil
}

func partial() (broken, fixed runner.Scenario) {
	var reports []report
	for _, text := range []string{"January", "February", "March"} {
		reports = append(reports, report{"Report of " + text + "\n", sized(5000, text+" was fine. "), "\nSigned: the author"})
	}
	writing := func(finish func(r report) report) (func(fs *faultfs.FS) error, oracle.Oracle) {
		var promises []oracle.Oracle
		for i, r := range reports {
			mark := fmt.Sprintf("%s-%d", saved, i+1)
			promises = append(promises, oracle.OldOrNew{
				Path: fmt.Sprintf("/reports/%d.txt", i+1), Versions: created(finish(r).String()), Mark: mark,
			})
		}
		workload := func(fs *faultfs.FS) error {
			for i, r := range reports {
				if err := writeReport(fs, fmt.Sprintf("/reports/%d.txt", i+1), finish(r)); err != nil {
					return err
				}
				fs.Mark(fmt.Sprintf("%s-%d", saved, i+1))
			}
			return nil
		}
		return workload, oracle.All(promises...)
	}
	broken = runner.Scenario{
		Name:     "just-before-fsync-partial",
		Lesson:   "before its fsync a new file may be there in part: that it exists does not say that it is whole",
		Setup:    withDirs("/reports"),
		Declared: verdicts{everyPreset: breaks(torn)}.each(),
	}
	broken.Workload, broken.Oracle = writing(func(r report) report { return r })
	fixed = runner.Scenario{
		Lesson:  "a checksum at the end says that a file is whole; what has none was never finished, and recovery removes it",
		Recover: dropUnfinished,
	}
	fixed.Workload, fixed.Oracle = writing(func(r report) report { return report{r[0], r[1], r[2] + ending(r)} })
	return broken, fixed
}

// message is what a mail server accepts into a mailbox, which is a directory.
type message struct{ box, name, text string }

func (m message) path() string { return path.Join(m.box, m.name) }

// deliver makes the mailbox if need be and puts a message there.
func deliver(disk afero.Fs, m message) error {
	if err := disk.MkdirAll(m.box, 0o755); err != nil {
		return err
	}
	return writeSynced(disk, m.path(), []byte(m.text))
}

// deliverWithNames makes the names durable too: that of the message, and those
// of the mailbox and of what lies above it, which may be new.
func deliverWithNames(disk afero.Fs, m message) error {
	if err := deliver(disk, m); err != nil {
		return err
	}
	for dir := m.box; ; dir = path.Dir(dir) {
		if err := syncDir(disk, dir); err != nil || dir == "/" {
			return err
		}
	}
}

func directory() (broken, fixed runner.Scenario) {
	messages := []message{
		{"/mail/ann/inbox", "1", "Dear Ann, ..."},
		{"/mail/ann/inbox", "2", "Dear Ann, one more thing: ..."},
		{"/mail/bob/inbox", "1", "Dear Bob, ..."},
	}
	var promises []oracle.Oracle
	for _, m := range messages {
		promises = append(promises, oracle.When("accepted "+m.path(),
			oracle.OldOrNew{Path: m.path(), Versions: contents(m.text)}))
	}
	workload := func(deliver func(disk afero.Fs, m message) error) func(fs *faultfs.FS) error {
		return func(fs *faultfs.FS) error {
			for _, m := range messages {
				if err := deliver(fs, m); err != nil {
					return err
				}
				fs.Mark("accepted " + m.path())
			}
			return nil
		}
	}
	broken = runner.Scenario{
		Name:     "just-before-fsync-directory",
		Lesson:   "fsync of a new file promises neither its name nor its directory's: ext4, xfs and btrfs add that, POSIX does not",
		Setup:    withDirs("/mail"),
		Workload: workload(deliver),
		Oracle:   oracle.All(promises...),
		Declared: verdicts{"kill strict ext4 xfs btrfs": keeps, "posix": breaks(lost)}.each(),
	}
	fixed = runner.Scenario{
		Lesson:   "sync the directory of a new file, and that of each new directory, up to one that was there before",
		Workload: workload(deliverWithNames),
		Oracle:   broken.Oracle,
	}
	return broken, fixed
}
