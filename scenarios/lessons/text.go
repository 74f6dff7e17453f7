package lessons

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// width is how many columns a lesson has in a terminal.
const width = 78

// Text returns a lesson that was played as pieces of text, each to be shown when
// the reader is ready for it: a scene as far as its question, then the answer,
// and at last what to remember and to try. They are meant for 80 columns.
func (l Lesson) Text(scenes []Scene) []string { return l.TextAt(scenes, width) }

// leastWidth is the narrowest width that a lesson is wrapped to, in columns.
const leastWidth = 30

// TextAt returns the pieces as Text does, wrapped to so many columns; less than 30
// count as 30.
func (l Lesson) TextAt(scenes []Scene, width int) []string {
	width = max(width, leastWidth)
	pieces := []string{fmt.Sprintf("%s\n%s\n", l.Title, strings.Repeat("=", utf8.RuneCountInString(l.Title)))}
	add := func(text string) { pieces = append(pieces, text) }
	for i := range scenes {
		s := &scenes[i]
		answer := s.Answer()
		head := fmt.Sprintf("%d of %d. %s\n", i+1, len(scenes), s.Title)
		add(head + blocksText(s.Blocks[:answer], width))
		if answer < len(s.Blocks) {
			add(strings.TrimPrefix(blocksText(s.Blocks[answer:], width), "\n"))
		}
	}
	var b strings.Builder
	b.WriteString("Remember\n\n")
	for _, r := range l.Remember {
		b.WriteString(wrap(r, "  * ", "    ", width))
	}
	b.WriteString("\nTry\n\n")
	for _, t := range l.Try {
		b.WriteString("    " + t + "\n")
	}
	add(b.String())
	return pieces
}

func blocksText(blocks []Block, width int) string {
	var b strings.Builder
	for _, block := range blocks {
		b.WriteString("\n")
		switch block.Kind {
		case Say:
			for i, line := range block.Lines {
				if i > 0 {
					b.WriteString("\n")
				}
				b.WriteString(wrap(line, "", "", width))
			}
		case Ask:
			for _, line := range block.Lines {
				b.WriteString(wrap(line, "? ", "  ", width))
			}
		case Code:
			for _, line := range block.Lines {
				b.WriteString(strings.TrimRight("    "+line, " ") + "\n")
			}
		case Look:
			b.WriteString("  " + strings.TrimSuffix(block.Title, ":") + ":\n")
			for _, line := range block.Lines {
				b.WriteString(wrap(line, "    ", "      ", width))
			}
		}
	}
	return b.String()
}

// wrap breaks a line between words. What has blanks in it to align it is short
// enough not to be broken, and stays as it is.
func wrap(line, first, rest string, width int) string {
	if utf8.RuneCountInString(first+line) <= width {
		return strings.TrimRight(first+line, " ") + "\n"
	}
	var b strings.Builder
	at, indent := 0, first
	for i, word := range pieces(strings.Fields(line), width-utf8.RuneCountInString(rest)) {
		n := utf8.RuneCountInString(word)
		switch {
		case i == 0:
			b.WriteString(indent + word)
			at = utf8.RuneCountInString(indent) + n
		case at+1+n > width:
			b.WriteString("\n" + rest + word)
			at = utf8.RuneCountInString(rest) + n
		default:
			b.WriteString(" " + word)
			at += 1 + n
		}
	}
	return b.String() + "\n"
}

// pieces cuts words that do not fit into a line.
func pieces(words []string, width int) []string {
	var all []string
	for _, w := range words {
		for r := []rune(w); len(r) > 0; r = r[min(width, len(r)):] {
			all = append(all, string(r[:min(width, len(r))]))
		}
	}
	return all
}
