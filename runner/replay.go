package runner

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/persist"
	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner/show"
)

// replayVariable names, in the environment of a test, the file of a stored failure:
// Check then judges that failure, and nothing else.
const replayVariable = "CRASHSIM_REPLAY"

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
	return fmt.Sprintf("%s=%s go test -run %s %s", replayVariable, shellWord(file), shellWord(strings.Join(levels, "/")), shellWord(n.pkg))
}

var plainWord = regexp.MustCompile(`^[A-Za-z0-9_./:@%+=-]+$`)

// shellWord returns a text as one word for a shell.
func shellWord(text string) string {
	if plainWord.MatchString(text) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
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

// replayOnly judges the stored failure of a file, whatever the workload does by now.
func replayOnly(t TB, s *Scenario, o *Options, file string) {
	t.Helper()
	stored, err := readStored(file)
	if err != nil {
		t.Fatalf("%s: %v", replayVariable, err)
	}
	judge := func(t TB) {
		t.Helper()
		if stored.Scenario != s.Name {
			t.Skipf("%s: %s is of the scenario %q, not of %q: it is not judged here", replayVariable, file, stored.Scenario, s.Name)
			return
		}
		violations, err := stored.Judge(*s, *o)
		switch {
		case err != nil:
			t.Fatalf("%s is not judged: %v", file, err)
		case len(violations) == 0:
			t.Logf("%s: this failure no longer occurs", file)
		default:
			f := stored.failure(file, violations)
			t.Errorf("%s under %s: %s, as it was stored in %s\n  %s", s.Name, stored.Model, Breaks(f.Kind), file, f.Story)
		}
	}
	if tt, isT := t.(*testing.T); isT {
		tt.Run(stored.Model.String(), func(t *testing.T) { judge(t) })
	} else {
		judge(t)
	}
}

func readStored(file string) (*Stored, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return ParseFailure(file, text)
}

// failure is a stored failure that was judged again, with what is wrong now.
func (s *Stored) failure(file string, violations []oracle.Violation) *Failure {
	f := &Failure{
		Kind: s.Kind, Violations: violations, How: s.How, Story: s.Story, File: file,
		Crash: Crash{Plan: s.plan, After: s.plan.After(s.Point), Lost: s.Lost, point: s.Point},
		Pair:  s.Pair, Marks: s.plan.Marks(s.Point), fault: s.Fault, damage: s.damage,
	}
	if !slices.ContainsFunc(violations, func(v oracle.Violation) bool { return v.Kind == s.Kind }) {
		f.Kind = violations[0].Kind
		f.Story = show.Line(violations[0].String()) + "; when it was stored: " + s.Story
	}
	return f
}

// replay judges the failures stored by an earlier run. It returns those that still
// fail, where none should, as a result; nil where none does.
func (c *check) replay(t TB) *Result {
	t.Helper()
	if c.options.Failures == "" || c.scenario.declared(c.model).Verdict == Broken {
		return nil
	}
	files, err := filepath.Glob(filepath.Join(globQuoted(c.options.Failures), failureName(c.scenario.Name, c.model, "*")))
	if err != nil {
		t.Logf("%v", err)
	}
	plan := persist.Lower(c.take.trace, c.model)
	var failures []*Failure
	for _, file := range files {
		s, err := readStored(file)
		switch {
		case err != nil:
			t.Errorf("a stored failure cannot be read: %v", err)
			continue
		case !c.same(s):
			t.Logf("%s is of an older workload and is not replayed; remove it if the new one passes", file)
			continue
		}
		violations, err := s.Judge(*c.scenario, *c.options)
		if errors.Is(err, oracle.ErrNoVerdict) {
			t.Fatalf("%s: %v", file, err)
		}
		if err != nil {
			t.Logf("%s is not replayed: %v", file, err)
		}
		if len(violations) == 0 {
			continue
		}
		f := s.failure(file, violations)
		if s.How == "" { // it is of the same trace: effects of one plan are those of the other
			f.Plan = plan
		}
		failures = append(failures, f)
	}
	if failures == nil {
		return nil
	}
	return c.stillFails(plan, failures)
}

// stillFails is the result of a run that found nothing but failures that were known.
func (c *check) stillFails(plan *persist.Plan, failures []*Failure) *Result {
	kinds := make([]oracle.Kind, len(failures))
	for i, f := range failures {
		kinds[i] = f.Kind
	}
	r := &Result{
		Scenario: c.scenario.Name, Model: c.model, Plan: plan, Outcome: Breaks(kinds...), Declared: Keeps(), Failures: failures,
	}
	r.Coverage = Coverage{
		Ops: len(plan.Trace().Ops), Cells: plan.Cells(), Points: plan.Points(), Cases: len(failures), Runs: len(failures),
		Bound: fmt.Sprintf("only the failures stored in %s were judged, since they still occur", c.options.Failures),
	}
	return r
}

// globQuoted returns a path as a pattern that matches it alone.
func globQuoted(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

// same reports whether a stored failure is of what the workload does.
func (c *check) same(s *Stored) bool {
	now := c.take.trace
	if s.Fault != nil {
		run, err := c.take.with(c.scenario, *s.Fault, s.Model.Failure)
		if err != nil || run.trace == nil {
			return false
		}
		now = run.trace
	}
	if !strings.Contains(s.How, killedAfter) || !c.scenario.restarts() {
		return s.Trace.Same(now)
	}
	same := false
	err := c.scenario.eachKill(now, s.Fault, s.Model.Failure, func(live *faultfs.FS, after faultfs.OpNum) bool {
		more, _ := c.scenario.goOn(live) // the trace tells how far it came
		same = s.Trace.Same(now.Then(after, more))
		return !same
	})
	return err == nil && same
}
