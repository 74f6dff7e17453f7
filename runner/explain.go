package runner

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/crashsim/crashsim/faultfs/persist"
	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner/blame"
	"github.com/crashsim/crashsim/runner/internal/search"
)

// ErrNoFailure says that with the disk of a stored failure nothing is wrong any more, or
// nothing of that kind.
var ErrNoFailure = errors.New("this failure is none any more")

// Explain judges a failure again and says what is to blame for it, in the shortest
// program that fails like that. Only a power cut alone is shortened: where a call failed,
// the program was killed first, data rotted or recovery was crashed, the program is left whole, and the
// case is that of the last crash. It returns what is wrong with the case.
func (s *Stored) Explain(scenario Scenario, o Options) (blame.Short, []oracle.Violation, error) {
	r, err := s.reach(scenario, o)
	if err != nil {
		return blame.Short{}, nil, err
	}
	defer r.close()
	short, violations, err := s.explain(r)
	if err := r.pool.scenario.unjudged.err(); err != nil {
		return blame.Short{}, nil, err
	}
	return short, violations, err
}

// explain says what is to blame for a failure whose last crash is reached.
func (s *Stored) explain(r *reached) (blame.Short, []oracle.Violation, error) {
	c := blame.WrongCut{Plan: r.pool.plan, Start: r.pool.start, Point: r.point, Cut: r.cut, Kind: s.Kind, Lost: r.lost}
	ran := r.pool.once(r.point, r.cut)
	if !slices.Contains(kindsOf(ran.Outcome), s.Kind) {
		return blame.Short{WrongCut: c}, nil, ErrNoFailure
	}
	c.Read = ran.Reads
	var pair *blame.Pair
	switch {
	case len(c.Lost) > 0 && c.Kind == oracle.Hung:
		pair = &blame.Pair{Lost: c.Lost[0]}
	case len(c.Lost) > 0:
		found := blame.Find(c, r.pool.wrong)
		pair = &found
	}
	if s.How != "" || len(s.recoveryCrashes) > 0 || c.Kind == oracle.Hung {
		return blame.Short{WrongCut: c, Pair: pair}, ran.Outcome.violations, nil
	}
	short := blame.Shrink(c, pair, func(plan *persist.Plan) blame.CutJudge { return r.pool.later(plan, nil).wrong })
	return short, ran.Outcome.violations, nil
}

// wrong returns what is wrong with the newest cut of a part.
func (p *pool) wrong(point int, subset persist.Subset) []oracle.Violation {
	if outcome := p.once(point, subset).Outcome; outcome != nil {
		return outcome.violations
	}
	return nil
}

// State returns the disk as the first crash left it, undamaged, and the marks
// made before it.
func (s *Stored) State() (State, error) {
	return s.StateOf(s.WrongCut())
}

// StateOf returns the disk of a case that explains the failure, undamaged, and the marks made
// before it.
func (s *Stored) StateOf(c blame.WrongCut) (State, error) {
	l := lister{plan: c.Plan, disk: c.Plan.NewDisk()}
	marks := sortedMarks(s.plan, s.Point)
	if c.Start != nil {
		l.disk.StartFrom(c.Start)
	} else {
		marks = sortedMarks(c.Plan, c.Point)
	}
	a := &search.Attempt[*listing]{Job: search.Job{Point: c.Point, Subset: c.Cut}}
	l.run(context.Background(), []*search.Attempt[*listing]{a})
	return State{Marks: marks, Tree: a.Outcome.tree}, l.err
}

// Killed reports whether the program was killed and went on before the power was cut.
func (s *Stored) Killed() bool { return strings.Contains(s.How, killedAfter) }
