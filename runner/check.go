package runner

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/crashsim/crashsim/faultfs/model"
	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner/outfile"
	"github.com/crashsim/crashsim/runner/repair"
	"github.com/crashsim/crashsim/runner/report"
	"github.com/crashsim/crashsim/runner/show"
)

// TB is what Check needs of a test: *testing.T, the T of a fuzz target and
// *rapid.T have it.
type TB interface {
	Helper()
	Logf(format string, args ...any)
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
	Skipf(format string, args ...any)
}

// The budgets of a test that sets none, for all of its models: so that a program
// that leaves much unsynced is told so, instead of running into the test's
// timeout.
const (
	testTime   = 10 * time.Second
	shortTime  = time.Second // under go test -short
	testMemory = 1 << 30
)

// Check runs a scenario from a test and fails the test unless each verdict is
// the declared one: Kept, where the scenario declares nothing. Under a
// *testing.T each model is a subtest with the name of the model. Failures
// stored by an earlier run are replayed first, and new ones are stored.
//
// Where the options set no budget, a test ends after about ten seconds, with go
// test -short after one, and takes about a gibibyte at most. What that leaves Unknown, and
// declared kinds that it leaves unseen, fail the test, and skip it with -short: it
// never passes.
//
// Where the environment variable CRASHSIM_REPLAY names the file of a stored failure,
// that failure is judged, by the scenario of the test, and nothing else.
func Check(t TB, s Scenario, o Options) {
	t.Helper()
	if file := os.Getenv(replayVariable); file != "" && s.Oracle != nil {
		replayOnly(t, &s, &o, file)
		return
	}
	start := time.Now()
	take, err := s.prepare()
	if err == nil {
		err = o.FromEnvironment()
	}
	if err == nil {
		take.work, err = s.openWork(&o, take, testOf(t))
	}
	if err != nil {
		t.Fatalf("%v", err)
		return
	}
	short := o.inTest()
	tt, isT := t.(*testing.T)
	if isT && o.Failures == "" {
		o.Failures = filepath.Join("testdata", "failures")
	}
	limits := o.limitsFrom(start)
	quiet := o.Progress != nil || o.Found != nil || !testing.Testing() || !testing.Verbose()
	models := o.models(&s)
	for i, m := range models {
		c := check{scenario: &s, model: m, options: &o, take: take, short: short, limits: limits, models: len(models) - i}
		if !quiet {
			c.verbose = true
		}
		if isT {
			tt.Run(m.String(), func(t *testing.T) { c.run(t) })
		} else {
			c.run(t)
		}
	}
}

// inTest sets the budgets of a test that sets none, and reports whether they are
// those of go test -short.
func (o *Options) inTest() (short bool) {
	if o.MaxMemory == 0 {
		o.MaxMemory = testMemory
	}
	if o.MaxRuns != 0 || o.MaxTime != 0 || o.MaxLosses != 0 {
		return false
	}
	short = testing.Testing() && testing.Short()
	o.MaxTime = testTime
	if short {
		o.MaxTime = shortTime
	}
	return short
}

// check is a scenario being checked under one model.
type check struct {
	scenario *Scenario
	model    model.Model
	options  *Options
	take     *recording
	short    bool
	limits   *limits
	models   int  // that are left, with this one
	verbose  bool // what is found, and how far the search is, is told at once
}

// logEvery is the time between two lines that say how far a test has come.
const logEvery = 3 * time.Second

// tells returns options with which a test tells what it finds when it finds it, and every few
// seconds how far it has come.
func (c *check) tells(t TB) *Options {
	if !c.verbose {
		return c.options
	}
	o := *c.options
	last := time.Now()
	o.Progress = func(now Progress) {
		if time.Since(last) >= logEvery {
			last = time.Now()
			t.Logf("%s under %s: %s", now.Scenario, now.Model, now)
		}
	}
	o.Found = func(story string) { t.Logf("found: %s", story) }
	return &o
}

func (c *check) run(t TB) {
	t.Helper()
	if c.options.Work {
		c.work(t)
		return
	}
	if r := c.replay(t); r != nil {
		c.fail(t, r)
		return
	}
	r, err := verdict(context.Background(), c.scenario, c.take, c.model, c.limits.share(c.tells(t), c.models))
	if err != nil {
		t.Fatalf("%s under %s: %v", c.scenario.Name, c.model, err)
		return
	}
	c.limits.spend(&r)
	if r.Declared.Verdict == Unknown {
		r.Declared = Keeps()
	}
	if r.AsDeclared() {
		t.Logf("%s", r.Line())
		for _, n := range r.Notes {
			t.Logf("note: %s", n)
		}
		return
	}
	if c.short && r.cutShort() {
		t.Skipf("-short: %s", r.Line())
		return
	}
	r.test = testOf(t)
	if c.options.Failures != "" && r.Declared.Verdict != Broken {
		_ = r.Store(c.options.Failures) // it is noted in the result
	}
	c.fail(t, &r)
}

// work works for the process that gives out boxes, and skips the test: that process has the
// verdict.
func (c *check) work(t TB) {
	t.Helper()
	r, err := verdict(context.Background(), c.scenario, c.take, c.model, c.options)
	if err != nil {
		t.Fatalf("%s under %s: %v", c.scenario.Name, c.model, err)
		return
	}
	_, made := r.Kept()
	t.Skipf("%s under %s: %s; it made %s of the checker", r.Scenario, r.Model, r.Why, show.Count(made, "run"))
}

// cutShort reports whether a budget alone is to blame that the outcome is not the
// declared one: it is Unknown, or some of the kinds that are declared were not found
// before the budget was spent, and nothing else was found.
func (r *Result) cutShort() bool {
	switch r.Outcome.Verdict {
	case Unknown:
		return !r.doubted
	case Broken:
		return !r.Coverage.Exhaustive && !r.allFound && r.Declared.Verdict == Broken && containsAll(r.Declared.Kinds, r.Outcome.Kinds)
	}
	return false
}

// fail fails the test with what is wrong, how to see it again, what repairs it, and a
// page.
func (c *check) fail(t TB, r *Result) {
	t.Helper()
	r.test = testOf(t)
	fix := c.missing(r)
	text := r.Report()
	for _, line := range fix {
		text += "  " + line + "\n"
	}
	t.Errorf("%s%s", text, keepPage(t, r, fix))
}

// keepPage writes a page of the result into the artifact directory of a test, and
// says where it is; "" where the test has none.
func keepPage(t TB, r *Result, fix []string) string {
	test, ok := t.(interface{ ArtifactDir() string })
	if !ok {
		return ""
	}
	sections := r.Sections()
	sections[0].Fix = fix
	text, err := report.Page{Title: r.Scenario + ": what a crash can leave", Sections: sections, Sources: report.FindSources(".")}.HTML()
	file := filepath.Join(test.ArtifactDir(), "crash.html")
	if err == nil {
		err = outfile.Write(file, text)
	}
	if err != nil {
		return fmt.Sprintf("  the page could not be written: %v\n", err)
	}
	if f := flag.Lookup("test.artifacts"); f == nil || f.Value.String() != "true" {
		return "  a page with every crash point: go test -artifacts\n" // else the directory goes with the test
	}
	return fmt.Sprintf("  a page with every crash point: %s\n", file)
}

// A repair is looked for where judging took no more than cheapRuns runs; each program
// that is tried may take repairRuns. A test that fails is not to be slow, too.
const (
	cheapRuns  = 2000
	repairRuns = 4 * cheapRuns
)

// missing says which syncs the program lacks, a line each, none where that is not
// known.
func (c *check) missing(r *Result) []string {
	syncs := slices.ContainsFunc(r.Failures, func(f *Failure) bool { return f.fault == nil && f.damage == nil })
	if !syncs || r.Coverage.Runs > cheapRuns {
		return nil
	}
	s := *c.scenario
	s.Trace = c.take.trace
	o := *c.options
	o.MaxRuns, o.Progress = repairRuns, nil
	ctx := context.Background()
	if !c.limits.until.IsZero() {
		o.MaxTime = c.limits.left()
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, c.limits.until)
		defer cancel()
	}
	found, err := s.Fix(ctx, c.model, o)
	switch {
	case errors.Is(err, oracle.ErrNoVerdict):
		return []string{fmt.Sprintf("what is missing is not known: %v", err)}
	case err != nil:
		return nil
	case len(found.Beyond) > 0:
		return []string{"no set of syncs repairs it, in the workload, in recovery or in what it works on: something else has to change"}
	}
	var lines []string
	for _, add := range repair.Grouped(found.Syncs) {
		lines = append(lines, "missing: "+add.String())
	}
	return lines
}
