package runner

import (
	"fmt"
	"slices"
	"strings"

	"github.com/crashsim/crashsim/runner/show"
)

// Line returns the result in one line.
func (r *Result) Line() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s under %s: %s", r.Scenario, r.Model, r.verdict())
	if r.Why != "" {
		fmt.Fprintf(&b, " (%s)", r.Why)
	}
	fmt.Fprintf(&b, "; %s", r.Coverage)
	return b.String()
}

// verdict is the outcome in words: where it is Kept and not every case was judged, it says up
// to what.
func (r *Result) verdict() string {
	if r.Bounded() {
		return "kept up to: " + r.Coverage.Claim.String()
	}
	return r.Outcome.String()
}

// String returns the coverage in one line.
func (c Coverage) String() string {
	cuts, how := c.texts()
	parts := []string{"cuts " + cuts, c.Besides(), fmt.Sprintf("cases judged %d, runs %d", c.Cases, c.Runs), how}
	return strings.Join(slices.DeleteFunc(parts, func(part string) bool { return part == "" }), ", ")
}

// texts says how many cuts there are, and how far the search has come.
func (c Coverage) texts() (cuts, how string) {
	cuts, how = show.Number(c.Cuts), c.Bound
	if !c.CutsExact {
		cuts = "at most " + cuts
	}
	if c.Exhaustive {
		how = "exhaustive"
	}
	return cuts, how
}

// Besides says what happened besides the power cut, such as "kills 8,
// recoveries crashed 3", "" where nothing did.
func (c Coverage) Besides() string {
	var parts []string
	for _, p := range []struct {
		what string
		n    int
	}{{"recoveries crashed", c.Recoveries}, {"kills", c.Kills}, {"faults", c.Faults}, {"damages", c.Damages}, {"pairs of blows", c.Pairs}} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", p.what, p.n))
		}
	}
	return strings.Join(parts, ", ")
}

// String says in one line what was seen when recovery ran again on what it had left.
func (r *Recovery) String() string {
	switch r.Settles {
	case 0:
		return fmt.Sprintf("recovery, run again and again on what it left, changed something each time, such as %s", r.Example)
	case 1:
		return "recovery, run again on what it left, changed nothing that can be seen"
	}
	return fmt.Sprintf("recovery, run again on what it left, changed something, such as %s; only run %d changed nothing that can be seen",
		r.Example, r.Settles+1)
}

// recovery says how recovery behaves when it runs again, "" where that is not known,
// and where a failure shows that it must not be: one that is crashed and runs again
// breaks a promise.
func (r *Result) recovery() string {
	crashed := slices.ContainsFunc(r.Failures, func(f *Failure) bool { return len(f.RecoveryCrashes) > 0 })
	if r.Recovery == nil || crashed && r.Recovery.Settles == 1 {
		return ""
	}
	return r.Recovery.String()
}

// replayCommand is the command that shows a failure that was stored again.
func (r *Result) replayCommand(f *Failure) string {
	if r.test == (testName{}) {
		return "crashsim replay " + show.ShellFile(f.File)
	}
	return r.test.command(f.File)
}

// Report returns the result as text for people: the verdict, each failure with
// the command that shows it again, warnings, and how much was tried.
func (r *Result) Report() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s under %s: %s", r.Scenario, r.Model, r.verdict())
	if r.Declared.Verdict != Unknown {
		fmt.Fprintf(&b, ", declared %s", r.Declared)
	}
	b.WriteByte('\n')
	if r.Why != "" {
		fmt.Fprintf(&b, "  %s\n", r.Why)
	}
	for _, f := range r.Failures {
		fmt.Fprintf(&b, "  %s\n", f.Story)
		if f.Stack != "" {
			fmt.Fprintf(&b, "    %s\n", strings.ReplaceAll(f.Stack, "\n", "\n    "))
		}
		if f.File != "" {
			fmt.Fprintf(&b, "    again: %s\n", r.replayCommand(f))
		}
	}
	for _, f := range r.Warnings {
		fmt.Fprintf(&b, "  warning: %s\n", f.Story)
	}
	if text := r.recovery(); text != "" {
		fmt.Fprintf(&b, "  %s\n", text)
	}
	for _, n := range r.Notes {
		fmt.Fprintf(&b, "  note: %s\n", n)
	}
	if r.Unstored != nil {
		fmt.Fprintf(&b, "  not stored: %s\n", show.Story(r.Unstored.Error()))
	}
	fmt.Fprintf(&b, "  %s\n", r.Coverage)
	return b.String()
}
