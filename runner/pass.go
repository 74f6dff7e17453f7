package runner

import (
	"context"
	"fmt"
	"strconv"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/persist"
)

// program is what a pass deals its blows to: the program as it was recorded,
// alone or with a fault.
type program struct {
	take  *recording // nil where the program met a fault
	trace *faultfs.Trace
	plan  *persist.Plan
	from  int            // the first crash point with cases of its own
	known int            // ops at the beginning, with the crashes and kills after each, that were judged before
	fault *faultfs.Fault // that the program met; nil: none
	other *faultfs.Fault // that it met in the same run; nil: none
	loses bool           // a sync lost data by the fault

	cut *exploration // what the power cuts led to, once they were tried
}

// name tells the search of the program from those of others.
func (p *program) name() string {
	if p.fault == nil {
		return "power"
	}
	if p.other != nil {
		return searchOf("faults", p.fault, p.other, sumOfOps(p.trace.Ops))
	}
	return searchOf("fault", p.fault, sumOfOps(p.trace.Ops))
}

// pass deals one kind of blow to a program, and judges what comes of it: the
// power cut, the crash in recovery, the kill, the fault, damage at rest. Each
// stands in a file of its own.
type pass func(j *judging, ctx context.Context, p *program)

// howFault says which fault the program met, and at which call: "op=8" alone tells
// nothing to a person.
func howFault(fault *faultfs.Fault, trace *faultfs.Trace) string {
	text := fmt.Sprintf("with the fault \"%s\"", fault)
	first, more := "", 0
	for i := range trace.Ops {
		switch op := &trace.Ops[i]; {
		case !op.Injected:
		case first == "":
			first = op.Call()
		default:
			more++
		}
	}
	if first != "" {
		text += " at " + first
	}
	if more > 0 {
		text += " and " + strconv.Itoa(more) + " more"
	}
	return text
}

// howFaults says which two faults the program met.
func howFaults(first, second *faultfs.Fault, trace *faultfs.Trace) string {
	return fmt.Sprintf("%s; and %s", howFault(first, trace), howFault(second, &faultfs.Trace{Ops: trace.Ops[min(int(second.At), len(trace.Ops))-1:]}))
}
