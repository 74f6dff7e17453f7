package oracle

import (
	"fmt"

	"github.com/spf13/afero"
)

// OldOrNew is the promise of atomic replacement: a file holds one whole version,
// the acknowledged one or a newer one, and never anything in between.
//
// The violations are Lost (the file is missing, although it exists in the
// acknowledged version and in every newer one), Stale (it holds a whole version
// that is older than the acknowledged one), Torn (each byte is NUL or stands at
// the same offset in some version: a mixture, a prefix, zeros), Alien (it holds
// anything else) and Refused (it cannot be read).
//
// The zero OldOrNew promises that a file named "" never exists.
type OldOrNew struct {
	_ struct{} // written with field names: fields may be added

	Path string
	// Versions are what the file held, one after the other. The first one is
	// what stood there durably before the run. Versions may be equal; then the
	// newest of them counts. The cost of a judgement grows with their number.
	Versions []Content
	// Mark is the label whose n-th mark acknowledges Versions[n]. Without one
	// nothing is acknowledged: the file is then atomic, not durable.
	Mark string
	// Read replaces reading the file as it is, for files that the program
	// reads by a decoder of its own. An error that is fs.ErrNotExist says that
	// the file does not exist.
	Read func(disk afero.Fs) ([]byte, error)
}

// unborn are the versions of a file that never exists.
var unborn = []Content{Absent}

// Judge implements Oracle.
func (o OldOrNew) Judge(disk afero.Fs, marks Marks) []Violation {
	s := borrow()
	defer s.giveBack()
	file, err := o.read(disk, s)
	if err != nil {
		return refused(o.Path, err)
	}
	if len(o.Versions) == 0 {
		o.Versions = unborn
	}
	newest := len(o.Versions) - 1
	for newest >= 0 && !file.is(o.Versions[newest]) {
		newest--
	}
	if newest == len(o.Versions)-1 || newest >= 0 && !exceeds(marks, o.Mark, newest) {
		return nil
	}
	return []Violation{o.violation(file, newest, marks)}
}

func (o OldOrNew) read(disk afero.Fs, s *scratch) (found, error) {
	if o.Read == nil {
		return s.read(disk, o.Path)
	}
	return contentRead(o.Read(disk))
}

// violation says what is wrong with a file that is the newest version given,
// too old, or none if that is negative.
func (o OldOrNew) violation(file found, newest int, marks Marks) Violation {
	v := Violation{Path: o.Path}
	switch {
	case newest < 0 && file.exists:
		v.Kind, v.Detail = misfit(file.data, o.Versions, "version")
	case newest < 0:
		v.Kind, v.Detail = Lost, "is missing, but it exists in every version"
	case !file.exists:
		v.Kind = Lost
		v.Detail = fmt.Sprintf("is missing, though the mark %q acknowledged version %d", o.Mark, count(marks, o.Mark))
	default:
		v.Kind = Stale
		v.Detail = fmt.Sprintf("holds version %d, though the mark %q acknowledged version %d",
			newest, o.Mark, count(marks, o.Mark))
	}
	return v
}
