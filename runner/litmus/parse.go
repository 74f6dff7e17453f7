package litmus

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/expr-lang/expr/vm"
	"golang.org/x/tools/txtar"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/model"
)

// Test is a litmus file.
type Test struct {
	File    string         // its name
	About   string         // its comment
	Trace   *faultfs.Trace // without the faults; see Record
	Expects []*Expect

	faults []faultLine
}

// Expect is an expectation.
type Expect struct {
	Line       int // in the file, counted from one
	Models     []model.Model
	Quantifier Quantifier
	Expression string

	program *vm.Program
}

// Quantifier says of how many cases an expression is expected to be true.
type Quantifier uint8

// The quantifiers.
const (
	Always    Quantifier = iota // of every case
	Never                       // of none
	Sometimes                   // of one at least
)

var quantifiers = []string{"always", "never", "sometimes"}

// String returns the quantifier as it stands in a file.
func (q Quantifier) String() string { return quantifiers[q] }

// Limits of a file, against hostile input.
const (
	maxExpects    = 1 << 12
	maxExpression = 1 << 14 // bytes
)

// expectSection is the section of the archive that is read here.
const expectSection = "expect"

// Parse reads a litmus file, or a stored trace; file is its name, for errors,
// which are *faultfs.TextError.
func Parse(file string, text []byte) (*Test, error) {
	trace, err := faultfs.ParseTrace(file, text, expectSection, faultsSection)
	if err != nil {
		return nil, err
	}
	archive := txtar.Parse(text)
	t := &Test{File: file, About: string(archive.Comment), Trace: trace}
	if part, heading := findSection(archive, faultsSection); part != "" {
		if err := t.inject(part, heading); err != nil {
			return nil, err
		}
	}
	if part, heading := findSection(archive, expectSection); part != "" {
		words := vocabularyOf(trace)
		words.faults = t.faults != nil
		if err := t.expect(part, heading, words); err != nil {
			return nil, err
		}
	}
	return t, t.checkFaults()
}

// findSection returns a section of an archive and the line of its heading, "" if
// there is none.
func findSection(archive *txtar.Archive, name string) (part string, heading int) {
	heading = 1 + bytes.Count(archive.Comment, []byte("\n"))
	for _, part := range archive.Files {
		if part.Name == name {
			return string(part.Data), heading
		}
		heading += 1 + bytes.Count(part.Data, []byte("\n"))
	}
	return "", 0
}

// linesOf yields the lines of a section that say something, by their numbers.
func linesOf(section string, heading int) iter.Seq2[int, string] {
	return func(yield func(int, string) bool) {
		line := heading
		for text := range strings.SplitSeq(strings.TrimSuffix(section, "\n"), "\n") {
			line++
			if text = strings.TrimSpace(text); text != "" && text[0] != '#' && !yield(line, text) {
				return
			}
		}
	}
}

// expect reads the section "expect", whose heading is the given line.
func (t *Test) expect(section string, heading int, words *vocabulary) error {
	for line, text := range linesOf(section, heading) {
		e, err := parseExpect(text, words)
		if err == nil && len(t.Expects) == maxExpects {
			err = fmt.Errorf("more than %d expectations", maxExpects)
		}
		if err != nil {
			return &faultfs.TextError{File: t.File, Line: line, Err: err}
		}
		e.Line = line
		t.Expects = append(t.Expects, e)
	}
	return nil
}

func parseExpect(text string, words *vocabulary) (*Expect, error) {
	models, claim, found := strings.Cut(text, ":")
	if !found {
		return nil, errors.New("want MODEL...: always|never|sometimes EXPRESSION")
	}
	e := &Expect{}
	for _, word := range strings.Fields(models) {
		if err := e.addModel(word); err != nil {
			return nil, err
		}
	}
	if len(e.Models) == 0 {
		return nil, errors.New("no model in front of the colon")
	}
	word, expression, _ := strings.Cut(strings.TrimSpace(claim), " ")
	q := slices.Index(quantifiers, word)
	if q < 0 {
		return nil, fmt.Errorf("want always, never or sometimes, not %.40q", word)
	}
	e.Quantifier, e.Expression = Quantifier(q), strings.TrimSpace(expression)
	var err error
	e.program, err = compile(e.Expression, words)
	return e, err
}

func (e *Expect) addModel(word string) error {
	var models []model.Model
	if word == "*" {
		for _, p := range model.Presets() {
			models = append(models, p.Model)
		}
	} else {
		m, err := model.Parse(word)
		if err != nil {
			return err
		}
		models = []model.Model{m}
	}
	for _, m := range models {
		// "btrfs posix,sync=name" is one model by two names.
		if !e.Of(m) {
			e.Models = append(e.Models, m)
		}
	}
	return nil
}

// Of reports whether the expectation is one of a model's cases.
func (e *Expect) Of(m model.Model) bool {
	return slices.ContainsFunc(e.Models, func(own model.Model) bool { return own.String() == m.String() })
}

// Models returns the models that something is expected of: presets in their
// order, then the others in the order in which the file names them.
func (t *Test) Models() []model.Model {
	var models []model.Model
	add := func(m model.Model) {
		if !slices.Contains(models, m) {
			models = append(models, m)
		}
	}
	for _, p := range model.Presets() {
		if slices.ContainsFunc(t.Expects, func(e *Expect) bool { return e.Of(p.Model) }) {
			add(p.Model)
		}
	}
	for _, e := range t.Expects {
		for _, m := range e.Models {
			add(m)
		}
	}
	return models
}
