package oracle_test

import (
	"fmt"
	"io/fs"
	"slices"
	"testing"

	"github.com/crashsim/crashsim/oracle"
	"github.com/spf13/afero"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// sums is the model of a counter to which 1, 2 and 3 were added.
var sums = oracle.StatesOf(0, func(sum, n int) int { return sum + n }, 1, 2, 3)

// counter is a Prefix whose reader returns the given sum.
func counter(sum int, err error) oracle.Prefix[int] {
	return oracle.Prefix[int]{
		Path:   "/db",
		Read:   func(afero.Fs) (int, error) { return sum, err },
		States: sums,
		Mark:   "saved",
		Begun:  "begun",
	}
}

func TestStatesOfHoldsTheStateAfterEachOperation(t *testing.T) {
	require.Equal(t, []int{0, 1, 3, 6}, sums)
	require.Equal(t, []int{7}, oracle.StatesOf(7, func(s int, _ string) int { return s }))
}

func TestPrefixAcceptsEachStateFromAcknowledgedToBegun(t *testing.T) {
	for acknowledged := range 3 {
		for _, n := range []int{acknowledged, acknowledged + 1} {
			require.Empty(t, counter(sums[n], nil).Judge(nil, after(acknowledged)))
		}
	}
	require.Empty(t, counter(0, fs.ErrNotExist).Judge(nil, after(0)))
}

func TestPrefixRejects(t *testing.T) {
	differs := counter(5, nil)
	differs.Diff = func(read, model int) string { return fmt.Sprintf("%d, want %d", read, model) }
	before := counter(0, fs.ErrNotExist)
	before.States = sums[1:]
	tests := []struct {
		name         string
		prefix       oracle.Prefix[int]
		acknowledged int
		want         string
	}{
		{"an old state", counter(1, nil), 2, `stale /db: holds state 1, though operation 2 was acknowledged`},
		{"an old state with more marks than states", counter(6, nil), 9, `stale /db: holds state 3, though operation 9 was acknowledged`},
		{"a state that had not begun", counter(6, nil), 1, `alien /db: holds state 3, though only 2 operations had begun`},
		{"no state", counter(5, nil), 1, `torn /db: holds none of the states 0 to 3 (acknowledged: 1)`},
		{"no state, explained", differs, 2, `torn /db: holds none of the states 0 to 3 (acknowledged: 2); it differs from state 2: 5, want 3`},
		{"a store that is gone", counter(0, fs.ErrNotExist), 1, `lost /db: the reader found nothing, though operation 1 was acknowledged`},
		{"a store that is gone and was always there", before, 0, `lost /db: the reader found nothing, but the state before the run was not empty`},
		{"a reader that fails", counter(1, errBroken), 1, `refused /db: cannot be read: broken`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			require.Equal(t, test.want, found(test.prefix.Judge(nil, after(test.acknowledged))))
		})
	}
}

func TestPrefixWithoutABeginningBoundAsksForNoMarkAtTheLastState(t *testing.T) {
	p := counter(6, nil)
	p.Begun = ""
	require.Empty(t, p.Judge(nil, noMarks{t}))
}

func TestPrefixComparesWithItsOwnEqual(t *testing.T) {
	p := oracle.Prefix[[]int]{
		Read:   func(afero.Fs) ([]int, error) { return nil, nil },
		States: [][]int{{}, {1}},
	}
	require.Equal(t, oracle.Torn, kindOf(t, p.Judge(nil, marks{})), "nil is not empty to reflect.DeepEqual")
	p.Equal = slices.Equal[[]int]
	require.Empty(t, p.Judge(nil, marks{}))
}

func TestPrefixAcceptsExactlyTheStatesInBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		states := rapid.SliceOfN(rapid.IntRange(0, 3), 1, 6).Draw(t, "states")
		acknowledged := rapid.IntRange(0, len(states)-1).Draw(t, "acknowledged")
		begun := rapid.IntRange(acknowledged, len(states)-1).Draw(t, "begun")
		p := counter(rapid.IntRange(0, 4).Draw(t, "state"), nil)
		p.States = states
		if !rapid.Bool().Draw(t, "bounded above") {
			p.Begun = ""
			begun = len(states) - 1
		}
		state, _ := p.Read(nil)
		want := oracle.Torn
		switch {
		case slices.Contains(states[acknowledged:begun+1], state):
			want = oracle.NoKind
		case slices.Contains(states[begun+1:], state):
			want = oracle.Alien
		case slices.Contains(states[:acknowledged], state):
			want = oracle.Stale
		}
		made := append(times(acknowledged), slices.Repeat(marks{"begun"}, begun)...)
		require.Equal(t, want, kindOf(t, p.Judge(nil, made)))
	})
}
