package runner

import (
	"context"
	"fmt"

	"github.com/spf13/afero"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/model"
	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner/repair"
)

// Scenario is a program to crash: what it does to its files, how it recovers,
// and what it promised.
type Scenario struct {
	_ struct{} // written with field names: fields may be added

	Name   string // a short name, of letters, digits and dashes
	Lesson string // one line: what it shows

	// Setup makes what stands on the disk, durably, before the program runs.
	// It may be nil.
	Setup func(fs *faultfs.FS) error
	// Workload is the program. It makes a mark when it reports that something is done. It must do
	// the same each time it is called.
	Workload func(fs *faultfs.FS) error
	// Trace, if set, is what the program did, recorded before: Setup and Workload
	// are not called.
	Trace *faultfs.Trace
	// Rerun, if it is set beside Trace, runs the program once more on what its setup
	// had made, with a fault, on a file system that behaves as how says once a sync has
	// failed. It returns what the program did until it ended, well or not, and nil where
	// the fault struck no call. Without it, no call of the program can be made to fail.
	Rerun func(ctx context.Context, how faultfs.SyncFailure, fault faultfs.Fault) (*faultfs.Trace, error)
	// Recover is what the program does when it starts again after a crash. An
	// error is a refusal to start. It may be nil, and it may be called from
	// several goroutines at once, each with a disk of its own.
	Recover func(disk afero.Fs) error
	// Oracle judges what recovery left.
	Oracle oracle.Oracle

	// WorkOn is what the program does after it was killed and has recovered, where
	// it has a Recover, or was started again where it has none; nil: nothing. Its
	// marks follow those made before the kill.
	WorkOn func(fs *faultfs.FS) error

	// Damage judges what recovery left where a durable sector of a file was
	// damaged before the program started again: a bit is flipped, the sector is
	// zeroed, or it holds what was meant for another one. A recovery that returns
	// an error has noticed. It is usually oracle.Detects of the Oracle; nil: the
	// disk is never damaged.
	Damage oracle.Oracle

	// Faults are part of the scenario: the program is judged without any, and
	// then with each of them injected alone. A workload that returns an error
	// because of one has stopped there.
	Faults []faultfs.Fault

	// Declared is the verdict that is known under a model, such as
	// model.MustParse("ext4"). For other models, Check expects Kept and Run expects
	// nothing.
	Declared map[model.Model]Outcome

	// Command, if set, says by which commands a recorded program was run and is
	// judged. It is stored with failures.
	Command *Command

	rotten   bool            // the disk may be damaged
	variant  *repair.Variant // syncs that its later lives make besides their own; nil: none
	unjudged *unjudged       // set while the scenario is judged
	memory   *memory         // the same; nil: nothing is remembered
	runs     *runs           // that its oracles have seen; nil: they want to see none, or have seen theirs
}

// restarts reports whether anything happens after a kill.
func (s *Scenario) restarts() bool { return s.Recover != nil || s.WorkOn != nil }

// breaksSomewhere reports whether a verdict is declared Broken.
func (s *Scenario) breaksSomewhere() bool {
	for _, o := range s.Declared {
		if o.Verdict == Broken {
			return true
		}
	}
	return false
}

// declared returns the outcome that is declared for a model, the zero Outcome
// if none is.
func (s *Scenario) declared(m model.Model) Outcome {
	for declared, outcome := range s.Declared {
		if declared.WithDefaults() == m.WithDefaults() {
			return outcome
		}
	}
	return Outcome{}
}

// checkDeclared finds models that are declared twice: once with a zero that stands for
// a size, and once with the size.
func (s *Scenario) checkDeclared() error {
	seen := map[model.Model]bool{}
	for m := range s.Declared {
		if seen[m.WithDefaults()] {
			return fmt.Errorf("scenario %s declares two verdicts for the model %s", s.Name, m)
		}
		seen[m.WithDefaults()] = true
	}
	return nil
}
