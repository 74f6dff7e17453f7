package blame

import (
	"slices"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/persist"
	"github.com/crashsim/crashsim/oracle"
)

// Checker returns what judges the cases of a plan.
type Checker func(plan *persist.Plan) CutJudge

// Short is a case in a program that is as short as it can be.
type Short struct {
	WrongCut
	// Pair is to blame; nil where nothing was lost.
	Pair *Pair
	// Ops are the ops of the program that are left, by their numbers there; nil: all.
	Ops []faultfs.OpNum
	// Done says that no further op can go. Otherwise the search was ended, or the
	// program cannot be shortened.
	Done bool
}

// maxShrink bounds the cases that are judged to shorten a program.
const maxShrink = 4000

// Shrink drops ops from the program of a case, all behind the crash and then halves and
// smaller parts of the others, for as long as
//
//   - the case is still there: power is cut after the same op, the same effects are
//     lost, and the same is wrong, word for word;
//   - the same pair is to blame for it;
//   - with nothing lost the program is right wherever it was, from what stood on the
//     disk before to the crash;
//   - each sync is there that forced an op that is, and what was forced is forced, nothing
//     else: what a program lacks is not to be mistaken for what was dropped.
//
// The result is a smallest one in that no single op more can go. A program whose ops overlap, or
// in which a sync lost data, is left as it is.
func Shrink(c WrongCut, pair *Pair, check Checker) Short {
	s := &shrinker{whole: c, pair: pair, check: check, judge: check(c.Plan), left: maxShrink, right: map[int]bool{}}
	whole := Short{WrongCut: c, Pair: pair}
	if c.Start != nil || c.Plan.Points() != len(c.Plan.Trace().Ops)+1 || c.Point == 0 {
		return whole
	}
	found := s.judge(c.Point, c.Cut)
	i := slices.IndexFunc(found, func(v oracle.Violation) bool { return v.Kind == c.Kind })
	if i < 0 {
		return whole
	}
	s.what = found[i]
	s.look()
	keep := s.plain()
	best, ok := s.try(keep)
	if !ok {
		return whole
	}
	for size := len(keep); size > 0; size /= 2 {
		for again := true; again; {
			again = false
			for end := len(keep); end > 0; end = min(end-size, len(keep)) {
				without := slices.DeleteFunc(slices.Clone(keep), func(op faultfs.OpNum) bool {
					i, _ := slices.BinarySearch(keep, op)
					return i >= end-size && i < end && !s.stays(op)
				})
				if len(without) == len(keep) {
					continue
				}
				if shorter, ok := s.try(without); ok {
					best, keep, again = shorter, without, size == 1
				}
			}
		}
	}
	best.Done = s.left >= 0
	return best
}

// shrinker shortens a program.
type shrinker struct {
	whole  WrongCut
	pair   *Pair
	check  Checker
	judge  CutJudge
	what   oracle.Violation  // what is wrong
	right  map[int]bool      // by crash point: with nothing lost, nothing is wrong
	forces [][]faultfs.OpNum // by op: whose effects it forces
	left   int               // cases that may be judged
}

// look finds out what each sync of the program forces.
func (s *shrinker) look() {
	plan := s.whole.Plan
	box := plan.NewBox()
	ops := plan.Trace().Ops
	s.forces = make([][]faultfs.OpNum, len(ops))
	for point := range s.whole.Point + 1 {
		if point == 0 || !ops[point-1].Kind.Syncs() {
			continue
		}
		op := faultfs.OpNum(point - 1)
		for earlier := range op {
			for _, e := range plan.Effects(earlier) {
				box.Move(point - 1)
				before := box.Bound(e.Cell).Lo
				box.Move(point)
				if before < e.Version && e.Version <= box.Bound(e.Cell).Lo {
					s.forces[op] = append(s.forces[op], earlier)
					break
				}
			}
		}
	}
}

// wasRight reports whether the whole program is right at a crash point where
// nothing is lost.
func (s *shrinker) wasRight(point int) bool {
	right, known := s.right[point]
	if !known {
		right = s.isRight(s.judge, point)
		s.right[point] = right
	}
	return right
}

func (s *shrinker) isRight(judge CutJudge, point int) bool {
	s.left--
	return !breaks(judge(point, persist.Subset{}))
}

// stays reports whether an op must not go: the case is told by it.
func (s *shrinker) stays(op faultfs.OpNum) bool {
	return op == s.whole.Plan.After(s.whole.Point) || s.pair != nil && s.pair.Bond != Alone && s.pair.Op == op ||
		slices.ContainsFunc(s.whole.Lost, func(e persist.Effect) bool { return e.Op == op })
}

// plain returns the ops up to the crash that do anything.
func (s *shrinker) plain() []faultfs.OpNum {
	var keep []faultfs.OpNum
	ops := s.whole.Plan.Trace().Ops
	for i := range ops[:s.whole.Plan.After(s.whole.Point)+1] {
		op := &ops[i]
		does := op.Kind.Changes() || op.Kind.Syncs() || op.Kind == faultfs.OpMark
		if does && !op.Failed() && !op.Idle() || s.stays(faultfs.OpNum(i)) {
			keep = append(keep, faultfs.OpNum(i))
		}
	}
	return keep
}

// try returns the case in the program that does only some ops, and false where it is not
// the same there.
func (s *shrinker) try(keep []faultfs.OpNum) (Short, bool) {
	if s.left < 0 || s.lacksSync(keep) {
		return Short{}, false
	}
	trace := only(s.whole.Plan.Trace(), keep)
	if trace == nil {
		return Short{}, false
	}
	plan := persist.Lower(trace, s.whole.Plan.Model())
	short := Short{
		WrongCut: WrongCut{Plan: plan, Point: len(keep), Kind: s.whole.Kind},
		Ops:      keep,
	}
	renumber := func(e persist.Effect) (persist.Effect, bool) {
		i, _ := slices.BinarySearch(keep, e.Op)
		effects := plan.Effects(faultfs.OpNum(i))
		if e.Index >= len(effects) || plan.What(effects[e.Index]) != s.whole.Plan.What(e) {
			return e, false
		}
		return effects[e.Index], true
	}
	for _, e := range s.whole.Lost {
		lost, ok := renumber(e)
		if !ok {
			return short, false
		}
		short.Lost = append(short.Lost, lost)
	}
	if s.pair != nil {
		pair, ok := *s.pair, true
		if pair.Lost, ok = renumber(pair.Lost); !ok {
			return short, false
		}
		if pair.Bond == Before || pair.Bond == Within {
			if pair.Kept, ok = renumber(pair.Kept); !ok {
				return short, false
			}
		}
		if pair.Bond != Alone {
			i, _ := slices.BinarySearch(keep, pair.Op)
			pair.Op = faultfs.OpNum(i)
		}
		short.Pair = &pair
	}
	var err error
	short.Cut, err = plan.Pin(short.Point, short.Lost)
	return short, err == nil && s.forcesTheSame(&short) && s.same(&short)
}

// forcesTheSame reports whether at the crash the same effects are forced as in the
// whole program, of those that both have: what a sync forces can depend on other ops.
func (s *shrinker) forcesTheSame(short *Short) bool {
	whole, left := s.whole.box(), short.box()
	for i, op := range short.Ops {
		effects := s.whole.Plan.Effects(op)
		for _, e := range short.Plan.Effects(faultfs.OpNum(i)) {
			what := short.Plan.What(e)
			k := slices.IndexFunc(effects, func(w persist.Effect) bool { return s.whole.Plan.What(w) == what })
			if k < 0 {
				continue
			}
			was := effects[k]
			if (whole.Bound(was.Cell).Lo >= was.Version) != (left.Bound(e.Cell).Lo >= e.Version) {
				return false
			}
		}
	}
	return true
}

// lacksSync reports whether a sync is dropped that forced an op that is not.
func (s *shrinker) lacksSync(keep []faultfs.OpNum) bool {
	for op, forced := range s.forces {
		if _, kept := slices.BinarySearch(keep, faultfs.OpNum(op)); kept {
			continue
		}
		for _, f := range forced {
			if _, kept := slices.BinarySearch(keep, f); kept {
				return true
			}
		}
	}
	return false
}

// same reports whether a case is wrong as the whole program's is, for the same
// reason, and the program right where the whole one was.
func (s *shrinker) same(short *Short) bool {
	judge := s.check(short.Plan)
	fails := func(point int, subset persist.Subset) bool {
		s.left--
		return slices.ContainsFunc(judge(point, subset), func(v oracle.Violation) bool { return v.Kind == short.Kind })
	}
	if s.left--; !slices.Contains(judge(short.Point, short.Cut), s.what) {
		return false
	}
	if p := short.Pair; p != nil {
		if fails(short.Point, short.With(p.Lost)) {
			return false
		}
		if p.Bond != Alone && !p.Last {
			point, subset, ok := short.Without(*p)
			if !ok || fails(point, subset) {
				return false
			}
		}
	}
	if s.wasRight(0) && !s.isRight(judge, 0) {
		return false
	}
	for i, op := range short.Ops {
		if s.wasRight(int(op)+1) && !s.isRight(judge, i+1) {
			return false
		}
	}
	return true
}

// only performs some ops of a trace, and returns nil where they do something else
// without the others.
func only(trace *faultfs.Trace, keep []faultfs.OpNum) *faultfs.Trace {
	e := trace.Edit()
	for _, n := range keep {
		if _, err := e.Keep(n); err != nil || e.Strayed() {
			return nil
		}
	}
	return e.Trace()
}
