package report

import (
	"cmp"
	"encoding/json"
	"path"
	"slices"
	"strconv"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/persist"
)

// previewed is how many bytes of a write are shown.
const previewed = 48

// maxLanes is how many lanes there are at most, the last one for all files that
// have none.
const maxLanes = 24

// sectionData is what the script needs to know. What is at a crash point it works
// out from the rises of the points up to it, so that the data is as long as the
// trace and not as its square.
type sectionData struct {
	Lanes    []string      `json:"lanes"`
	Ops      []opData      `json:"ops"`
	Stacks   [][]string    `json:"stacks,omitempty"`
	Cells    []string      `json:"cells"`
	Points   []pointData   `json:"points"`
	Failures []failureData `json:"failures"`
	Sources  []excerpt     `json:"src,omitempty"`
}

type opData struct {
	Text    string       `json:"t"`
	Site    string       `json:"s,omitempty"`
	Shape   shape        `json:"k"`
	Lane    int          `json:"l"`
	Failed  string       `json:"f,omitempty"`
	Preview string       `json:"p,omitempty"`
	Stack   int          `json:"q,omitempty"` // number of a stack, from 1
	Effects []effectData `json:"e,omitempty"`
	Source  int          `json:"x,omitempty"` // place in the sources, counted from one
}

type effectData struct {
	Cell    persist.Cell    `json:"c"`
	Version persist.Version `json:"v"`
	What    string          `json:"w"`
}

type pointData struct {
	After faultfs.OpNum `json:"a"`
	High  []int         `json:"h,omitempty"` // cell and version in turn
	Low   []int         `json:"l,omitempty"`
	Marks int           `json:"m,omitempty"` // how many were made
}

type failureData struct {
	Point int      `json:"p"`
	Lost  [][2]int `json:"l"` // op and index of effects
}

// mostCallers bounds how much of a stack a page shows.
const mostCallers = 40

// callers are the functions that led to a call, the innermost first.
func callers(stack []faultfs.CallSite) []string {
	var lines []string
	for _, site := range stack[:min(len(stack), mostCallers)] {
		line := site.String()
		if site.Line > 0 && site.Func != "" {
			line = site.Function() + ", " + line
		}
		lines = append(lines, visible(line))
	}
	return lines
}

// data returns the part as JSON that can stand in a page.
func (p *Section) data(sources *Sources) ([]byte, error) {
	plan := p.Plan
	ops := plan.Trace().Ops
	lanes, laneOf := lanesOf(ops)
	d := sectionData{Lanes: lanes, Ops: make([]opData, len(ops)), Cells: make([]string, plan.Cells()), Failures: []failureData{}}
	excerpts := map[faultfs.CallSite]int{}
	stacks := map[*faultfs.CallSite]int{} // ops share them
	for i := range ops {
		op := &ops[i]
		o := opData{Text: visible(op.Summary()), Shape: shapeOf(op), Lane: laneOf[i]}
		if site := op.Site.String(); site != "" {
			o.Site = visible(site)
		}
		known, seen := excerpts[op.Site]
		if !seen {
			if x := sources.around(op.Site); x != nil {
				d.Sources = append(d.Sources, *x)
				known = len(d.Sources)
			}
			excerpts[op.Site] = known
		}
		o.Source = known
		if len(op.Stack) > 0 {
			if stacks[&op.Stack[0]] == 0 {
				d.Stacks = append(d.Stacks, callers(op.Stack))
				stacks[&op.Stack[0]] = len(d.Stacks)
			}
			o.Stack = stacks[&op.Stack[0]]
		}
		if op.Failed() {
			o.Failed = op.Errno.Error()
		}
		if op.Kind == faultfs.OpWrite {
			o.Preview = preview(op.Data)
		}
		for _, e := range plan.Effects(faultfs.OpNum(i)) {
			o.Effects = append(o.Effects, effectData{e.Cell, e.Version, visible(plan.What(e))})
		}
		d.Ops[i] = o
	}
	for c := range d.Cells {
		d.Cells[c] = visible(plan.Name(persist.Cell(c)))
	}
	for point := range plan.Points() {
		pt := pointData{After: plan.After(point), Marks: len(plan.Marks(point))}
		plan.EachRise(point, func(cell persist.Cell, high bool, to persist.Version) {
			if high {
				pt.High = append(pt.High, int(cell), int(to))
			} else {
				pt.Low = append(pt.Low, int(cell), int(to))
			}
		})
		d.Points = append(d.Points, pt)
	}
	for _, f := range p.Failures {
		fd := failureData{Point: f.Point, Lost: [][2]int{}}
		for _, e := range f.Lost {
			fd.Lost = append(fd.Lost, [2]int{int(e.Op), e.Index})
		}
		d.Failures = append(d.Failures, fd)
	}
	return json.Marshal(d) // writes out <, > and &
}

// preview shows the first bytes of a write.
func preview(data []byte) string {
	if len(data) > previewed {
		return strconv.QuoteToASCII(string(data[:previewed])) + "..."
	}
	return strconv.QuoteToASCII(string(data))
}

// lanesOf gives each op a lane: that of its file, in the order in which files
// are first used. Where there are too many, those that are used least share the
// last one.
func lanesOf(ops []faultfs.Op) (lanes []string, laneOf []int) {
	names := make([]string, len(ops))
	uses := map[string]int{}
	var order []string
	for i := range ops {
		names[i] = laneName(&ops[i])
		if uses[names[i]] == 0 {
			order = append(order, names[i])
		}
		uses[names[i]]++
	}
	own := order
	if len(order) > maxLanes {
		own = slices.Clone(order)
		slices.SortStableFunc(own, func(a, b string) int { return cmp.Compare(uses[b], uses[a]) })
		own = own[:maxLanes-1]
	}
	number := map[string]int{}
	for _, name := range order {
		if len(order) <= maxLanes || slices.Contains(own, name) {
			number[name] = len(lanes)
			lanes = append(lanes, visible(name))
		}
	}
	if len(order) > maxLanes {
		lanes = append(lanes, "other files")
	}
	laneOf = make([]int, len(ops))
	for i, name := range names {
		n, ok := number[name]
		if !ok {
			n = len(lanes) - 1
		}
		laneOf[i] = n
	}
	return lanes, laneOf
}

func laneName(op *faultfs.Op) string {
	switch {
	case op.Kind == faultfs.OpMark:
		return "marks"
	case op.Path == "":
		return "no name"
	}
	return path.Clean(op.Path)
}
