package faultfs

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
)

// Limits of the text form, against hostile input.
const (
	maxData = 256 << 20   // bytes in all data of a file, repetitions written out
	maxText = 5 * maxData // bytes in a file: a byte of data takes four at most
	maxOps  = 1 << 20     // ops in a file

	maxPages = maxData / pageSize // pages that the ops of a file may fill
)

// opLimit is maxOps, but for the test that reaches it.
var opLimit = maxOps

// lexer takes one line of the text form apart.
type lexer struct {
	rest string
	room *int // bytes of data that the file may still hold
}

// next returns the next word, unquoted. A word is quoted like a Go string
// where it holds blanks, quotes, a "#" or a ";" in front, or nothing at all.
func (l *lexer) next() (word string, ok bool, err error) {
	l.rest = strings.TrimLeft(l.rest, " \t")
	switch {
	case l.rest == "" || l.atComment() || l.rest[0] == ';':
		return "", false, nil
	case l.rest[0] == '"' || l.rest[0] == '`':
		quoted, err := strconv.QuotedPrefix(l.rest)
		if err != nil {
			return "", false, fmt.Errorf("bad string literal %s, want one as in Go, such as \"text\\n\"", clip(l.rest))
		}
		word, err := strconv.Unquote(quoted)
		if err != nil {
			return "", false, fmt.Errorf("bad string literal %s", clip(quoted))
		}
		l.rest = l.rest[len(quoted):]
		return word, true, nil
	}
	end := strings.IndexAny(l.rest, " \t;")
	if end < 0 {
		end = len(l.rest)
	}
	word, l.rest = l.rest[:end], l.rest[end:]
	return word, true, nil
}

// atComment reports whether a comment begins here. A "#" followed by a digit
// is the number of an inode.
func (l *lexer) atComment() bool {
	return l.rest[0] == '#' && (len(l.rest) == 1 || l.rest[1] < '0' || l.rest[1] > '9')
}

// word returns the next word, which must be there.
func (l *lexer) word(what string) (string, error) {
	word, ok, err := l.next()
	if err == nil && !ok {
		err = fmt.Errorf("%s missing", what)
	}
	return word, err
}

// number returns the next word as a number.
func (l *lexer) number(what string) (int64, error) {
	word, err := l.word(what)
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(word, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s %s is no number, want one such as 4096", what, clip(word))
	}
	return n, nil
}

// mode returns the next word as octal mode bits, or def if there is none.
func (l *lexer) mode(def uint32) (uint32, error) {
	word, ok, err := l.next()
	if err != nil || !ok {
		return def, err
	}
	bits, err := strconv.ParseUint(word, 8, 32)
	if err != nil || bits&^typeMask > 0o7777 || typeOfMode(uint32(bits)) == 0 && bits > 0o7777 {
		return 0, fmt.Errorf("mode %s is no octal number up to 7777", clip(word))
	}
	return uint32(bits), nil
}

// base64Prefix begins data in base64.
const base64Prefix = "base64:"

// data returns the next Go string literal, repeated as "*n" behind it says, or data
// in base64.
func (l *lexer) data() ([]byte, error) {
	l.rest = strings.TrimLeft(l.rest, " \t")
	if coded, ok := strings.CutPrefix(l.rest, base64Prefix); ok {
		l.rest = coded
		return l.base64()
	}
	if l.rest == "" || l.rest[0] != '"' && l.rest[0] != '`' {
		return nil, fmt.Errorf("data missing: want a string literal, not %s", clip(l.rest))
	}
	text, err := l.word("data")
	if err != nil {
		return nil, err
	}
	times := 1
	if tail, ok := strings.CutPrefix(l.rest, "*"); ok {
		end := strings.IndexAny(tail, " \t;#")
		if end < 0 {
			end = len(tail)
		}
		if times, err = strconv.Atoi(tail[:end]); err != nil || times < 0 {
			return nil, fmt.Errorf("bad repetition *%s, want a number such as *3", clip(tail[:end]))
		}
		l.rest = tail[end:]
	}
	if len(text) > 0 && times > *l.room/len(text) {
		return nil, fmt.Errorf("more than %d bytes of data in one file", maxData)
	}
	*l.room -= len(text) * times
	return bytes.Repeat([]byte(text), times), nil
}

// base64 returns data that is written in base64.
func (l *lexer) base64() ([]byte, error) {
	word, err := l.word("data")
	if err != nil {
		return nil, err
	}
	data, err := base64.StdEncoding.DecodeString(word)
	if err != nil {
		return nil, fmt.Errorf("%s is no base64", clip(word))
	}
	if len(data) > *l.room {
		return nil, fmt.Errorf("more than %d bytes of data in one file", maxData)
	}
	*l.room -= len(data)
	return data, nil
}

// attributes returns the key=value pairs behind a ";".
func (l *lexer) attributes() (map[string]string, error) {
	l.rest = strings.TrimLeft(l.rest, " \t")
	if l.rest == "" || l.atComment() {
		return nil, nil
	}
	if l.rest[0] != ';' {
		return nil, fmt.Errorf("too many words: %s", clip(l.rest))
	}
	l.rest = l.rest[1:]
	attrs := map[string]string{}
	for {
		word, ok, err := l.next()
		if err != nil {
			return nil, err
		}
		if !ok {
			break
		}
		key, value, found := strings.Cut(word, "=")
		if _, twice := attrs[key]; !found || twice {
			return nil, fmt.Errorf("bad attribute %s, want KEY=VALUE, each key once", clip(word))
		}
		attrs[key] = value
	}
	l.rest = strings.TrimLeft(l.rest, " \t")
	if l.rest != "" && !l.atComment() {
		return nil, fmt.Errorf("a second %s", clip(l.rest))
	}
	return attrs, nil
}

// clip quotes text for an error message, shortened.
func clip(s string) string {
	const most = 40
	if len(s) > most {
		s = s[:most] + "..."
	}
	return strconv.Quote(s)
}

// appendWord appends a word, quoted if it must be.
func appendWord(b []byte, word string) []byte {
	plain := word != "" && !strings.ContainsAny(word, " \t;\"`") && word[0] != '#'
	for i := 0; i < len(word) && plain; i++ {
		plain = word[i] > ' ' && word[i] < 0x7f
	}
	if plain {
		return append(b, word...)
	}
	return strconv.AppendQuote(b, word)
}

// appendData appends data as a Go string literal, runs of a short pattern as a
// repetition, and long data that is no text in base64, which is shorter.
func appendData(b, data []byte) []byte {
	const longest = 256 // patterns beyond that are not looked for
	for period := 1; period <= min(longest, len(data)/4); period++ {
		if len(data)%period == 0 && bytes.Equal(data[period:], data[:len(data)-period]) {
			b = strconv.AppendQuote(b, string(data[:period]))
			return strconv.AppendInt(append(b, '*'), int64(len(data)/period), 10)
		}
	}
	start := len(b)
	b = strconv.AppendQuote(b, string(data))
	if len(data) < longest || len(b)-start <= base64.StdEncoding.EncodedLen(len(data))+len(base64Prefix) {
		return b
	}
	b = append(b[:start], base64Prefix...)
	return base64.StdEncoding.AppendEncode(b, data)
}
