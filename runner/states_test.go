package runner

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crashsim/crashsim/faultfs/model"
	"github.com/crashsim/crashsim/runner/internal/drawn"
)

func listed(t *testing.T, ops, text string) []string {
	m, err := model.Parse(text)
	require.NoError(t, err)
	states, err := States(context.Background(), drawn.Parsed(t, ops), m)
	require.NoError(t, err)
	lines := make([]string, len(states))
	for i, s := range states {
		lines[i], err = s.Line()
		require.NoError(t, err)
	}
	return lines
}

func TestStatesAreListedAsTheContractShows(t *testing.T) {
	require.Equal(t, []string{
		`{"marks":["also","saved"],"tree":{"/d":{"dir":true,"mode":"0755"},"/d/f":{"data":"bmV3","mode":"0644"},"/l":{"link":"<&>"}}}`,
		`{"marks":["saved"],"tree":{"/d":{"dir":true,"mode":"0755"},"/d/f":{"data":"bmV3","mode":"0644"},"/l":{"link":"<&>"}}}`,
		`{"marks":[],"tree":{"/d":{"dir":true,"mode":"0755"},"/d/f":{"data":"","mode":"0644"},"/l":{"link":"<&>"}}}`,
		`{"marks":[],"tree":{"/d":{"dir":true,"mode":"0755"},"/d/f":{"data":"","mode":"0644"}}}`,
		`{"marks":[],"tree":{"/d":{"dir":true,"mode":"0755"},"/d/f":{"data":"bmV3","mode":"0644"},"/l":{"link":"<&>"}}}`,
		`{"marks":[],"tree":{"/d":{"dir":true,"mode":"0755"}}}`,
		`{"marks":[],"tree":{}}`,
	}, listed(t, "mkdir /d\ncreate /d/f\nsymlink <&> /l\nwrite /d/f 0 \"new\"\nmark saved\nmark also\nmark saved\n", "kill"))
}

func TestDirectoryOnItsOwnPathIsNotEntered(t *testing.T) {
	require.Contains(t,
		listed(t, "mkdir /a\nmkdir /b\nsync\nrename /a /b/a\nrename /b/a /c\nrename /b /c/b\n", "posix"),
		`{"marks":[],"tree":{"/a":{"dir":true,"mode":"0755"},"/a/b":{"dir":true,"mode":"0755"},"/a/b/a":{"dir":true,"mode":"0755"},`+
			`"/b":{"dir":true,"mode":"0755"},"/b/a":{"dir":true,"mode":"0755"},"/b/a/b":{"dir":true,"mode":"0755"}}}`)
}

func TestStatesRefusesFilesTooLargeToList(t *testing.T) {
	_, err := States(context.Background(), drawn.Parsed(t, "create /f\ntruncate /f 67108865\n"), model.Default())
	require.EqualError(t, err, "/f has 67108865 bytes in a case, more than 67108864")
}

func TestStatesRefusesMoreCasesThanFitInMemory(t *testing.T) {
	defer func(most int) { maxLines = most }(maxLines)
	maxLines = 1 << 20
	var ops strings.Builder
	for i := range 400 {
		fmt.Fprintf(&ops, "create /f%d\n", i)
	}
	_, err := States(t.Context(), drawn.Parsed(t, ops.String()), model.Default())
	require.ErrorContains(t, err, " cases under posix, and not all are found: they take more than 1048576 bytes")
}

func TestStatesEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := States(ctx, drawn.Parsed(t, "create /f\n"), model.Default())
	require.ErrorIs(t, err, context.Canceled)
}
