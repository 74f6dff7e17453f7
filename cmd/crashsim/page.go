package main

import (
	"fmt"
	"strings"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner/blame"
)

// meanings say what kinds of violations are, for who sees one for the first time.
var meanings = map[oracle.Kind]string{
	oracle.Lost:    "Lost: the world was told that something is done, or it was safe before, and it is gone.",
	oracle.Torn:    "Torn: something is there in part, or as a mixture of old and new.",
	oracle.Stale:   "Stale: what is there is whole, but older than what the world was told.",
	oracle.Alien:   "Alien: something is there that nobody ever wrote.",
	oracle.Refused: "Refused: the program does not start again.",
	oracle.Hung:    "Hung: the program does not come to an end when it starts again.",
}

// printProgram prints the calls of a failure's program, each with what became of it.
func (a *app) printProgram(e *explainedFailure) {
	ops := e.program()
	head := "What the program did until the power was cut"
	switch {
	case e.Seat != nil:
		head = "What recovery did until the power was cut again"
	case e.Ops != nil && len(ops) < e.calls:
		head = fmt.Sprintf("What the program did until the power was cut, as far as it matters (%d of %s)", len(ops), plural(e.calls, "call"))
	}
	fmt.Fprintf(&a.out, "\n%s\n", a.style.head(head))
	var rows []row
	for i := range ops {
		op := &ops[i]
		fate := e.fate(faultfs.OpNum(i))
		if e.Ops == nil && fate == "" && i < len(ops)-1 {
			continue // a call that did nothing
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

// fate says what became of an op.
func (e *explainedFailure) fate(n faultfs.OpNum) string {
	op := &e.Plan.Trace().Ops[n]
	switch {
	case op.Loses():
		return "fails to write the data"
	case op.Failed():
		return "fails: " + op.Errno.Error()
	case op.Kind == faultfs.OpMark:
		return "the world is told"
	case op.Kind.Syncs():
		return "returns"
	}
	var lost, kept, forced []string
	by := faultfs.OpNum(-1)
	for _, f := range e.Fates(n) {
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
		if e.stored.How == "" && e.Seat == nil {
			return []string{"Nothing was lost: the disk holds all that was written. It is enough to kill the program there,",
				"as kill -9 does: it had not come further, and what it leaves at this moment is wrong."}
		}
		return []string{"Nothing was lost in this power cut: the disk holds all that was written to it."}
	}
	p := e.Pair
	l := fmt.Sprintf("the %s of call %d", e.Plan.What(p.Lost), p.Lost.Op+1)
	lines := []string{capital(l) + " was lost though"}
	switch p.Bond {
	case blame.Told:
		mark := &e.Plan.Trace().Ops[p.Op]
		lines[0] += fmt.Sprintf(" the world had been told %q by call %d.", mark.Label, p.Op+1)
		lines = append(lines, "Nothing had forced it to the disk by then. Had it been there, or the world not been told yet, all would be right.")
	case blame.Within:
		lines[0] += fmt.Sprintf(" the %s of the same call was kept.", e.Plan.What(p.Kept))
		lines = append(lines, "A file system may write one call in parts, in any order, and no sync can come between them.")
	case blame.Before:
		lines[0] += fmt.Sprintf(" the %s of call %d was kept.", e.Plan.What(p.Kept), p.Op+1)
		lines = append(lines, fmt.Sprintf("Call %d came first, but nothing had forced it to the disk: the file system may write call %d before it.", p.Lost.Op+1, p.Op+1))
		if p.Last {
			lines = append(lines, "Without the one, all would be right; so it would without the other and what came after it.")
		} else {
			lines = append(lines, "Without either, all would be right.")
		}
	default:
		return []string{capital(l) + " was lost. Nothing had forced it to the disk."}
	}
	return lines
}

func capital(text string) string { return strings.ToUpper(text[:1]) + text[1:] }

// printCure says what would prevent a failure.
func (a *app) printCure(e *explainedFailure) {
	w := &a.out
	if e.cure == "" && e.fix == nil && (e.Pair == nil || e.Pair.Bond != blame.Within) {
		return
	}
	fmt.Fprintf(w, "\n%s\n", a.style.head("What would prevent it"))
	switch {
	case e.cure != "" && e.Pair.Bond == blame.Told:
		fmt.Fprintf(w, "    %s before call %d tells the world: then no power cut leaves this disk.\n", capital(e.cure), e.Pair.Op+1)
	case e.cure != "":
		fmt.Fprintf(w, "    %s before call %d: then no power cut leaves this disk.\n", capital(e.cure), e.Pair.Op+1)
	case e.Pair != nil && e.Pair.Bond == blame.Within:
		fmt.Fprint(w, "    Write it where nobody looks yet and put it in place by one rename, or add a checksum that tells half a write.\n")
	}
	switch {
	case e.fix == nil:
	case len(e.fix.Beyond) > 0:
		fmt.Fprintf(w, "    No set of syncs mends the program as a whole: with every sync that could be added some case is still %s.\n",
			strings.Join(kindNames(e.fix.Beyond), " and "))
	default:
		fmt.Fprintf(w, "    With %s the program as a whole is right in every case (%s tried):\n",
			plural(len(e.fix.Syncs), "more sync"), plural(e.fix.Tried, "variant"))
		for _, s := range e.fix.Syncs {
			fmt.Fprintf(w, "        %s\n", s)
		}
	}
}
