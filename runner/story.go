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

func tell(f *Failure, v oracle.Violation) string {
	ops := f.Plan.Trace().Ops
	var b strings.Builder
	b.WriteString(show.Story(v.String()))
	if f.How != "" {
		b.WriteString("; " + f.How)
	}
	if f.After < 0 {
		b.WriteString("; power cut before the first op")
		return b.String()
	}
	fmt.Fprintf(&b, "; power cut after %s: ", ops[f.After].Call())
	if f.Pair == nil {
		b.WriteString("nothing was lost")
		if f.How == "" {
			b.WriteString(", kill -9 is enough")
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
