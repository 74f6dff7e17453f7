// Package show turns values into text for people.
//
// The words of this package:
//
//   - Foreign text is text that another program wrote: a mark, the name of a file,
//     what a check printed, the story in a stored failure of a stranger. It may hold
//     anything. [Line] and [Text] return it so that a terminal, a page or a report
//     shows it and does not obey it; [Clip] bounds how long it is.
//   - A command that is printed for a reader to paste has arguments that a shell takes
//     as they are ([ShellWord], [ShellFile]).
//   - A number ([Number]) of cuts can have hundreds of digits; a count ([Count]) is
//     a number with the noun that it counts.
//
// It does not know what a crash is, and it writes nothing: other packages decide
// where text goes, and which of it has a color.
//
// This package is public only because several packages of this module use it. It makes no
// promise of compatibility: a release may change it in any way.
package show

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Line returns foreign text on one line. Characters that cannot be seen, or that
// change how others are seen, are written out: a line feed as \n, an escape as
// \x1b, a right-to-left override as \u202e, a byte that is no UTF-8 as \xff.
// Printable text is returned as it is.
func Line(text string) string { return escape(text, "") }

// Text returns foreign text as Line does, but leaves line feeds and tabs in it.
func Text(text string) string { return escape(text, "\n\t") }

// Seen reports whether a character of foreign text is shown as it is. It is not a
// control character, and it does not change the order or the look of others.
func Seen(r rune) bool { return unicode.IsPrint(r) }

// escape writes out what is not seen, unless it is one of the characters to keep.
func escape(text, keep string) string {
	hidden := func(r rune) bool { return !Seen(r) && !strings.ContainsRune(keep, r) }
	if utf8.ValidString(text) && strings.IndexFunc(text, hidden) < 0 {
		return text
	}
	var b strings.Builder
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, text[i])
		case hidden(r):
			quoted := strconv.QuoteRuneToASCII(r)
			b.WriteString(quoted[1 : len(quoted)-1])
		default:
			b.WriteRune(r)
		}
		i += size
	}
	return b.String()
}

// Most characters that are shown of foreign text, by where it stands.
const (
	// WordLength is for a word in a sentence: a name, a mark.
	WordLength = 160
	// StoryLength is for a text of its own: what a check printed, a story.
	StoryLength = 4000
)

// Clip shortens text to about so many characters. It keeps the beginning and the
// end, and says in the middle how many bytes are left out. Shorter text is returned
// as it is.
func Clip(text string, most int) string {
	if len(text) <= most || utf8.RuneCountInString(text) <= most {
		return text
	}
	from := after(text, most*2/3)
	to := len(text) - before(text, most/3)
	return fmt.Sprintf("%s ... %s left out ... %s", text[:from], Count(to-from, "byte"), text[to:])
}

// after is how many bytes the first n characters take.
func after(text string, n int) int {
	at := 0
	for ; n > 0 && at < len(text); n-- {
		_, size := utf8.DecodeRuneInString(text[at:])
		at += size
	}
	return at
}

// before is how many bytes the last n characters take.
func before(text string, n int) int {
	end := len(text)
	for ; n > 0 && end > 0; n-- {
		_, size := utf8.DecodeLastRuneInString(text[:end])
		end -= size
	}
	return len(text) - end
}

// Word returns a foreign word for a sentence: on one line, and not long.
func Word(text string) string { return Line(Clip(text, WordLength)) }

// Story returns a foreign text for a line of its own: on one line, and bounded.
func Story(text string) string { return Line(Clip(text, StoryLength)) }

// writtenOut is the number of digits up to which numbers are written out.
const writtenOut = 7

// Number shows a decimal number: a long one by its order, as 1.8e14, cut off and
// not rounded up.
func Number(digits string) string {
	if len(digits) <= writtenOut {
		return digits
	}
	return fmt.Sprintf("%s.%se%d", digits[:1], digits[1:2], len(digits)-1)
}

// Count returns a number of things, as "1 file" or "2 files". Only nouns whose
// plural ends in s are counted.
func Count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}

// List returns words as a sentence does: "a", "a and b", "a, b and c".
func List(words []string, and string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " " + and + " " + words[last]
}
