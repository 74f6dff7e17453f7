package workdir

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/crashsim/crashsim/faultfs/persist"
)

// Run is one run of a checker.
type Run struct {
	Search  string          // of which search it is, a word
	Point   int             // the crash point
	Box     []persist.Bound // what it was given: the cells that are narrower than at the crash point
	Reads   []persist.Read  // what it read, each cell once
	Outcome string          // what came of it, one line
	Cuts    string          // how many cuts it stands for, decimal; "" where they were not counted
}

// The text of runs: a header, and then a line for each run and for each outcome and
// search that is new. A run says how many of its reads are those of the run before it.
const header = "crashsim boxes 1\n"

// Append appends the text of runs, a file.
func Append(b []byte, runs []Run) []byte {
	b = append(b, header...)
	outcomes := map[string]int{}
	search := ""
	var before []persist.Read
	for i := range runs {
		r := &runs[i]
		if r.Search != search {
			search, before = r.Search, nil
			b = fmt.Appendf(b, "search %s\n", search)
		}
		n, known := outcomes[r.Outcome]
		if !known {
			n = len(outcomes)
			outcomes[r.Outcome] = n
			b = fmt.Appendf(b, "outcome %s\n", r.Outcome)
		}
		b = r.append(b, before, n)
		before = r.Reads
	}
	return b
}

// append appends the line of a run; before are the reads of the run before it.
func (r *Run) append(b []byte, before []persist.Read, outcome int) []byte {
	number := func(lead byte, n int64) {
		b = strconv.AppendInt(append(b, lead), n, 10)
	}
	b = append(b, "run"...)
	number(' ', int64(r.Point))
	for _, c := range r.Box {
		number(' ', int64(c.Cell))
		number(':', int64(c.Lo))
		number('-', int64(c.Hi))
	}
	same := 0
	for same < len(r.Reads) && same < len(before) && r.Reads[same] == before[same] {
		same++
	}
	b = append(b, " read"...)
	number(' ', int64(same))
	for _, s := range r.Reads[same:] {
		number(' ', int64(s.Cell))
		number('=', int64(s.Value))
	}
	b = append(b, " outcome"...)
	number(' ', int64(outcome))
	if r.Cuts != "" {
		b = append(append(b, " cuts "...), r.Cuts...)
	}
	return append(b, '\n')
}

// HoldsRuns reports whether a file is one of runs.
func HoldsRuns(text []byte) bool { return bytes.HasPrefix(text, []byte(header)) }

// Parse reads a file of runs, and calls f for each. The reads of a run share memory with
// those of others.
func Parse(text []byte, f func(*Run) error) error {
	rest, ok := bytes.CutPrefix(text, []byte(header))
	if !ok {
		return fmt.Errorf("the file does not begin with %q", header)
	}
	var outcomes []string
	search := ""
	var before []persist.Read
	for line := 2; len(rest) > 0; line++ {
		var this []byte
		this, rest, ok = bytes.Cut(rest, []byte("\n"))
		if !ok {
			return fmt.Errorf("line %d does not end", line)
		}
		kind, value, _ := strings.Cut(string(this), " ")
		switch kind {
		case "search":
			search, before = value, nil
		case "outcome":
			outcomes = append(outcomes, value)
		case "run":
			r := Run{Search: search}
			if err := r.parse(value, before, outcomes); err != nil {
				return fmt.Errorf("line %d: %w", line, err)
			}
			before = r.Reads
			if err := f(&r); err != nil {
				return fmt.Errorf("line %d: %w", line, err)
			}
		default:
			return fmt.Errorf("line %d: %q, want search, outcome or run", line, kind)
		}
	}
	return nil
}

var errRun = errors.New("want: run POINT CELL:LOW-HIGH... read SAME CELL=VALUE... outcome NUMBER cuts NUMBER")

// parse reads the line of a run.
func (r *Run) parse(text string, before []persist.Read, outcomes []string) error {
	words := strings.Fields(text)
	next := func() string {
		if len(words) == 0 {
			return ""
		}
		w := words[0]
		words = words[1:]
		return w
	}
	var err error
	if r.Point, err = strconv.Atoi(next()); err != nil || r.Point < 0 {
		return errRun
	}
	for len(words) > 0 && words[0] != "read" {
		cell, bounds, _ := strings.Cut(next(), ":")
		lo, hi, _ := strings.Cut(bounds, "-")
		numbers, ok := allInts(cell, lo, hi)
		if !ok {
			return errRun
		}
		r.Box = append(r.Box, persist.Bound{Cell: persist.Cell(numbers[0]), Lo: persist.Version(numbers[1]), Hi: persist.Version(numbers[2])})
	}
	next()
	same, err := strconv.Atoi(next())
	if err != nil || same < 0 || same > len(before) {
		return errRun
	}
	r.Reads = before[:same:same]
	for len(words) > 0 && words[0] != "outcome" {
		cell, value, _ := strings.Cut(next(), "=")
		numbers, ok := allInts(cell, value)
		if !ok {
			return errRun
		}
		r.Reads = append(r.Reads, persist.Read{Cell: persist.Cell(numbers[0]), Value: persist.Version(numbers[1])})
	}
	next()
	n, err := strconv.Atoi(next())
	if err != nil || n < 0 || n >= len(outcomes) {
		return errRun
	}
	r.Outcome = outcomes[n]
	if next() == "cuts" {
		r.Cuts = next()
	}
	return nil
}

func allInts(words ...string) (numbers []int64, ok bool) {
	for _, w := range words {
		n, err := strconv.ParseInt(w, 10, 32)
		if err != nil {
			return nil, false
		}
		numbers = append(numbers, n)
	}
	return numbers, true
}
