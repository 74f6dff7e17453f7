package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/inprocess"
	"github.com/crashsim/crashsim/faultfs/model"
	"github.com/crashsim/crashsim/faultfs/mount"
	"github.com/crashsim/crashsim/runner"
)

// Dir is a program for package os: Go code that works on the files below a
// directory.
//
// Under "crashsim test" the functions run in the process of the test, and their files
// live in memory: see package inprocess. Several checks run at once, each with a
// directory of its own. Else each function runs in a process of its own on a mounted
// file system, a child of the test binary, so that it may map files, lock them, end the
// process or leave anything behind.
type Dir struct {
	_ struct{} // written with field names: fields may be added

	Name string
	// Setup makes what stands in the directory, durably, before the program
	// runs. It may be nil.
	Setup func(dir string) error
	// Workload is the program. It makes a mark when it reports that something is done.
	Workload func(dir string, mark func(label string)) error
	// Recover is what the program does when it starts again after a crash. It is
	// crashed itself. It may be nil.
	Recover func(dir string) error
	// Check judges what recovery left. Marks are those made before the crash. An
	// error says that the promise was broken; one that begins with a kind of
	// violation and a colon, as "lost: ...", is of that kind.
	Check func(dir string, marks []string) error

	// Apart asks for processes of their own under "crashsim test", too: for functions
	// that end the process, start programs in the directory, or leave anything behind.
	Apart bool
	// Must makes it a failure of the test, and no skip, that nothing can be mounted:
	// for CI, where a test that does not run is not to pass unseen.
	Must bool
	// Declared is as in runner.Scenario.
	Declared map[model.Model]runner.Outcome
}

// The variables that tell a child what it is.
const (
	childTest = "CRASHSIM_CHILD_TEST"
	childRole = "CRASHSIM_CHILD_ROLE"
)

// CheckDir does for code that uses package os what runner.Check does for code
// that uses an afero.Fs. Under "crashsim test" it needs nothing else, and takes the
// mount only where the functions ask for what cannot be had in the process, such as a
// shared map, which it says. Elsewhere it skips the test where nothing can be mounted,
// with the reason, unless it must run.
//
// On a mount, the test is run again in each child, up to the call of CheckDir, which ends
// the process: what comes before it must be quick, and must not depend on the
// working directory, which is the mounted one. There must be only one call in a
// test.
func CheckDir(t *testing.T, d Dir, o runner.Options) {
	t.Helper()
	if os.Getenv(childTest) == t.Name() {
		d.child(os.Getenv(childRole))
	}
	why := ""
	if inprocess.Available() && !d.Apart {
		if why = d.checkInProcess(t, o); why == "" {
			return
		}
		t.Logf("on a mount, since %s", why)
	}
	d.checkMounted(t, o, why)
}

// checkMounted checks on a mount. why says why not in the process, where that was tried.
func (d *Dir) checkMounted(t *testing.T, o runner.Options, why string) {
	t.Helper()
	trace, err := Record(t.Context(), d.program(t))
	if errors.Is(err, mount.ErrUnavailable) && !d.Must {
		if why != "" {
			t.Skipf("%s, and %v", why, err)
		}
		t.Skipf("%v\nOr run it without a mount: go run github.com/crashsim/crashsim/cmd/crashsim test -run '^%s$' .", err, t.Name())
	}
	if err != nil {
		t.Fatal(err)
	}
	checker, err := NewChecker(Options{Timeout: o.Timeout})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := checker.Close(); err != nil {
			t.Errorf("no verdict is worth anything: %v", err)
		}
	})
	s := runner.Scenario{Name: d.Name, Trace: trace, Declared: d.Declared}
	s.Rerun = func(ctx context.Context, how faultfs.SyncFailure, fault faultfs.Fault) (*faultfs.Trace, error) {
		return Rerun(ctx, d.program(t), trace, how, fault)
	}
	var checkErr, recoverErr error
	s.Oracle, checkErr = checker.Oracle(childArgs(t, "check"))
	if d.Recover != nil {
		s.Recover, recoverErr = checker.Recover(childArgs(t, "recover"))
	}
	if err := errors.Join(checkErr, recoverErr); err != nil {
		t.Fatal(err)
	}
	// Of a run, of which the recovery and the check are a part: their own timeouts
	// come first, on a busy machine too.
	o.Timeout = 2*checker.options.Timeout + patience
	runner.Check(t, s, o)
}

func (d *Dir) program(t *testing.T) Program {
	p := Program{Args: childArgs(t, "workload")}
	if d.Setup != nil {
		p.Setup = childArgs(t, "setup")
	}
	return p
}

// childArgs is the command that runs this test in a child. The shell that
// changes the directory runs it.
func childArgs(t *testing.T, role string) []string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// Each element of the name selects one level of tests.
	var levels []string
	for level := range strings.SplitSeq(t.Name(), "/") {
		levels = append(levels, "^"+regexp.QuoteMeta(level)+"$")
	}
	return Shell(fmt.Sprintf("%s=%s %s=%s exec %s -test.run=%s -test.count=1",
		childTest, quoted(t.Name()), childRole, role, quoted(self), quoted(strings.Join(levels, "/"))))
}

// quoted is a text as a word of the shell.
func quoted(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

// child does one part of the program, and ends the process.
func (d *Dir) child(role string) {
	os.Stdout = os.Stderr // what tests print is no mark
	dir := os.Getenv("CRASHSIM_DIR")
	var err error
	switch role {
	case "setup":
		err = d.Setup(dir)
	case "workload":
		err = d.Workload(dir, func(label string) {
			if err := appendLine(os.Getenv("CRASHSIM_MARK"), label); err != nil {
				panic(err)
			}
		})
	case "recover":
		err = d.Recover(dir)
	case "check":
		var text []byte
		if text, err = os.ReadFile(os.Getenv("CRASHSIM_MARKS")); err == nil {
			var marks []string
			for line := range strings.Lines(string(text)) {
				marks = append(marks, strings.TrimSuffix(line, "\n"))
			}
			err = d.Check(dir, marks)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// appendLine appends a line to a file.
func appendLine(name, line string) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(line + "\n")
	return errors.Join(err, f.Close())
}
