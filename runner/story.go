package runner

import (
	"fmt"
	"strings"

	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner/blame"
	"github.com/crashsim/crashsim/runner/show"
)

// tellStory tells a failure in one line: what is wrong, which effect was lost,
// and what was kept that should have come after it.
func tellStory(f *Failure, v oracle.Violation) string { return show.Line(tell(f, v)) }

// needsNoCrash ends the story of a program that ends with a disk that is wrong.
const needsNoCrash = "nothing was lost, and no crash is needed: the program ends with its promise broken"

func tell(f *Failure, v oracle.Violation) string {
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
