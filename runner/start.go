package runner

import (
	"fmt"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/model"
	"github.com/crashsim/crashsim/faultfs/persist"
)

// refusesStart says what is wrong where the oracle rejects the disk that the
// program began with although nothing was acknowledged yet: then it is the oracle
// or the setup that is wrong, and no crash has anything to do with it. Where the
// marks of the setup are the reason, the setup has acknowledged what is not there:
// that is a case like any other.
func (j *judging) refusesStart() string {
	got := j.pool.once(0, persist.Subset{}).Outcome
	if !got.wrong() {
		return ""
	}
	plan := j.pool.plan
	if len(plan.Marks(0)) > 0 && !judgeDisk(j.pool.scenario, j.options, plan.Trace().Base(), nil).wrong() {
		return ""
	}
	return fmt.Sprintf("the oracle rejects the disk before the first op, where nothing was lost and nothing was acknowledged: %s; "+
		"the oracle, the recovery or the setup is wrong, and no other case was judged", got.violations[0])
}

// judgeDisk judges a disk on which everything is durable, with marks. The oracles of the
// scenario have seen their run: see ofRun.
func judgeDisk(s *Scenario, o *Options, base faultfs.Base, marks []string) *judgement {
	fs := faultfs.NewOn(base)
	for _, m := range marks {
		fs.Mark(m)
	}
	plan := persist.Lower(fs.Trace(), model.Default())
	p := newPool(s, plan, o)
	defer p.close()
	return p.once(plan.Points()-1, persist.Subset{}).Outcome
}
