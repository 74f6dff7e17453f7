package runner

import (
	"errors"
	"slices"

	"github.com/crashsim/crashsim/faultfs/persist"
	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner/blame"
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
	c := blame.Case{Plan: r.pool.plan, Seat: r.pool.seat, Point: r.point, Cut: r.cut, Kind: s.Kind, Lost: r.lost}
	ran := r.pool.once(r.point, r.cut)
	if !slices.Contains(kindsOf(ran.Outcome), s.Kind) {
		return blame.Short{Case: c}, nil, ErrNoFailure
	}
	c.Read = ran.Steps
	var pair *blame.Pair
	switch {
	case len(c.Lost) > 0 && c.Kind == oracle.Hung:
		pair = &blame.Pair{Lost: c.Lost[0]}
	case len(c.Lost) > 0:
		found := blame.Find(c, r.pool.wrong)
		pair = &found
	}
	if s.How != "" || len(s.again) > 0 || c.Kind == oracle.Hung {
		return blame.Short{Case: c, Pair: pair}, ran.Outcome.violations, nil
	}
	short := blame.Shrink(c, pair, func(plan *persist.Plan) blame.Judge { return r.pool.later(plan, nil).wrong })
	return short, ran.Outcome.violations, nil
}

// wrong returns what is wrong with the newest cut of a part.
func (p *pool) wrong(point int, part persist.Part) []oracle.Violation {
	if outcome := p.once(point, part).Outcome; outcome != nil {
		return outcome.violations
	}
	return nil
}
