package strace_test

import (
	"errors"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/tools/txtar"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/strace"
)

// Whatever a log holds, the answer is a trace that can be read back or the line
// that is wrong.
func FuzzImport(f *testing.F) {
	for _, file := range []string{"testdata/rules.txtar", "testdata/refused.txtar"} {
		text, err := os.ReadFile(file)
		require.NoError(f, err)
		for i, part := range txtar.Parse(text).Files {
			if i%2 == 0 {
				f.Add(part.Data)
			}
		}
	}
	f.Fuzz(func(t *testing.T, log []byte) {
		trace, err := strace.Import("log", log, strace.Options{Root: "/r"})
		if err != nil {
			var at *faultfs.TextError
			require.True(t, errors.As(err, &at), "%v", err)
			require.Positive(t, at.Line)
			return
		}
		text := trace.Text()
		again, err := faultfs.ParseTrace("t", text)
		require.NoError(t, err, "%s", text)
		require.Equal(t, string(text), string(again.Text()))
	})
}
