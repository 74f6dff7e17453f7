package oracle

import (
	"fmt"
	"strings"

	"github.com/spf13/afero"
)

// AllOrNothing is the promise of a transaction over several files: all of them
// belong to one generation, the acknowledged one or a newer one.
//
// The violations are Lost (a file is missing, although it exists in the
// acknowledged generation and in every newer one), Stale (the files are one whole
// generation that is older than the acknowledged one), Torn (each file is whole,
// but no generation has all of them; or a file is torn as in OldOrNew), Alien (a
// file holds something that was never written) and Refused (a file cannot be
// read). A violation that concerns one file is reported for each such file.
//
// The zero AllOrNothing promises nothing.
type AllOrNothing struct {
	_ struct{} // written with field names: fields may be added

	// Paths are the files, in the order in which they are read. The search is
	// fastest if the first file is different in each generation.
	Paths []string
	// Generations are what the files held together: Generations[n][i] is what
	// Paths[i] held in generation n, absent where a generation is shorter than
	// Paths. The first one is what stood there durably before the run.
	Generations [][]Content
	// Mark is the label whose n-th mark acknowledges Generations[n]. Without
	// one nothing is acknowledged.
	Mark string
	// Read replaces reading a file as it is. An error that is fs.ErrNotExist
	// says that the file does not exist.
	Read func(disk afero.Fs, path string) ([]byte, error)
}

// Judge implements Oracle.
func (a AllOrNothing) Judge(disk afero.Fs, marks Marks) []Violation {
	if len(a.Generations) == 0 {
		return nil
	}
	s := borrow()
	defer s.giveBack()
	for _, path := range a.Paths {
		file, err := a.read(disk, path, s)
		if err != nil {
			return refused(path, err)
		}
		s.files = append(s.files, file)
	}
	newest := len(a.Generations) - 1
	for newest >= 0 && !a.is(s.files, newest) {
		newest--
	}
	if newest == len(a.Generations)-1 || newest >= 0 && !exceeds(marks, a.Mark, newest) {
		return nil
	}
	return a.violations(s.files, newest, count(marks, a.Mark))
}

func (a AllOrNothing) read(disk afero.Fs, path string, s *scratch) (found, error) {
	if a.Read == nil {
		return s.read(disk, path)
	}
	return contentRead(a.Read(disk, path))
}

// content returns what the i-th file held in a generation.
func (a AllOrNothing) content(generation, i int) Content {
	if row := a.Generations[generation]; i < len(row) {
		return row[i]
	}
	return Absent
}

func (a AllOrNothing) is(files []found, generation int) bool {
	for i, file := range files {
		if !file.is(a.content(generation, i)) {
			return false
		}
	}
	return true
}

// violations says what is wrong with files that are together the newest
// generation given, too old, or none if that is negative.
func (a AllOrNothing) violations(files []found, newest, acknowledged int) []Violation {
	var broken []Violation
	for i, file := range files {
		if kind, detail := a.alone(file, i, acknowledged); kind != NoKind {
			broken = append(broken, Violation{Kind: kind, Path: a.Paths[i], Detail: detail})
		}
	}
	if broken != nil {
		return broken
	}
	if newest < 0 {
		return []Violation{a.mixture(files)}
	}
	v := Violation{
		Kind:   Stale,
		Detail: fmt.Sprintf("all files are of generation %d, though the mark %q acknowledged generation %d", newest, a.Mark, acknowledged),
	}
	if acknowledged < len(a.Generations) {
		for i, file := range files {
			if !file.is(a.content(acknowledged, i)) {
				v.Path = a.Paths[i]
				break
			}
		}
	}
	return []Violation{v}
}

// alone says what is wrong with one file, whatever the others hold.
func (a AllOrNothing) alone(file found, i, acknowledged int) (Kind, string) {
	column := make([]Content, len(a.Generations))
	whole, mayMiss := false, false
	for g := range column {
		column[g] = a.content(g, i)
		whole = whole || file.is(column[g])
		mayMiss = mayMiss || g >= acknowledged && !column[g].exists
	}
	switch {
	case file.exists && !whole:
		return misfit(file.data, column, "generation")
	case !whole:
		return Lost, "is missing, but it exists in every generation"
	case file.exists || mayMiss || acknowledged >= len(column):
		return NoKind, ""
	}
	return Lost, fmt.Sprintf("is missing, though the mark %q acknowledged generation %d", a.Mark, acknowledged)
}

// mixture says how files that are each whole do not belong together.
func (a AllOrNothing) mixture(files []found) Violation {
	v := Violation{Kind: Torn}
	var text strings.Builder
	newest := -1
	for i, file := range files {
		g := len(a.Generations) - 1
		for g >= 0 && !file.is(a.content(g, i)) {
			g--
		}
		if g > newest {
			newest = g
		}
		if i > 0 {
			text.WriteString(", ")
		}
		missing := ""
		if !file.exists {
			missing = "missing as "
		}
		fmt.Fprintf(&text, "%s is %sof generation %d", a.Paths[i], missing, g)
		if g < newest && v.Path == "" {
			v.Path = a.Paths[i]
		}
	}
	if v.Path == "" {
		v.Path = a.Paths[0]
	}
	v.Detail = "a mixture of generations: " + text.String()
	return v
}
