package main

import (
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestStoriesWrapBetweenWordsBelowTheirIndent(t *testing.T) {
	text := "head\n    torn /f: holds no whole version; it has 9 bytes\n        power cut after a (b/c.go:12)\n"
	require.Equal(t, "head\n    torn /f: holds no whole\n        version; it has 9\n        bytes\n        power cut after a\n            (b/c.go:12)\n", style{}.wrapAt(text, 27))
	require.Equal(t, text, style{}.wrapAt(text, 0), "a pipe has no width")
	require.Equal(t, text, style{}.wrapAt(text, 80))
	require.Equal(t, "a    b\n    "+strings.Repeat("x", 40), style{}.wrapAt("a    b "+strings.Repeat("x", 40), 30))
}

// Wrapping changes blanks and ends of lines only, a line is too long only if its last
// word is, and colors take no columns.
func TestWrappingLosesNoWord(t *testing.T) {
	codes := regexp.MustCompile(`\x1b\[[0-9;]*m`)
	rapid.Check(t, func(t *rapid.T) {
		s := colors()
		words := rapid.SliceOfN(rapid.StringMatching(`[a-zé(]{1,12}`), 1, 40).Draw(t, "words")
		painted := make([]string, len(words))
		for i, w := range words {
			painted[i] = w
			if rapid.Bool().Draw(t, "painted") {
				painted[i] = s.bad(w)
			}
		}
		indent := strings.Repeat(" ", rapid.IntRange(0, 8).Draw(t, "indent"))
		width := rapid.IntRange(leastWidth, 80).Draw(t, "width")
		got := s.finish(indent+strings.Join(painted, " "), width)
		plain := codes.ReplaceAllString(got, "")
		require.Equal(t, words, strings.Fields(plain))
		require.Equal(t, style{}.finish(indent+strings.Join(words, " "), width), plain)
		for _, line := range strings.Split(plain, "\n") {
			require.LessOrEqual(t, utf8.RuneCountInString(line), width)
			require.True(t, strings.HasPrefix(line, indent))
		}
	})
}

func TestKindsHaveAColorAndCallSitesAreDim(t *testing.T) {
	s := colors()
	got := s.finish(s.story("torn /f: is empty\n  power cut after write /f (a/b.go:12)"), 0)
	require.Equal(t, "\x1b[1;31mtorn\x1b[0m /f: is empty\n  power cut after write /f \x1b[2m(a/b.go:12)\x1b[0m", got)
	require.Equal(t, "torn (a/b.go:1)", style{}.story("torn (a/b.go:1)"))
}
