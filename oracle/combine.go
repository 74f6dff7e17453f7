package oracle

import (
	"fmt"

	"github.com/spf13/afero"
)

// All is the promise of several oracles together. They are asked in order, and
// what each finds is reported.
func All(oracles ...Oracle) Oracle { return all(oracles) }

type all []Oracle

func (a all) Judge(disk afero.Fs, marks Marks) []Violation {
	var violations []Violation
	for _, o := range a {
		violations = append(violations, o.Judge(disk, marks)...)
	}
	return violations
}

// When is a promise that holds from the first mark with the label on. Without
// the mark the disk is not read.
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

// Exists is the promise that a path leads to a file or directory, whatever is
// in it; otherwise it is Lost.
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

// Gone is the promise that a path leads nowhere: what was removed did not come
// back; otherwise it is Stale.
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

// Accepted is the promise that a check of the program's own, such as opening
// the store and verifying it, returns no error; otherwise it is Refused.
func Accepted(path string, check func(disk afero.Fs) error) Oracle {
	return Func(func(disk afero.Fs, _ Marks) []Violation {
		if err := check(disk); err != nil {
			return []Violation{{Kind: Refused, Path: path, Detail: fmt.Sprintf("the program's own check failed: %v", err)}}
		}
		return nil
	})
}

// Detects is the promise of a checksummed format on a medium that rots: the
// given promise is kept, or the program says itself that it cannot keep it.
// Violations that are Refused are dropped, all others remain.
func Detects(promise Oracle) Oracle {
	return Func(func(disk afero.Fs, marks Marks) []Violation {
		var violations []Violation
		for _, v := range promise.Judge(disk, marks) {
			if v.Kind != Refused {
				violations = append(violations, v)
			}
		}
		return violations
	})
}
