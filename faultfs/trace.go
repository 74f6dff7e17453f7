package faultfs

import (
	"bytes"
	"cmp"
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

	base Base
}

// Base returns the disk as it durably was before the first op.
func (t *Trace) Base() Base {
	if t.base == nil {
		return empty{}
	}
	return t.base
}

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

// Same reports whether two traces ask for the same: all but the moments.
func (t *Trace) Same(u *Trace) bool {
	same := func(a, b Op) bool {
		return sameCall(&a, &b) && bytes.Equal(a.Data, b.Data)
	}
	return slices.EqualFunc(t.Setup, u.Setup, same) && slices.EqualFunc(t.Ops, u.Ops, same)
}

func sameCall(a, b *Op) bool {
	x, y := *a, *b
	x.Data, y.Data = nil, nil
	x.Begin, x.End, y.Begin, y.End = 0, 0, 0, 0
	return cmp.Compare(x.key(), y.key()) == 0
}

// key is the text of an op without its data and its moments.
func (op *Op) key() string { return string(appendOp(nil, op, 0)) }
