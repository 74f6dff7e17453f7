package runner

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/persist"
	"github.com/crashsim/crashsim/oracle"
)

// tellStory tells a failure in one line: what is wrong, which effect was lost,
// and which later one, or which mark, was kept and should have come after it.
// The box is that of the failing case; steps are what the checker read.
func tellStory(plan *persist.Plan, box *persist.Box, f *Failure, v oracle.Violation, steps []persist.Step) string {
	return oneLine(tell(plan, box, f, v, steps))
}

// oneLine writes out what would end a line: an error of the program may hold
// anything.
func oneLine(text string) string {
	var b strings.Builder
	for _, r := range text {
		if unicode.IsPrint(r) {
			b.WriteRune(r)
		} else {
			quoted := strconv.QuoteRune(r)
			b.WriteString(quoted[1 : len(quoted)-1])
		}
	}
	return b.String()
}

func tell(plan *persist.Plan, box *persist.Box, f *Failure, v oracle.Violation, steps []persist.Step) string {
	ops := plan.Trace().Ops
	var b strings.Builder
	b.WriteString(v.String())
	if f.How != "" {
		b.WriteString("; " + f.How)
	}
	if f.After < 0 {
		b.WriteString("; power cut before the first op")
		return b.String()
	}
	fmt.Fprintf(&b, "; power cut after %s: ", ops[f.After].Call())
	if len(f.Lost) == 0 {
		b.WriteString("nothing was lost")
		if f.How == "" {
			b.WriteString(", kill -9 is enough")
		}
		return b.String()
	}
	lost := f.Lost[0]
	if i := slices.IndexFunc(f.Lost, func(e persist.Effect) bool { return wasRead(steps, e.Cell) }); i >= 0 {
		lost = f.Lost[i]
	}
	fmt.Fprintf(&b, "%s of %s was lost", plan.What(lost), ops[lost.Op].Call())
	mark := lastMark(ops, lost.Op, f.After)
	kept, ok := keptAfter(box, lost, steps)
	acknowledged := v.Kind == oracle.Lost || v.Kind == oracle.Stale
	switch {
	case mark >= 0 && mark == f.After && (acknowledged || !ok):
		b.WriteString(", nothing had forced it")
	case mark >= 0 && (acknowledged || !ok):
		fmt.Fprintf(&b, ", nothing had forced it before %s", ops[mark].Call())
	case ok && kept.Op == lost.Op:
		fmt.Fprintf(&b, ", its %s was kept", plan.What(kept))
	case ok:
		fmt.Fprintf(&b, ", %s of %s was kept", plan.What(kept), ops[kept.Op].Call())
	}
	return b.String()
}

func wasRead(steps []persist.Step, id persist.Cell) bool {
	return slices.ContainsFunc(steps, func(s persist.Step) bool { return s.Cell == id })
}

// lastMark returns the last mark behind an op, -1 if there is none up to the
// crash.
func lastMark(ops []faultfs.Op, behind, crash faultfs.OpNum) faultfs.OpNum {
	for i := crash; i > behind; i-- {
		if ops[i].Kind == faultfs.OpMark {
			return i
		}
	}
	return -1
}

// keptAfter returns the first effect that the checker read and that was made
// after the lost one, or by the same op.
func keptAfter(box *persist.Box, lost persist.Effect, steps []persist.Step) (persist.Effect, bool) {
	var best persist.Effect
	found := false
	for _, s := range steps {
		e, ok := box.Newest(s.Cell)
		if !ok || e.Op < lost.Op {
			continue
		}
		closer := !found || best.Op == lost.Op && e.Op > lost.Op || e.Op > lost.Op && e.Op < best.Op
		if closer {
			best, found = e, true
		}
	}
	return best, found
}
