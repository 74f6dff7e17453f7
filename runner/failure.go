package runner

import (
	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/persist"
	"github.com/crashsim/crashsim/oracle"
)

// Failure is a case that is wrong: where power was cut, what was lost, and
// what the oracle says.
type Failure struct {
	Kind       oracle.Kind
	Violations []oracle.Violation
	// After is the op after which the power was cut, -1 for before the first.
	After faultfs.OpNum
	// Marks are the marks made before the crash.
	Marks []string
	// Lost are the effects that the running program saw and the disk lacks.
	Lost []persist.Effect
	// Story is the failure in one line.
	Story string
	// Stack is where the checker panicked or hung, if it did.
	Stack string
	// File is where the failure is stored, "" if it is not.
	File string

	point int // the crash point
}
