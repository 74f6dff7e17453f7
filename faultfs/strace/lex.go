package strace

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// errCut says that strace has shortened what a line holds.
var errCut = errors.New("strace has cut a string (\"...\"): run it with -s 16777216")

// splitArgs splits the arguments of a call at the commas between them, up to
// the parenthesis that ends them, and returns what stands behind that.
func splitArgs(s string) (args []string, rest string, ok bool) {
	depth, from := 0, 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case '"':
			if i = endOfString(s, i); i < 0 {
				return nil, "", false
			}
		case '<':
			if isPathStart(s, i) {
				if i = endOfPath(s, i); i < 0 {
					return nil, "", false
				}
			}
		case '(', '[', '{':
			depth++
		case ']', '}':
			depth--
		case ')':
			if depth > 0 {
				depth--
				continue
			}
			if last := strings.TrimSpace(s[from:i]); last != "" || len(args) > 0 {
				args = append(args, last)
			}
			return args, s[i+1:], true
		case ',':
			if depth == 0 {
				args = append(args, strings.TrimSpace(s[from:i]))
				from = i + 1
			}
		}
	}
	return nil, "", false
}

// endOfString returns where the string literal ends that begins at i.
func endOfString(s string, i int) int {
	for i++; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return i
		}
	}
	return -1
}

// isPathStart reports whether the "<" at i begins the path of a descriptor,
// rather than being an operator, as in "1<<20".
func isPathStart(s string, i int) bool {
	if i == 0 || i+1 >= len(s) || s[i+1] == '<' || s[i-1] == '<' {
		return false
	}
	before := s[i-1]
	return before >= '0' && before <= '9' || before == 'D' // of AT_FDCWD
}

// endOfPath returns where the path of a descriptor ends that begins at i. Angle
// brackets in names are escaped; those of devices (strace -yy) are nested.
func endOfPath(s string, i int) int {
	depth := 0
	for ; i < len(s); i++ {
		switch s[i] {
		case '<':
			depth++
		case '>':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}

// unquote returns the bytes of a string literal as strace writes them, at the
// beginning of s, and what stands behind it.
func unquote(s string) (text, rest string, err error) {
	if s == "" || s[0] != '"' {
		return "", "", fmt.Errorf("want a string, not %s", clip(s))
	}
	end := endOfString(s, 0)
	if end < 0 {
		return "", "", fmt.Errorf("bad string %s", clip(s))
	}
	if strings.HasPrefix(s[end+1:], "...") {
		return "", "", errCut
	}
	text, err = unescape(s[1:end])
	return text, s[end+1:], err
}

var escapes = map[byte]byte{'n': '\n', 't': '\t', 'r': '\r', 'v': '\v', 'f': '\f', 'a': '\a', 'b': '\b', 'e': 27}

// unescape replaces the escapes of C in a string.
func unescape(s string) (string, error) {
	if strings.IndexByte(s, '\\') < 0 {
		return s, nil
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			b = append(b, s[i])
			continue
		}
		if i++; i == len(s) {
			return "", fmt.Errorf("bad escape at the end of %s", clip(s))
		}
		switch c := s[i]; {
		case c == 'x':
			n, err := strconv.ParseUint(s[min(i+1, len(s)):min(i+3, len(s))], 16, 8)
			if err != nil {
				return "", fmt.Errorf("bad escape %s", clip(s[i-1:]))
			}
			b = append(b, byte(n))
			i += 2
		case c >= '0' && c <= '7':
			n := 0
			for k := 0; k < 3 && i < len(s) && s[i] >= '0' && s[i] <= '7'; k++ {
				n = n*8 + int(s[i]-'0')
				i++
			}
			i--
			b = append(b, byte(n))
		case escapes[c] != 0:
			b = append(b, escapes[c])
		default:
			b = append(b, c)
		}
	}
	return string(b), nil
}

// descriptor is an argument or a result that is a file descriptor.
type descriptor struct {
	number int
	path   string // what strace -y says of it
	gone   bool   // the path is no more
}

// fdCWD is the number of AT_FDCWD.
const fdCWD = -100

// parseDescriptor reads "3</path>"; ok is false where there is no path.
func parseDescriptor(s string) (d descriptor, ok bool) {
	open := strings.IndexByte(s, '<')
	if open <= 0 {
		return d, false
	}
	if s[:open] == "AT_FDCWD" {
		d.number = fdCWD
	} else {
		n, err := strconv.ParseInt(s[:open], 10, 32)
		if err != nil || n < 0 {
			return d, false
		}
		d.number = int(n)
	}
	end := endOfPath(s, open)
	if end < 0 {
		return d, false
	}
	path, err := unescape(s[open+1 : end])
	d.path, d.gone = path, strings.HasPrefix(s[end+1:], "(deleted)")
	return d, err == nil
}

// field returns the value of a field of a structure, such as flags= of
// "{flags=O_RDWR, mode=0644}".
func field(s, name string) string {
	_, value, ok := strings.Cut(s, name+"=")
	if !ok {
		return ""
	}
	if end := strings.IndexAny(value, ",} "); end >= 0 {
		value = value[:end]
	}
	return value
}

// hasFlag reports whether a flag is among those joined by "|".
func hasFlag(flags, flag string) bool {
	for word := range strings.SplitSeq(flags, "|") {
		if word == flag {
			return true
		}
	}
	return false
}

// clip shortens what goes into an error.
func clip(s string) string {
	if len(s) > 60 {
		s = s[:60] + "..."
	}
	return strconv.Quote(s)
}
