package repair

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crashsim/crashsim/faultfs"
)

// Sites returns how many syncs a program could make that it does not.
func Sites(program *faultfs.Trace) int {
	f := fixer{trace: program}
	f.findCandidates()
	return len(f.candidates)
}

// With is a program with some of its sites.
func With(program *faultfs.Trace, set []int) (*faultfs.Trace, error) {
	f := fixer{trace: program}
	f.findCandidates()
	v, err := f.variant(set, false)
	return v.Program, err
}

func TestHitIsASmallestHittingSet(t *testing.T) {
	require.Empty(t, hit(nil))
	require.Equal(t, []int{2}, hit([][]int{{1, 2}, {2, 3}}))
	require.Equal(t, []int{1, 4}, hit([][]int{{1, 2}, {4, 5}, {1, 5, 4}}))
	require.Equal(t, "[0 3]", fmt.Sprint(hit([][]int{{0}, {3, 0}, {3, 9}})))
}
