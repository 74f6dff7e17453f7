package persist

import "slices"

// Marks are the marks made before the crash, as a reader of a disk sees them:
// asking is a read like any other, and becomes a Step.
type Marks struct{ disk *Disk }

// Marks returns the marks made before the crash.
func (d *Disk) Marks() Marks { return Marks{d} }

// label is a label of a plan's marks: where it stands among the distinct
// labels, and among all marks.
type label struct {
	index int
	at    []int
}

// A question about the marks is a cell with a negative number: -1 asks for all
// marks; of the label with index i, -2-2i asks whether there is one and -3-2i
// how many there are.
const allMarks Cell = -1

func hasLabel(l *label) Cell   { return Cell(-2 - 2*l.index) }
func countLabel(l *label) Cell { return Cell(-3 - 2*l.index) }

// questions returns how many questions there are about marks with so many
// distinct labels.
func questions(labels int) int { return 1 + 2*labels }

func (l *lowerer) labelMarks() {
	l.labels = map[string]*label{}
	for i, text := range l.marks {
		known := l.labels[text]
		if known == nil {
			known = &label{index: len(l.labels)}
			l.labels[text] = known
			l.byIndex = append(l.byIndex, known)
		}
		known.at = append(known.at, i)
	}
}

// answer answers a question about the marks when so many were made.
func (p *Plan) answer(question Cell, made int) Version {
	if question == allMarks {
		return Version(made)
	}
	l := p.byIndex[(-question-2)/2]
	n, _ := slices.BinarySearch(l.at, made)
	if question == hasLabel(l) {
		n = min(n, 1)
	}
	return Version(n)
}

// ask answers a question and notes that it was asked.
func (d *Disk) ask(question Cell) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	value, _, _ := d.box.Choose(question)
	if i := -question - 1; d.asked[i] != d.run && !d.halted {
		d.asked[i] = d.run
		d.reads = append(d.reads, Read{question, value})
	}
	return int(value)
}

// Has reports whether a mark with the label was made.
func (m Marks) Has(label string) bool {
	l := m.disk.plan.labels[label]
	return l != nil && m.disk.ask(hasLabel(l)) > 0
}

// Count returns how many marks with the label were made.
func (m Marks) Count(label string) int {
	l := m.disk.plan.labels[label]
	if l == nil {
		return 0
	}
	return m.disk.ask(countLabel(l))
}

// All returns the labels of all marks in the order in which they were made.
func (m Marks) All() []string {
	n := m.disk.ask(allMarks)
	return m.disk.plan.marks[:n:n]
}
