package runner

import "time"

// budget ends a search.
type budget struct {
	maxRuns   int // zero: any number
	none      bool
	maxLosses int // negative: any number
	deadline  time.Time
}

// spent reports whether no more runs may be started.
func (b *budget) spent(runs int) bool {
	return b.none || b.maxRuns > 0 && runs >= b.maxRuns || !b.deadline.IsZero() && time.Now().After(b.deadline)
}

// batch returns how many runs may be started at once.
func (b *budget) batch(runs int) int {
	if b.maxRuns > 0 {
		return min(batchSize, b.maxRuns-runs)
	}
	return batchSize
}
