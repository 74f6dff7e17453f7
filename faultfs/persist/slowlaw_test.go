package persist_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/model"
)

// slowCases are all cases of a trace under a model.
type slowCases struct {
	lines []string // the visible ones, sorted, as runner.State.Line has them
	cuts  int      // the distinct pairs of marks and cut
}

// errTooMany says that a program has more cuts than the search may look at.
var errTooMany = errors.New("too many cuts")

// slowStates lists the cases at the crash points before the first op and after
// each edge of an op, or fails after so many steps of the search.
func slowStates(trace *faultfs.Trace, m model.Model, steps int) (slowCases, error) {
	law := newLaw(newSlow(trace, m), steps)
	lines, pairs := map[string]bool{}, map[string]bool{}
	at := func(moment faultfs.Edge) error {
		low, high := law.bounds(moment)
		marks := law.marks(moment)
		return law.search(low, high, func(cut []int) {
			pair := fmt.Sprint(len(marks), cut)
			if !pairs[pair] {
				pairs[pair] = true
				lines[law.line(marks, cut)] = true
			}
		})
	}
	moments := []faultfs.Edge{0}
	for _, op := range trace.Ops {
		moments = append(moments, op.Begin, op.End)
	}
	slices.Sort(moments)
	for _, moment := range moments {
		if err := at(moment); err != nil {
			return slowCases{}, err
		}
	}
	return slowCases{slices.Sorted(maps.Keys(lines)), len(pairs)}, nil
}

// slowLaw is the law. Cells that a trace changes are numbered here.
type slowLaw struct {
	*slow
	order []slowCell
	index map[slowCell]int
	rules map[int][]numberedNeed // the needs, by the higher of the two cells
	steps int
	trees map[string]string // by cut
	units map[faultfs.Ino][]int64
}

// numberedNeed: if cell a has version v or later, cell b has version w or
// later.
type numberedNeed struct{ a, v, b, w int }

func newLaw(s *slow, steps int) *slowLaw {
	l := &slowLaw{slow: s, index: map[slowCell]int{}, rules: map[int][]numberedNeed{}, steps: steps, trees: map[string]string{}}
	for cell, versions := range s.cells {
		if len(versions) > 1 {
			l.order = append(l.order, cell)
		}
	}
	l.units = map[faultfs.Ino][]int64{}
	for ino := range s.types {
		l.units[ino] = s.unitsOf(ino)
	}
	slices.SortFunc(l.order, func(a, b slowCell) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	for i, cell := range l.order {
		l.index[cell] = i
	}
	for _, n := range s.needs {
		if n.that.version > 0 {
			m := numberedNeed{l.index[n.this.cell], n.this.version, l.index[n.that.cell], n.that.version}
			l.rules[max(m.a, m.b)] = append(l.rules[max(m.a, m.b)], m)
		}
	}
	return l
}

// bounds returns the least and the greatest version of each cell when power is
// lost just after a moment.
func (l *slowLaw) bounds(moment faultfs.Edge) (low, high []int) {
	low, high = make([]int, len(l.order)), make([]int, len(l.order))
	begun := func(op int) bool { return l.trace.Ops[op].Begin <= moment }
	returned := func(op int) bool { return l.trace.Ops[op].End <= moment }
	for i, cell := range l.order {
		for v := 1; v < len(l.cells[cell]) && begun(l.madeBy[cell][v]); v++ {
			high[i] = v
		}
	}
	l.untilClosed(func(n numberedNeed) bool {
		broken := high[n.a] >= n.v && high[n.b] < n.w
		if broken {
			high[n.a] = n.v - 1
		}
		return broken
	})
	for sync, effects := range l.forced {
		for _, e := range effects {
			if i := l.index[e.cell]; returned(sync) {
				low[i] = max(low[i], e.version)
			}
		}
	}
	if l.model.Cache == model.CacheKept {
		copy(low, high)
	}
	l.untilClosed(func(n numberedNeed) bool {
		broken := low[n.a] >= n.v && low[n.b] < n.w
		if broken {
			low[n.b] = n.w
		}
		return broken
	})
	return low, high
}

// untilClosed mends bounds until no need is broken.
func (l *slowLaw) untilClosed(mend func(numberedNeed) bool) {
	for again := true; again; {
		again = false
		for _, rules := range l.rules {
			for _, n := range rules {
				again = mend(n) || again
			}
		}
	}
}

// marks returns the labels of the marks made by a moment.
func (l *slowLaw) marks(moment faultfs.Edge) []string {
	labels := []string{}
	for _, op := range l.trace.Setup {
		if op.Kind == faultfs.OpMark {
			labels = append(labels, op.Label)
		}
	}
	for _, op := range l.trace.Ops {
		if op.Kind == faultfs.OpMark && op.End <= moment {
			labels = append(labels, op.Label)
		}
	}
	return labels
}

// search finds every cut that lies between the bounds and breaks no need.
func (l *slowLaw) search(low, high []int, found func(cut []int)) error {
	cut := make([]int, len(l.order))
	var choose func(i int) error
	choose = func(i int) error {
		if l.steps--; l.steps < 0 {
			return errTooMany
		}
		if i == len(cut) {
			found(cut)
			return nil
		}
		for cut[i] = low[i]; cut[i] <= high[i]; cut[i]++ {
			if slices.ContainsFunc(l.rules[i], func(n numberedNeed) bool { return cut[n.a] >= n.v && cut[n.b] < n.w }) {
				continue
			}
			if err := choose(i + 1); err != nil {
				return err
			}
		}
		return nil
	}
	return choose(0)
}

// line returns the case of a cut as a line of JSON.
func (l *slowLaw) line(marks []string, cut []int) string {
	key := fmt.Sprint(cut)
	if l.trees[key] == "" {
		tree := map[string]any{}
		l.walk(tree, cut, "", faultfs.Root)
		l.trees[key] = asJSON(tree)
	}
	marks = slices.Clone(marks)
	slices.Sort(marks)
	return `{"marks":` + asJSON(slices.Compact(marks)) + `,"tree":` + l.trees[key] + `}`
}

func asJSON(v any) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic(err)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// value returns what a cell holds in a cut.
func (l *slowLaw) value(cut []int, cell slowCell) slowValue {
	versions := l.cells[cell]
	if i, ok := l.index[cell]; ok {
		return versions[cut[i]]
	}
	return versions[0]
}

// walk reads a cut by walking names from the root, then size, then units;
// units never written read as zeros. A directory on its own path is listed and
// not entered.
func (l *slowLaw) walk(tree map[string]any, cut []int, path string, way ...faultfs.Ino) {
	for cell := range l.cells {
		ino := faultfs.Ino(0)
		if cell.kind == "name" && cell.ino == way[len(way)-1] {
			ino = faultfs.Ino(l.value(cut, cell).number)
		}
		if ino == 0 {
			continue
		}
		below := path + "/" + cell.name
		mode := func() string { return fmt.Sprintf("%04o", l.value(cut, slowCell{kind: "mode", ino: ino}).number) }
		switch l.types[ino] {
		case faultfs.Symlink:
			tree[below] = map[string]any{"link": l.target[ino]}
		case faultfs.Directory:
			tree[below] = map[string]any{"dir": true, "mode": mode()}
			if !slices.Contains(way, ino) {
				l.walk(tree, cut, below, append(slices.Clone(way), ino)...)
			}
		case faultfs.Regular:
			data := make([]byte, l.value(cut, slowCell{kind: "size", ino: ino}).number)
			for _, unit := range l.units[ino] {
				if at := unit * l.model.Unit; at < int64(len(data)) {
					copy(data[at:], l.value(cut, slowCell{kind: "data", ino: ino, unit: unit}).data)
				}
			}
			tree[below] = map[string]any{"data": data, "mode": mode()}
		}
	}
}
