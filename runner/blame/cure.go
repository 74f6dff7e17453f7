package blame

import (
	"path"
	"strings"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/persist"
)

// Survival is what became of an effect.
type Survival struct {
	persist.Effect
	Lost   bool
	Forced faultfs.OpNum // the sync that forced it, -1: none did
}

// Survivals returns what became of the effects of an op.
func (c *WrongCut) Survivals(op faultfs.OpNum) []Survival {
	box := c.box()
	held, _ := hold(c.Plan, box, c.Point, c.Cut)
	var fates []Survival
	for _, e := range c.Plan.Effects(op) {
		f := Survival{Effect: e, Lost: held[e.Cell] < e.Version, Forced: -1}
		if box.Move(c.Point); !f.Lost && c.Start == nil && box.Bound(e.Cell).Lo >= e.Version {
			f.Forced = c.forcedBy(box, e)
		}
		fates = append(fates, f)
	}
	return fates
}

// forcedBy returns the sync by which an effect is forced, -1 if it is by nothing but the
// model.
func (c *WrongCut) forcedBy(box *persist.Box, e persist.Effect) faultfs.OpNum {
	for point := range c.Point + 1 {
		if box.Move(point); box.Bound(e.Cell).Lo >= e.Version {
			if by := c.Plan.After(point); by >= 0 && c.Plan.Trace().Ops[by].Kind.Syncs() {
				return by
			}
			return -1
		}
	}
	return -1
}

// Prevention returns a sync that rules the case out where the program makes it right before K: "sync /f",
// "sync the directory /" or "sync everything", the first of these that does, which is tried.
// It returns "" where there is none: where K is of the same op as L, or there is no K, or the
// crash is one of recovery.
func (c *WrongCut) Prevention(p Pair) string {
	if c.Start != nil || p.Bond != Before && p.Bond != Told {
		return ""
	}
	op := &c.Plan.Trace().Ops[p.Lost.Op]
	name := strings.Contains(c.Plan.Name(p.Lost.Cell), "the name ")
	type try struct {
		text string
		sync faultfs.Op
	}
	fsync := func(text, path string) try { return try{text, faultfs.Op{Kind: faultfs.OpFsync, Path: path}} }
	var tries []try
	if !name && op.Path != "" {
		tries = append(tries, fsync("sync "+op.Path, op.Path))
	}
	for _, below := range []string{op.To, op.Path} {
		if name && below != "" {
			dir := path.Dir(path.Clean(below))
			tries = append(tries, fsync("sync the directory "+dir, dir))
		}
	}
	tries = append(tries, try{"sync everything", faultfs.Op{Kind: faultfs.OpSync}})
	for _, t := range tries {
		if c.ruledOut(t.sync, p.Op) {
			return t.text
		}
	}
	return ""
}

// ruledOut reports whether no crash leaves the case where one more sync is made
// before an op.
func (c *WrongCut) ruledOut(sync faultfs.Op, before faultfs.OpNum) bool {
	trace := c.Plan.Trace()
	e := trace.Edit()
	err := e.KeepAll(before - 1)
	if err == nil {
		_, err = e.Add(sync)
	}
	if err == nil {
		err = e.KeepAll(faultfs.OpNum(len(trace.Ops) - 1))
	}
	if err != nil {
		return false
	}
	plan := persist.Lower(e.Trace(), c.Plan.Model())
	moved := func(op faultfs.OpNum) faultfs.OpNum {
		if op >= before {
			op++
		}
		return op
	}
	var lost []persist.Effect
	for _, e := range c.Lost {
		effects := plan.Effects(moved(e.Op))
		if e.Index >= len(effects) {
			return false
		}
		lost = append(lost, effects[e.Index])
	}
	for point := range plan.Points() {
		if plan.After(point) == moved(c.Plan.After(c.Point)) {
			if _, err := plan.Pin(point, lost); err == nil {
				return false
			}
		}
	}
	return true
}
