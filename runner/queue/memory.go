package queue

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Memory is a queue within one process, for tests. The zero Memory is an empty queue.
type Memory struct {
	mu      sync.Mutex
	jobs    []Job
	said    time.Time
	parcels map[string][][]byte // that wait
	taken   []*memoryParcel     // and are not done
	results map[string][][]byte
	files   map[string][]byte
	change  chan struct{} // closed when something changes
}

// wake tells all who wait that something has changed.
func (q *Memory) wake() {
	if q.change != nil {
		close(q.change)
	}
	q.change = make(chan struct{})
}

// changed returns a channel that is closed at the next change.
func (q *Memory) changed() chan struct{} {
	if q.change == nil {
		q.change = make(chan struct{})
	}
	return q.change
}

// Say implements Queue.
func (q *Memory) Say(_ context.Context, j Job) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.jobs = append(slices.DeleteFunc(q.jobs, func(old Job) bool { return old.Key == j.Key }), j)
	q.said = time.Now()
	q.wake()
	return nil
}

// Jobs implements Queue.
func (q *Memory) Jobs(context.Context) ([]Job, time.Duration, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.said.IsZero() {
		q.said = time.Now()
	}
	return slices.Clone(q.jobs), time.Since(q.said), nil
}

// Clear implements Queue.
func (q *Memory) Clear(_ context.Context, key string) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.parcels, key)
	return nil
}

// Give implements Queue.
func (q *Memory) Give(_ context.Context, key string, boxes []byte) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.give(key, boxes)
	return nil
}

func (q *Memory) give(key string, boxes []byte) {
	if q.parcels == nil {
		q.parcels = map[string][][]byte{}
	}
	q.parcels[key] = append(q.parcels[key], boxes)
	q.wake()
}

// Take implements Queue.
func (q *Memory) Take(ctx context.Context, key string, wait time.Duration) (Parcel, error) {
	late := time.After(wait)
	for {
		q.mu.Lock()
		if waiting := q.parcels[key]; len(waiting) > 0 {
			p := &memoryParcel{q, key, waiting[0]}
			q.parcels[key] = waiting[1:]
			q.taken = append(q.taken, p)
			q.mu.Unlock()
			return p, nil
		}
		change := q.changed()
		q.mu.Unlock()
		select {
		case <-change:
		case <-late:
			return nil, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// Redeliver gives out again what was taken and is not done, as a network does when it
// believes that a worker has died.
func (q *Memory) Redeliver() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, p := range q.taken {
		q.give(p.key, p.boxes)
	}
	q.taken = nil
}

// memoryParcel is a parcel that was taken.
type memoryParcel struct {
	queue *Memory
	key   string
	boxes []byte
}

// Boxes implements Parcel.
func (p *memoryParcel) Boxes() []byte { return p.boxes }

// Done implements Parcel.
func (p *memoryParcel) Done(context.Context) error {
	p.queue.mu.Lock()
	defer p.queue.mu.Unlock()
	p.forget()
	return nil
}

func (p *memoryParcel) forget() (there bool) {
	i := slices.Index(p.queue.taken, p)
	if i >= 0 {
		p.queue.taken = slices.Delete(p.queue.taken, i, i+1)
	}
	return i >= 0
}

// Back implements Parcel.
func (p *memoryParcel) Back(context.Context) error {
	p.queue.mu.Lock()
	defer p.queue.mu.Unlock()
	if p.forget() {
		p.queue.give(p.key, p.boxes)
	}
	return nil
}

// Put implements Queue.
func (q *Memory) Put(_ context.Context, key string, results []byte) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.results == nil {
		q.results = map[string][][]byte{}
	}
	q.results[key] = append(q.results[key], results)
	q.wake()
	return nil
}

// Follow implements Queue.
func (q *Memory) Follow(ctx context.Context, key string, f func([]byte)) error {
	seen := 0
	more := func() (change chan struct{}) {
		q.mu.Lock()
		texts := q.results[key][seen:]
		change = q.changed()
		q.mu.Unlock()
		seen += len(texts)
		for _, text := range texts {
			f(text)
		}
		return change
	}
	change := more()
	go func() {
		for {
			select {
			case <-change:
				change = more()
			case <-ctx.Done():
				return
			}
		}
	}()
	return ctx.Err()
}

// Keep implements Queue.
func (q *Memory) Keep(_ context.Context, text []byte) (string, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.files == nil {
		q.files = map[string][]byte{}
	}
	sum := sha256.Sum256(text)
	name := hex.EncodeToString(sum[:])
	q.files[name] = text
	return name, nil
}

// Kept implements Queue.
func (q *Memory) Kept(_ context.Context, name string) ([]byte, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	text, ok := q.files[name]
	if !ok {
		return nil, fmt.Errorf("the queue holds no file %s", name)
	}
	return text, nil
}
