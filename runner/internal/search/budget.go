package search

import "time"

// Budget ends a search.
type Budget struct {
	MaxRuns   int // zero: any number
	None      bool
	MaxLosses int // negative: any number
	Deadline  time.Time
}

// spent reports whether no more runs may be started.
func (b *Budget) spent(runs int) bool {
	return b.None || b.MaxRuns > 0 && runs >= b.MaxRuns || !b.Deadline.IsZero() && time.Now().After(b.Deadline)
}

// batch returns how many runs may be started at once.
func (b *Budget) batch(runs int) int {
	if b.MaxRuns > 0 {
		return min(batchSize, b.MaxRuns-runs)
	}
	return batchSize
}
