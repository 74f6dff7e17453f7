package runner

import (
	"context"
	"errors"
	"sync"

	"github.com/spf13/afero"

	"github.com/crashsim/crashsim/oracle"
)

// unjudged is what kept a case from being judged, if anything did. One such case
// ends the run: see oracle.ErrNoVerdict.
type unjudged struct {
	end context.CancelFunc // of the run

	mu    sync.Mutex
	first error
}

// watched returns the scenario with a note of what keeps a case from being judged,
// and a context that ends when something does.
func (s *Scenario) watched(ctx context.Context) (context.Context, *Scenario) {
	own := *s
	ctx, end := context.WithCancel(ctx)
	own.unjudged = &unjudged{end: end}
	own.runs = s.newRuns()
	return ctx, &own
}

// note notes an error that kept a case from being judged.
func (u *unjudged) note(err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.first == nil {
		u.first = err
	}
	u.end()
}

// err is what kept a case from being judged first, nil if nothing did.
func (u *unjudged) err() error {
	if u == nil {
		return nil
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.first
}

// recovers lets the scenario recover on a disk.
func (s *Scenario) recovers(disk afero.Fs) error {
	err := s.Recover(disk)
	if errors.Is(err, oracle.ErrNoVerdict) && s.unjudged != nil {
		s.unjudged.note(err)
	}
	return err
}

// asks lets the oracle judge a disk.
func (s *Scenario) asks(disk afero.Fs, marks oracle.Marks) []oracle.Violation {
	violations := s.Oracle.Judge(disk, marks)
	for i := range violations {
		if err := violations[i].Err; err != nil {
			if s.unjudged != nil {
				s.unjudged.note(oracle.Unjudged(err))
			}
			return nil
		}
	}
	return violations
}
