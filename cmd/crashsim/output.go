package main

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

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
