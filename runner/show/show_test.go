package show

import (
	"os/exec"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestForeignTextIsWrittenOut(t *testing.T) {
	for text, want := range map[string]string{
		"plain, äöü, 漢字, 🙂":         "plain, äöü, 漢字, 🙂",
		"two\nlines\tand a tab":     `two\nlines\tand a tab`,
		"\x1b[2J\x1b]0;title\x07":   `\x1b[2J\x1b]0;title\a`,
		"a\u202etxt.exe":            `a\u202etxt.exe`,
		"\u2066a\u2069\u200b\ufeff": `\u2066a\u2069\u200b\ufeff`,
		"\xff\xc3\u0085\u009b1m":    `\xff\xc3\u0085\u009b1m`,
		"\x00\x7f\r\b":              `\x00\x7f\r\b`,
		"\ufffd":                    "\ufffd",
		"\U000e0041":                `\U000e0041`,
	} {
		require.Equal(t, want, Line(text))
	}
	require.Equal(t, "two\nlines\t\\x1b[2J", Text("two\nlines\t\x1b[2J"))
}

func TestNothingHiddenIsLeft(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := string(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes")) + rapid.String().Draw(t, "text")
		for _, shown := range []string{Line(text), Text(text), Word(text), Story(text)} {
			require.True(t, utf8.ValidString(shown))
			require.Negative(t, strings.IndexFunc(shown, func(r rune) bool { return !Seen(r) && r != '\n' && r != '\t' }), "%q", shown)
		}
		require.Equal(t, Line(text), Line(Line(text)), "what is written out stays as it is")
		require.NotContains(t, Line(text), "\n")
	})
}

func TestAShellTakesArgumentsAsTheyAre(t *testing.T) {
	require.Equal(t, "a/b-1.txt", ShellWord("a/b-1.txt"))
	require.Equal(t, "./-x", ShellFile("-x"))
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip(err)
	}
	for _, text := range []string{"", "a b", "it's", "$(id)", "*", "a\nb", "~", "\\", "#", "\xff"} {
		got, err := exec.Command("sh", "-c", "printf %s "+ShellFile(text)).Output()
		require.NoError(t, err)
		require.Equal(t, text, string(got))
	}
}

func TestLongTextIsBoundedAndSaysSo(t *testing.T) {
	mark := strings.Repeat("x", 1<<20)
	require.Less(t, len(Word(mark)), 2*WordLength)
	require.Contains(t, Word(mark), "1048417 bytes left out")
	require.Equal(t, "short", Clip("short", 5))
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.String().Draw(t, "text")
		most := rapid.IntRange(3, 40).Draw(t, "most")
		clipped := Clip(text, most)
		require.True(t, utf8.ValidString(clipped))
		if utf8.RuneCountInString(text) <= most {
			require.Equal(t, text, clipped)
		} else {
			runes := []rune(text)
			require.True(t, strings.HasPrefix(clipped, string(runes[:most*2/3])+" ... "))
			require.True(t, strings.HasSuffix(clipped, " ... "+string(runes[len(runes)-most/3:])))
			require.LessOrEqual(t, utf8.RuneCountInString(clipped), most+60)
		}
	})
}

func TestNumbersAndCounts(t *testing.T) {
	require.Equal(t, "0", Number("0"))
	require.Equal(t, "1234567", Number("1234567"))
	require.Equal(t, "1.2e7", Number("12999999"))
	require.Equal(t, "1 file", Count(1, "file"))
	require.Equal(t, "0 files", Count(0, "file"))
	require.Equal(t, "", List(nil, "or"))
	require.Equal(t, "a", List([]string{"a"}, "or"))
	require.Equal(t, "a or b", List([]string{"a", "b"}, "or"))
	require.Equal(t, "a, b or c", List([]string{"a", "b", "c"}, "or"))
}
