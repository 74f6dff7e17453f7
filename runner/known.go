package runner

import (
	"crypto/sha256"
	"slices"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/model"
)

// beginnings calls f with the sum of each beginning of a trace under a model, shortest first,
// for as long as f returns true.
func beginnings(m model.Model, trace *faultfs.Trace, f func(sum string) bool) {
	setup := sumOfOps(trace.Setup)
	sum := sha256.Sum256([]byte(m.String() + "\n" + setup))
	for i := range trace.Ops {
		line := append(sum[:], trace.Ops[i].Line()...)
		sum = sha256.Sum256(line)
		if !f(string(sum[:])) {
			return
		}
	}
}

// knows returns how many ops at the beginning of a trace are those of one that was kept: see
// Options.Known.
func (o *Options) knows(m model.Model, trace *faultfs.Trace) (ops int) {
	if o.Known == nil || !remembered(trace) {
		return 0
	}
	beginnings(m, trace, func(sum string) bool {
		if !o.Known[sum] {
			return false
		}
		ops++
		return true
	})
	return ops
}

// remember notes a trace that was kept.
func (o *Options) remember(m model.Model, trace *faultfs.Trace) {
	if o.Known == nil || !remembered(trace) {
		return
	}
	beginnings(m, trace, func(sum string) bool {
		o.Known[sum] = true
		return true
	})
}

// remembered reports whether what a crash leaves depends on nothing that comes after it. A
// sync that loses data changes what earlier crashes can leave; calls that overlap may stand on
// either side of one.
func remembered(trace *faultfs.Trace) bool {
	end := faultfs.Edge(0)
	return !slices.ContainsFunc(trace.Ops, func(op faultfs.Op) bool {
		overlaps := op.Begin < end
		end = op.End
		return overlaps || op.Loses()
	})
}
