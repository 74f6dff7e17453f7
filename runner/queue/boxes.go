package queue

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/crashsim/crashsim/faultfs/persist"
)

// Box is a part of the cuts of a crash point.
type Box struct {
	Point  int
	Bounds []persist.Bound // of the cells that are narrower than at the crash point
}

// MaxBoxes is how many boxes a parcel may hold.
const MaxBoxes = 4096

const boxesHeader = "crashsim parcel 1\n"

// Append appends the text of boxes of a search, which has a name without spaces.
func Append(b []byte, search string, boxes []Box) []byte {
	b = fmt.Appendf(b, "%ssearch %s\n", boxesHeader, search)
	for i := range boxes {
		b = strconv.AppendInt(append(b, "box "...), int64(boxes[i].Point), 10)
		for _, c := range boxes[i].Bounds {
			b = fmt.Appendf(b, " %d:%d-%d", c.Cell, c.Lo, c.Hi)
		}
		b = append(b, '\n')
	}
	return b
}

var errBox = errors.New("want: box POINT, then one or more CELL:LOW-HIGH")

// Parse reads the text of boxes that are of a plan. It returns an error where that has no
// such point or cell, or the text is not as Append makes it.
func Parse(text []byte, plan *persist.Plan) (search string, boxes []Box, err error) {
	rest, ok := bytes.CutPrefix(text, []byte(boxesHeader))
	if !ok {
		return "", nil, fmt.Errorf("the parcel does not begin with %q", boxesHeader)
	}
	first, rest, _ := bytes.Cut(rest, []byte("\n"))
	search, ok = strings.CutPrefix(string(first), "search ")
	if !ok || search == "" {
		return "", nil, errors.New("line 2: want: search NAME")
	}
	for line := 3; len(rest) > 0; line++ {
		if len(boxes) == MaxBoxes {
			return "", nil, fmt.Errorf("line %d: a parcel holds at most %d boxes", line, MaxBoxes)
		}
		this, after, ok := bytes.Cut(rest, []byte("\n"))
		if !ok {
			return "", nil, fmt.Errorf("line %d does not end", line)
		}
		rest = after
		box, err := parseBox(string(this), plan)
		if err != nil {
			return "", nil, fmt.Errorf("line %d: %w", line, err)
		}
		boxes = append(boxes, box)
	}
	return search, boxes, nil
}

func parseBox(line string, plan *persist.Plan) (b Box, err error) {
	words := strings.Fields(line)
	if len(words) < 2 || words[0] != "box" {
		return b, errBox
	}
	if b.Point, err = strconv.Atoi(words[1]); err != nil {
		return b, errBox
	}
	if b.Point < 0 || b.Point >= plan.Points() {
		return b, fmt.Errorf("the program has %d crash points, and no point %d", plan.Points(), b.Point)
	}
	for _, word := range words[2:] {
		cell, bounds, _ := strings.Cut(word, ":")
		lo, hi, _ := strings.Cut(bounds, "-")
		var n [3]int64
		for i, text := range []string{cell, lo, hi} {
			if n[i], err = strconv.ParseInt(text, 10, 32); err != nil || n[i] < 0 {
				return b, errBox
			}
		}
		if n[0] >= int64(plan.Cells()) {
			return b, fmt.Errorf("the program has %d cells, and no cell %d", plan.Cells(), n[0])
		}
		b.Bounds = append(b.Bounds, persist.Bound{Cell: persist.Cell(n[0]), Lo: persist.Version(n[1]), Hi: persist.Version(n[2])})
	}
	return b, nil
}

// Part is the box as a part of its crash point.
func (b *Box) Part() persist.Subset {
	var subset persist.Subset
	for _, bound := range b.Bounds {
		subset = subset.And(bound)
	}
	return subset
}
