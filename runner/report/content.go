package report

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/runner/show"
)

// File is a name that matters to a failure, and what stands there at four moments.
type File struct {
	Path      string
	Before    Content // before the run
	Cache     Content // in the page cache, when the power was cut
	Disk      Content // on the disk, after that
	Recovered Content // after the program's recovery; that of Disk where there is none
}

// Content is what stands at a name: nothing, something else than a file, or a file.
type Content struct {
	Exists bool
	Other  string // "directory", or where a link points: "-> target"; "" for a file
	Mode   string
	Data   []byte
}

// Same reports whether two contents do not differ.
func (c Content) Same(d Content) bool {
	return c.Exists == d.Exists && c.Other == d.Other && c.Mode == d.Mode && bytes.Equal(c.Data, d.Data)
}

// shownFiles is how many files of a failure are shown.
const shownFiles = 12

// failureView is what the template needs of a failure.
type failureView struct {
	Failure
	Number  int
	Files   []fileView
	Omitted int
	Code    []codeView
}

type fileView struct {
	Path    string
	Columns []columnView
}

// columnView is a content. The middle of it is what differs from the page cache.
type columnView struct {
	Title, About        string
	Wrong               bool // it is not what the program saw
	Start, Middle, Rest string
	Gap                 string // what is missing in the middle
}

// codeView is a place in the source that has to do with a failure.
type codeView struct {
	What string
	*excerpt
}

// shown returns the failures as the template needs them.
func (p *Section) shown(sources *Sources) []failureView {
	var all []failureView
	for i, f := range p.Failures {
		v := failureView{Failure: f, Number: i}
		for k, file := range f.Files {
			if k == shownFiles {
				v.Omitted = len(f.Files) - k
				break
			}
			v.Files = append(v.Files, file.view())
		}
		v.Code = p.code(f, sources)
		all = append(all, v)
	}
	return all
}

// code finds the lines of the calls that a failure is about.
func (p *Section) code(f Failure, sources *Sources) []codeView {
	ops := p.Plan.Trace().Ops
	var all []codeView
	seen := map[faultfs.CallSite]bool{}
	add := func(what string, n faultfs.OpNum) {
		if n < 0 || int(n) >= len(ops) || seen[ops[n].Site] || len(all) == 4 {
			return
		}
		if x := sources.around(ops[n].Site); x != nil {
			seen[ops[n].Site] = true
			all = append(all, codeView{fmt.Sprintf("%s op %d, %s", what, n+1, visible(ops[n].Summary())), x})
		}
	}
	for _, e := range f.Lost {
		add("lost of", e.Op)
	}
	if f.Point >= 0 && f.Point < p.Plan.Points() {
		add("power cut after", p.Plan.After(f.Point))
	}
	return all
}

func (f *File) view() fileView {
	v := fileView{Path: visible(f.Path)}
	for _, c := range []struct {
		title string
		Content
	}{{"before the run", f.Before}, {"in the page cache", f.Cache}, {"on the disk after the cut", f.Disk}, {"after recovery", f.Recovered}} {
		col := columnView{Title: c.title, About: c.about()}
		switch c.title {
		case "before the run", "in the page cache":
			col.Start = bytesText(c.Data, true)
		default:
			col.Wrong = !c.Same(f.Cache)
			col.compare(c.Data, f.Cache.Data)
		}
		if !c.Exists || c.Other != "" {
			col.Start, col.Middle, col.Rest, col.Gap = "", "", "", ""
		}
		v.Columns = append(v.Columns, col)
	}
	return v
}

// about says in a few words what stands there.
func (c Content) about() string {
	switch {
	case !c.Exists:
		return "not there"
	case c.Other != "":
		return visible(c.Other)
	case len(c.Data) == 0:
		return "empty, " + c.Mode
	}
	return show.Count(len(c.Data), "byte") + ", " + c.Mode
}

// compare splits a content into what it has in common with the page cache, at its
// beginning and at its end, and what differs.
func (v *columnView) compare(data, cache []byte) {
	start, end := 0, 0
	for start < min(len(data), len(cache)) && data[start] == cache[start] {
		start++
	}
	for end < min(len(data), len(cache))-start && data[len(data)-1-end] == cache[len(cache)-1-end] {
		end++
	}
	middle, missing := data[start:len(data)-end], len(cache)-start-end
	v.Start = bytesText(data[:start], false)
	v.Middle = bytesText(middle, true)
	v.Rest = bytesText(data[len(data)-end:], true)
	if len(middle) == 0 && missing > 0 {
		v.Gap = show.Count(missing, "byte") + " missing"
	}
}

// shownContent is about how many bytes of a stretch of a file are shown.
const shownContent = 320

// shownLines is how many lines of a stretch are shown.
const shownLines = 12

// bytesText shows bytes: text as it is, each other byte by its number, and a long run
// of one byte by its length. Of much data the beginning is shown, or the end.
func bytesText(data []byte, beginning bool) string {
	lines := strings.SplitAfter(someBytes(data, beginning), "\n")
	more := len(lines) - shownLines
	switch {
	case more <= 1:
	case beginning:
		lines = append(lines[:shownLines], fmt.Sprintf("(%s not shown)\n", show.Count(more, "line")))
	default:
		lines = append([]string{fmt.Sprintf("(%s not shown)\n", show.Count(more, "line"))}, lines[more:]...)
	}
	return strings.Join(lines, "")
}

// someBytes is bytesText for lines of any number.
func someBytes(data []byte, beginning bool) string {
	var b strings.Builder
	cut := 0
	if len(data) > 2*shownContent {
		if text := runsOf(data, 4*shownContent); text != "" {
			return text
		}
		cut = len(data) - shownContent
		if beginning {
			data = data[:shownContent]
		} else {
			data = data[cut:]
			fmt.Fprintf(&b, "(%s not shown) ", show.Count(cut, "byte"))
		}
	}
	b.WriteString(runsOf(data, 1<<30))
	if cut > 0 && beginning {
		fmt.Fprintf(&b, " (%s not shown)", show.Count(cut, "byte"))
	}
	return b.String()
}

// runsOf writes data out, "" where that takes more than so many bytes.
func runsOf(data []byte, most int) string {
	const long = 6 // a run that is counted
	var b strings.Builder
	for i := 0; i < len(data); {
		if b.Len() > most {
			return ""
		}
		run := 1
		for i+run < len(data) && data[i+run] == data[i] {
			run++
		}
		r, size := utf8.DecodeRune(data[i:])
		switch {
		case run >= long && (r == utf8.RuneError || size == 1):
			fmt.Fprintf(&b, "⟨%s × %d⟩", strings.Trim(strconv.QuoteToASCII(string(data[i:i+1])), `"`), run)
			i += run
		case r == '\n':
			b.WriteString("↵\n")
			i++
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, data[i])
			i++
		default:
			b.WriteString(show.Line(string(r)))
			i += size
		}
	}
	return b.String()
}

// fixLine is a line of the fix.
type fixLine struct {
	Text string
	Add  bool // it says what to add
}

// fixLines says which lines of a fix are things to add: a plus sign stands only in
// front of those.
func fixLines(lines []string) []fixLine {
	var all []fixLine
	for _, line := range lines {
		add := strings.HasPrefix(line, "sync ") || strings.HasPrefix(line, "missing: ")
		all = append(all, fixLine{line, add})
	}
	return all
}
