package report

import "strings"

// matrix is the table of programs and models that a page begins with.
type matrix struct {
	Models []string
	Rows   []matrixRow
}

type matrixRow struct {
	Program string
	Cells   []matrixCell
}

// matrixCell is a verdict, which leads to the first part that is about it; a cell
// without a verdict is empty.
type matrixCell struct {
	Verdict, Kinds, Class string
	ID                    int
}

// program is the name of the part's program.
func (p *Section) program() string {
	if p.Program != "" {
		return p.Program
	}
	return p.Name
}

// matrixOf makes the matrix of parts, nil where there is one part only.
func matrixOf(sections []Section) *matrix {
	if len(sections) < 2 {
		return nil
	}
	m := &matrix{}
	columns, rows := map[string]int{}, map[string]int{}
	for i := range sections {
		model := sections[i].Plan.Model().String()
		if _, known := columns[model]; !known {
			columns[model] = len(m.Models)
			m.Models = append(m.Models, model)
		}
	}
	for i := range sections {
		p := &sections[i]
		row, known := rows[p.program()]
		if !known {
			row = len(m.Rows)
			rows[p.program()] = row
			m.Rows = append(m.Rows, matrixRow{visible(p.program()), make([]matrixCell, len(m.Models))})
		}
		cell := &m.Rows[row].Cells[columns[p.Plan.Model().String()]]
		if cell.Verdict != "" {
			continue // the part is of a failure that took more than the power cut
		}
		word, kinds, _ := strings.Cut(visible(p.Verdict), "(")
		*cell = matrixCell{word, strings.ReplaceAll(strings.TrimSuffix(kinds, ")"), ",", " "), p.class(), i}
	}
	return m
}

// class is how the verdict of the part is painted.
func (p *Section) class() string {
	switch {
	case p.Good:
		return "good"
	case strings.HasPrefix(p.Verdict, "unknown"):
		return "odd"
	}
	return "bad"
}

// Class is how the template paints the verdict.
func (p Section) Class() string { return p.class() }

// firstBroken is the part that is open when the page is: the first with a failure, or
// else the first that is not kept, or else the first.
func firstBroken(sections []Section) int {
	for i := range sections {
		if len(sections[i].Failures) > 0 {
			return i
		}
	}
	for i := range sections {
		if !sections[i].Good {
			return i
		}
	}
	return 0
}
