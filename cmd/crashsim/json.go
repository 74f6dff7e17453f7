package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf16"

	"github.com/spf13/cobra"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/model"
	"github.com/crashsim/crashsim/faultfs/persist"
	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner"
	"github.com/crashsim/crashsim/runner/litmus"
	"github.com/crashsim/crashsim/runner/show"
)

// Versions of what is printed as JSON. Fields may be added to a version; where
// one changes its meaning or goes, the version rises.
const (
	runSchema    = "crashsim/run/1"
	litmusSchema = "crashsim/litmus/1"
	listSchema   = "crashsim/list/1"
	modelsSchema = "crashsim/models/1"
	replaySchema = "crashsim/replay/1"
)

func jsonFlag(cmd *cobra.Command, asJSON *bool) {
	cmd.Flags().BoolVar(asJSON, "json", false, "print JSON, with the version of its schema in it")
}

// printJSON prints a document with its lines indented.
func (a *app) printJSON(document any) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(document); err != nil {
		return err
	}
	a.exact = true
	a.out.WriteString(seenJSON(b.String()))
	return nil
}

// seenJSON writes out, as JSON does it, the characters of a document that would not
// be seen. They stand in strings only.
func seenJSON(text string) string {
	if strings.IndexFunc(text, func(r rune) bool { return r != '\n' && !show.Seen(r) }) < 0 {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		switch {
		case r == '\n' || show.Seen(r):
			b.WriteRune(r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

type runJSON struct {
	Schema  string       `json:"schema"`
	Seed    uint64       `json:"seed"`
	Results []resultJSON `json:"results"`
	Errors  []errorJSON  `json:"errors"` // scenarios that could not be judged
	// The command was interrupted: what was judged by then stands here.
	Interrupted bool `json:"interrupted,omitempty"`
}

type errorJSON struct {
	Scenario string `json:"scenario"`
	Error    string `json:"error"`
}

type resultJSON struct {
	Scenario      string        `json:"scenario"`
	Model         string        `json:"model"`
	Verdict       string        `json:"verdict"`
	Kind          string        `json:"kind"`     // of the smallest failure, "" if there is none
	Kinds         []string      `json:"kinds"`    // of all failures
	Declared      string        `json:"declared"` // "" where nothing is declared
	DeclaredKinds []string      `json:"declared_kinds"`
	AsDeclared    bool          `json:"as_declared"`
	Why           string        `json:"why,omitempty"` // the verdict is unknown
	Coverage      coverageJSON  `json:"coverage"`
	Failures      []failureJSON `json:"failures"`
	Warnings      []failureJSON `json:"warnings"`
	Notes         []string      `json:"notes"`
}

type coverageJSON struct {
	Ops        int          `json:"ops"`
	Cells      int          `json:"cells"`
	Points     int          `json:"points"`
	Recoveries int          `json:"recoveries"`      // that were crashed at each of their ops
	Faults     int          `json:"faults"`          // runs of the workload in which a call failed
	Kills      int          `json:"kills"`           // of the program before the power cut
	Damages    int          `json:"damages"`         // of durable data, before the program started again
	Pairs      int          `json:"pairs,omitempty"` // of blows
	Cuts       string       `json:"cuts"`            // decimal
	CutsExact  bool         `json:"cuts_exact"`
	Cases      int          `json:"cases"`
	Runs       int          `json:"runs"`
	Exhaustive bool         `json:"exhaustive"`
	Claim      runner.Claim `json:"claim"` // which cases were judged, all of them
	Bound      string       `json:"bound"`
}

type failureJSON struct {
	Kind            string       `json:"kind"`
	Story           string       `json:"story"`
	Violations      []string     `json:"violations"`
	After           *opJSON      `json:"after" jsonschema:"nullable"` // null: before the first op
	Marks           []string     `json:"marks"`
	Lost            []effectJSON `json:"lost"`
	How             string       `json:"how,omitempty"`              // what happened besides the power cut
	RecoveryCrashes []crashJSON  `json:"recovery_crashes,omitempty"` // crashes of recovery that followed
	Stack           string       `json:"stack,omitempty"`
	File            string       `json:"file,omitempty"`
}

type crashJSON struct {
	After *opJSON      `json:"after" jsonschema:"nullable"` // null: before the first op of recovery
	Lost  []effectJSON `json:"lost"`
}

type opJSON struct {
	Op   int    `json:"op"`
	Call string `json:"call"`
	Site string `json:"site"`
	Func string `json:"func,omitempty"` // in which that is
}

type effectJSON struct {
	opJSON
	Effect int    `json:"effect"` // among those of the op
	What   string `json:"what"`
}

// resultOf tells a result; the trace is that of its scenario.
func resultOf(r *runner.Result) resultJSON {
	j := resultJSON{
		Scenario: r.Scenario, Model: r.Model.String(),
		Verdict: r.Outcome.Verdict.String(), Kinds: kindNames(r.Outcome.Kinds),
		Declared: declaredVerdict(r), DeclaredKinds: kindNames(r.Declared.Kinds),
		AsDeclared: r.AsDeclared(), Why: r.Why,
		Coverage: coverageJSON(r.Coverage),
		Failures: failuresOf(r.Failures), Warnings: failuresOf(r.Warnings), Notes: list(r.Notes),
	}
	if len(r.Failures) > 0 {
		j.Kind = r.Failures[0].Kind.String()
	}
	return j
}

func failuresOf(failures []*runner.Failure) []failureJSON {
	out := []failureJSON{}
	for _, f := range failures {
		j := failureJSON{
			Kind: f.Kind.String(), Story: f.Story, Violations: violationTexts(f.Violations),
			Marks: list(f.Marks), Lost: effectsOf(f.Lost, f.Plan), Stack: f.Stack, File: f.File, How: f.How, RecoveryCrashes: crashesOf(f.RecoveryCrashes),
		}
		if f.After >= 0 {
			after := opOf(f.Plan.Trace(), f.After)
			j.After = &after
		}
		out = append(out, j)
	}
	return out
}

func crashesOf(crashes []runner.Crash) []crashJSON {
	var out []crashJSON
	for _, c := range crashes {
		j := crashJSON{Lost: effectsOf(c.Lost, c.Plan)}
		if c.After >= 0 {
			after := opOf(c.Plan.Trace(), c.After)
			j.After = &after
		}
		out = append(out, j)
	}
	return out
}

func opOf(trace *faultfs.Trace, n faultfs.OpNum) opJSON {
	op := &trace.Ops[n]
	return opJSON{int(n), op.Summary(), op.Site.String(), op.Site.Func}
}

func effectsOf(effects []persist.Effect, plan *persist.Plan) []effectJSON {
	out := []effectJSON{}
	for _, e := range effects {
		out = append(out, effectJSON{opOf(plan.Trace(), e.Op), e.Index, plan.What(e)})
	}
	return out
}

func kindNames(kinds []oracle.Kind) []string {
	names := []string{}
	for _, k := range kinds {
		names = append(names, k.String())
	}
	return names
}

// shownViolations are violations as text for people, each shortened where it is
// very long.
func shownViolations(violations []oracle.Violation) []string {
	texts := violationTexts(violations)
	for i := range texts {
		texts[i] = show.Clip(texts[i], show.StoryLength)
	}
	return texts
}

func violationTexts(violations []oracle.Violation) []string {
	texts := []string{}
	for _, v := range violations {
		texts = append(texts, v.String())
	}
	return texts
}

// list makes of nil an empty list.
func list(words []string) []string {
	if words == nil {
		return []string{}
	}
	return words
}

type scenarioJSON struct {
	Name     string            `json:"name"`
	Lesson   string            `json:"lesson"`
	Declared map[string]string `json:"declared"` // by model
}

func listOf(scenarios []runner.Scenario) any {
	out := struct {
		Schema    string         `json:"schema"`
		Scenarios []scenarioJSON `json:"scenarios"`
	}{Schema: listSchema, Scenarios: []scenarioJSON{}}
	for _, s := range scenarios {
		declared := map[string]string{}
		for m, outcome := range s.Declared {
			declared[m.String()] = outcome.String()
		}
		out.Scenarios = append(out.Scenarios, scenarioJSON{s.Name, s.Lesson, declared})
	}
	return out
}

type modelJSON struct {
	Model    string            `json:"model"`
	About    string            `json:"about,omitempty"`
	Promises map[string]string `json:"promises"`
}

func modelsOf(models []model.Model) any {
	out := struct {
		Schema string      `json:"schema"`
		Models []modelJSON `json:"models"`
	}{Schema: modelsSchema, Models: []modelJSON{}}
	for _, m := range models {
		promises := map[string]string{}
		for _, p := range m.Promises() {
			promises[p[0]] = p[1]
		}
		out.Models = append(out.Models, modelJSON{m.String(), about(m), promises})
	}
	return out
}

type fileJSON struct {
	File   string       `json:"file"`
	Models []reportJSON `json:"models"`
}

type reportJSON struct {
	Model   string       `json:"model"`
	Cases   int          `json:"cases"`
	Expects []expectJSON `json:"expects"`
}

type expectJSON struct {
	Line    int    `json:"line"`
	Expect  string `json:"expect"`
	Held    bool   `json:"held"`
	Example any    `json:"example"` // null: no case shows it
}

func litmusOf(judged []litmusResult) any {
	out := struct {
		Schema string     `json:"schema"`
		Files  []fileJSON `json:"files"`
	}{Schema: litmusSchema, Files: []fileJSON{}}
	for _, j := range judged {
		file := fileJSON{j.test.File, []reportJSON{}}
		for _, r := range j.reports {
			file.Models = append(file.Models, reportOf(r))
		}
		out.Files = append(out.Files, file)
	}
	return out
}

func reportOf(r *litmus.Report) reportJSON {
	out := reportJSON{r.Model.String(), r.Cases, []expectJSON{}}
	for _, f := range r.Findings {
		e := expectJSON{Line: f.Line, Expect: fmt.Sprintf("%s %s", f.Quantifier, f.Expression), Held: f.Held}
		if f.Example != nil {
			e.Example = stateOf(f.Example)
		}
		out.Expects = append(out.Expects, e)
	}
	return out
}

// stateOf tells a case as "crashsim states" does.
func stateOf(s *runner.State) any {
	return map[string]any{"marks": s.Marks, "tree": s.Tree}
}

// declaredVerdict returns the verdict that is declared, "" if none is.
func declaredVerdict(r *runner.Result) string {
	if r.Declared.Verdict == runner.Unknown {
		return ""
	}
	return r.Declared.Verdict.String()
}
