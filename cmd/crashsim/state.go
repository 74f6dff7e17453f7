package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/crashsim/crashsim/runner"
	"github.com/crashsim/crashsim/runner/show"
)

// showState shows a case for people: the marks, then the tree, each line
// behind an indent.
func showState(s *runner.State, indent string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%smarks  %s\n", indent, showMarks(s.Marks))
	var rows []row
	for _, path := range slices.Sorted(maps.Keys(s.Tree)) {
		e := s.Tree[path]
		name := indent + showPath(path)
		switch {
		case e.Dir:
			rows = append(rows, row{cells: cells(name, e.Mode, "directory")})
		case e.Mode == "":
			rows = append(rows, row{cells: cells(name, "", "-> "+showPath(e.Link))})
		default:
			rows = append(rows, row{cells: cells(name, e.Mode, showData(e.Data))})
		}
	}
	if rows == nil {
		return b.String() + indent + "an empty disk\n"
	}
	writeTable(&b, rows)
	return b.String()
}

// shownMarks is how many marks are shown at most, half of them the first ones.
const shownMarks = 40

func showMarks(marks []string) string {
	if len(marks) == 0 {
		return "none"
	}
	var quoted []string
	for i, m := range marks {
		if left := len(marks) - shownMarks; left > 1 && i >= shownMarks/2 && i < shownMarks/2+left {
			if i == shownMarks/2 {
				quoted = append(quoted, fmt.Sprintf("... %d more ...", left))
			}
			continue
		}
		quoted = append(quoted, fmt.Sprintf("%q", show.Clip(m, show.WordLength)))
	}
	return strings.Join(quoted, " ")
}

// showPath quotes a path only where it would not be read as one word.
func showPath(path string) string {
	path = show.Clip(path, 2*show.WordLength)
	if quoted := fmt.Sprintf("%q", path); strings.ContainsAny(quoted[1:len(quoted)-1], "\\ ") {
		return quoted
	}
	return path
}
