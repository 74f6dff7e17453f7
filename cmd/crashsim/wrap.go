package main

import (
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/crashsim/crashsim/oracle"
)

// leastWidth is the narrowest terminal for which lines are wrapped.
const leastWidth = 24

// wrapAt breaks the lines of marked text between words, so that each fits into a
// terminal of so many columns. What goes on in the next line stands below the line's
// own indent, and a step further in. A word that is too long stays whole.
func (s style) wrapAt(text string, width int) string {
	if width < leastWidth {
		return text
	}
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if s.columns(line) > width {
			lines[i] = s.wrapLine(line, width)
		}
	}
	return strings.Join(lines, "\n")
}

// hanging is how much further in a line goes on.
const hanging = "    "

func (s style) wrapLine(line string, width int) string {
	indent := line[:len(line)-len(strings.TrimLeft(line, " "))]
	rest := indent + hanging
	if len(rest) > width/2 {
		rest = hanging
	}
	var b strings.Builder
	at, gap := 0, ""
	for i, word := range strings.Split(line[len(indent):], " ") {
		n := s.columns(word)
		switch {
		case i == 0:
			b.WriteString(indent)
			at = len(indent)
		case word == "": // several blanks in a row
			gap += " "
			continue
		case at+len(gap)+1+n > width:
			b.WriteString("\n" + rest)
			at = len(rest)
		default:
			b.WriteString(gap + " ")
			at += len(gap) + 1
		}
		gap = ""
		b.WriteString(word)
		at += n
	}
	return b.String()
}

// columns is how many columns a marked text takes on one line.
func (s style) columns(text string) int {
	if s.mark == "" {
		return utf8.RuneCountInString(text)
	}
	n := 0
	for i, piece := range strings.Split(text, s.mark) {
		if i > 0 {
			_, piece, _ = strings.Cut(piece, endOfCode)
		}
		n += utf8.RuneCountInString(piece)
	}
	return n
}

var (
	kindWord = regexp.MustCompile(`^(` + strings.Join(kindWords(), "|") + `) `)
	callSite = regexp.MustCompile(`\([^() ]+:\d+\)`)
)

func kindWords() []string {
	var words []string
	for k := oracle.NoKind + 1; k <= oracle.Litter; k++ {
		words = append(words, k.String())
	}
	return words
}

// story paints a story: its kind has a color, and call sites are dim.
func (s style) story(text string) string {
	if s.mark == "" {
		return text
	}
	text = callSite.ReplaceAllStringFunc(text, s.dim)
	return kindWord.ReplaceAllStringFunc(text, func(kind string) string { return s.bad(strings.TrimSuffix(kind, " ")) + " " })
}
