package oracle

import (
	"fmt"
	"slices"
)

// judgeFailed judges what the reader returned of a log whose appends may fail.
func (l Log) judgeFailed(records []string, marks Marks, cut bool) []Violation {
	if l.Begun == "" && slices.Equal(records, l.Appended) {
		return nil
	}
	must := l.mandatory(marks)
	last := len(l.Appended)
	if l.Begun != "" {
		last = min(last, l.Before+marks.Count(l.Begun))
	}
	if l.embeds(records, must, last) {
		return nil
	}
	return []Violation{l.misplaced(records, must, last, cut)}
}

// mandatory says of each appended record whether it must be returned: it was
// there before the run or was acknowledged. Of the others the append failed, or
// it has not ended.
func (l Log) mandatory(marks Marks) []bool {
	must := make([]bool, len(l.Appended))
	for i := range min(l.Before, len(must)) {
		must[i] = true
	}
	k := l.Before
	for _, label := range marks.All() {
		acknowledges := l.Mark != "" && label == l.Mark
		if !acknowledges && label != l.Failed {
			continue
		}
		if k < len(must) {
			must[k] = acknowledges
		}
		k++
	}
	return must
}

// embeds reports whether the records can be read as the appended ones up to
// last, in order, without some that need not be there.
func (l Log) embeds(records []string, must []bool, last int) bool {
	ends := []int{0} // how many records may be those up to the appended one
	for k, a := range l.Appended {
		var next []int
		for _, n := range ends {
			if !must[k] && !slices.Contains(next, n) {
				next = append(next, n)
			}
			if k < last && n < len(records) && records[n] == a {
				next = append(next, n+1)
			}
		}
		ends = next
	}
	return slices.Contains(ends, len(records))
}

// misplaced says what is wrong with records that embeds has refused.
func (l Log) misplaced(records []string, must []bool, last int, cut bool) Violation {
	v := Violation{Kind: Lost, Path: l.Path}
	next := 0 // the first appended record that may come now
	for i, r := range records {
		at := slices.Index(l.Appended[next:], r)
		if at < 0 {
			return l.stranger(i, r, next, must)
		}
		at += next
		if at >= last {
			v.Kind = Alien
			v.Detail = fmt.Sprintf("record %d was returned, though only %d appends had begun", at+1, last)
			return v
		}
		if gone := slices.Index(must[next:at], true); gone >= 0 {
			v.Detail = fmt.Sprintf("record %d was acknowledged and is missing: record %d stands in its place", next+gone+1, at+1)
			return v
		}
		next = at + 1
	}
	v.Detail = fmt.Sprintf("the reader returned %d records, not all that were acknowledged", len(records))
	if gone := slices.Index(must[next:], true); gone >= 0 {
		v.Detail = fmt.Sprintf("record %d was acknowledged and is missing: the reader returned %d records", next+gone+1, len(records))
	}
	if cut {
		v.Detail += "; the reader took the rest for a torn tail"
	}
	return v
}

// stranger says what is wrong with the record r, returned at index i: it is
// none of the appended ones from next on.
func (l Log) stranger(i int, r string, next int, must []bool) Violation {
	v := Violation{Kind: Alien, Path: l.Path}
	if earlier := slices.Index(l.Appended[:next], r); earlier >= 0 && r != "" {
		v.Detail = fmt.Sprintf("what was returned at place %d repeats record %d", i+1, earlier+1)
		return v
	}
	// It may stand for any record up to the first one that must be there.
	for k := next; k <= len(l.Appended) && v.Kind == Alien; k++ {
		if l.fragment(k, r) {
			v.Kind = Torn
		}
		if k < len(must) && must[k] {
			break
		}
	}
	v.Detail = fmt.Sprintf("what was returned at place %d is %s, which is none of the records from %d to %d",
		i+1, brief(r), next+1, len(l.Appended))
	if next == len(l.Appended) {
		v.Detail = fmt.Sprintf("what was returned at place %d is %s, behind the last record that was appended", i+1, brief(r))
	}
	return v
}
