package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/model"
	"github.com/crashsim/crashsim/faultfs/persist"
	"github.com/crashsim/crashsim/runner"
	"github.com/crashsim/crashsim/runner/blame"
	"github.com/crashsim/crashsim/runner/outfile"
	"github.com/crashsim/crashsim/runner/repair"
	"github.com/crashsim/crashsim/runner/show"
)

func (a *app) explainCommand() *cobra.Command {
	var models []string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "explain FILE|NAME...",
		Short: "Show how a failure comes about, and what would prevent it",
		Long: `Explain tells the story of a stored failure, or of each failure of a scenario, on
a page: the shortest program that fails like that, what became of each of its
calls, what the disk holds after the power cut, which effect was lost though which
other one was kept, and the syncs that rule that out.

Exit status: 0 if nothing is broken, 1 if anything is, 3 if that is unknown.`,
		Example: `  crashsim explain testdata/failures/seed-defer-close--posix--lost.txt
  crashsim explain rename-without-fsync --model ext4`,
		ValidArgsFunction: func(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
			words, _ := a.completeScenarios(0)(cmd, args, word)
			return words, cobra.ShellCompDirectiveDefault
		},
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("want a FILE or a NAME")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			parsed, err := parseModels(models)
			if err != nil {
				return err
			}
			out, err := a.explain(cmd.Context(), args, parsed)
			if err != nil {
				return err
			}
			return a.printAs(out.json(), asJSON, func() { a.printExplained(out) })
		},
	}
	modelFlag(cmd, &models, "explain the failures of scenarios under this `model`; may be repeated (default posix)")
	jsonFlag(cmd, &asJSON)
	return cmd
}

// explained are failures with what is to be said of each.
type explained struct {
	failures []explainedFailure
	notes    []string // scenarios that have none, and why; and what could not be explained
}

type explainedFailure struct {
	stored *runner.Stored
	blame.Short
	what       []string // what is wrong
	calls      int      // of the whole program, up to the crash
	cases      int      // that fail like that; zero: unknown
	least      bool     // there may be more
	disk       runner.State
	prevention string
	fix        *repair.Repair // nil: not looked for, or not found
	file       string
}

// fixRuns bounds the search for a repair, in runs for each program that is tried.
const fixRuns = 20000

func (a *app) explain(ctx context.Context, args []string, models []model.Model) (*explained, error) {
	out := &explained{}
	if models == nil {
		models = []model.Model{model.Default()}
	}
	for _, arg := range args {
		if info, err := os.Stat(arg); err == nil && info.Mode().IsRegular() {
			if err := a.explainFile(ctx, out, arg); err != nil {
				return nil, err
			}
			continue
		}
		chosen, err := a.choose([]string{arg})
		if err != nil {
			return nil, err
		}
		for _, s := range chosen {
			if err := a.explainScenario(ctx, out, s, models); err != nil {
				return nil, err
			}
		}
	}
	if a.status == exitOK && len(out.failures) > 0 {
		a.status = exitWrong
	}
	return out, nil
}

func (a *app) explainFile(ctx context.Context, out *explained, file string) error {
	text, err := outfile.Read(file)
	if err != nil {
		return err
	}
	stored, err := runner.ParseFailure(file, text)
	if err != nil {
		return err
	}
	s, err := a.find(stored.Scenario)
	if err != nil {
		return a.explainUnjudged(out, stored, file)
	}
	fix := fixOf(ctx, s, stored.Model, stored)
	return a.explainOne(out, s, &explainedFailure{stored: stored, fix: fix, file: file})
}

// explainUnjudged tells a failure of a scenario that this command does not know, as its file
// has it: nothing is judged.
func (a *app) explainUnjudged(out *explained, stored *runner.Stored, file string) error {
	a.status = exitUnknown
	out.notes = append(out.notes, fmt.Sprintf("not judged: this command knows no scenario %q, the story is as it was stored", stored.Scenario))
	what, _, _ := strings.Cut(stored.Story, "; ")
	e := explainedFailure{stored: stored, Short: blame.Short{WrongCut: stored.WrongCut(), Pair: stored.Pair}, what: []string{what}, file: file}
	return e.finish(out)
}

// explainScenario explains each failure of a scenario under some models.
func (a *app) explainScenario(ctx context.Context, out *explained, s runner.Scenario, models []model.Model) error {
	results, err := runner.Run(ctx, s, runner.Options{Models: models})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		a.status = exitUnknown
		out.notes = append(out.notes, err.Error())
		return nil
	}
	for i := range results {
		r := &results[i]
		head := fmt.Sprintf("%s under %s", r.Scenario, r.Model)
		switch r.Outcome.Verdict {
		case runner.Unknown:
			a.status = exitUnknown
			out.notes = append(out.notes, fmt.Sprintf("%s: %s", head, r.Why))
		case runner.Kept:
			out.notes = append(out.notes, head+": nothing is broken")
		}
		var fix *repair.Repair
		for k, f := range r.Failures {
			stored := r.Stored(f)
			if k == 0 || fix == nil {
				fix = fixOf(ctx, s, r.Model, stored)
			}
			e := &explainedFailure{stored: stored, fix: fix, cases: f.Cases, least: !r.Coverage.Exhaustive}
			if err := a.explainOne(out, s, e); err != nil {
				return err
			}
		}
	}
	return nil
}

// fixOf looks for the syncs that the program lacks as a whole, where syncs are what is
// asked for: not after a fault or damage, which are no part of that search.
func fixOf(ctx context.Context, s runner.Scenario, m model.Model, f *runner.Stored) *repair.Repair {
	if f.How != "" && (f.Fault != nil || !f.Killed()) {
		return nil
	}
	r, err := s.Fix(ctx, m, runner.Options{MaxRuns: fixRuns})
	if err != nil || len(r.Syncs)+len(r.Beyond) == 0 {
		return nil
	}
	return &r
}

func (a *app) explainOne(out *explained, s runner.Scenario, e *explainedFailure) error {
	short, violations, err := e.stored.Explain(s, runner.Options{})
	if err != nil {
		if !errors.Is(err, runner.ErrNoFailure) {
			a.status = exitUnknown
		}
		out.notes = append(out.notes, fmt.Sprintf("%s under %s: %v", e.stored.Scenario, e.stored.Model, err))
		return nil
	}
	e.Short = short
	e.what = violationTexts(violations)
	return e.finish(out)
}

// finish works out what follows from the rest, and adds the failure to the others.
func (e *explainedFailure) finish(out *explained) (err error) {
	trace := e.stored.Trace
	after := persist.Lower(trace, e.stored.Model).After(e.stored.Point)
	for i := range trace.Ops[:after+1] {
		if e.stored.How != "" || matters(&trace.Ops[i]) {
			e.calls++
		}
	}
	if e.Pair != nil {
		e.prevention = e.Prevention(*e.Pair)
	}
	e.disk, err = e.stored.StateOf(e.WrongCut)
	out.failures = append(out.failures, *e)
	return err
}

// matters reports whether an op can have to do with a failure: it did something.
func matters(op *faultfs.Op) bool {
	return !op.Failed() && (op.Kind.Changes() || op.Kind.Syncs() || op.Kind == faultfs.OpMark)
}

const explainSchema = "crashsim/explain/1"

type explainJSON struct {
	Schema   string     `json:"schema"`
	Failures []pageJSON `json:"failures"`
	Notes    []string   `json:"notes"` // scenarios without a failure, and what could not be explained
}

type pageJSON struct {
	Scenario   string          `json:"scenario"`
	Model      string          `json:"model"`
	Kind       string          `json:"kind"`
	Story      string          `json:"story"`
	Violations []string        `json:"violations"`
	Cases      int             `json:"cases,omitempty"` // that fail for this cause
	How        string          `json:"how,omitempty"`   // what happened besides the power cut
	Program    []callJSON      `json:"program"`         // as short as it can be; power is cut after the last
	Whole      int             `json:"whole"`           // how many calls the whole program made up to there
	Shortest   bool            `json:"shortest"`        // no call more can go
	Disk       any             `json:"disk"`
	Lost       *effectJSON     `json:"lost" jsonschema:"nullable"` // of the pair to blame; null: nothing was lost
	Bond       string          `json:"bond"`                       // of what was kept: "before", "within", "told", or "alone": there is none
	Kept       *effectJSON     `json:"kept" jsonschema:"nullable"` // null where it is a mark, or there is none
	Told       *opJSON         `json:"told" jsonschema:"nullable"` // the mark
	Prevention string          `json:"prevention,omitempty"`
	Syncs      []addedSyncJSON `json:"syncs"`  // that the whole program lacks
	Beyond     []string        `json:"beyond"` // kinds of violations that no sync repairs
	File       string          `json:"file,omitempty"`
}

type callJSON struct {
	opJSON
	Effects []survivalJSON `json:"effects"`
}

type survivalJSON struct {
	What   string `json:"what"`
	Lost   bool   `json:"lost"`
	Forced int    `json:"forced"` // by the call with this number, -1: by none
}

func (out *explained) json() explainJSON {
	j := explainJSON{Schema: explainSchema, Failures: []pageJSON{}, Notes: list(out.notes)}
	for i := range out.failures {
		j.Failures = append(j.Failures, out.failures[i].json())
	}
	return j
}

func (e *explainedFailure) json() pageJSON {
	j := pageJSON{
		Scenario: e.stored.Scenario, Model: e.stored.Model.String(), Kind: e.stored.Kind.String(), Story: e.stored.Story, Violations: e.what,
		Cases: e.cases, How: e.stored.How, Program: []callJSON{}, Whole: e.calls, Shortest: e.Done, Disk: stateOf(&e.disk),
		Bond: "alone", Prevention: e.prevention, Syncs: []addedSyncJSON{}, Beyond: []string{}, File: e.file,
	}
	for i := range e.program() {
		call := callJSON{opOf(e.Plan.Trace(), faultfs.OpNum(i)), []survivalJSON{}}
		for _, f := range e.Survivals(faultfs.OpNum(i)) {
			call.Effects = append(call.Effects, survivalJSON{e.Plan.What(f.Effect), f.Lost, int(f.Forced)})
		}
		j.Program = append(j.Program, call)
	}
	if p := e.Pair; p != nil {
		j.Bond = p.Bond.String()
		j.Lost = &effectsOf([]persist.Effect{p.Lost}, e.Plan)[0]
		switch p.Bond {
		case blame.Told:
			told := opOf(e.Plan.Trace(), p.Op)
			j.Told = &told
		case blame.Before, blame.Within:
			j.Kept = &effectsOf([]persist.Effect{p.Kept}, e.Plan)[0]
		}
	}
	if e.fix != nil {
		r := repairOf("", e.stored.Model, *e.fix, nil)
		j.Syncs, j.Beyond = r.Syncs, r.Beyond
	}
	return j
}

// program returns the ops of the program up to the crash.
func (e *explainedFailure) program() []faultfs.Op {
	return e.Plan.Trace().Ops[:e.Plan.After(e.Point)+1]
}

func (a *app) printExplained(out *explained) {
	for i := range out.failures {
		if i > 0 {
			a.out.WriteString("\n")
		}
		a.printPage(&out.failures[i])
	}
	for _, n := range out.notes {
		fmt.Fprintf(&a.out, "%s\n", n)
	}
}

// printPage tells a failure on a page.
func (a *app) printPage(e *explainedFailure) {
	w := &a.out
	fmt.Fprintf(w, "%s under %s is %s\n", a.style.head(e.stored.Scenario), e.stored.Model, a.style.bad("broken"))
	for _, v := range e.what {
		fmt.Fprintf(w, "    %s\n", a.style.story(inLines(v)))
	}
	fmt.Fprintf(w, "    %s\n", e.meaning())
	if e.Start != nil {
		_, how, _ := strings.Cut(e.stored.Story, "; power cut ")
		fmt.Fprintf(w, "    It takes two power cuts: the first %s\n", how)
	} else if e.stored.How != "" {
		fmt.Fprintf(w, "    What happened besides the power cut: %s.\n", strings.TrimPrefix(e.stored.How, "with "))
	}
	a.printProgram(e)
	fmt.Fprintf(w, "\n%s\n", a.style.head("What the program finds when it starts again"))
	w.WriteString(showState(&e.disk, "    "))
	fmt.Fprintf(w, "\n%s\n", a.style.head("Why"))
	for _, line := range e.why() {
		fmt.Fprintf(w, "    %s\n", line)
	}
	a.printPrevention(e)
	if e.file != "" {
		fmt.Fprintf(w, "\nTo see it again: crashsim replay %s\n", show.ShellFile(e.file))
	} else {
		fmt.Fprintf(w, "\nTo store it as a file that replays: crashsim run %s --model %s --failures DIR\n", e.stored.Scenario, e.stored.Model)
	}
	switch {
	case e.cases == 1 && !e.least:
		fmt.Fprint(w, "No other case fails in this way.\n")
	case e.cases > 0 && e.least:
		fmt.Fprintf(w, "At least %s in this way; none that loses less.\n", fail(e.cases))
	case e.cases > 0:
		fmt.Fprintf(w, "%s in this way; none that loses less.\n", fail(e.cases))
	}
}

// fail says that so many cases do.
func fail(cases int) string {
	if cases == 1 {
		return "1 case fails"
	}
	return show.Count(cases, "case") + " fail"
}
