package runner

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDepthIsOnceWhereNothingIsSaid(t *testing.T) {
	require.Equal(t, 1, Options{}.Depth.times())
	for n := range 3 {
		require.Equal(t, n, Times(n).times())
	}
	require.PanicsWithValue(t, "runner.Times(-1): want 0 or more", func() { Times(-1) })
}
