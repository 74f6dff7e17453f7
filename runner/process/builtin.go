package process

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/afero"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/oracle"
)

// Builtin returns the check of a name and a file, as in "log:app.log". They
// know from the trace what the file held when each mark was made:
//
//	old-or-new:FILE  the file is as a whole what it held at the start, at a mark
//	                 or at the end, and not older than the last mark
//	log:FILE         the complete lines of the file are the first of those of the
//	                 run, and none is missing that was there at the last mark
//	sqlite:FILE      the sqlite3 command finds the database whole, and its contents
//	                 to be those at the start, at a mark or at the end, and not
//	                 older than the last mark
//
// The file is a path below the directory of the program.
func (c *Checker) Builtin(text string, trace *faultfs.Trace) (oracle.Oracle, error) {
	kind, file, found := strings.Cut(text, ":")
	if !found || file == "" {
		return nil, fmt.Errorf("check %q: want NAME:FILE", text)
	}
	file = path.Join("/", file)
	switch kind {
	case "old-or-new":
		return oldOrNew(trace, file)
	case "log":
		return lineLog(trace, file)
	case "sqlite":
		return c.sqlite(trace, file)
	}
	return nil, fmt.Errorf("check %q: want one of old-or-new, log, sqlite", kind)
}

// IsBuiltin reports whether a text names a check of Builtin rather than a
// command.
func IsBuiltin(text string) bool {
	kind, _, found := strings.Cut(text, ":")
	return found && slices.Contains([]string{"old-or-new", "log", "sqlite"}, kind)
}

// milestones calls f with the file system as the program saw it at the start,
// at each mark, and at the end; also, with mark unset, after the ops that between
// picks. Marks of the setup acknowledge what stands at the start.
func milestones(trace *faultfs.Trace, between func(*faultfs.Op) bool, f func(fs *faultfs.FS, mark bool) error) error {
	edit := trace.Edit()
	live := edit.FS()
	if err := f(live.Fork(), true); err != nil {
		return err
	}
	for i := range trace.Setup {
		if isMark(&trace.Setup[i]) {
			if err := f(live.Fork(), true); err != nil {
				return err
			}
		}
	}
	for i := range trace.Ops {
		op := &trace.Ops[i]
		if _, err := edit.Keep(faultfs.OpNum(i)); err != nil {
			return fmt.Errorf("op %d of the trace: %w", i, err)
		}
		mark := isMark(op)
		if !mark && !between(op) {
			continue
		}
		if err := f(live.Fork(), mark); err != nil {
			return err
		}
	}
	return f(live.Fork(), false)
}

func atMarks(*faultfs.Op) bool { return false }

// everyChange picks each op that changes something: that two transactions make
// calls of one kind in a row does not make them one.
func everyChange(op *faultfs.Op) bool { return op.Kind.Changes() && !op.Failed() }

func isMark(op *faultfs.Op) bool { return op.Kind == faultfs.OpMark && !op.Failed() }

// counted are marks of which all count, whatever their labels are, as what was
// acknowledged when so many were made.
type counted struct {
	oracle.Marks
	acknowledged []int
}

// Count returns what the marks acknowledge together.
func (c counted) Count(string) int { return c.acknowledged[len(c.All())] }

// Has reports whether they acknowledge anything.
func (c counted) Has(label string) bool { return c.Count(label) > 0 }

const anyMark = "any mark"

// oldOrNew is the check of a file that is replaced as a whole.
func oldOrNew(trace *faultfs.Trace, file string) (oracle.Oracle, error) {
	promise := oracle.OldOrNew{Path: file, Mark: anyMark}
	var acknowledged []int
	err := milestones(trace, atMarks, func(live *faultfs.FS, mark bool) error {
		if mark {
			acknowledged = append(acknowledged, len(promise.Versions))
		}
		data, err := oracle.ReadFile(live, file)
		if errors.Is(err, fs.ErrNotExist) {
			promise.Versions = append(promise.Versions, oracle.Absent)
			return nil
		}
		promise.Versions = append(promise.Versions, oracle.Data(data))
		return err
	})
	if err != nil {
		return nil, err
	}
	return oracle.Func(func(disk afero.Fs, marks oracle.Marks) []oracle.Violation {
		violations := promise.Judge(disk, counted{marks, acknowledged})
		for i := range violations {
			// The promise knows one label. What acknowledges here is any mark, and the last counts.
			violations[i].Detail = strings.ReplaceAll(violations[i].Detail, fmt.Sprintf("the mark %q", anyMark), "the last mark")
		}
		return violations
	}), nil
}

// lines returns the complete lines of a file, none if it does not exist.
func lines(disk afero.Fs, file string) ([]string, error) {
	data, err := oracle.ReadFile(disk, file)
	if err != nil || !bytes.Contains(data, []byte("\n")) {
		return nil, err
	}
	return strings.Split(string(data[:bytes.LastIndexByte(data, '\n')]), "\n"), nil
}

// lineLog is the check of a file to which lines are appended.
func lineLog(trace *faultfs.Trace, file string) (oracle.Oracle, error) {
	promise := oracle.Log{Path: file, Mark: anyMark, Read: func(disk afero.Fs) ([]string, error) { return lines(disk, file) }}
	var acknowledged []int
	err := milestones(trace, atMarks, func(live *faultfs.FS, mark bool) error {
		now, err := lines(live, file)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if len(now) < len(promise.Appended) || !slices.Equal(now[:len(promise.Appended)], promise.Appended) {
			return fmt.Errorf("%s is no log: its lines change", file)
		}
		if acknowledged == nil {
			promise.Before = len(now)
		}
		promise.Appended = now
		if mark {
			acknowledged = append(acknowledged, len(now)-promise.Before)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return oracle.Func(func(disk afero.Fs, marks oracle.Marks) []oracle.Violation {
		return promise.Judge(disk, counted{marks, acknowledged})
	}), nil
}

// sqlite is the check of a database. What it may hold is what sqlite3 makes of it
// where the program is killed after any op, at least as new as at the last mark:
// the power cut must not leave anything else.
func (c *Checker) sqlite(trace *faultfs.Trace, file string) (oracle.Oracle, error) {
	program, err := exec.LookPath("sqlite3")
	if err != nil {
		return nil, err
	}
	args := []string{program, "-batch", "-bail", "." + file, "PRAGMA integrity_check", ".dump"}
	scratch, err := os.MkdirTemp(c.temp.dir, "sqlite-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = removeTree(scratch) }()
	var held dumps
	count := 0
	err = milestones(trace, everyChange, func(live *faultfs.FS, mark bool) error {
		count++
		dir := filepath.Join(scratch, strconv.Itoa(count))
		if err := copyOut(live, dir); err != nil {
			return err
		}
		dump := newDump()
		out := &output{next: dump}
		command := command{args: args, dir: dir, workspace: dir, output: out, timeout: c.options.Timeout}
		exit := (*exec.ExitError)(nil)
		switch err := undisturbed(func() error { return command.run(context.Background()) }); {
		case err == nil:
		case errors.As(err, &exit) && exit.Exited() && !mark:
			return nil // killed there, it would not do either
		case mark:
			return fmt.Errorf("sqlite3 at a mark: %s", out.said(err))
		default:
			return fmt.Errorf("sqlite3 after a change: %s", out.said(err))
		}
		held.add(dump.end(), mark)
		return removeTree(dir)
	})
	if err != nil {
		return nil, err
	}
	return oracle.Func(func(disk afero.Fs, marks oracle.Marks) []oracle.Violation {
		dump := newDump()
		out := &output{next: dump}
		fs, err := ofRunner(disk)
		if err == nil {
			err = c.on(fs, func() []string { return nil }, args, out)
		}
		if err != nil {
			return judged(out, err)
		}
		return held.judge(dump.end(), marks, file)
	}), nil
}

// dump is what sqlite3 prints of a database, which can be much longer than what
// there is memory for: its digest tells it from any other.
type dump struct {
	digest hash.Hash
	first  []byte // of its first line, which is what the integrity check says
	line   bool   // that line has ended
}

// dumped is a dump that has come to its end.
type dumped struct {
	digest [sha256.Size]byte
	first  string
}

func newDump() *dump { return &dump{digest: sha256.New()} }

// Write adds a part of the dump.
func (d *dump) Write(p []byte) (int, error) {
	if !d.line {
		line, _, ended := bytes.Cut(p, []byte("\n"))
		d.line = ended
		d.first = append(d.first, line[:min(len(line), longestOutput-len(d.first))]...)
	}
	return d.digest.Write(p)
}

func (d *dump) end() dumped { return dumped{[sha256.Size]byte(d.digest.Sum(nil)), string(d.first)} }

// dumps are what a database held, one after the other.
type dumps struct {
	digests      [][sha256.Size]byte
	acknowledged []int // by marks made: the digest that the last of them stands for
}

func (d *dumps) add(now dumped, mark bool) {
	if n := len(d.digests); n == 0 || d.digests[n-1] != now.digest {
		d.digests = append(d.digests, now.digest)
	}
	if mark {
		d.acknowledged = append(d.acknowledged, len(d.digests)-1)
	}
}

// judge judges what sqlite3 said of a database.
func (d *dumps) judge(now dumped, marks oracle.Marks, file string) []oracle.Violation {
	newest := len(d.digests) - 1
	for newest >= 0 && d.digests[newest] != now.digest {
		newest--
	}
	if newest < 0 {
		return []oracle.Violation{{Kind: oracle.Torn, Path: file, Detail: "holds what it held at no moment; the integrity check says " + now.first}}
	}
	if made := len(marks.All()); newest < d.acknowledged[made] {
		return []oracle.Violation{{Kind: oracle.Stale, Path: file, Detail: fmt.Sprintf("holds an older state than at the last of %d marks", made)}}
	}
	return nil
}
