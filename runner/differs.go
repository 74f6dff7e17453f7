package runner

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/rogpeppe/go-internal/diff"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/runner/show"
)

// shownLines bounds the lines of a difference that are shown.
const shownLines = 10

// differs is the error of a workload that did not do the same when it was run again: the
// first difference, what usually causes one of this kind, and the way round.
func differs(scenario string, first, second *faultfs.Trace) error {
	lines, more := firstDifference(first.Text(), second.Text())
	text := strings.Join(lines, "\n")
	if more > 0 {
		text += fmt.Sprintf("\n... and %s more", show.Count(more, "line"))
	}
	return fmt.Errorf("scenario %s does not do the same twice: %s\n%s\n"+
		"make it do the same (a fixed seed, clock and name, sorted keys, one goroutine), or record it once and judge that: set Trace, not Workload",
		scenario, usualCause(first, second), text)
}

// firstDifference returns the lines of a diff that say what is different, as many as are
// shown, and how many more there are.
func firstDifference(first, second []byte) (lines []string, more int) {
	for line := range strings.Lines(string(diff.Diff("first", first, "second", second))) {
		line = strings.TrimSuffix(line, "\n")
		isHeader := strings.HasPrefix(line, "--- first") || strings.HasPrefix(line, "+++ second")
		switch {
		case isHeader || line == "" || line[0] != '-' && line[0] != '+':
		case len(lines) == shownLines:
			more++
		default:
			lines = append(lines, show.Clip(show.Line(line), show.WordLength))
		}
	}
	return lines, more
}

// usualCause says what most often makes two runs part as these do.
func usualCause(first, second *faultfs.Trace) string {
	a, b := slices.Concat(first.Setup, first.Ops), slices.Concat(second.Setup, second.Ops)
	i := 0
	for i < len(a) && i < len(b) && sameOp(&a[i], &b[i]) {
		i++
	}
	switch {
	case slices.Equal(sortedCalls(a), sortedCalls(b)):
		return "it makes the same calls in another order; goroutines, or the order in which Go ranges over a map, do that"
	case i == len(a) || i == len(b):
		return fmt.Sprintf("it makes %s, then %d; a variable or a file that the first run has left, the time, or goroutines, do that",
			show.Count(len(a), "call"), len(b))
	case a[i].Kind != b[i].Kind:
		return "it makes another call; goroutines, the time, or what the first run has left, do that"
	case a[i].Path != b[i].Path || a[i].To != b[i].To:
		return "it uses another name; a random name (os.CreateTemp), one with the time or the number of the process in it, " +
			"or the order in which Go ranges over a map, does that"
	case !bytes.Equal(a[i].Data, b[i].Data):
		return "it writes other bytes; the time, a random number, or the order in which Go ranges over a map, does that"
	}
	return "a call of it has other arguments; the time, a random number, or goroutines, do that"
}

// sameOp reports whether two ops ask for the same.
func sameOp(a, b *faultfs.Op) bool { return bytes.Equal(a.Data, b.Data) && a.Line() == b.Line() }

// sortedCalls are the ops of a program, but for their order.
func sortedCalls(ops []faultfs.Op) []string {
	calls := make([]string, len(ops))
	for i := range ops {
		calls[i] = ops[i].Line()
	}
	slices.Sort(calls)
	return calls
}
