package machine_test

import (
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/afero"
	"pgregory.net/rapid"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/runner"
	"github.com/crashsim/crashsim/runner/machine"
)

// journal is a program that keeps lines in a file, each with a checksum.
type journal struct {
	keepsTail    bool // its recovery leaves what is not whole at the end of the file
	ignoresError bool // it says that a line is kept though its sync has failed

	file  afero.File
	lines []string
}

func (j journal) open(disk afero.Fs) (*journal, error) {
	data, err := afero.ReadFile(disk, "/journal")
	if err != nil {
		return nil, err
	}
	if j.file, err = disk.OpenFile("/journal", os.O_RDWR|os.O_APPEND, 0o644); err != nil {
		return nil, err
	}
	whole := 0
	for line := range strings.Lines(string(data)) {
		sum, text, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		if !strings.HasSuffix(line, "\n") || sum != fmt.Sprintf("%08x", crc32.ChecksumIEEE([]byte(text))) {
			break
		}
		j.lines = append(j.lines, text)
		whole += len(line)
	}
	if whole < len(data) && !j.keepsTail {
		err = errors.Join(j.file.Truncate(int64(whole)), j.file.Sync())
	}
	return &j, err
}

func (j *journal) append(text string) error {
	if _, err := fmt.Fprintf(j.file, "%08x %s\n", crc32.ChecksumIEEE([]byte(text)), text); err != nil {
		return err
	}
	if err := j.file.Sync(); err != nil && !j.ignoresError {
		return err
	}
	j.lines = append(j.lines, text)
	return nil
}

func (j *journal) all() ([]string, error) { return j.lines, nil }
func (j *journal) Close() error           { return j.file.Close() }

func emptyJournal(disk afero.Fs) error { return afero.WriteFile(disk, "/journal", nil, 0o644) }

// journals is the machine of a journal. It begins with an empty file that is durable.
func journals(j journal) machine.Machine[*journal, []string] {
	return machine.Machine[*journal, []string]{
		Name:  "journal",
		Setup: emptyJournal,
		Open:  j.open,
		Read:  (*journal).all,
		Ops: []machine.Op[*journal, []string]{
			machine.Do("append", rapid.SampledFrom([]string{"x", "yy"}),
				func(lines []string, text string) []string { return append(slices.Clone(lines), text) },
				(*journal).append),
		},
	}
}

// syncsFail are the faults with which a sync fails once.
func syncsFail() []faultfs.Fault {
	f, err := faultfs.ParseFault("fsync /journal err=EIO")
	if err != nil {
		panic(err)
	}
	return []faultfs.Fault{f}
}

// The example of the documents.
func TestJournalSurvivesEveryCrash(t *testing.T) {
	machine.Check(t, machine.Machine[*journal, []string]{
		Name:  "journal",
		Setup: emptyJournal,
		Open:  journal{}.open, // its recovery is in there
		Read:  (*journal).all,
		Ops: []machine.Op[*journal, []string]{
			machine.Do("append", rapid.StringMatching(`[a-z]{1,3}`), // what is appended
				func(lines []string, text string) []string { return append(slices.Clone(lines), text) }, // the model
				(*journal).append), // the program
		},
	}, runner.Options{})
}
