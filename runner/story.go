package runner

import (
	"fmt"
	"strings"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/persist"
	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner/blame"
	"github.com/crashsim/crashsim/runner/show"
)

// storyLine tells a failure in one line: what is wrong, which effect was lost,
// and what was kept that should have come after it.
func storyLine(f *Failure, v oracle.Violation) string { return show.Line(fullStory(f, v)) }

// needsNoCrash ends the story of a program that ends with a disk that is wrong.
const needsNoCrash = "nothing was lost, and no crash is needed: the program ends with its promise broken"

func fullStory(f *Failure, v oracle.Violation) string {
	ops := f.Plan.Trace().Ops
	var b strings.Builder
	b.WriteString(show.Story(v.String()))
	if f.How != "" {
		b.WriteString("; " + f.How)
	}
	if f.After < 0 {
		b.WriteString("; power cut before the first op")
		if f.needless {
			b.WriteString(": " + needsNoCrash)
		}
		return b.String()
	}
	fmt.Fprintf(&b, "; power cut after %s: ", ops[f.After].Call())
	if f.Pair == nil {
		switch {
		case f.needless:
			b.WriteString(needsNoCrash)
		case f.How == "":
			b.WriteString("nothing was lost, kill -9 is enough")
		default:
			b.WriteString("nothing was lost")
		}
		return b.String()
	}
	p := f.Pair
	fmt.Fprintf(&b, "%s of %s was lost", f.Plan.What(p.Lost), ops[p.Lost.Op].Call())
	switch {
	case p.Bond == blame.Told && p.Op == f.After:
		b.WriteString(", nothing had forced it")
	case p.Bond == blame.Told:
		fmt.Fprintf(&b, ", nothing had forced it before %s", ops[p.Op].Call())
	case p.Bond == blame.Within:
		fmt.Fprintf(&b, ", its %s was kept", f.Plan.What(p.Kept))
	case p.Bond == blame.Before:
		fmt.Fprintf(&b, ", %s of %s was kept", f.Plan.What(p.Kept), ops[p.Op].Call())
	}
	return b.String()
}

// opName tells an op of a plan, or what comes before the first.
func opName(plan *persist.Plan, op faultfs.OpNum) string {
	if op < 0 {
		return "nothing yet"
	}
	return plan.Trace().Ops[op].Call()
}

// recoveryStory tells a failure that took more than one crash.
func recoveryStory(f *Failure, v oracle.Violation) string {
	text := show.Story(v.String())
	if f.How != "" {
		text += "; " + f.How
	}
	text += fmt.Sprintf("; power cut after %s: %s", opName(f.Plan, f.After), losses(f.Crash))
	for _, c := range f.RecoveryCrashes {
		text += fmt.Sprintf("; again in recovery after %s: %s", opName(c.Plan, c.After), losses(c))
	}
	return text
}

// foundStory tells in one line of a failure that was just found, after so many crashes before.
func foundStory(v oracle.Violation, how string, crashes int, c Crash) string {
	text := show.Story(v.String())
	if how != "" {
		text += "; " + how
	}
	if crashes > 0 {
		text += "; recovery was crashed"
	}
	return show.Line(fmt.Sprintf("%s; power cut after %s: %s", text, opName(c.Plan, c.After), losses(c)))
}

// losses says what a crash lost.
func losses(c Crash) string {
	switch n := len(c.Lost); n {
	case 0:
		return "nothing was lost"
	case 1:
		return fmt.Sprintf("%s of %s was lost", c.Plan.What(c.Lost[0]), opName(c.Plan, c.Lost[0].Op))
	default:
		return fmt.Sprintf("%s of %s was lost, and %d more", c.Plan.What(c.Lost[0]), opName(c.Plan, c.Lost[0].Op), n-1)
	}
}
