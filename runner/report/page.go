package report

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"strings"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/persist"
	"github.com/crashsim/crashsim/runner/show"
)

// Page is what the page shows.
type Page struct {
	Title    string
	Sections []Section
	// Sources are the files in which the lines of call sites are looked up; nil: no
	// line is shown.
	Sources *Sources
}

// Section is what was found out about a program under a model.
type Section struct {
	Program  string // its name; "": that of the part
	Name     string // of the program, and what happened to it besides the crash
	Plan     *persist.Plan
	Verdict  string // such as "broken(torn)"
	Good     bool   // the promise is kept
	Numbers  []Number
	Failures []Failure
	Notes    []string
	Fix      []string // what the program lacks
	Audit    []string // what each of its syncs is good for
}

// Number is a number that says how much was tried.
type Number struct{ Name, Value string }

// Failure is a cut that is wrong.
type Failure struct {
	Kind   string
	Story  string           // may begin with the kind
	Detail []string         // more lines, such as the pair
	Point  int              // the crash point
	Lost   []persist.Effect // what the disk lacks
	Replay string           // the command that shows it again, "" for none
	Files  []File           // what the files hold that matter
}

// headlineLength is how many characters a headline has at most.
const headlineLength = 110

// Headline returns what is wrong in one line, without the kind and without how it
// came about.
func (f Failure) Headline() string {
	text := strings.TrimPrefix(f.Story, f.Kind+" ")
	for _, end := range []string{"; power cut ", "; with the fault ", "; killed after ", "; "} {
		if head, _, found := strings.Cut(text, end); found {
			text = head
		}
	}
	if r := []rune(text); len(r) > headlineLength {
		text = string(r[:headlineLength-3]) + "..."
	}
	return text
}

var (
	//go:embed page.css
	style string
	//go:embed page.js
	script string
	//go:embed page.html
	layout string
)

// listedOps is how many ops a page lists where its script does not run.
const listedOps = 500

var pageTemplate = template.Must(template.New("page").Parse(layout))

// view is what the template needs of a page.
type view struct {
	Title    string
	Policy   string
	Style    template.CSS
	Script   template.JS
	Matrix   *matrix
	Sections []sectionView
}

// sectionView is what it needs of a part.
type sectionView struct {
	Section
	Open    bool
	Shown   []failureView
	Fixes   []fixLine
	ID      int
	Model   string
	Points  int // the last crash point
	Ops     []string
	Omitted int
	Data    template.HTML
	Picture template.HTML
}

// HTML returns the page.
func (p Page) HTML() ([]byte, error) {
	v := view{
		Title: visible(p.Title), Style: template.CSS(style), Script: template.JS(script),
		Policy: "default-src 'none'; style-src " + hash(style) + "; script-src " + hash(script) + "; base-uri 'none'; form-action 'none'",
	}
	v.Matrix = matrixOf(p.Sections)
	first := firstBroken(p.Sections)
	for i := range p.Sections {
		section := p.Sections[i].visible()
		data, err := section.data(p.Sources)
		if err != nil {
			return nil, err
		}
		pv := sectionView{
			Section: section, ID: i, Open: i == first, Shown: section.shown(p.Sources), Fixes: fixLines(section.Fix), Model: section.Plan.Model().String(), Points: section.Plan.Points() - 1,
			// The encoder writes out what could end the element.
			Data: template.HTML(`<script type="application/json" class="data">` + string(data) + `</script>`),
		}
		for k := range section.Plan.Trace().Ops {
			if k == listedOps {
				pv.Omitted = len(section.Plan.Trace().Ops) - k
				break
			}
			pv.Ops = append(pv.Ops, visible(section.Plan.Trace().Ops[k].Call()))
		}
		pv.Picture = template.HTML(section.SVG())
		v.Sections = append(v.Sections, pv)
	}
	var b bytes.Buffer
	err := pageTemplate.Execute(&b, v)
	return b.Bytes(), err
}

// hash names a text in a content security policy.
func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// visible returns the part with all its texts made visible.
func (p *Section) visible() Section {
	q := *p
	q.Program, q.Name, q.Verdict = visible(p.program()), visible(p.Name), visible(p.Verdict)
	q.Notes, q.Fix, q.Audit = visibleAll(p.Notes), visibleAll(p.Fix), visibleAll(p.Audit)
	q.Numbers = make([]Number, len(p.Numbers))
	for i, n := range p.Numbers {
		q.Numbers[i] = Number{visible(n.Name), visible(n.Value)}
	}
	q.Failures = make([]Failure, len(p.Failures))
	for i, f := range p.Failures {
		f.Kind, f.Story, f.Replay, f.Detail = visible(f.Kind), visible(f.Story), visible(f.Replay), visibleAll(f.Detail)
		q.Failures[i] = f
	}
	return q
}

func visibleAll(texts []string) []string {
	all := make([]string, len(texts))
	for i, t := range texts {
		all[i] = visible(t)
	}
	return all
}

// visible is a foreign text as the page shows it: on one line, with characters that
// cannot be seen written out, and not longer than a story.
func visible(text string) string { return show.Story(text) }

// shape is how an op is drawn.
type shape string

const (
	box     shape = "data" // data, sizes and modes
	disc    shape = "name" // names
	diamond shape = "sync"
	pennant shape = "mark"
	dot     shape = "other"
)

func shapeOf(op *faultfs.Op) shape {
	switch {
	case op.Kind == faultfs.OpMark:
		return pennant
	case op.Kind.Syncs():
		return diamond
	}
	switch op.Kind {
	case faultfs.OpWrite, faultfs.OpTruncate, faultfs.OpChmod:
		return box
	}
	if op.Kind.Changes() {
		return disc
	}
	return dot
}
