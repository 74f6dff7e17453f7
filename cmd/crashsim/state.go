package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/crashsim/crashsim/runner"
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
			rows = append(rows, row{cells: cells(name, "", "-> "+e.Link)})
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

func showMarks(marks []string) string {
	if len(marks) == 0 {
		return "none"
	}
	quoted := make([]string, len(marks))
	for i, m := range marks {
		quoted[i] = fmt.Sprintf("%q", m)
	}
	return strings.Join(quoted, " ")
}

// showPath quotes a path only where it would not be read as one word.
func showPath(path string) string {
	if quoted := fmt.Sprintf("%q", path); strings.ContainsAny(quoted[1:len(quoted)-1], "\\ ") {
		return quoted
	}
	return path
}
