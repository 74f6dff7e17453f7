package runner

import (
	"cmp"
	"slices"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/persist"
	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner/blame"
	"github.com/crashsim/crashsim/runner/show"
)

// This file tells the causes of failures apart. Two cases have one cause where what would
// rule the one out, a sync between the two halves of its pair, rules the other out as well.

const (
	// maxFindings is how many failures are told at most.
	maxFindings = 12
	// maxOfGround is how many causes are told of failures of one kind and word.
	maxOfGround = 4
	// maxCandidates is how many cases of a ground may wait to be blamed.
	maxCandidates = 64
)

// place is where an op stands in the source of the program; where no line is known, it is
// what the op is about.
type place struct {
	site  faultfs.CallSite
	kind  faultfs.OpKind
	about string
}

func placeOf(op *faultfs.Op) place {
	if op.Site.Line > 0 {
		return place{site: op.Site, kind: op.Kind}
	}
	return place{kind: op.Kind, about: op.Path + "\x00" + op.To + "\x00" + op.Label}
}

// cause is why a case is wrong, as far as others can have it too.
type cause struct {
	way   string         // what it takes besides the power cut
	any   bool           // what is to blame is not asked: each case of the way has it
	word  bool           // the check says by a word of its own what it is
	after map[place]bool // where nothing was lost: the ops after which a crash is enough
	bond  blame.Bond
	lost  place
	kept  place
}

// causeOf is the cause of a failure, which is told for a ground and was found in a way.
func causeOf(f *Failure, by ground, way string) *cause {
	c := &cause{way: way, word: by.word != ""}
	crash := &f.Crash
	if n := len(f.RecoveryCrashes); n > 0 {
		crash = &f.RecoveryCrashes[n-1]
	}
	ops := crash.Plan.Trace().Ops
	switch p := f.Pair; {
	case f.Kind == oracle.Hung || f.damage != nil:
		c.any = true
	case p == nil:
		c.after = map[place]bool{}
		c.add(crash.Plan, crash.After)
	default:
		c.bond, c.lost = p.Bond, placeOf(&ops[p.Lost.Op])
		if p.Bond == blame.Before || p.Bond == blame.Told {
			c.kept = placeOf(&ops[p.Op])
		}
	}
	return c
}

// add notes that a crash after an op is enough.
func (c *cause) add(plan *persist.Plan, after faultfs.OpNum) {
	if after >= 0 {
		c.after[placeOf(&plan.Trace().Ops[after])] = true
	}
}

// explains reports whether a case has this cause.
func (c *cause) explains(k *suspectCase) bool {
	switch {
	case c.any:
		return k.way == c.way
	case c.word:
		return (c.after != nil) == (len(k.lost) == 0)
	case c.after != nil:
		return len(k.lost) == 0 && (k.way == c.way || k.after >= 0 && c.after[k.places.of[k.after]])
	}
	for _, e := range k.lost {
		if k.places.of[e.Op] != c.lost {
			continue
		}
		switch c.bond {
		case blame.Alone:
			return true
		case blame.Within:
			if lossesOf(k.lost, e.Op) < len(k.plan.Effects(e.Op)) {
				return true
			}
		default:
			if k.places.within(c.kept, e.Op, k.after) {
				return true
			}
		}
	}
	return false
}

// suspectCase is a case that is wrong, as a cause sees it.
type suspectCase struct {
	plan   *persist.Plan
	places *places
	after  faultfs.OpNum
	lost   []persist.Effect
	way    string
}

// lossesOf returns how many of some effects, which are in order, an op has made.
func lossesOf(lost []persist.Effect, op faultfs.OpNum) int {
	byOp := func(e persist.Effect, op faultfs.OpNum) int { return cmp.Compare(e.Op, op) }
	from, _ := slices.BinarySearchFunc(lost, op, byOp)
	to, _ := slices.BinarySearchFunc(lost, op+1, byOp)
	return to - from
}

// places are those of the ops of a program.
type places struct {
	of []place
	at map[place][]faultfs.OpNum
}

func placesOf(trace *faultfs.Trace) *places {
	p := &places{make([]place, len(trace.Ops)), map[place][]faultfs.OpNum{}}
	for i := range trace.Ops {
		at := placeOf(&trace.Ops[i])
		p.of[i] = at
		p.at[at] = append(p.at[at], faultfs.OpNum(i))
	}
	return p
}

// within reports whether an op of a place is behind one op, and not behind another.
func (p *places) within(at place, behind, until faultfs.OpNum) bool {
	ops := p.at[at]
	i, _ := slices.BinarySearch(ops, behind+1)
	return i < len(ops) && ops[i] <= until
}

// finding is a case that is wrong, and stands for others that are wrong for the same cause.
type finding struct {
	by        ground
	cube      cube
	lost      []persist.Effect // of it
	violation oracle.Violation
	cases     int // that were judged, and that it stands for
	cause     *cause
	failure   *Failure
	of        *exploration // that is at work, and may find a smaller case; nil: it has ended
}

// candidates are the cases of a ground that wait to be blamed: of two of which one loses
// all that the other does, and later, only the other.
type candidates struct {
	by      ground
	list    []*finding
	nothing map[int]bool // whether it is enough to kill the program, by crash point, where that is known
	early   int          // cases of which that was known before the case without a loss was judged
}

// holds returns the candidate by which a case is told too, nil if there is none.
func (c *candidates) holds(k *cube, lost []persist.Effect) *finding {
	for _, f := range c.list {
		switch {
		case len(f.lost) == 0:
			if len(lost) == 0 || c.nothing[k.Point] {
				return f
			}
		case f.cube.Point <= k.Point && isPart(f.lost, lost):
			return f
		}
	}
	return nil
}

// isPart reports whether all that a case lost was lost by another one too. Both are in order.
func isPart(few, many []persist.Effect) bool {
	i := 0
	for _, e := range few {
		for i < len(many) && many[i] != e {
			i++
		}
		if i == len(many) {
			return false
		}
	}
	return true
}

// causes returns how many causes of a ground are told so far.
func (j *judging) causes(by ground) (n int) {
	for _, f := range j.findings {
		if f.by == by {
			n++
		}
	}
	return n
}

// mayTell reports whether one more failure of a ground may be told. Each kind is told, however
// many were found.
func (j *judging) mayTell(by ground) bool {
	if !j.found[by] {
		for known := range j.found {
			if known.kind == by.kind && len(j.found) >= maxFindings {
				j.note("more than %d different failures were found; the others are not told", maxFindings)
				return false
			}
		}
		return true
	}
	ofGround, o := j.causes(by), j.options
	switch {
	case ofGround == 0:
		return true
	case by.kind.Warning() || o.First || o.MaxFailures > 0 && j.failures >= o.MaxFailures:
		return false
	case ofGround >= maxOfGround || len(j.findings) >= maxFindings:
		j.note("failures that are %s have more than %s; the others are not told", by, show.Count(ofGround, "cause"))
		return false
	case j.late():
		j.note("there was no time to find out which other causes failures that are %s have", by)
		return false
	}
	return true
}

// sameCause returns a finding that has the cause of another one, nil if there is none. Where a
// kill is enough for failures of a ground, one that lost something, whatever was kept, shows
// no more than that.
func (j *judging) sameCause(f *finding) *finding {
	c := f.cause
	for _, known := range j.findings {
		k := known.cause
		if known.by != f.by {
			continue
		}
		if k.any && c.any && k.way == c.way || k.after != nil && c.after == nil && !c.any && c.bond == blame.Alone {
			return known
		}
		if k.after == nil && c.after == nil && !k.any && !c.any && k.bond == c.bond && k.lost == c.lost && k.kept == c.kept {
			return known
		}
	}
	return nil
}
