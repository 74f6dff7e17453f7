package oracle

import (
	"fmt"
	"iter"

	"github.com/spf13/afero"

	"github.com/crashsim/crashsim/faultfs"
)

// All is several promises together. It asks the oracles in order and returns the
// violations of each. Where no recovery comes before them, and they read different parts
// of the disk, a search may ask each of them by itself: it must not depend on
// what another one of them has read.
func All(oracles ...Oracle) Oracle { return all(oracles) }

type all []Oracle

// Parts returns the promises, so that who judges them can do it apart.
func (a all) Parts() []Oracle {
	var parts []Oracle
	for _, o := range a {
		if inner, ok := o.(all); ok {
			parts = append(parts, inner.Parts()...)
		} else {
			parts = append(parts, o)
		}
	}
	return parts
}

func (a all) Judge(disk afero.Fs, marks Marks) []Violation {
	var violations []Violation
	for _, o := range a {
		violations = append(violations, o.Judge(disk, marks)...)
	}
	return violations
}

// OfRun shows the run to each oracle that wants to see it.
func (a all) OfRun(trace *faultfs.Trace, moments iter.Seq2[int, *faultfs.FS]) (Oracle, error) {
	seen := make(all, len(a))
	for i, o := range a {
		var err error
		if seen[i], err = seeing(o, trace, moments); err != nil {
			return nil, err
		}
	}
	return seen, nil
}

// When is a promise that begins with the first mark that has the label. Before
// that mark it does not read the disk and accepts every case.
func When(label string, promise Oracle) Oracle { return when{label, promise} }

type when struct {
	label   string
	promise Oracle
}

func (w when) Judge(disk afero.Fs, marks Marks) []Violation {
	if !marks.Has(w.label) {
		return nil
	}
	return w.promise.Judge(disk, marks)
}

// OfRun shows the run to the promise.
func (w when) OfRun(trace *faultfs.Trace, moments iter.Seq2[int, *faultfs.FS]) (Oracle, error) {
	promise, err := seeing(w.promise, trace, moments)
	return when{w.label, promise}, err
}

// Exists is the promise that a path leads to a file or a directory, whatever it
// holds. If it does not, the violation is Lost.
func Exists(path string) Oracle {
	missing := Violation{Kind: Lost, Path: path, Detail: "is missing"}
	return Func(func(disk afero.Fs, _ Marks) []Violation {
		there, err := exists(disk, path)
		switch {
		case err != nil:
			return refused(path, err)
		case !there:
			return []Violation{missing}
		}
		return nil
	})
}

// Gone is the promise that nothing exists at a path: what was removed has not
// come back. If it has, the violation is Stale.
func Gone(path string) Oracle {
	back := Violation{Kind: Stale, Path: path, Detail: "exists, although it was removed"}
	return Func(func(disk afero.Fs, _ Marks) []Violation {
		there, err := exists(disk, path)
		switch {
		case err != nil:
			return refused(path, err)
		case there:
			return []Violation{back}
		}
		return nil
	})
}

// Accepted is the promise that the program's own check, such as opening the store
// and verifying it, returns no error. If it returns one, the violation is
// Refused.
func Accepted(path string, check func(disk afero.Fs) error) Oracle {
	return Func(func(disk afero.Fs, _ Marks) []Violation {
		if err := check(disk); err != nil {
			return []Violation{{Kind: Refused, Path: path, Detail: fmt.Sprintf("the program's own check failed: %v", err)}}
		}
		return nil
	})
}

// Detects is the promise of a format with checksums on a disk that loses data
// later: either the given promise is kept, or the program itself reports that it
// cannot keep it. Detects drops violations of the kind Refused and returns all
// others.
func Detects(promise Oracle) Oracle { return detects{promise} }

type detects struct{ promise Oracle }

func (d detects) Judge(disk afero.Fs, marks Marks) []Violation {
	var violations []Violation
	for _, v := range d.promise.Judge(disk, marks) {
		if v.Kind != Refused {
			violations = append(violations, v)
		}
	}
	return violations
}

// OfRun shows the run to the promise.
func (d detects) OfRun(trace *faultfs.Trace, moments iter.Seq2[int, *faultfs.FS]) (Oracle, error) {
	promise, err := seeing(d.promise, trace, moments)
	return detects{promise}, err
}
