package oracle

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/afero"
)

// Marks are the marks that the program made before the crash. The search
// branches at each question about marks, as it does at each read of the disk, so
// an oracle that asks little is explored faster.
type Marks interface {
	// Has reports whether a mark with the label was made.
	Has(label string) bool
	// Count returns how many marks with the label were made.
	Count(label string) int
	// All returns the labels of all marks in the order in which they were made.
	All() []string
}

// Oracle judges one case: the disk as the program's recovery left it, and the
// marks made before the crash. It returns the violations that it found, or nil
// if the promise is kept. It may be called from several goroutines at once, and
// its answer must depend on nothing but its arguments.
type Oracle interface {
	Judge(disk afero.Fs, marks Marks) []Violation
}

// Func is an Oracle made of a function.
type Func func(disk afero.Fs, marks Marks) []Violation

// Judge calls f.
func (f Func) Judge(disk afero.Fs, marks Marks) []Violation { return f(disk, marks) }

// Kind says how a promise is broken. The zero Kind is NoKind.
type Kind uint8

// The kinds of violations.
const (
	NoKind  Kind = iota
	Lost         // something acknowledged, or durable before the run, is gone
	Torn         // something is there in part, or a mixture of old and new
	Stale        // something is whole but older than what was acknowledged
	Alien        // something is there that was never written
	Refused      // recovery returned an error, panicked or ended its goroutine
	Hung         // recovery did not end within the time that it was given
	Litter       // a file was left behind that is not needed: a warning
)

var kindNames = [...]string{"none", "lost", "torn", "stale", "alien", "refused", "hung", "litter"}

// String returns the kind in lower case.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("kind%d", k)
}

// ParseKind returns the kind with the given name, as String returns it. An
// unknown name is an error that lists the known ones.
func ParseKind(name string) (Kind, error) {
	for k, n := range kindNames {
		if n == name {
			return Kind(k), nil
		}
	}
	return NoKind, fmt.Errorf("unknown kind %q, want one of %s", name, strings.Join(kindNames[1:], ", "))
}

// Warning reports whether a violation of this kind is only a warning. A warning
// does not make a verdict Broken.
func (k Kind) Warning() bool { return k == Litter }

// Violation is one thing that is wrong with a case.
type Violation struct {
	_ struct{} // written with field names: fields may be added

	Kind   Kind
	Path   string // the file or directory concerned, "" if it is none in particular
	Detail string // one sentence, without a full stop

	// Err, if set, says why the case could not be judged. It is then no violation:
	// see NoVerdict.
	Err error

	// Doubtful says that something which is no part of the program may have caused
	// it: see ErrDoubtful.
	Doubtful bool
}

// ErrDoubtful says that something which is no part of the program may have made a
// case wrong, such as a system that is short of memory and killed the check. An oracle
// reports it by a violation that is Doubtful, and a recovery returns an error that
// wraps it. The case is judged again: where it is not wrong again in the same way,
// there is no verdict, as after ErrNoVerdict.
var ErrDoubtful = errors.New("something outside of the program may be the reason")

// ErrNoVerdict says that a case could not be judged, because something failed that
// is no part of the program: a command could not be started, a file system was
// taken away, memory or disk space ran out. An oracle reports it with NoVerdict, and
// a recovery returns an error that wraps it. It ends the whole run: there is an error
// and no verdict, since a case that was not judged may be the one that matters.
var ErrNoVerdict = errors.New("no verdict")

// NoVerdict is what an oracle returns that could not judge a case, with the reason.
func NoVerdict(reason error) []Violation { return []Violation{{Err: Unjudged(reason)}} }

// Unjudged wraps a reason in ErrNoVerdict, unless it is wrapped already.
func Unjudged(reason error) error {
	if errors.Is(reason, ErrNoVerdict) {
		return reason
	}
	return fmt.Errorf("%w: %w", ErrNoVerdict, reason)
}

// String returns "kind path: detail".
func (v Violation) String() string {
	if v.Err != nil {
		return v.Err.Error()
	}
	if v.Path == "" {
		return fmt.Sprintf("%s: %s", v.Kind, v.Detail)
	}
	return fmt.Sprintf("%s %s: %s", v.Kind, v.Path, v.Detail)
}
