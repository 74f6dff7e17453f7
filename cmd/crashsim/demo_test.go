package main

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/crashsim/crashsim/scenarios"
	"github.com/crashsim/crashsim/scenarios/lessons"
)

// On a terminal each key shows the next piece, or the one before, and an end of
// the keys is an end of the lesson.
func TestKeysLeadThroughALesson(t *testing.T) {
	pieces := []string{"one\n", "two\n", "three\n"}
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
		require.NoError(t, play(pieces, strings.NewReader(keys), &screen, style{}))
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
	require.ErrorIs(t, play(pieces, iotest.ErrReader(broken), io.Discard, style{}), broken)
}

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
