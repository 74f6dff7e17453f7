package runner

import (
	"context"
	"testing"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/require"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/model"
	"github.com/crashsim/crashsim/oracle"
)

// blamed runs a program of which one thing is wrong, and returns what its pair
// names: the op of the effect that was kept, or the label of the mark.
func blamed(t *testing.T, preset, setup, ops string, o oracle.Oracle) string {
	t.Helper()
	text := "crashsim trace 1\n\n-- setup --\n" + setup + "-- ops --\n" + ops
	trace, err := faultfs.ParseTrace("test", []byte(text))
	require.NoError(t, err)
	m, err := model.Parse(preset)
	require.NoError(t, err)
	results, err := Run(context.Background(), Scenario{Name: "blamed", Trace: trace, Oracle: o}, Options{Models: []model.Model{m}})
	require.NoError(t, err)
	require.Len(t, results[0].Failures, 1, "%v", results[0].Report())
	pair := results[0].Failures[0].Pair
	require.NotNil(t, pair)
	require.True(t, pair.Right)
	op := trace.Ops[pair.Op]
	if op.Kind == faultfs.OpMark {
		return op.Label
	}
	return op.Summary()
}

// A power cut before an early mark takes every later mark away too: of the marks
// without which the case is right, the last one is the one that matters.
func TestTheMarkThatTheCheckAsksForIsBlamed(t *testing.T) {
	acked := oracle.When("acked 1", oracle.Exists("/d/f"))
	require.Equal(t, "acked 1", blamed(t, "posix", "",
		"mkdir /d\nmark hello\ncreate /d/f\nwrite /d/f 0 \"x\"\nfsync /d/f\nfsync /d\nmark \"begin 1\"\nmark \"begin 2\"\nmark \"acked 1\"\n", acked))
	require.Equal(t, "acked 1", blamed(t, "posix", "",
		"mkdir /d\nmark hello\ncreate /d/f\nfsync /d/f\nfsync /d\nmark \"acked 1\"\nmark bye\n", acked), "and not one behind it")
}

// Where names persist in one order, a rename needs each change of a name before
// it: without the chmod the rename is lost too, but it is the rename that shows
// the file.
func TestTheChangeThatShowsTheFileIsBlamed(t *testing.T) {
	oldOrNew := oracle.OldOrNew{Path: "/f", Versions: []oracle.Content{oracle.Data("old\n"), oracle.Data("newer\n")}}
	for _, m := range []string{"ext4", "xfs,truncate=atomic,replace=size", "posix,names=directory,replace=size"} {
		require.Equal(t, "rename /g /f", blamed(t, m, "create /f\nwrite /f 0 \"old\\n\"\n",
			"create /g\nwrite /g 0 \"newer\\n\"\nchmod /g 0600\ncreate /other\nrename /g /f\n", oldOrNew), m)
	}
	linked := oracle.Func(func(disk afero.Fs, _ oracle.Marks) []oracle.Violation {
		data, err := afero.ReadFile(disk, "/link")
		if err != nil || string(data) == "whole" {
			return nil
		}
		return []oracle.Violation{{Kind: oracle.Torn, Path: "/link", Detail: "is there in part"}}
	})
	require.Equal(t, "link /g /link", blamed(t, "ext4", "",
		"create /g\nwrite /g 0 \"whole\"\nmkdir /d\nchmod /d 0700\nlink /g /link\ncreate /behind\n", linked))
}
