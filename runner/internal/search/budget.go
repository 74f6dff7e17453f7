package search

import (
	"context"
	"time"
)

// Budget ends a search.
type Budget struct {
	MaxRuns   int // zero: any number
	None      bool
	MaxLosses int       // negative: any number
	Deadline  time.Time // zero: never; no run is started after it
	Memory    int64     // bytes that jobs which wait may take, about; zero: about 800 MB
}

// context returns a context that ends with the budget's time.
func (b *Budget) context(ctx context.Context) (context.Context, context.CancelFunc) {
	if b.Deadline.IsZero() {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, b.Deadline)
}

// spent reports whether no more runs may be started.
func (b *Budget) spent(runs int) bool { return b.None || b.MaxRuns > 0 && runs >= b.MaxRuns }

// batch returns how many runs may be started at once.
func (b *Budget) batch(runs int) int {
	if b.MaxRuns > 0 {
		return max(min(batchSize, b.MaxRuns-runs), 1)
	}
	return batchSize
}
