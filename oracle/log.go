package oracle

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/spf13/afero"
)

// Log is the promise of a log: its reader returns a prefix of the records that
// were appended. The prefix holds every acknowledged record, and nothing else.
// Records are counted from 1, so that the n-th mark acknowledges record n.
//
// The violations are Lost (an acknowledged record is not returned), Torn (a
// record is returned in part, altered or mixed with another one, or a record that
// was not acknowledged is left out in the middle), Alien (a record was not
// appended at this place, or not yet) and Refused (the reader returned an
// error).
//
// # The torn tail
//
// An append that the crash interrupted leaves a torn tail. A log may cut it off,
// because what it held was not acknowledged. Damage in front of an acknowledged
// record is corruption in the middle, and a log that cuts there loses the
// record. Two optional fields help to distinguish these. TornTail is the error by
// which the reader says "the end is incomplete, cut it off"; it is not a
// violation as long as every acknowledged record was returned. If Frames are
// set, a log that was refused or cut too short is compared byte for byte: if an
// acknowledged record is damaged in the file, the violation is Lost, whatever the
// reader said; if all of them are whole, a reader that returned an error is
// Refused. In both cases the detail says where the damage begins and whether a
// whole record follows it.
type Log struct {
	_ struct{} // written with field names: fields may be added

	// Path names the log in violations, and is the file that Frames describe.
	Path string
	// Read is the program's own reader. It returns the records in order. An
	// error that is fs.ErrNotExist says that there is no log, which is judged
	// as an empty one.
	Read func(disk afero.Fs) ([]string, error)
	// Appended are all records of the run in the order of their appends, after
	// those that were durably there before it.
	Appended []string
	// Before says how many of Appended were there before the run.
	Before int
	// Mark is the label whose n-th mark acknowledges the n-th record of the run.
	// Without one nothing is acknowledged but what was there before.
	Mark string
	// Failed is the label whose mark says that an append returned an error: its
	// record may be there or not. With it, attempts are counted by the marks
	// labelled Mark or Failed: the k-th of them tells of the k-th record of the
	// run. What the reader returns may then lack failed records, and any behind
	// the last attempt, but none that was acknowledged, and Frames are not looked
	// at. Optional; it makes judgements depend on all marks.
	Failed string
	// Begun is the label whose n-th mark says that the n-th append of the run
	// begins. Without one a record may be returned however early. Asking for it
	// makes every judgement depend on the number of marks.
	Begun string
	// TornTail is the reader's error for an incomplete end, if it has one. It
	// is compared with errors.Is.
	TornTail error
	// Frames are, for each of Appended, the bytes that its append wrote to the
	// file at Path, one behind the other from its beginning. Optional, and read
	// only once there is a violation.
	Frames []string
}

// Judge implements Oracle.
func (l Log) Judge(disk afero.Fs, marks Marks) []Violation {
	records, err := l.Read(disk)
	cut := err != nil && l.TornTail != nil && errors.Is(err, l.TornTail)
	if err != nil && !cut && !errors.Is(err, fs.ErrNotExist) {
		return []Violation{l.refused(disk, marks, len(records), err)}
	}
	if l.Failed != "" {
		return l.judgeFailed(records, marks, cut)
	}
	for i, r := range records {
		if i >= len(l.Appended) || r != l.Appended[i] {
			return []Violation{l.altered(i, r, marks)}
		}
	}
	n := len(records)
	if l.Begun != "" && n > l.Before {
		if begun := l.Before + marks.Count(l.Begun); n > begun {
			return []Violation{{Kind: Alien, Path: l.Path, Detail: fmt.Sprintf(
				"record %d was returned, though only %d appends had begun", n, begun)}}
		}
	}
	if n < l.Before || n < len(l.Appended) && exceeds(marks, l.Mark, n-l.Before) {
		return []Violation{l.lost(disk, marks, n, cut)}
	}
	return nil
}

// acknowledged returns how many records must be there.
func (l Log) acknowledged(marks Marks) int { return l.Before + count(marks, l.Mark) }

// lost says that the reader returned n records, fewer than were acknowledged.
func (l Log) lost(disk afero.Fs, marks Marks, n int, cut bool) Violation {
	detail := fmt.Sprintf("the reader returned %d of %d acknowledged records", n, l.acknowledged(marks))
	if cut {
		detail += "; the reader took the rest for a torn tail"
	}
	if d, ok := l.inspect(disk); ok {
		detail += "; " + d.String()
	}
	return Violation{Kind: Lost, Path: l.Path, Detail: detail}
}

// refused says that the reader returned an error, with n records.
func (l Log) refused(disk afero.Fs, marks Marks, n int, err error) Violation {
	v := Violation{Kind: Refused, Path: l.Path}
	acknowledged := l.acknowledged(marks)
	d, ok := l.inspect(disk)
	switch {
	case ok && d.whole < min(acknowledged, len(l.Frames)):
		v.Kind = Lost
		v.Detail = fmt.Sprintf("the file holds %d of %d acknowledged records whole; %v; the reader failed with %d read: %v",
			d.whole, acknowledged, d, n, err)
	case ok:
		v.Detail = fmt.Sprintf("the reader failed with %d read, though all %d acknowledged records are whole: %v; %v",
			n, acknowledged, err, d)
	default:
		v.Detail = fmt.Sprintf("the reader failed (records read: %d, acknowledged: %d): %v", n, acknowledged, err)
	}
	return v
}

// altered says what is wrong with the record r, returned at index i where
// another one, or none, was appended.
func (l Log) altered(i int, r string, marks Marks) Violation {
	v := Violation{Path: l.Path}
	place := i + 1
	if i < len(l.Appended) {
		if later := slices.Index(l.Appended[i+1:], r); later >= 0 {
			v.Kind = Torn
			v.Detail = fmt.Sprintf("record %d is missing: record %d stands in its place", place, place+1+later)
			if acknowledged := l.acknowledged(marks); acknowledged > i {
				v.Kind = Lost
				v.Detail += fmt.Sprintf(", though %d were acknowledged", acknowledged)
			}
			return v
		}
	}
	appended := l.Appended[:min(i, len(l.Appended))]
	if earlier := slices.Index(appended, r); earlier >= 0 && r != "" {
		v.Kind = Alien
		v.Detail = fmt.Sprintf("record %d repeats record %d", place, earlier+1)
		return v
	}
	v.Kind = Alien
	if l.fragment(i, r) {
		v.Kind = Torn
	}
	if i >= len(l.Appended) {
		v.Detail = fmt.Sprintf("record %d is %s, though only %d were appended", place, brief(r), len(l.Appended))
		return v
	}
	v.Detail = fmt.Sprintf("record %d is %s where %s was appended: they differ from offset %d on",
		place, brief(r), brief(l.Appended[i]), common(r, l.Appended[i]))
	return v
}

// fragment reports whether r, returned at index i, can be pieced together from
// what was appended and NULs: every byte is NUL or as in record i, or NULs stand
// between the beginning of record i and the end of any record.
func (l Log) fragment(i int, r string) bool {
	want := ""
	if i < len(l.Appended) {
		want = l.Appended[i]
	}
	if firstAlien([]byte(r), []Content{Data(want)}) < 0 {
		return true
	}
	begin := common(r, want)
	begin += nuls(r[begin:])
	for _, a := range l.Appended {
		if n := len(r) - begin; n <= len(a) && a[len(a)-n:] == r[begin:] {
			return true
		}
	}
	return false
}

// brief quotes a record, a long one in part.
func brief(r string) string {
	const most = 32
	if len(r) <= most {
		return fmt.Sprintf("%q", r)
	}
	return fmt.Sprintf("%q... (%s)", r[:most], length(r))
}

// damage is where a log's file departs from what was appended.
type damage struct {
	whole int   // how many records are whole, from the first one on
	at    int64 // where the first other byte is, or the file's end
	size  int64
	end   int64 // of what was appended
	later int   // the first record that is whole behind the damage, or zero
}

// inspect compares the log's file with the frames, if there are any.
func (l Log) inspect(disk afero.Fs) (damage, bool) {
	if len(l.Frames) == 0 || l.Failed != "" {
		return damage{}, false
	}
	s := borrow()
	defer s.giveBack()
	file, err := s.read(disk, l.Path)
	if err != nil {
		return damage{}, false
	}
	d := damage{size: int64(len(file.data))}
	rest, broken := file.data, false
	for i, frame := range l.Frames {
		n := common(rest, frame)
		whole := n == len(frame)
		switch {
		case !broken && whole:
			d.whole = i + 1
			d.at = d.end + int64(n)
		case !broken:
			broken = true
			d.at = d.end + int64(n)
		case whole && n > 0 && d.later == 0:
			d.later = i + 1
		}
		d.end += int64(len(frame))
		rest = rest[min(len(frame), len(rest)):]
	}
	return d, true
}

// String says what is damaged, and whether it is a torn tail or corruption in
// the middle.
func (d damage) String() string {
	switch {
	case d.at == d.end && d.size == d.end:
		return "the file is whole"
	case d.at == d.end:
		return fmt.Sprintf("the file holds all records and %d more bytes", d.size-d.end)
	case d.later > 0:
		return fmt.Sprintf("the file is damaged at offset %d, in record %d, and record %d behind it is whole: corruption in the middle",
			d.at, d.whole+1, d.later)
	case d.at == d.size:
		return fmt.Sprintf("the file ends at offset %d, before the end of record %d", d.at, d.whole+1)
	}
	return fmt.Sprintf("the file is damaged from offset %d on, in record %d, and nothing behind it is whole: a torn tail",
		d.at, d.whole+1)
}
