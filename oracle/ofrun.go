package oracle

import (
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"reflect"
	"slices"

	"github.com/spf13/afero"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/runner/show"
)

// OfRun is an oracle that learns what is right from the program itself: from a run in
// which nothing crashes. The runner shows it the run, and judges the crashes of that run
// with the oracle that OfRun returns.
//
// Moments are what the program, started again without a crash, finds on its disk: after
// its recovery, at the beginning, just before and just after each mark, where it was
// killed, and at the end, in order, each with the number of marks made so far, those of
// the setup counted. A disk holds until the next one is asked for.
//
// Where a call of the program fails, OfRun is called once more, on the oracle that has seen
// the run without faults, with the run in which the call failed. An error ends the
// whole run without a verdict.
type OfRun interface {
	Oracle
	OfRun(trace *faultfs.Trace, moments iter.Seq2[int, *faultfs.FS]) (Oracle, error)
}

// seeing shows a run to an oracle, if it wants to see one.
func seeing(o Oracle, trace *faultfs.Trace, moments iter.Seq2[int, *faultfs.FS]) (Oracle, error) {
	if of, ok := o.(OfRun); ok {
		return of.OfRun(trace, moments)
	}
	return o, nil
}

// errUnseen is why an oracle that has seen no run cannot judge.
var errUnseen = errors.New("the oracle has seen no run of the program: it judges as the Oracle of a scenario")

// allMarks are the labels of the marks of a trace, those of its setup first.
func allMarks(trace *faultfs.Trace) []string {
	setup := faultfs.Trace{Ops: trace.Setup}
	return append(setup.Marks(), trace.Marks()...)
}

// SameAs is the promise that no crash shows: what the program answers after one is what it
// answered, started again without a crash, at some moment from the last mark on and up to
// the next. Reopen opens the program on a disk and returns what it answers, in a value that
// reflect.DeepEqual can compare; an error is an answer, too. No versions are written down:
// reopen is called on the disks of a run in which nothing crashed.
//
// Each mark is such a moment. So a program that begins several operations before it
// acknowledges one marks each of them, and names the labels that acknowledge; without acks,
// each mark does. Where a call fails, a mark acknowledges what it does without the fault,
// for as long as the marks are the same.
//
// The violations are Stale (it answers as it did before the last acknowledgement), Alien
// (as it did later only), Lost (it finds nothing), Refused (an error that is no answer of the
// running program) and Torn (it never answered this).
func SameAs[A any](reopen func(disk afero.Fs) (A, error), acks ...string) Oracle {
	return sameAs[A]{reopen: reopen, acks: acks}
}

type sameAs[A any] struct {
	reopen func(disk afero.Fs) (A, error)
	acks   []string
	labels []string         // of all marks
	said   map[int][]answer // by the number of marks; the first one just after the mark; nil: no run was seen
}

// answer is what a program says when it is opened.
type answer struct {
	value any
	err   string
	none  bool // it found nothing
}

func (a answer) is(b answer) bool { return a.err == b.err && reflect.DeepEqual(a.value, b.value) }

// String shows an answer, if its value looks the same each time.
func (a answer) String() string {
	switch {
	case a.err != "":
		return "the error " + show.Word(a.err)
	case a.value == nil || !isPlain(reflect.TypeOf(a.value), 0):
		return "something else"
	}
	return show.Word(fmt.Sprint(a.value))
}

// isPlain reports whether values of a type hold no pointers.
func isPlain(t reflect.Type, depth int) bool {
	switch t.Kind() {
	case reflect.Map:
		return depth < 4 && isPlain(t.Key(), depth+1) && isPlain(t.Elem(), depth+1)
	case reflect.Slice, reflect.Array:
		return depth < 4 && isPlain(t.Elem(), depth+1)
	case reflect.Struct:
		for i := range t.NumField() {
			if depth >= 4 || !isPlain(t.Field(i).Type, depth+1) {
				return false
			}
		}
		return true
	}
	return t.Kind() <= reflect.Complex128 || t.Kind() == reflect.String
}

func (s sameAs[A]) ask(disk afero.Fs) answer {
	value, err := s.reopen(disk)
	if err != nil {
		return answer{value, err.Error(), errors.Is(err, fs.ErrNotExist)}
	}
	return answer{value: value}
}

// OfRun asks the running program.
func (s sameAs[A]) OfRun(trace *faultfs.Trace, moments iter.Seq2[int, *faultfs.FS]) (Oracle, error) {
	sound := s
	s.labels, s.said = allMarks(trace), map[int][]answer{}
	failed, asked := 0, 0
	for marks, disk := range moments {
		got := s.ask(disk)
		asked++
		if got.err != "" {
			failed++
		}
		if !slices.ContainsFunc(s.said[marks], got.is) {
			s.said[marks] = append(s.said[marks], got)
		}
	}
	if failed == asked {
		return nil, fmt.Errorf("what the program answers is not known: opened at %s of a run in which nothing crashed, it returned an error each time",
			show.Count(asked, "moment"))
	}
	if sound.said != nil {
		s.heed(sound)
	}
	return s, nil
}

// heed lets marks acknowledge what they do in the run without faults.
func (s sameAs[A]) heed(sound sameAs[A]) {
	for n, said := range s.said {
		if n > len(sound.labels) || !slices.Equal(s.labels[:n], sound.labels[:n]) || sound.said[n] == nil {
			continue
		}
		s.said[n] = slices.Clone(sound.said[n])
		if said[0].is(sound.said[n][0]) { // what it does besides, it did not acknowledge
			s.said[n] = append(s.said[n], said[1:]...)
		}
	}
}

// Judge implements Oracle.
func (s sameAs[A]) Judge(disk afero.Fs, marks Marks) []Violation {
	if s.said == nil {
		return NoVerdict(errUnseen)
	}
	got := s.ask(disk)
	made := 0
	if len(s.labels) > 0 {
		made = len(marks.All())
	}
	acked := s.acknowledged(made)
	if s.find(got, acked, made) >= 0 {
		return nil
	}
	return []Violation{s.violation(got, acked, made)}
}

// acknowledged is the number of marks after the last one of so many that acknowledges.
func (s sameAs[A]) acknowledged(made int) int {
	for n := min(made, len(s.labels)); n > 0; n-- {
		if len(s.acks) == 0 || slices.Contains(s.acks, s.labels[n-1]) {
			return n
		}
	}
	return 0
}

// find returns a number of marks, of those from low to high, at which the program gave the
// answer, -1 if there is none.
func (s sameAs[A]) find(got answer, low, high int) int {
	for n := high; n >= low; n-- {
		if slices.ContainsFunc(s.said[n], got.is) {
			return n
		}
	}
	return -1
}

func (s sameAs[A]) violation(got answer, acked, made int) Violation {
	older, later := s.find(got, 0, acked-1), s.find(got, made+1, len(s.labels))
	switch {
	case older >= 0:
		return Violation{Kind: Stale, Detail: fmt.Sprintf("the program answers as it did %s: %s; %s", s.when(older), got, s.instead(acked))}
	case later >= 0:
		return Violation{Kind: Alien, Detail: fmt.Sprintf("the program answers as it did only %s: %s; %s", s.when(later), got, s.instead(made))}
	case got.none:
		return Violation{Kind: Lost, Detail: "the program finds nothing; " + s.instead(acked)}
	case got.err != "":
		return Violation{Kind: Refused, Detail: "the program answers " + got.String() + "; " + s.instead(acked)}
	}
	return Violation{Kind: Torn, Detail: "the program answers what it never did: " + got.String() + "; " + s.instead(acked)}
}

// when names the moments between two marks.
func (s sameAs[A]) when(n int) string {
	if n == 0 {
		return "before the first mark"
	}
	return fmt.Sprintf("after mark %d, %s", n, show.Word(s.labels[n-1]))
}

// instead says what the program answered without a crash.
func (s sameAs[A]) instead(n int) string {
	if len(s.said[n]) == 0 {
		return "without a crash it does not open " + s.when(n) + " either"
	}
	return fmt.Sprintf("without a crash, %s, it answers %s", s.when(n), s.said[n][0])
}
