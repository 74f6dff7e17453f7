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
	marks := "none"
	if len(s.Marks) > 0 {
		quoted := make([]string, len(s.Marks))
		for i, m := range s.Marks {
			quoted[i] = fmt.Sprintf("%q", m)
		}
		marks = strings.Join(quoted, " ")
	}
	fmt.Fprintf(&b, "%smarks  %s\n", indent, marks)
	var rows []row
	for _, path := range slices.Sorted(maps.Keys(s.Tree)) {
		e := s.Tree[path]
		name := indent + fmt.Sprintf("%q", path)
		if !strings.ContainsAny(name[len(indent)+1:len(name)-1], "\\ ") {
			name = indent + path
		}
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
