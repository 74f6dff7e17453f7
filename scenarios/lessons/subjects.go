package lessons

import (
	"strings"
	"syscall"

	"github.com/spf13/afero"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner"
)

// told is the mark of a program that says it is done.
const told = "done"

// with puts files on the disk, durably, before a program runs: their names and
// contents in turn.
func with(files ...string) func(*faultfs.FS) error {
	return func(fs *faultfs.FS) error {
		for i := 0; i < len(files); i += 2 {
			if err := afero.WriteFile(fs, files[i], []byte(files[i+1]), 0o644); err != nil {
				return err
			}
		}
		return nil
	}
}

// saving is a program that replaces /conf and promises that it is old or new,
// whole.
func saving(name string, program func(*faultfs.FS) error) runner.Scenario {
	return runner.Scenario{
		Name: name, Setup: with("/conf", "old"), Workload: program,
		Oracle: oracle.OldOrNew{Path: "/conf", Versions: []oracle.Content{oracle.Data("old"), oracle.Data("new")}},
	}
}

// telling is a program that says so when it is done, and promises that from then
// on what it did is there.
func telling(s runner.Scenario) runner.Scenario {
	program := s.Workload
	s.Workload = func(fs *faultfs.FS) error {
		err := program(fs)
		if err == nil {
			fs.Mark(told)
		}
		return err
	}
	if o, ok := s.Oracle.(oracle.OldOrNew); ok {
		o.Mark = told
		s.Oracle = o
	}
	return s
}

// creating is a program that makes a file, and promises that it is there, whole,
// once it has said so. Until then the file is nobody's business.
func creating(name string, program func(*faultfs.FS) error, path, text string) runner.Scenario {
	promise := oracle.OldOrNew{Path: path, Versions: []oracle.Content{oracle.Absent, oracle.Data(text)}, Mark: told}
	return telling(runner.Scenario{
		Name: name, Workload: program,
		Oracle: oracle.Func(func(disk afero.Fs, marks oracle.Marks) []oracle.Violation {
			if !marks.Has(told) {
				return nil
			}
			return promise.Judge(disk, marks)
		}),
	})
}

// long is a line that does not fit into a page.
func long(entry string) string { return entry + strings.Repeat(" ", len(page(" "))) + ".\n" }

// logging is a program that appends lines to a log, each told of.
func logging(name string, add func(*faultfs.FS, string) error, read func(afero.Fs) ([]string, error), lines ...string) runner.Scenario {
	return runner.Scenario{
		Name: name, Setup: with("/log", ""),
		Workload: func(fs *faultfs.FS) error {
			for _, line := range lines {
				if err := add(fs, line); err != nil {
					return err
				}
				fs.Mark(told)
			}
			return nil
		},
		Oracle: oracle.Log{Path: "/log", Read: read, Appended: lines, Mark: told},
	}
}

// booking is a program that writes /book anew, two pages of it.
func booking(name string, program func(*faultfs.FS) error) runner.Scenario {
	return runner.Scenario{
		Name: name, Setup: with("/book", page("o")+page("o")), Workload: program,
		Oracle: oracle.OldOrNew{Path: "/book", Versions: []oracle.Content{oracle.Data(page("o") + page("o")), oracle.Data(page("N") + page("N"))}},
	}
}

// paying is a program that moves 10 from anna to bert.
func paying(name string, program func(*faultfs.FS) error) runner.Scenario {
	return runner.Scenario{
		Name: name, Setup: with("/anna", "100", "/bert", "0"), Workload: program,
		Oracle: oracle.AllOrNothing{
			Paths: []string{"/anna", "/bert"},
			Generations: [][]oracle.Content{
				{oracle.Data("100"), oracle.Data("0")},
				{oracle.Data("90"), oracle.Data("10")},
			},
		},
	}
}

// payingInOneFile is the same where both balances stand in one file.
func payingInOneFile() runner.Scenario {
	return runner.Scenario{
		Name: "one-file", Setup: with("/accounts", "anna=100 bert=0"), Workload: transferInOneFile,
		Oracle: oracle.OldOrNew{Path: "/accounts", Versions: []oracle.Content{oracle.Data("anna=100 bert=0"), oracle.Data("anna=90 bert=10")}},
	}
}

// failing is a program whose first fsync of a file fails.
func failing(s runner.Scenario, path string) runner.Scenario {
	s.Faults = []faultfs.Fault{{Kind: faultfs.OpFsync, Path: path, First: 1, Errno: syscall.EIO}}
	return s
}
