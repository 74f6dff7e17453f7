package runner

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/crashsim/crashsim/faultfs"
)

// Command says by which commands a recorded program was run, and by which it is
// judged, so that a stored failure can be judged again. Each but the program is one
// that a shell runs, or the name of a check that is built in. In a stored failure
// they are the text of whoever wrote the file: run them only if that is wanted.
type Command struct {
	_ struct{} // written with field names: fields may be added

	Path    string   // at which all of them see the directory; "" leaves that to crashsim
	Setup   string   // "" if there was none
	Program []string // with its arguments; nil where only the trace is known
	Check   string
	Recover string // "" if there is none
}

// text is the command as lines of a stored failure.
func (c *Command) text() []byte {
	var b []byte
	add := func(key string, words ...string) {
		if len(words) == 0 || len(words) == 1 && words[0] == "" && key != "program" {
			return
		}
		for i, w := range words {
			words[i] = strconv.Quote(w)
		}
		b = fmt.Appendf(b, "%s %s\n", key, strings.Join(words, " "))
	}
	add("path", c.Path)
	add("setup", c.Setup)
	add("program", append([]string(nil), c.Program...)...)
	add("check", c.Check)
	add("recover", c.Recover)
	return b
}

// parse reads one of the lines.
func (c *Command) parse(key, value string) error {
	words, err := quotedWords(value)
	if err != nil || key != "program" && len(words) != 1 || len(words) == 0 {
		return fmt.Errorf("%s: want words in quotes, separated by blanks", key)
	}
	switch key {
	case "path":
		c.Path = words[0]
	case "setup":
		c.Setup = words[0]
	case "program":
		c.Program = words
	case "check":
		c.Check = words[0]
	case "recover":
		c.Recover = words[0]
	}
	return nil
}

func quotedWords(text string) ([]string, error) {
	var words []string
	for text = strings.TrimSpace(text); text != ""; text = strings.TrimSpace(text) {
		quoted, err := strconv.QuotedPrefix(text)
		if err != nil {
			return nil, err
		}
		word, err := strconv.Unquote(quoted)
		if err != nil {
			return nil, err
		}
		words, text = append(words, word), text[len(quoted):]
		if text != "" && !strings.HasPrefix(text, " ") {
			return nil, errors.New("no blank between words")
		}
	}
	return words, nil
}

// id tells programs apart that have one name: the failures of each have files of
// their own. It does not change from run to run.
func (c *Command) id(trace *faultfs.Trace) string {
	text := c.text()
	if c.Program == nil {
		text = append(text, trace.Text()...)
	}
	return fmt.Sprintf("%.4x", sha256.Sum256(text))
}
