package runner

import (
	"context"

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
	fault *faultfs.Fault // that the program met; nil: none
	loses bool           // a sync lost data by the fault

	cut *exploration // what the power cuts led to, once they were tried
}

// pass deals one kind of blow to a program, and judges what comes of it: the
// power cut, the crash in recovery, the kill, the fault, damage at rest. Each
// stands in a file of its own.
type pass func(j *judging, ctx context.Context, p *program)

// cutPower cuts the power at each crash point, and judges every disk that this may
// leave.
func (j *judging) cutPower(ctx context.Context, p *program) {
	how, bound := "", ""
	if p.fault != nil {
		how, bound = howFault(p.fault, p.trace), "with faults, "
	}
	p.cut = j.exploration(p.plan, how)
	p.cut.fault = p.fault
	found := p.cut.explore(ctx, p.from, nil, 0)
	known := j.cut
	j.ended(found.Stats(), bound)
	if p.cut.torn && known == "" {
		j.cut += "; each write torn in one place, as a prefix, as a suffix or with one hole, was judged with all before it on the disk"
	}
}
