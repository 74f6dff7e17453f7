package main

import (
	"fmt"
	"io"
	"math/big"
	"os"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"
)

// isTerminal reports whether w is a terminal that can do more than print.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb"
}

// style colors words, if it may.
type style struct{ color bool }

func (s style) paint(code, word string) string {
	if !s.color {
		return word
	}
	return "\x1b[" + code + "m" + word + "\x1b[0m"
}

func (s style) good(word string) string { return s.paint("32", word) }
func (s style) bad(word string) string  { return s.paint("1;31", word) }
func (s style) odd(word string) string  { return s.paint("33", word) }
func (s style) head(word string) string { return s.paint("1", word) }

// plain is the paint of words without color.
func plain(word string) string { return word }

// cell is a word of a table.
type cell struct {
	text  string
	paint func(string) string // nil for no color
}

// cells returns words without color.
func cells(words ...string) []cell {
	row := make([]cell, len(words))
	for i, w := range words {
		row[i].text = w
	}
	return row
}

// row is a line of a table, and text that stands below it as it is.
type row struct {
	cells []cell
	below string
}

// writeTable writes rows with their columns aligned.
func writeTable(w io.Writer, rows []row) {
	var widths []int
	for _, r := range rows {
		for i, c := range r.cells {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(c.text))
		}
	}
	var b strings.Builder
	for _, r := range rows {
		pad := 0
		for i, c := range r.cells {
			if c.text == "" {
				pad += widths[i] + 2
				continue
			}
			paint := c.paint
			if paint == nil {
				paint = plain
			}
			b.WriteString(strings.Repeat(" ", pad))
			b.WriteString(paint(c.text))
			pad = widths[i] - utf8.RuneCountInString(c.text) + 2
		}
		b.WriteString("\n")
		b.WriteString(r.below)
	}
	_, _ = io.WriteString(w, b.String())
}

// writtenOut is the number of digits up to which numbers of cuts are written
// out.
const writtenOut = 7

// shortNumber shows a large number as 1.8e14, cut off and not rounded up.
func shortNumber(n *big.Int) string {
	digits := n.String()
	if len(digits) <= writtenOut {
		return digits
	}
	return fmt.Sprintf("%s.%se%d", digits[:1], digits[1:2], len(digits)-1)
}

// plural returns "1 file", "2 files".
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}

// shownBytes is how many bytes of a file are shown.
const shownBytes = 64

// showData shows the bytes of a file in litmus syntax: all if they are few or
// one byte again and again, else those at its beginning.
func showData(data []byte) string {
	if len(data) > 4 && strings.Count(string(data), string(data[:1])) == len(data) {
		return fmt.Sprintf("%q*%d", data[:1], len(data))
	}
	if len(data) > shownBytes {
		return fmt.Sprintf("%q... (%d bytes)", data[:shownBytes], len(data))
	}
	return fmt.Sprintf("%q", data)
}
