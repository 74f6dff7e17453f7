package runner

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/crashsim/crashsim/runner/blame"
	"github.com/crashsim/crashsim/runner/report"
	"github.com/crashsim/crashsim/runner/show"
)

// Sections returns what a report shows of the result: the program under the model,
// and once more for each failure that took more than the power cut, with what
// the program did then. The fix and the audit are for the caller to add.
func (r *Result) Sections() []report.Section {
	main := report.Section{
		Program: r.Scenario, Name: r.Scenario, Plan: r.Plan, Verdict: r.verdict(), Good: r.Outcome.Verdict == Kept,
		Numbers: r.Coverage.numbers(), Notes: r.Notes,
	}
	if r.Why != "" {
		main.Notes = append([]string{r.Why}, main.Notes...)
	}
	if text := r.recovery(); text != "" {
		main.Notes = append(main.Notes, text)
	}
	sections := []report.Section{main}
	for _, f := range r.Failures {
		section := &sections[0]
		if f.Plan != r.Plan {
			sections = append(sections, report.Section{Program: r.Scenario, Name: fmt.Sprintf("%s; %s", r.Scenario, f.How), Plan: f.Plan, Verdict: main.Verdict, Numbers: main.Numbers})
			section = &sections[len(sections)-1]
		}
		shown := f.shown(r)
		shown.Files = r.files(f)
		section.Failures = append(section.Failures, shown)
	}
	return sections
}

// shown is the failure as a report shows it: the first crash of it.
func (f *Failure) shown(r *Result) report.Failure {
	s := report.Failure{Kind: f.Kind.String(), Story: f.Story, Point: f.point, Lost: f.Lost}
	for _, v := range f.Violations {
		if text := show.Story(v.String()); !strings.HasPrefix(s.Story, text) {
			s.Detail = append(s.Detail, text)
		}
	}
	if cure := f.prevention(); cure != "" {
		s.Detail = append(s.Detail, cure)
	}
	for i, c := range f.RecoveryCrashes {
		s.Detail = append(s.Detail, fmt.Sprintf("recovery was crashed for the %d. time after op %d of it", i+1, c.After+1))
	}
	if f.File != "" {
		s.Replay = r.replayCommand(f)
	}
	return s
}

// prevention says what rules the failure out: a sync before the effect, or the mark,
// that should have come after what was lost; "" where there is no such sync.
func (f *Failure) prevention() string {
	if f.Pair == nil || len(f.RecoveryCrashes) > 0 {
		return ""
	}
	cut, err := f.Plan.Pin(f.point, f.Lost)
	if err != nil {
		return ""
	}
	c := blame.WrongCut{Plan: f.Plan, Point: f.point, Cut: cut, Kind: f.Kind, Lost: f.Lost}
	cure := c.Prevention(*f.Pair)
	if cure == "" {
		return ""
	}
	return fmt.Sprintf("%s before %s: then no power cut leaves this disk", cure, f.Plan.Trace().Ops[f.Pair.Op].Call())
}

// numbers are the coverage as a report lists it.
func (c Coverage) numbers() []report.Number {
	cuts, how := c.texts()
	numbers := []report.Number{
		{Name: "ops", Value: strconv.Itoa(c.Ops)}, {Name: "cells", Value: strconv.Itoa(c.Cells)},
		{Name: "crash points", Value: strconv.Itoa(c.Points)}, {Name: "legal cuts", Value: cuts},
	}
	for _, n := range []struct {
		name string
		n    int
	}{
		{"recoveries crashed", c.Recoveries}, {"kills", c.Kills}, {"faults", c.Faults}, {"damages", c.Damages}, {"pairs of blows", c.Pairs},
		{"cases judged", c.Cases}, {"runs of the checker", c.Runs},
	} {
		if n.n > 0 {
			numbers = append(numbers, report.Number{Name: n.name, Value: strconv.Itoa(n.n)})
		}
	}
	return append(numbers, report.Number{Name: "how far", Value: how})
}
