package process

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/crashsim/crashsim/oracle"
)

// A line anywhere in the output names the kind, and the reason stands behind it.
func TestFirstLineThatNamesAKindSetsIt(t *testing.T) {
	long := strings.Repeat("progress\n", longestOutput/4)
	for text, want := range map[string]string{
		"torn: f is short\n":             "torn: f is short",
		"torn: f is short\nof 3 bytes\n": "torn: f is short of 3 bytes",
		"checking\nlost: f\n":            "lost: f; before that it printed: checking",
		"lost: f\ntorn: g\n":             "lost: f torn: g",
		"lost:\nno balance\n":            "lost: no balance",
		"stale:":                         "stale: the check gave no reason",
		"it is torn: f\n":                "none: ",
		" torn: f\n":                     "none: ",
		"none: f\n":                      "none: ",
		"unknown: f\n":                   "none: ",
		"tor\nn: f\n":                    "none: ",
		"a line that is longer than: f\nalien: g\n": "alien: g; before that it printed: a line that is longer than: f",
		"": "none: ",
	} {
		kind, detail := printed(text, len(text)+1).kind()
		require.Equal(t, want, kind.String()+": "+detail, "%q", text)
	}
	kind, detail := printed(long+"torn: at last\n", 1000).kind()
	require.Equal(t, oracle.Torn, kind)
	require.True(t, strings.HasPrefix(detail, "at last; before that it printed: progress progress"), detail[:80])
	require.Contains(t, detail, "bytes more, which were not kept")
}

// printed is the output of a process that prints a text in pieces.
func printed(text string, piece int) *output {
	out := &output{}
	for len(text) > 0 {
		n := min(piece, len(text))
		_, _ = out.Write([]byte(text[:n]))
		text = text[n:]
	}
	return out
}

// kindOf is the definition: the first line that begins with a kind and a colon.
func kindOf(text string) oracle.Kind {
	for line := range strings.SplitSeq(text, "\n") {
		name, _, found := strings.Cut(line, ":")
		if kind, err := oracle.ParseKind(name); found && err == nil && kind != oracle.NoKind {
			return kind
		}
	}
	return oracle.NoKind
}

func TestKindDoesNotDependOnHowTheOutputArrives(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		words := rapid.SampledFrom([]string{"torn", "lost", "none", ":", ": ", "\n", "x", "a longer word than any kind", " ", "stale: y"})
		text := strings.Join(rapid.SliceOf(words).Draw(t, "words"), "")
		kind, detail := printed(text, rapid.IntRange(1, 8).Draw(t, "piece")).kind()
		require.Equal(t, kindOf(text), kind, "%q", text)
		_, whole := printed(text, len(text)+1).kind()
		require.Equal(t, whole, detail)
	})
}

// What is not kept is counted.
func TestOutputThatIsTooLongSaysSo(t *testing.T) {
	out := printed(strings.Repeat("x", longestOutput+7), 4096)
	require.True(t, strings.HasSuffix(out.text(), "x (and 7 bytes more, which were not kept)"))
}
