package main

import (
	"bytes"
	"fmt"
	"maps"
	"slices"

	"github.com/crashsim/crashsim/runner"
	"github.com/crashsim/crashsim/runner/show"
)

func (a *app) printDiff(out diffJSON) {
	rows := []row{}
	for i, j := range []sideJSON{out.A, out.B} {
		line := []cell{{text: string("AB"[i]), paint: a.style.head}, {text: j.Program, paint: a.style.head}, {text: j.Model}}
		if len(out.Unknown) == 0 {
			line = append(line, cell{text: a.countOf(j.Cases, j.Wrong, j.Judged)})
		}
		rows = append(rows, row{cells: line})
	}
	writeTable(&a.out, rows)
	a.out.WriteByte('\n')
	for _, why := range out.Unknown {
		fmt.Fprintf(&a.out, "%s: %s\n", a.style.bad("unknown"), why)
	}
	if len(out.Unknown) > 0 {
		return
	}
	both := show.Count(out.Both.Cases, "case")
	if n := out.Both.WrongA; n > 0 {
		both += fmt.Sprintf(", %d wrong in A", n)
	}
	if n := out.Both.WrongB; n > 0 {
		both += fmt.Sprintf(", %d wrong in B", n)
	}
	writeTable(&a.out, []row{
		{cells: cells("only in A", a.countOf(out.A.Only, out.A.OnlyWrong, out.A.Judged))},
		{cells: cells("only in B", a.countOf(out.B.Only, out.B.OnlyWrong, out.B.Judged))},
		{cells: cells("in both", both)},
	})
	a.printOnly("A", out.A.Only, out.OnlyA, func(o onlyJSON) (minus, plus *runner.State) { return o.state, o.near })
	a.printOnly("B", out.B.Only, out.OnlyB, func(o onlyJSON) (minus, plus *runner.State) { return o.near, o.state })
}

// countOf counts cases, and where an oracle judged them the wrong ones.
func (a *app) countOf(cases, wrong int, judged bool) string {
	text := show.Count(cases, "case")
	if judged && cases > 0 {
		text += fmt.Sprintf(", %d wrong", wrong)
	}
	return text
}

// printOnly prints the cases that one side alone has, each against the nearest of
// the other side; pair tells which of them is of A.
func (a *app) printOnly(side string, count int, list []onlyJSON, pair func(onlyJSON) (minus, plus *runner.State)) {
	for i, o := range list {
		fmt.Fprintf(&a.out, "\n%s, %d of %d\n", a.style.head("only in "+side), i+1, count)
		for _, w := range o.Wrong {
			fmt.Fprintf(&a.out, "    %s %s\n", a.style.bad("wrong:"), a.style.story(inLines(w)))
		}
		minus, plus := pair(o)
		a.printDifference(minus, plus)
	}
	if more := count - len(list); more > 0 {
		fmt.Fprintf(&a.out, "\nonly in %s: %d more, see --max\n", side, more)
	}
}

// shownSame is how many entries that do not differ are shown, so that a small
// case is seen whole.
const shownSame = 6

// printDifference prints what differs between a case of A and one of B, and what
// does not where that is little.
func (a *app) printDifference(minus, plus *runner.State) {
	if slices.Equal(minus.Marks, plus.Marks) {
		fmt.Fprintf(&a.out, "      marks  %s\n", showMarks(minus.Marks))
	} else {
		fmt.Fprintf(&a.out, "    %s marks  %s\n", a.style.odd("-"), showMarks(minus.Marks))
		fmt.Fprintf(&a.out, "    %s marks  %s\n", a.style.good("+"), showMarks(plus.Marks))
	}
	differing := differingPaths(minus.Tree, plus.Tree)
	same := len(minus.Tree)
	for _, path := range differing {
		if _, inA := minus.Tree[path]; inA {
			same--
		}
	}
	paths := differing
	if same <= shownSame {
		paths = slices.Concat(slices.Collect(maps.Keys(minus.Tree)), differing)
		slices.Sort(paths)
		paths = slices.Compact(paths)
	}
	var rows []row
	add := func(sign, path string, e runner.Entry, from int, paint func(string) string) {
		rows = append(rows, row{cells: []cell{{text: "    " + sign + " " + showPath(path), paint: paint}, {text: e.Mode}, {text: showEntry(e, from)}}})
	}
	for _, path := range paths {
		old, inA := minus.Tree[path]
		now, inB := plus.Tree[path]
		switch {
		case inA && inB && sameEntry(old, now):
			add(" ", path, old, 0, nil)
		case inA && inB:
			from := firstDifference(old, now)
			add("-", path, old, from, a.style.odd)
			add("+", path, now, from, a.style.good)
		case inA:
			add("-", path, old, 0, a.style.odd)
		default:
			add("+", path, now, 0, a.style.good)
		}
	}
	writeTable(&a.out, rows)
	if same > shownSame {
		fmt.Fprintf(&a.out, "      and %d entries that do not differ\n", same)
	}
}

// firstDifference is the offset from which on two entries are shown: zero, unless
// they are files whose data differs so late that it would not be seen.
func firstDifference(a, b runner.Entry) int {
	same := 0
	for same < min(len(a.Data), len(b.Data)) && a.Data[same] == b.Data[same] {
		same++
	}
	if same < shownBytes/2 || bytes.Equal(a.Data, b.Data) {
		return 0
	}
	return same
}

// showEntry shows an entry but for its mode, and of a file the data from an offset
// on.
func showEntry(e runner.Entry, from int) string {
	switch {
	case e.Dir:
		return "directory"
	case e.Mode == "":
		return "-> " + showPath(e.Link)
	case from > 0:
		return fmt.Sprintf("%s, from %d on %s", show.Count(len(e.Data), "byte"), from, showData(e.Data[from:]))
	}
	return showData(e.Data)
}

func sameEntry(a, b runner.Entry) bool {
	return a.Dir == b.Dir && a.Link == b.Link && a.Mode == b.Mode && bytes.Equal(a.Data, b.Data)
}

// differingPaths are the paths that are not the same in two trees.
func differingPaths(a, b map[string]runner.Entry) []string {
	differ := map[string]bool{}
	for path, e := range a {
		if f, ok := b[path]; !ok || !sameEntry(e, f) {
			differ[path] = true
		}
	}
	for path := range b {
		if _, ok := a[path]; !ok {
			differ[path] = true
		}
	}
	return slices.Sorted(maps.Keys(differ))
}

// nearestState returns the state of a list that differs least from another one;
// the first of those that are as near.
func nearestState(s *runner.State, list []runner.State) *runner.State {
	least, best := -1, 0
	for i := range list {
		d := marksBetween(s.Marks, list[i].Marks)
		for _, path := range differingPaths(s.Tree, list[i].Tree) {
			d += entryDistance(s.Tree, list[i].Tree, path)
		}
		if least < 0 || d < least {
			least, best = d, i
		}
	}
	return &list[best]
}

// entryDistance is how much two trees differ at a path: two where only one has
// it, or it is something else there, else one for what it holds and one for its
// mode.
func entryDistance(a, b map[string]runner.Entry, path string) int {
	e, inA := a[path]
	f, inB := b[path]
	if !inA || !inB || e.Dir != f.Dir || (e.Mode == "") != (f.Mode == "") {
		return 2
	}
	d := 0
	if e.Mode != f.Mode {
		d++
	}
	if e.Link != f.Link || !bytes.Equal(e.Data, f.Data) {
		d++
	}
	return d
}

// marksBetween counts the marks that only one of two lists has.
func marksBetween(a, b []string) int {
	n := 0
	for _, m := range a {
		if !slices.Contains(b, m) {
			n++
		}
	}
	for _, m := range b {
		if !slices.Contains(a, m) {
			n++
		}
	}
	return n
}
