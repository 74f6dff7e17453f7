package runner

import (
	"context"
)

// cutPower cuts the power at each crash point, and judges every disk that this may
// leave.
func (j *judging) cutPower(ctx context.Context, p *program) {
	how := ""
	switch {
	case p.other != nil:
		how = howFaults(p.fault, p.other, p.trace)
	case p.fault != nil:
		how = howFault(p.fault, p.trace)
	}
	p.cut = j.exploration(p.plan, how, p.name())
	p.cut.fault, p.cut.other, p.cut.large = p.fault, p.other, p.fault == nil
	if promises := p.cut.promises(); promises != nil {
		p.cut.exploreApart(ctx, p.from, promises)
		return
	}
	p.cut.explore(ctx, p.from, nil, 0)
}
