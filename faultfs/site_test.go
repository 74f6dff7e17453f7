package faultfs_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crashsim/crashsim/faultfs"
)

func TestAFunctionIsWrittenAsPeopleWriteIt(t *testing.T) {
	for symbol, want := range map[string]string{
		"":                        "",
		"save.Write":              "save.Write",
		"lumberjack%2ev2.chown":   "lumberjack.v2.chown",
		"yaml%2ev3.(*parser).do":  "yaml.v3.(*parser).do",
		"odd.%zz":                 "odd.%zz",
		"odd.%0anew":              "odd.%0anew",
		"main.run[go.shape.int]":  "main.run[go.shape.int]",
		"a+b":                     "a+b",
		"sqlite3PagerCommit%1bNo": "sqlite3PagerCommit%1bNo",
	} {
		require.Equal(t, want, faultfs.CallSite{File: "f.go", Line: 1, Func: symbol}.Function())
	}
	require.Equal(t, "lumberjack.v2.chown in app", faultfs.CallSite{File: "app", Func: "lumberjack%2ev2.chown"}.String())
}
