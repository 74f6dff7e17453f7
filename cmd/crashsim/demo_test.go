package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/crashsim/crashsim/scenarios"
	"github.com/crashsim/crashsim/scenarios/lessons"
)

// On a terminal each key shows the next piece, or the one before, and an end of
// the keys is an end of the lesson.
func TestKeysLeadThroughALesson(t *testing.T) {
	pieces := func() []string { return []string{"one\n", "two\n", "three\n"} }
	for keys, want := range map[string]string{
		"":      "one",
		" ":     "one two",
		"x\r":   "one two",
		"nn":    "one two three",
		" b  ":  "one two one two three",
		"b \n":  "one one two three",
		" q ":   "one two",
		"\x03 ": "one",
	} {
		var screen bytes.Buffer
		require.NoError(t, play(pieces, strings.NewReader(keys), nil, &screen, style{}))
		var seen []string
		for _, line := range strings.Split(screen.String(), "\r\n") {
			line = line[strings.LastIndex(line, "\r")+1:]
			if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "space:") {
				seen = append(seen, line)
			}
		}
		require.Equal(t, want, strings.Join(seen, " "), "keys %q", keys)
	}
	broken := errors.New("the keyboard is gone")
	require.ErrorIs(t, play(pieces, iotest.ErrReader(broken), nil, io.Discard, style{}), broken)
}

// When the window changes, the piece in sight is shown again as it is wrapped now.
func TestALessonIsWrappedAnewWhenTheWindowChanges(t *testing.T) {
	width := 40
	pieces := func() []string { width--; return []string{fmt.Sprintf("wide %d\n", width), "end\n"} }
	keys, press := io.Pipe()
	changed := make(chan os.Signal, 1)
	changed <- syscall.SIGCONT // any signal stands for the window's
	var screen bytes.Buffer
	seen := writerFunc(func(p []byte) (int, error) {
		screen.Write(p)
		if strings.Contains(string(p), "\x1b[2J") {
			go func() { _, _ = press.Write([]byte(" ")) }()
		}
		return len(p), nil
	})
	require.NoError(t, play(pieces, keys, changed, seen, style{}))
	first, again, found := strings.Cut(screen.String(), "\x1b[2J\x1b[H")
	require.True(t, found)
	require.Contains(t, first, "wide 38")
	require.NotContains(t, again, "wide 38")
	require.Contains(t, again, "wide ")
	require.Contains(t, again, "end")
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// What a lesson tells to try can be tried.
func TestWhatLessonsTellToTryWorks(t *testing.T) {
	for _, l := range lessons.All() {
		for _, line := range l.Try {
			args := strings.Fields(strings.ReplaceAll(line, "'", ""))
			require.Equal(t, "crashsim", args[0], line)
			var out, errs bytes.Buffer
			status := newApp(scenarios.All(), &out, &errs).run(args[1:])
			require.Contains(t, []int{exitOK, exitWrong}, status, "%s: %s", line, errs.String())
			require.NotEmpty(t, out.String(), line)
		}
	}
}
