package faultfs

import (
	"bytes"
	"slices"
)

// Trace is what a program asked of a file system, op by op, in the order in
// which the ops took effect. Its zero value is the trace of a program that did
// nothing on an empty disk.
type Trace struct {
	// Setup made what stood on the disk, durably, before the program began.
	Setup []Op
	// Ops are the program's own.
	Ops []Op
	// Notes are what the recorder could not see of the program, a sentence each, such
	// as calls that are missing in Ops. A verdict on the trace says them.
	Notes []string

	base  Base
	kills []OpNum // see Kills
}

// add appends an op. A long trace grows by doubling: it is copied less often
// than append would.
func (t *Trace) add(op *Op) {
	const long = 1 << 12
	if n := len(t.Ops); n == cap(t.Ops) && n >= long {
		t.Ops = slices.Grow(t.Ops, n)
	}
	t.Ops = append(t.Ops, *op)
}

// SeenWithNext reports whether an op and the next one are stores into maps that were
// seen at once, so that nobody knows which came first, nor whether the program was ever
// between them.
func (t *Trace) SeenWithNext(n OpNum) bool {
	if int(n)+1 >= len(t.Ops) {
		return false
	}
	op, next := &t.Ops[n], &t.Ops[n+1]
	return op.Look != 0 && op.Look == next.Look && !op.Failed() && !next.Failed()
}

// Base returns the disk as it durably was before the first op.
func (t *Trace) Base() Base {
	if t.base == nil {
		return empty{}
	}
	return t.base
}

// Then returns a trace that does what the receiver does up to an op, and then
// more ops, recorded where that left off.
func (t *Trace) Then(last OpNum, more []Op) *Trace {
	kills := append(t.kills[:len(t.kills):len(t.kills)], last)
	return &Trace{Setup: t.Setup, Ops: joined(t.Ops[:last+1:last+1], more), Notes: t.Notes, base: t.base, kills: kills}
}

// Kills returns the ops after which Then went on with more: the program was killed there,
// and started again. The text form of a trace does not hold them.
func (t *Trace) Kills() []OpNum { return t.kills }

// Marks returns the labels of the trace's marks, in order.
func (t *Trace) Marks() []string {
	var labels []string
	for i := range t.Ops {
		if t.Ops[i].Kind == OpMark {
			labels = append(labels, t.Ops[i].Label)
		}
	}
	return labels
}

// Same reports whether two traces ask for the same: all but the moments, and the
// functions that asked.
func (t *Trace) Same(u *Trace) bool {
	return slices.EqualFunc(t.Setup, u.Setup, sameCall) && slices.EqualFunc(t.Ops, u.Ops, sameCall)
}

// sameCall compares the text of two ops, and their data without writing it out.
func sameCall(a, b Op) bool {
	if !bytes.Equal(a.Data, b.Data) {
		return false
	}
	a.Data, b.Data = nil, nil
	a.Site.Func, b.Site.Func = "", "" // which older traces do not know
	return a.Line() == b.Line()
}
