package runner

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crashsim/crashsim/oracle"
)

func TestOnlyABudgetExcusesWhatIsNotAsDeclared(t *testing.T) {
	both := Breaks(oracle.Lost, oracle.Refused)
	for name, c := range map[string]struct {
		result Result
		want   bool
	}{
		"unknown, since the budget was spent":         {Result{Declared: both}, true},
		"unknown, since the oracle cannot be trusted": {Result{Declared: both, doubted: true}, false},
		"one of two kinds before the budget was spent": {
			Result{Declared: both, Outcome: Breaks(oracle.Refused)}, true},
		"one of two kinds in all cases": {
			Result{Declared: both, Outcome: Breaks(oracle.Refused), Coverage: Coverage{Exhaustive: true}}, false},
		"one of two kinds, and the search ended by itself": {
			Result{Declared: both, Outcome: Breaks(oracle.Refused), allFound: true}, false},
		"a kind that is not declared": {
			Result{Declared: both, Outcome: Breaks(oracle.Refused, oracle.Torn)}, false},
		"broken, but declared kept": {
			Result{Declared: Keeps(), Outcome: Breaks(oracle.Refused)}, false},
		"broken, but nothing is declared": {
			Result{Outcome: Breaks(oracle.Refused)}, false},
		"kept, but declared broken": {
			Result{Declared: both, Outcome: Keeps()}, false},
	} {
		require.Equal(t, c.want, c.result.cutShort(), name)
	}
}
