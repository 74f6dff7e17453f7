package main

import (
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"
	"unicode/utf8"

	"golang.org/x/term"

	"github.com/crashsim/crashsim/runner/show"
)

// isTerminal reports whether w is a terminal that can do more than print.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb"
}

// style marks words that are to have a color. The marks are secret, so that no text
// of somebody else can hold one, and become escape sequences only when all is
// printed. The zero style has no colors.
type style struct{ mark string }

// colors is a style that has them.
func colors() style { return style{mark: "\x00" + rand.Text()} }

// endOfCode ends what stands between a mark and the words behind it.
const endOfCode = "\x01"

func (s style) paint(code, word string) string {
	if s.mark == "" {
		return word
	}
	return s.mark + code + endOfCode + word + s.mark + "0" + endOfCode
}

func (s style) good(word string) string { return s.paint("32", word) }
func (s style) bad(word string) string  { return s.paint("1;31", word) }
func (s style) odd(word string) string  { return s.paint("33", word) }
func (s style) head(word string) string { return s.paint("1", word) }
func (s style) dim(word string) string  { return s.paint("2", word) }

// plain is the paint of words without color.
func plain(word string) string { return word }

// finish makes of marked text what a terminal, or a file, is sent: colors become
// escape sequences, whatever else a terminal would obey is written out, and lines
// are wrapped at a width; zero: never.
func (s style) finish(text string, width int) string {
	if s.mark == "" {
		return s.wrapAt(show.Text(text), width)
	}
	pieces := strings.Split(text, s.mark)
	for i, piece := range pieces {
		if i == 0 {
			pieces[i] = show.Text(piece)
			continue
		}
		code, words, _ := strings.Cut(piece, endOfCode)
		pieces[i] = code + endOfCode + show.Text(words)
	}
	var b strings.Builder
	for i, piece := range strings.Split(s.wrapAt(strings.Join(pieces, s.mark), width), s.mark) {
		if i > 0 {
			var code string
			code, piece, _ = strings.Cut(piece, endOfCode)
			b.WriteString("\x1b[" + code + "m")
		}
		b.WriteString(piece)
	}
	return b.String()
}

// widthOf is how many columns a terminal has, 0 where w is none.
func widthOf(w io.Writer) int {
	f, ok := w.(*os.File)
	if !ok || !isTerminal(w) {
		return 0
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return width
}

// errOutputClosed says that the reader of the standard output has gone.
var errOutputClosed = errors.New("the reader of the output has gone")

// isClosedOutput reports whether an error is that of a file that is the standard
// output by another name, and has no reader any more.
func isClosedOutput(err error) bool {
	var file *fs.PathError
	return errors.As(err, &file) && errors.Is(err, syscall.EPIPE) && slices.Contains([]string{"/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"}, file.Path)
}

// print writes marked text to the standard output. Where there is none, nothing is
// written: that could fail all the same, and another process has said so.
func (a *app) print(text string) error {
	if text == "" {
		return nil
	}
	width := 0
	if !a.exact {
		width = widthOf(a.stdout)
	}
	return a.written(io.WriteString(a.stdout, a.style.finish(text, width)))
}

// written is the error of a write to the standard output.
func (a *app) written(_ int, err error) error {
	if errors.Is(err, syscall.EPIPE) || errors.Is(err, io.ErrClosedPipe) {
		return errOutputClosed
	}
	return err
}

// foreign is a writer that shows what another program prints: what a terminal would
// obey is written out. Line feeds, tabs, and carriage returns in front of a line feed
// stay. What may be the beginning of a character is held back for the next write.
type foreign struct {
	w    io.Writer
	held []byte
	err  error // what kept it from showing something
}

func (f *foreign) Write(p []byte) (int, error) {
	text := append(f.held, p...)
	end := len(text) - partial(text)
	f.held = append([]byte(nil), text[end:]...)
	if _, err := io.WriteString(f.w, show.Text(strings.ReplaceAll(string(text[:end]), "\r\n", "\n"))); err != nil {
		f.err = errors.Join(f.err, err)
		return 0, err
	}
	return len(p), nil
}

// partial is how many bytes at the end of a text begin something that may go on: a
// character of several bytes, or the end of a line.
func partial(text []byte) int {
	if n := len(text); n > 0 && text[n-1] == '\r' {
		return 1
	}
	for n := 1; n < utf8.UTFMax && n <= len(text); n++ {
		if last := text[len(text)-n:]; utf8.RuneStart(last[0]) {
			if utf8.FullRune(last) {
				return 0
			}
			return n
		}
	}
	return 0
}

// end shows what is held back.
func (f *foreign) end() {
	_, _ = io.WriteString(f.w, show.Text(string(f.held)))
	f.held = nil
}
