package strace_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/tools/txtar"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/strace"
)

var update = flag.Bool("update", false, "rewrite the expected traces and errors")

// said is what importing a log gives: its ops or its error. A first line
// "root DIR" is no part of the log.
func said(t *testing.T, log []byte) string {
	t.Helper()
	o := strace.Options{}
	if rest, ok := bytes.CutPrefix(log, []byte("root ")); ok {
		root, rest, _ := bytes.Cut(rest, []byte("\n"))
		o.Root, log = string(root), rest
	}
	trace, err := strace.Import("logs/log", log, o)
	if err != nil {
		var at *faultfs.TextError
		require.ErrorAs(t, err, &at)
		return err.Error() + "\n"
	}
	text := trace.Text()
	again, err := faultfs.ParseTrace("t", text)
	require.NoError(t, err)
	require.Equal(t, string(text), string(again.Text()))
	_, ops, _ := strings.Cut(string(text), "-- ops --\n")
	return ops
}

func TestLogsBecomeWhatTheRulesSay(t *testing.T) {
	for _, file := range []string{"testdata/rules.txtar", "testdata/refused.txtar"} {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		a := txtar.Parse(text)
		want := map[string]string{}
		for _, f := range a.Files {
			if name, ok := strings.CutSuffix(f.Name, ":"); ok {
				want[name] = string(f.Data)
			}
		}
		fresh := txtar.Archive{Comment: a.Comment}
		for _, f := range a.Files {
			if strings.HasSuffix(f.Name, ":") {
				continue
			}
			got := said(t, f.Data)
			require.Equal(t, file == "testdata/refused.txtar", strings.HasPrefix(got, "logs/log:"), "%s: %s", f.Name, got)
			if !*update {
				require.Equal(t, want[f.Name], got, f.Name)
			}
			fresh.Files = append(fresh.Files, f, txtar.File{Name: f.Name + ":", Data: []byte(got)})
		}
		if *update {
			require.NoError(t, os.WriteFile(file, txtar.Format(&fresh), 0o600))
		}
	}
}

// A log that writes more than 64 MiB is refused.
func TestMoreDataThanATraceHoldsIsRefused(t *testing.T) {
	var log bytes.Buffer
	log.WriteString("7 openat(AT_FDCWD</r>, \"f\", O_WRONLY|O_CREAT, 0644) = 3</r/f>\n")
	block := strings.Repeat("x", 1<<20)
	for range 64 {
		fmt.Fprintf(&log, "7 pwrite64(3</r/f>, \"%s\", 1048576, 0) = 1048576\n", block)
	}
	trace, err := strace.Import("log", log.Bytes(), strace.Options{})
	require.NoError(t, err)
	_, err = faultfs.ParseTrace("t", trace.Text())
	require.NoError(t, err)
	log.WriteString("7 write(3</r/f>, \"x\", 1) = 1\n")
	_, err = strace.Import("log", log.Bytes(), strace.Options{})
	require.ErrorContains(t, err, "log:66: write: more than 67108864 bytes are written")
}
