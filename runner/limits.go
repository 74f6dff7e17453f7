package runner

import (
	"time"

	"github.com/crashsim/crashsim/runner/internal/search"
)

// limits are the budgets of a run, which all of its models share.
type limits struct {
	until time.Time // zero: any time
	runs  int       // that are left
	some  bool      // the runs are limited
}

// limitsFrom returns the limits of a run that began at a time.
func (o *Options) limitsFrom(start time.Time) *limits {
	l := &limits{runs: o.MaxRuns, some: o.MaxRuns > 0}
	if o.MaxTime > 0 {
		l.until = start.Add(o.MaxTime)
	}
	return l
}

// share returns the options for the next of so many models that are left: each
// gets the same part of what is left.
func (l *limits) share(o *Options, models int) *Options {
	one := *o
	if l.some {
		one.MaxRuns = max(l.runs/models, 1)
	}
	if !l.until.IsZero() {
		one.MaxTime = max(time.Until(l.until)/time.Duration(models), time.Nanosecond)
	}
	return &one
}

// spend takes what a model has used from the limits.
func (l *limits) spend(r *Result) { l.runs -= r.Coverage.Runs }

// left returns how long is left, zero where time is not limited.
func (l *limits) left() time.Duration {
	if l.until.IsZero() {
		return 0
	}
	return max(time.Until(l.until), time.Nanosecond)
}

// late reports whether the time of the model is over, or nobody waits for its
// verdict any more.
func (j *judging) late() bool {
	return j.interrupted() || !j.until.IsZero() && time.Now().After(j.until)
}

// interrupted reports whether the caller has ended the run.
func (j *judging) interrupted() bool {
	select {
	case <-j.pool.gone:
		return true
	default:
		return false
	}
}

func (o *Options) budget() *search.Budget {
	b := &search.Budget{MaxRuns: o.MaxRuns, MaxLosses: -1, Memory: o.MaxMemory}
	if o.MaxLosses > 0 {
		b.MaxLosses = o.MaxLosses
	}
	if o.MaxTime > 0 {
		b.Deadline = time.Now().Add(o.MaxTime)
	}
	return b
}
