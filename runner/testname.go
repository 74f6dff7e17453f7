package runner

import (
	"fmt"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"strings"
	"syscall"
	_ "unsafe" // for linkname

	"github.com/crashsim/crashsim/runner/show"
)

// patched is a variable of the package syscall that "crashsim test" builds, nil in any other
// build. Package faultfs/inprocess knows more of it, but needs a library for FUSE, which
// users of this package do not.
//
//go:linkname patched syscall.crashsimKernel
var patched func(trap, a1, a2, a3, a4, a5, a6 uintptr) (r1, r2 uintptr, err syscall.Errno)

// testName says which test found a failure.
type testName struct{ pkg, name string }

// testOf returns the name of a test, the zero testName where it has none.
func testOf(t TB) testName {
	named, ok := t.(interface{ Name() string })
	info, built := debug.ReadBuildInfo()
	if !ok || !built {
		return testName{}
	}
	pkg, isTest := strings.CutSuffix(info.Path, ".test")
	if !isTest {
		return testName{}
	}
	return testName{pkg, named.Name()}
}

// FoundBy notes which test has found the failures of the result: the command that shows one
// again, and the file that stores it, then name that test.
func (r *Result) FoundBy(t TB) { r.test = testOf(t) }

// parseTest reads the package and the name of a test.
func parseTest(text string) (testName, error) {
	pkg, name, found := strings.Cut(text, " ")
	if !found || pkg == "" || name == "" {
		return testName{}, fmt.Errorf("want a package and the name of a test, not %q", text)
	}
	return testName{pkg, name}, nil
}

// command returns the command that judges a stored failure again in its test, for a
// shell; file is as the test finds it, from the directory of its package.
func (n testName) command(file string) string {
	var levels []string
	for level := range strings.SplitSeq(n.name, "/") {
		levels = append(levels, "^"+regexp.QuoteMeta(level)+"$") // each selects one level of tests
	}
	test := "go test"
	if patched != nil {
		test = "crashsim test"
	}
	return fmt.Sprintf("%s=%s %s -run %s %s", replayVariable, show.ShellWord(file), test, show.ShellWord(strings.Join(levels, "/")), show.ShellWord(n.pkg))
}

// GoTest returns the command that judges the failure again by the scenario of the
// test that found it, ready for a shell; "" where no test has found it. The name of
// the file is made absolute, so that it works from any directory of the module.
func (s *Stored) GoTest(file string) string {
	if s.test == (testName{}) {
		return ""
	}
	if whole, err := filepath.Abs(file); err == nil {
		file = whole
	}
	return s.test.command(file)
}
