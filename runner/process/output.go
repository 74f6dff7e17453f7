package process

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/crashsim/crashsim/oracle"
)

// output keeps what a process prints, and passes all of it on. What is too long to
// be kept is counted, and told of.
type output struct {
	next io.Writer // may be nil

	mu     sync.Mutex
	kept   limited
	line   []byte      // the beginning of the line at hand, until it is known whether it names a kind
	plain  bool        // the line at hand names none
	named  oracle.Kind // of the first line that names one
	reason limited     // what stands behind that name
	size   int         // of what was printed before that line
}

// longestOutput is how many bytes of the output are kept, from its beginning, and
// from the line that names a kind.
const longestOutput = 1 << 20

// longestName is how long the name of a kind can be, with a colon.
const longestName = 16

// limited is a text that is kept up to longestOutput.
type limited struct {
	bytes.Buffer
	dropped int
}

func (l *limited) add(p []byte) {
	space := min(longestOutput-l.Len(), len(p))
	l.Write(p[:space])
	l.dropped += len(p) - space
}

// text is the text in one line, with a word on what was too long for it.
func (l *limited) text() string {
	text := strings.Join(strings.Fields(l.String()), " ")
	if l.dropped > 0 {
		text += fmt.Sprintf(" (and %d bytes more, which were not kept)", l.dropped)
	}
	return text
}

// Write keeps what there is space for.
func (t *output) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kept.add(p)
	t.look(p)
	if t.next != nil {
		return t.next.Write(p)
	}
	return len(p), nil
}

// look looks for the first line that begins with the name of a kind and a colon.
func (t *output) look(p []byte) {
	for len(p) > 0 {
		if t.named != oracle.NoKind {
			t.reason.add(p)
			return
		}
		if t.plain {
			end := bytes.IndexByte(p, '\n')
			if end < 0 {
				t.size += len(p)
				return
			}
			t.size += end + 1
			p, t.plain = p[end+1:], false
			continue
		}
		c := p[0]
		p = p[1:]
		if c == ':' {
			if kind, err := oracle.ParseKind(string(t.line)); err == nil && kind != oracle.NoKind {
				t.named = kind
				continue
			}
		}
		t.line = append(t.line, c)
		if c == '\n' || len(t.line) > longestName {
			t.size += len(t.line)
			t.plain, t.line = c != '\n', t.line[:0]
		}
	}
}

// kind is the kind that the first line names which begins with one and a colon, and
// what stands behind it, with what was printed before; NoKind if no line does.
func (t *output) kind() (oracle.Kind, string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.named == oracle.NoKind {
		return oracle.NoKind, ""
	}
	text := t.reason.text()
	if text == "" {
		text = "the check gave no reason"
	}
	before := limited{}
	before.add(t.kept.Bytes()[:min(t.size, t.kept.Len())])
	before.dropped += max(0, t.size-t.kept.Len())
	if said := before.text(); said != "" {
		text += "; before that it printed: " + said
	}
	return t.named, text
}

// text is what the process printed, in one line.
func (t *output) text() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.kept.text()
}

// said is what the process printed, and how it ended.
func (t *output) said(err error) string {
	if text := t.text(); text != "" {
		return fmt.Sprintf("%s (%v)", text, err)
	}
	return err.Error()
}

// raw is what the process printed, as far as it is kept.
func (t *output) raw() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.kept.String()
}
