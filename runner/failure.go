package runner

import (
	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/persist"
	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner/blame"
)

// Crash is where power was cut, and what was lost there.
type Crash struct {
	// Plan is the life that the crash ended: of the program, or of its recovery.
	Plan *persist.Plan
	// After is the op after which the power was cut, -1 for before the first.
	After faultfs.OpNum
	// Lost are the effects that the running program saw and the disk lacks.
	Lost []persist.Effect

	point int          // the crash point
	seat  *persist.Box // of a later life: the cuts that it may have begun on
}

// Failure is a case that is wrong: where power was cut, what was lost, and
// what the oracle says.
type Failure struct {
	Kind       oracle.Kind
	Violations []oracle.Violation
	// How says what happened besides the power cut, such as a call that failed;
	// "" for nothing.
	How string
	// Crash is the crash, the first one where there were several.
	Crash
	// Again are the crashes of recovery that followed.
	Again []Crash
	// Pair is what is to blame: an effect that the last crash lost, and what was
	// kept though it was; nil where that crash lost nothing.
	Pair *blame.Pair
	// Cases is how many of the cases that were judged fail with this kind; where the
	// search was not exhaustive, there may be more.
	Cases int
	// Marks are the marks made before the crash.
	Marks []string
	// Story is the failure in one line.
	Story string
	// Stack is where the checker panicked or hung, if it did.
	Stack string
	// File is where the failure is stored, "" if it is not.
	File string

	fault    *faultfs.Fault // that the program met
	damage   *damage        // of the disk
	needless bool           // no crash is needed: the program ends with a disk that is wrong like this
}
