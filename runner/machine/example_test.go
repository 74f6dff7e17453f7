package machine_test

import (
	"fmt"
	"slices"
	"strings"

	"pgregory.net/rapid"

	"github.com/crashsim/crashsim/runner"
	"github.com/crashsim/crashsim/runner/machine"
)

// A journal keeps lines in a file. Its recovery reads the lines that are whole, and leaves what
// stands behind them: the next line is then written where no reader will find it.
func ExampleCheck() {
	program := journal{keepsTail: true}
	lines := machine.Machine[*journal, []string]{
		Name:  "journal",
		Setup: emptyJournal,
		Open:  program.open,
		Read:  (*journal).all,
		Ops: []machine.Op[*journal, []string]{
			machine.Do("append", rapid.SampledFrom([]string{"x", "yy"}),
				func(lines []string, text string) []string { return append(slices.Clone(lines), text) }, // the model
				(*journal).append), // the program
		},
	}
	// In a test, its t takes the place of the recorder, which keeps what it is told.
	got := recorded("TestJournal", func(t machine.TB) { machine.Check(t, lines, runner.Options{}) })
	_, failure, _ := strings.Cut(got.errors[0], ": ")
	for _, line := range strings.Split(failure, "\n")[:2] {
		fmt.Println(line)
	}
	// Output:
	// journal under posix is broken(lost) by the program
	//     1. append "x"
}
