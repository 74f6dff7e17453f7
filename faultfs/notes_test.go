package faultfs_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crashsim/crashsim/faultfs"
)

func TestNotesOfTheRecorderStandInTheText(t *testing.T) {
	trace := faultfs.New().Trace()
	trace.Notes = []string{"sync cannot be seen", "source lines: no\npermission"}
	again, err := faultfs.ParseTrace("trace", trace.Text())
	require.NoError(t, err)
	require.Equal(t, []string{"sync cannot be seen", "source lines: no permission"}, again.Notes)
	require.Equal(t, string(trace.Text()), string(again.Text()))
}
