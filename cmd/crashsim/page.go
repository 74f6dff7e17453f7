package main

import (
	"fmt"
	"strings"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner/blame"
	"github.com/crashsim/crashsim/runner/repair"
	"github.com/crashsim/crashsim/runner/show"
)

// meanings say what kinds of violations are, for who sees one for the first time.
var meanings = map[oracle.Kind]string{
	oracle.Lost:    "Lost: the program reported that something was done, or it was safe before, and it is gone.",
	oracle.Torn:    "Torn: something is there in part, or as a mixture of old and new.",
	oracle.Stale:   "Stale: what is there is whole, but older than what the program reported.",
	oracle.Alien:   "Alien: something is there that was never written.",
	oracle.Refused: "Refused: the program does not start again.",
	oracle.Hung:    "Hung: the program does not come to an end when it starts again.",
}

// byCheck begins what is said of a disk that the check of somebody refused: the check alone
// knows what that means.
const byCheck = "refused: the check failed: "

// meaning says what it means that a promise was broken like this.
func (e *explainedFailure) meaning() string {
	for _, v := range e.what {
		if strings.HasPrefix(v, byCheck) && e.stored.Kind == oracle.Refused {
			return "Refused: the check refused the disk; what it said stands above."
		}
	}
	return meanings[e.stored.Kind]
}

// printProgram prints the calls of a failure's program, each with what became of it.
func (a *app) printProgram(e *explainedFailure) {
	ops := e.program()
	head := "What the program did until the power was cut"
	switch {
	case e.Start != nil:
		head = "What recovery did until the power was cut again"
	case e.Ops != nil && len(ops) < e.calls:
		head = fmt.Sprintf("What the program did until the power was cut, as far as it matters (%d of %s)", len(ops), show.Count(e.calls, "call"))
	}
	fmt.Fprintf(&a.out, "\n%s\n", a.style.head(head))
	var rows []row
	for i := range ops {
		op := &ops[i]
		fate := e.survival(faultfs.OpNum(i))
		if e.Ops == nil && fate == "" && i < len(ops)-1 {
			continue // it did nothing
		}
		c := cell{text: fate}
		if strings.Contains(fate, "LOST") {
			c.paint = a.style.bad
		}
		rows = append(rows, row{cells: []cell{{text: fmt.Sprintf("%6d", i+1)}, {text: op.Summary()}, c, {text: op.Site.String()}}})
	}
	writeTable(&a.out, rows)
	a.out.WriteString("        the power is cut\n")
}

// survival says what became of an op.
func (e *explainedFailure) survival(n faultfs.OpNum) string {
	op := &e.Plan.Trace().Ops[n]
	switch {
	case op.Loses():
		return "fails to write the data"
	case op.Failed():
		return "fails: " + op.Errno.Error()
	case op.Kind == faultfs.OpMark:
		return "the program reports it"
	case op.Kind.Syncs():
		return "returns"
	}
	var lost, kept, forced []string
	by := faultfs.OpNum(-1)
	for _, f := range e.Survivals(n) {
		switch what := e.Plan.What(f.Effect); {
		case f.Lost:
			lost = append(lost, what)
		case f.Forced >= 0:
			forced, by = append(forced, what), f.Forced
		default:
			kept = append(kept, what)
		}
	}
	onlyOne := len(lost) == 0 || len(kept)+len(forced) == 0
	part := func(what []string, text string) string {
		if onlyOne && len(kept)*len(forced) == 0 {
			return text
		}
		return strings.Join(what, ", ") + " " + text
	}
	var parts []string
	if len(lost) > 0 {
		parts = append(parts, part(lost, "LOST"))
	}
	if len(forced) > 0 {
		parts = append(parts, part(forced, fmt.Sprintf("kept, forced by %d", by+1)))
	}
	if len(kept) > 0 {
		parts = append(parts, part(kept, "kept"))
	}
	return strings.Join(parts, "; ")
}

// why says in words what is to blame.
func (e *explainedFailure) why() []string {
	if e.Pair == nil {
		switch {
		case len(e.Lost) > 0:
			return []string{fmt.Sprintf("The %s of %s was lost.", e.Plan.What(e.Lost[0]), e.call(e.Lost[0].Op))}
		case e.Start != nil:
			return []string{"Nothing was lost when the power was cut again: recovery does not get over being cut off in the middle."}
		case e.stored.How != "":
			return []string{"The power cut lost nothing. What happened besides it is enough."}
		}
		return []string{"Nothing was lost: the disk holds all that was written. It is enough to kill the program at this moment, as",
			"kill -9 does: what it has done by then is not what it has promised."}
	}
	p := e.Pair
	l := fmt.Sprintf("The %s of %s", e.Plan.What(p.Lost), e.call(p.Lost.Op))
	unless, late := "all would be right", "Nothing had forced it to the disk by then."
	if !p.Right {
		unless = fmt.Sprintf("it would not be %s", e.stored.Kind)
	}
	if op := e.failedSync(); op >= 0 {
		late = fmt.Sprintf("Call %d failed to write it. What a failed sync gave up, a later one does not write.", op+1)
	}
	switch p.Bond {
	case blame.Told:
		return []string{
			fmt.Sprintf("%s was lost though the program had reported %q by %s.", l, show.Clip(e.Plan.Trace().Ops[p.Op].Label, show.WordLength), e.call(p.Op)),
			late + " Had it been there, or had the program not reported yet, " + unless + ".",
		}
	case blame.Within:
		return []string{
			fmt.Sprintf("%s was lost though the %s of the same call was kept.", l, e.Plan.What(p.Kept)),
			"A file system may persist one call in parts, in any order, and no sync can come between them.",
		}
	case blame.Before:
		with := ""
		if p.Last {
			with = ", with all that came after it"
		}
		return []string{
			fmt.Sprintf("%s was lost though the %s of %s was kept.", l, e.Plan.What(p.Kept), e.call(p.Op)),
			fmt.Sprintf("%s So what came later could reach the disk without it.", late),
			fmt.Sprintf("Had the first been kept too, or the second been lost too%s, %s.", with, unless),
		}
	}
	return []string{l + " was lost. " + late}
}

// call names a call of the program, and where it stands.
func (e *explainedFailure) call(n faultfs.OpNum) string {
	switch site := e.Plan.Trace().Ops[n].Site; {
	case site.Func != "" && site.Line > 0:
		return fmt.Sprintf("call %d (%s, %s)", n+1, site.Function(), site)
	case site.File != "":
		return fmt.Sprintf("call %d (%s)", n+1, site)
	}
	return fmt.Sprintf("call %d", n+1)
}

// failedSync returns a sync that failed to write data before what was kept, -1 if there
// is none.
func (e *explainedFailure) failedSync() faultfs.OpNum {
	for n, op := range e.program() {
		if op.Loses() && faultfs.OpNum(n) > e.Pair.Lost.Op {
			return faultfs.OpNum(n)
		}
	}
	return -1
}

func capital(text string) string { return strings.ToUpper(text[:1]) + text[1:] }

// printPrevention says what would prevent a failure.
func (a *app) printPrevention(e *explainedFailure) {
	w := &a.out
	if e.prevention == "" && e.fix == nil && (e.Pair == nil || e.Pair.Bond != blame.Within) {
		return
	}
	fmt.Fprintf(w, "\n%s\n", a.style.head("What would prevent it"))
	switch {
	case e.prevention != "" && e.Pair.Bond == blame.Told:
		fmt.Fprintf(w, "    %s before call %d, the mark: then no power cut leaves this disk.\n", capital(e.prevention), e.Pair.Op+1)
	case e.prevention != "":
		fmt.Fprintf(w, "    %s before call %d: then no power cut leaves this disk.\n", capital(e.prevention), e.Pair.Op+1)
	case e.Pair != nil && e.Pair.Bond == blame.Within:
		fmt.Fprintf(w, "    %s\n", half(&e.Plan.Trace().Ops[e.Pair.Op]))
	}
	switch {
	case e.fix == nil:
	case len(e.fix.Beyond) > 0:
		fmt.Fprintf(w, "    No set of syncs mends the program as a whole: with every sync that could be added some case is still %s.\n",
			strings.Join(kindNames(e.fix.Beyond), " and "))
	default:
		lacking := repair.Grouped(e.fix.Syncs)
		fmt.Fprintf(w, "    With %s the program as a whole is right in every case (%s tried):\n",
			show.Count(len(lacking), "more sync"), show.Count(e.fix.Tried, "variant"))
		for _, sync := range lacking {
			fmt.Fprintf(w, "        %s\n", sync)
		}
	}
}

// half says what helps where a call can persist by half.
func half(op *faultfs.Op) string {
	if op.Kind == faultfs.OpWrite || op.Kind == faultfs.OpTruncate {
		return "Write it where nobody looks yet and put it in place by one rename, or add a checksum by which half a write is told."
	}
	return "The program has to expect that when it starts again."
}
