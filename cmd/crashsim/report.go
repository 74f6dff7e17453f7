package main

import (
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/crashsim/crashsim/faultfs/model"
	"github.com/crashsim/crashsim/runner"
	"github.com/crashsim/crashsim/runner/show"
)

// printReports prints a table of scenarios and models, below each scenario
// what there is to say about it, and totals at the end.
func (a *app) printReports(reports []trial, o runner.Options) {
	head := []cell{{"SCENARIO", a.style.head}}
	for _, m := range o.Models {
		head = append(head, cell{m.String(), a.style.head})
	}
	rows := []row{{cells: head}}
	for i := range reports {
		rep := &reports[i]
		r := row{cells: cells(rep.scenario.Name)}
		for j := range rep.results {
			r.cells = append(r.cells, a.verdictCell(rep, &rep.results[j]))
		}
		r.below = a.details(rep)
		rows = append(rows, r)
	}
	writeTable(&a.out, rows)
	a.out.WriteString(totals(reports))
}

// verdictCell shows a verdict, with a "!" where it is not the declared one.
func (a *app) verdictCell(rep *trial, r *runner.Result) cell {
	word := r.Outcome.Verdict.String()
	if r.Bounded() {
		word += " up to a bound"
	}
	switch {
	case !r.AsDeclared() && rep.recorded():
		return cell{word, a.style.bad}
	case !r.AsDeclared():
		return cell{word + "!", a.style.bad}
	case r.Outcome.Verdict == runner.Kept:
		return cell{word, a.style.good}
	}
	return cell{word, a.style.odd}
}

// details is what stands below a scenario's line.
func (a *app) details(rep *trial) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, "    "+format+"\n", args...) }
	if rep.err != nil {
		line("%s: %s", a.style.bad("not judged"), inLines(rep.err.Error()))
	}
	for _, s := range stories(rep.results, boundedIn) {
		line("[%s] %s", s.models, s.text)
	}
	for _, s := range stories(rep.results, unknownIn) {
		line("[%s] %s: %s", s.models, a.style.bad("unknown"), inLines(s.text))
	}
	if !rep.recorded() {
		for _, s := range stories(rep.results, undeclaredIn) {
			line("[%s] %s: %s", s.models, a.style.bad("not as declared"), s.text)
		}
	}
	for _, s := range stories(rep.results, failuresIn) {
		line("[%s] %s", s.models, a.style.story(onTwoLines(s.text)))
		if s.file != "" {
			again := show.ShellFile(s.file)
			if rep.scenario.Command != nil {
				again += " --run-check"
			}
			line("    crashsim replay %s", again)
		}
	}
	for _, s := range stories(rep.results, warningsIn) {
		line("[%s] warning: %s", s.models, a.style.story(onTwoLines(s.text)))
	}
	for _, s := range stories(rep.results, settlingIn) {
		line("[%s] %s", s.models, s.text)
	}
	for _, s := range stories(rep.results, notesIn) {
		line("[%s] note: %s", s.models, inLines(s.text))
	}
	if len(rep.results) > 0 {
		line("%s", coverage(rep.results))
	}
	if again := againFlags(rep.results); again != "" && !rep.recorded() {
		line("again: crashsim run %s%s --failures DIR", rep.scenario.Name, again)
	}
	return b.String()
}

// againFlags returns the flags that show again what is broken and should not
// be, or not like that.
func againFlags(results []runner.Result) string {
	flags := ""
	for i := range results {
		if r := &results[i]; !r.AsDeclared() && r.Outcome.Verdict == runner.Broken {
			flags += " --model " + r.Model.String()
		}
	}
	return flags
}

// inLines indents the lines of a text behind the first, so that they stand
// below a scenario's line. A very long text is shortened.
func inLines(text string) string {
	text = show.Clip(text, show.StoryLength)
	return strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n        ")
}

// onTwoLines tells a failure's story: what is wrong, then how it came about.
func onTwoLines(story string) string {
	return strings.Replace(inLines(story), "; power cut ", "\n        power cut ", 1)
}

// story is a text that is true under some models.
type story struct {
	text   string
	models modelList
	file   string
}

// modelList prints as names with blanks between them.
type modelList []model.Model

func (l modelList) String() string {
	names := make([]string, len(l))
	for i, m := range l {
		names[i] = m.String()
	}
	return strings.Join(names, " ")
}

func unknownIn(r *runner.Result) []story {
	if r.Why == "" {
		return nil
	}
	return []story{{text: r.Why}}
}

// boundedIn tells up to what a promise is kept, where not every case was judged.
func boundedIn(r *runner.Result) []story {
	if !r.Bounded() {
		return nil
	}
	return []story{{text: "kept up to: " + r.Coverage.Claim.String()}}
}

func undeclaredIn(r *runner.Result) []story {
	if r.AsDeclared() || r.Outcome.Verdict == runner.Unknown && r.Why != "" {
		return nil
	}
	return []story{{text: fmt.Sprintf("declared %s, found %s", r.Declared, r.Outcome)}}
}

func failuresIn(r *runner.Result) []story { return storiesOf(r.Failures) }
func warningsIn(r *runner.Result) []story { return storiesOf(r.Warnings) }

func storiesOf(failures []*runner.Failure) []story {
	var list []story
	for _, f := range failures {
		list = append(list, story{text: f.Story, file: f.File})
	}
	return list
}

// settlingIn tells of a recovery that is not idempotent.
func settlingIn(r *runner.Result) []story {
	if r.Recovery == nil || r.Recovery.Settles == 1 {
		return nil
	}
	return []story{{text: r.Recovery.String()}}
}

func notesIn(r *runner.Result) []story {
	var list []story
	for _, n := range r.Notes {
		list = append(list, story{text: n})
	}
	return list
}

// stories collects the texts of results, each once, in the order in which they
// are first told.
func stories(results []runner.Result, of func(*runner.Result) []story) []story {
	var list []story
	for i := range results {
		r := &results[i]
		for _, s := range of(r) {
			list = mergeStory(list, r.Model, s)
		}
	}
	return list
}

// mergeStory adds a story that is true under a model to those told before.
func mergeStory(list []story, m model.Model, s story) []story {
	k := slices.IndexFunc(list, func(known story) bool { return known.text == s.text })
	if k < 0 {
		k = len(list)
		list = append(list, s)
	}
	list[k].models = append(list[k].models, m)
	return list
}

// coverage says how much was tried, under all models together.
func coverage(results []runner.Result) string {
	var sum tally
	var exhaustive modelList
	for i := range results {
		r := &results[i]
		sum.add(r)
		if r.Coverage.Exhaustive {
			exhaustive = append(exhaustive, r.Model)
		}
	}
	bounds := stories(results, func(r *runner.Result) []story {
		if r.Coverage.Exhaustive || r.Coverage.Bound == "" || r.Why != "" {
			return nil // the reason of an unknown verdict has said it
		}
		return []story{{text: r.Coverage.Bound}}
	})
	text := fmt.Sprintf("%s; %s", show.Count(results[0].Coverage.Ops, "op"), &sum)
	switch {
	case len(exhaustive) == len(results):
		return text + "; exhaustive"
	case len(exhaustive) > 0:
		text += fmt.Sprintf("; exhaustive under %s", exhaustive)
	}
	for _, b := range bounds {
		text += fmt.Sprintf("; under %s %s", b.models, b.text)
	}
	return text
}

// tally adds up coverage.
type tally struct {
	cuts    big.Int
	inexact bool
	besides runner.Coverage
	cases   int
	runs    int
}

func (t *tally) add(r *runner.Result) {
	var cuts big.Int
	if _, ok := cuts.SetString(r.Coverage.Cuts, 10); ok {
		t.cuts.Add(&t.cuts, &cuts)
	}
	t.inexact = t.inexact || !r.Coverage.CutsExact
	t.besides.Recoveries += r.Coverage.Recoveries
	t.besides.Kills += r.Coverage.Kills
	t.besides.Faults += r.Coverage.Faults
	t.besides.Damages += r.Coverage.Damages
	t.besides.Pairs += r.Coverage.Pairs
	t.cases += r.Coverage.Cases
	t.runs += r.Coverage.Runs
}

// String returns, say, "cuts 1.8e14, kills 8, cases judged 412 by 130 runs".
func (t *tally) String() string {
	bound := ""
	if t.inexact {
		bound = "at most "
	}
	besides := t.besides.Besides()
	if besides != "" {
		besides = ", " + besides
	}
	return fmt.Sprintf("cuts %s%s%s, cases judged %d by %s", bound, show.Number(t.cuts.String()), besides, t.cases, show.Count(t.runs, "run"))
}

// totals is the end of the output of run.
func totals(reports []trial) string {
	var sum tally
	verdicts := map[runner.Verdict]int{}
	all, asDeclared, declared, failed := 0, 0, 0, 0
	exhaustive := true
	noun := "scenario"
	for i := range reports {
		if reports[i].err != nil {
			failed++
		}
		recorded := reports[i].recorded()
		if recorded {
			noun = "program"
		}
		for j := range reports[i].results {
			r := &reports[i].results[j]
			sum.add(r)
			all++
			verdicts[r.Outcome.Verdict]++
			if !recorded && r.Declared.Verdict != runner.Unknown {
				declared++
				if r.AsDeclared() {
					asDeclared++
				}
			}
			if r.Outcome.Verdict == runner.Kept && !r.Coverage.Exhaustive {
				exhaustive = false
			}
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "\n%s, %s: ", show.Count(len(reports), noun), show.Count(all, "verdict"))
	if declared > 0 {
		fmt.Fprintf(&b, "%d as declared, %d not", asDeclared, declared-asDeclared)
		if other := all - declared; other > 0 {
			fmt.Fprintf(&b, ", %d with nothing declared", other)
		}
		b.WriteString("; ")
	}
	fmt.Fprintf(&b, "%d kept, %d broken, %d unknown\n", verdicts[runner.Kept], verdicts[runner.Broken], verdicts[runner.Unknown])
	if failed > 0 {
		fmt.Fprintf(&b, "%s could not be judged\n", show.Count(failed, noun))
	}
	fmt.Fprintf(&b, "%s", &sum)
	if verdicts[runner.Kept] > 0 && exhaustive {
		b.WriteString("; every kept verdict is exhaustive")
	}
	b.WriteString("\n")
	return b.String()
}
