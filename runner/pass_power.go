package runner

import (
	"context"
)

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
