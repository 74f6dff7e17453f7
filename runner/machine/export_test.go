package machine

import (
	"fmt"

	"pgregory.net/rapid"

	"github.com/crashsim/crashsim/runner"
)

// JudgeDrawn judges the program of a length that a seed draws, as Check would.
func JudgeDrawn[P, S any](m Machine[P, S], seed, length int, o runner.Options) error {
	s, err := newSession(&m, o)
	if err != nil {
		return err
	}
	drawn := rapid.Custom(func(t *rapid.T) [2][]call {
		one := rapid.Custom(func(t *rapid.T) call {
			op := rapid.IntRange(0, len(m.Ops)-1).Draw(t, "op")
			c, wrong := m.call(op, m.Ops[op].draw(t))
			if wrong != nil {
				err = wrong
			}
			return c
		})
		return [2][]call{rapid.SliceOfN(one, length, length).Draw(t, "program"), rapid.SliceOfN(one, 0, maxFurther).Draw(t, "further")}
	}).Example(seed)
	if err != nil {
		return err
	}
	v := s.verdict(drawn[0], drawn[1])
	if v.err == nil && v.result != nil {
		return fmt.Errorf("%s", v.result.Line())
	}
	return v.err
}
