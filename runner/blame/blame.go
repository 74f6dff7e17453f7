// Package blame says why a case is wrong: which effect was lost though which other
// one was kept, and the shortest program that fails like that.
//
// Words: a case is a cut at a crash point that an oracle rejects, with the kind of
// its violation. A pair is an effect L that the case lacks and a K that it has: a
// later effect, another effect of the same op, or a mark, that is what the world
// was told. Of a pair, two things hold, and both are judged, not guessed:
//
//   - with L on the disk too, and what L needs, the case is right. The losses of
//     a case are a smallest set, so this is so of each of them.
//   - without K, and without what needs K, the case is right: where K is a mark, the
//     power is cut before it is made.
//
// So the case is wrong because K was there before L. A program that makes L
// durable before it does K, by a sync in between, never leaves it. Of a K within
// the op of L that cannot be said, and the pair says so.
//
// Right is: nothing is wrong. Where no K is like that, one does without which the
// case is at least not wrong in this way; and where one K alone is not enough,
// the last one is named that has to go with all behind it.
//
// Limits: a pair is one of several that may be there, the first by the order in Find. That
// a case is right with L is so where its losses are a smallest set; of cuts drawn at random they
// need not be. At most so many cases are judged to find a pair, and to shorten a program.
// What a recovery did before it was crashed itself is not shortened.
//
// This package is public only because several packages of this module use it. It makes no
// promise of compatibility: a release may change it in any way.
package blame

import (
	"slices"
	"sort"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/persist"
	"github.com/crashsim/crashsim/oracle"
)

// WrongCut is a case that is wrong.
type WrongCut struct {
	Plan  *persist.Plan
	Start *persist.Box // of a later life: what the crash before it left; nil: none
	Point int
	// Cut is the part of the crash point that is this one cut.
	Cut  persist.Subset
	Kind oracle.Kind
	// Lost are the effects that the cut lacks.
	Lost []persist.Effect
	// Read is what the checker read.
	Read []persist.Read
}

// CutJudge runs a checker on the newest cut of a subset of a crash point, and returns
// what is wrong with it.
type CutJudge func(point int, subset persist.Subset) []oracle.Violation

// Bond is what K is to L. The zero Bond is none.
type Bond uint8

// The bonds.
const (
	Alone  Bond = iota // there is no K: the effect that was lost is all there is to say
	Before             // K is an effect of a later op
	Within             // K is another effect of the same op: no sync comes between
	Told               // K is a mark
)

// String returns the bond in lower case.
func (b Bond) String() string { return [...]string{"alone", "before", "within", "told"}[b] }

// Pair is what is to blame for a case.
type Pair struct {
	Lost persist.Effect // L
	Bond Bond
	Kept persist.Effect // K, where it is an effect
	Op   faultfs.OpNum  // the op of K, where there is one
	// Right says that without K the case is right. Otherwise it is wrong in another way.
	Right bool
	// Last says that losing K alone is not enough: what was kept behind it has to
	// go, too.
	Last bool
}

// suspect is something that may be K.
type suspect struct {
	pair Pair
	verdict
	judged bool
	drags  []*suspect // suspects behind it that go with it, in the order of the trace
}

type verdict uint8

const (
	wrong   verdict = iota // in the same way
	other                  // in other ways only
	allGood                // right
)

// maxJudged bounds the cases that are judged to find a pair.
const maxJudged = 400

// Find returns the pair to blame for a case. Of the effects that were lost, those that the
// checker read come first, then those of earlier ops. Of what was kept behind one, the
// first in the order of the trace is taken; effects before marks, or marks before
// effects where what was acknowledged is lost or stale; effects of the same op, of which the
// last is taken, only where there is no other. Where others go with the one that was
// taken, and the case is as right without one of them alone, the last one like that is
// K: so K is no mark that was merely made before the one that counts, and no effect
// that the order of a journal drags along.
func Find(c WrongCut, judge CutJudge) Pair {
	f := newFinder(&c, judge)
	lost := slices.Clone(c.Lost)
	slices.SortStableFunc(lost, func(a, b persist.Effect) int { return f.unread(a) - f.unread(b) })
	for _, want := range []verdict{allGood, other} {
		for _, bond := range f.order() {
			for _, l := range lost {
				if k := f.first(l, bond, want); k != nil {
					p := k.pair
					p.Lost, p.Right = l, want == allGood
					if bond == Within {
						p.Bond = Within
					}
					return p
				}
			}
		}
	}
	return f.together(lost[0])
}

// finder looks for a pair.
type finder struct {
	*WrongCut
	judge    CutJudge
	box      *persist.Box
	held     []persist.Version // the cut, by cell
	ceiling  persist.Subset    // what the cut lacks is lost
	suspects []suspect         // in the order of the trace
	left     int               // cases that may be judged
}

func newFinder(c *WrongCut, judge CutJudge) *finder {
	f := &finder{WrongCut: c, judge: judge, box: c.box(), left: maxJudged}
	f.held, f.ceiling = hold(c.Plan, f.box, c.Point, c.Cut)
	after := c.Plan.After(c.Point)
	for op := c.Lost[0].Op; op <= after; op++ {
		for _, e := range c.Plan.Effects(op) {
			if f.held[e.Cell] >= e.Version {
				f.suspects = append(f.suspects, suspect{pair: Pair{Kept: e, Op: op, Bond: Before}})
			}
		}
		if o := &c.Plan.Trace().Ops[op]; o.Kind == faultfs.OpMark && !o.Failed() {
			f.suspects = append(f.suspects, suspect{pair: Pair{Op: op, Bond: Told}})
		}
	}
	return f
}

// box returns a box at the crash point of a case.
func (c *WrongCut) box() *persist.Box {
	box := c.Plan.NewBox()
	box.StartFrom(c.Start)
	box.Move(c.Point)
	return box
}

// hold returns the versions of a cut, and the part in which what it lacks is lost.
func hold(plan *persist.Plan, box *persist.Box, point int, cut persist.Subset) ([]persist.Version, persist.Subset) {
	held := make([]persist.Version, plan.Cells())
	var ceiling persist.Subset
	box.Move(point)
	for id := range held {
		held[id] = box.Bound(persist.Cell(id)).Hi
	}
	box.RestrictTo(cut)
	for i := range held {
		id := persist.Cell(i)
		if v := box.Bound(id).Hi; v < held[id] {
			held[id] = v
			ceiling = ceiling.And(persist.Bound{Cell: id, Lo: 0, Hi: v})
		}
	}
	return held, ceiling
}

// unread returns 1 for an effect on a cell that the checker did not read.
func (f *finder) unread(e persist.Effect) int {
	if slices.ContainsFunc(f.Read, func(s persist.Read) bool { return s.Cell == e.Cell }) {
		return 0
	}
	return 1
}

func (f *finder) order() []Bond {
	if f.Kind == oracle.Lost || f.Kind == oracle.Stale {
		return []Bond{Told, Before, Within}
	}
	return []Bond{Before, Told, Within}
}

// first returns the first suspect behind a lost effect without which the verdict
// is the wanted one; of those of the same op the last, which is as far as it came.
func (f *finder) first(l persist.Effect, bond Bond, want verdict) *suspect {
	var found *suspect
	for i := range f.suspects {
		s := &f.suspects[i]
		switch {
		case bond == Within && s.pair.Bond == Before && s.pair.Op == l.Op && f.without(s) == want:
			found = s
		case bond != Within && s.pair.Bond == bond && s.pair.Op > l.Op && f.without(s) == want:
			return f.innermost(s, want)
		}
	}
	return found
}

// maxDragged bounds the suspects that are tried one by one of those that go with another.
const maxDragged = 64

// innermost returns what matters of a suspect and those that go with it: the order
// of a journal, or a power cut before a mark, takes away much that has nothing to do
// with it. Of those without which alone the verdict is the same, it is the last; where
// they are very many, they are halved as if each one went with all that are behind it.
func (f *finder) innermost(s *suspect, want verdict) *suspect {
	for {
		drags := s.drags
		if len(drags) > maxDragged {
			n := sort.Search(len(drags), func(i int) bool { return f.without(drags[i]) != want })
			drags = drags[max(n-1, 0):n]
		}
		i := len(drags) - 1
		for i >= 0 && f.without(drags[i]) != want {
			i--
		}
		if i < 0 {
			return s
		}
		s = drags[i]
		for ; i >= 0 && drags[i].pair.Op == s.pair.Op; i-- { // of an op, its first effect
			if f.without(drags[i]) == want {
				s = drags[i]
			}
		}
	}
}

// without judges the case without a suspect.
func (f *finder) without(s *suspect) verdict {
	if s.judged {
		return s.verdict
	}
	s.judged = true
	point, subset, ok := f.lose(s, f.Point, f.ceiling)
	if !ok || point == f.Point && !f.changed() {
		return s.verdict
	}
	for i := range f.suspects {
		if t := &f.suspects[i]; t != s && t.pair.Op > s.pair.Op && f.gone(t, point) {
			s.drags = append(s.drags, t)
		}
	}
	s.verdict = f.verdict(point, subset)
	return s.verdict
}

// gone reports whether a suspect is not on the newest cut of the box at a crash point.
func (f *finder) gone(s *suspect, point int) bool {
	if s.pair.Bond == Told {
		return f.Plan.After(point) < s.pair.Op
	}
	return f.box.Bound(s.pair.Kept.Cell).Hi < s.pair.Kept.Version
}

// lose takes a suspect away from a subset of a crash point, and leaves the box at
// what is left. It returns false where something forces the suspect.
func (f *finder) lose(s *suspect, point int, subset persist.Subset) (int, persist.Subset, bool) {
	if s.pair.Bond == Told {
		for point > 0 && f.Plan.After(point) >= s.pair.Op {
			point--
		}
	} else {
		subset = subset.And(persist.Bound{Cell: s.pair.Kept.Cell, Lo: 0, Hi: s.pair.Kept.Version - 1})
	}
	f.box.Move(point)
	return point, subset, f.box.RestrictTo(subset)
}

// changed reports whether the checker would read anything on the newest cut of
// the box that it did not read in the case.
func (f *finder) changed() bool {
	return slices.ContainsFunc(f.Read, func(s persist.Read) bool {
		return s.Cell >= 0 && f.box.Bound(s.Cell).Hi != f.held[s.Cell]
	})
}

func (f *finder) verdict(point int, subset persist.Subset) verdict {
	if f.left--; f.left < 0 {
		return wrong
	}
	found := f.judge(point, subset)
	switch {
	case slices.ContainsFunc(found, func(v oracle.Violation) bool { return v.Kind == f.Kind }):
		return wrong
	case breaks(found):
		return other
	}
	return allGood
}

// breaks reports whether any of what is wrong is more than a warning.
func breaks(found []oracle.Violation) bool {
	return slices.ContainsFunc(found, func(v oracle.Violation) bool { return !v.Kind.Warning() })
}

// together finds the last suspect behind a lost effect that has to go, with all behind it,
// for the case to be right, or at least not wrong in this way.
func (f *finder) together(l persist.Effect) Pair {
	point, subset := f.Point, f.ceiling
	for i := len(f.suspects) - 1; i >= 0 && f.suspects[i].pair.Op > l.Op; i-- {
		s := &f.suspects[i]
		at, less, ok := f.lose(s, point, subset)
		if !ok {
			continue
		}
		point, subset = at, less
		if v := f.verdict(point, subset); v != wrong {
			p := s.pair
			p.Lost, p.Last, p.Right = l, true, v == allGood
			return p
		}
	}
	return Pair{Lost: l, Bond: Alone}
}

// With returns the part of the crash point that is the case with a lost effect
// on the disk after all, and what that needs.
func (c *WrongCut) With(e persist.Effect) persist.Subset {
	box := c.box()
	held, _ := hold(c.Plan, box, c.Point, c.Cut)
	box.Move(c.Point)
	box.Restrict(persist.Bound{Cell: e.Cell, Lo: e.Version, Hi: box.Bound(e.Cell).Hi})
	var subset persist.Subset
	for i, v := range held {
		id := persist.Cell(i)
		if lo := box.Bound(id).Lo; lo > v {
			v = lo
		}
		subset = subset.And(persist.Bound{Cell: id, Lo: v, Hi: v})
	}
	return subset
}

// Without returns the crash point and the part of it whose newest cut is the case
// without K, and false where there is no K or it cannot be lost.
func (c *WrongCut) Without(p Pair) (point int, subset persist.Subset, ok bool) {
	if p.Bond == Alone {
		return 0, subset, false
	}
	f := newFinder(c, nil)
	return f.lose(&suspect{pair: p}, f.Point, f.ceiling)
}
