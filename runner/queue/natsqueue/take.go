package natsqueue

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/crashsim/crashsim/runner/queue"
)

// parcel is a message that was taken.
type parcel struct {
	msg   jetstream.Msg
	boxes []byte
	once  sync.Once
	over  chan struct{}
}

// Take implements queue.Queue.
func (q *Queue) Take(ctx context.Context, key string, wait time.Duration) (queue.Parcel, error) {
	taker, err := q.taker(ctx, key)
	if err != nil {
		return nil, err
	}
	batch, err := taker.Fetch(1, jetstream.FetchMaxWait(max(wait, tryAgain)))
	if err == nil {
		for msg := range batch.Messages() {
			return q.taken(ctx, msg)
		}
		err = batch.Error()
	}
	if err == nil || errors.Is(err, nats.ErrTimeout) || errors.Is(err, jetstream.ErrNoMessages) {
		return nil, ctx.Err()
	}
	q.mu.Lock()
	delete(q.takers, key) // the server may have lost it
	q.mu.Unlock()
	return nil, err
}

// taken is a message as a parcel.
func (q *Queue) taken(ctx context.Context, msg jetstream.Msg) (queue.Parcel, error) {
	text, err := q.unpack(ctx, msg.Data())
	if err != nil {
		if passes(err) || ctx.Err() != nil {
			return nil, errors.Join(err, msg.Nak())
		}
		return nil, errors.Join(err, msg.Ack()) // nobody could work on it
	}
	p := &parcel{msg: msg, boxes: text, over: make(chan struct{})}
	go func() {
		for {
			select {
			case <-p.over:
				return
			case <-time.After(lease / 4):
				_ = msg.InProgress()
			}
		}
	}()
	return p, nil
}

// taker returns what gives out the parcels of a job, one for all workers.
func (q *Queue) taker(ctx context.Context, key string) (jetstream.Consumer, error) {
	if !isKey(key) {
		return nil, fmt.Errorf("%q is no key of a job", key)
	}
	q.mu.Lock()
	taker := q.takers[key]
	q.mu.Unlock()
	if taker != nil {
		return taker, nil
	}
	try, cancel := context.WithTimeout(ctx, tryFor)
	defer cancel()
	taker, err := q.js.CreateOrUpdateConsumer(try, parcelStream, jetstream.ConsumerConfig{
		Durable: "work-" + key, FilterSubject: parcels + key, AckPolicy: jetstream.AckExplicitPolicy, AckWait: lease,
		MaxAckPending: 1 << 14, InactiveThreshold: time.Hour,
	})
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil, errors.Join(err, q.make(try)) // the server has lost it; the next time it is there
	}
	if err != nil {
		return nil, err
	}
	q.mu.Lock()
	q.takers[key] = taker
	q.mu.Unlock()
	return taker, nil
}

// Boxes implements queue.Parcel.
func (p *parcel) Boxes() []byte { return p.boxes }

// Done implements queue.Parcel.
func (p *parcel) Done(context.Context) error {
	p.once.Do(func() { close(p.over) })
	return p.msg.Ack() // where it is lost, the parcel comes again, and is known
}

// Back implements queue.Parcel.
func (p *parcel) Back(context.Context) error {
	p.once.Do(func() { close(p.over) })
	return p.msg.Nak()
}

// follow calls f for the messages of a stream on a subject: for those that are there, until one
// context ends, and then it returns, and for those that come, until another one does.
func (q *Queue) follow(start, ctx context.Context, stream, subject string, f func([]byte)) error {
	var target uint64
	err := again(start, func(ctx context.Context) error {
		s, err := q.js.Stream(ctx, stream)
		if err != nil {
			return err
		}
		// The last one on any subject is not before the last one on this.
		target = 0
		last, err := s.GetLastMsgForSubject(ctx, subject)
		if err == nil {
			target = last.Sequence
		} else if errors.Is(err, jetstream.ErrMsgNotFound) {
			err = nil
		}
		return err
	})
	if err != nil {
		return err
	}
	there := make(chan struct{})
	go func() {
		var once sync.Once
		last := uint64(0)
		for {
			if last >= target {
				once.Do(func() { close(there) })
			}
			last = q.read(ctx, stream, subject, last, func(seq uint64, data []byte) {
				f(data)
				if seq >= target {
					once.Do(func() { close(there) })
				}
			})
			select {
			case <-ctx.Done():
				return
			case <-time.After(tryAgain):
			}
		}
	}()
	select {
	case <-there:
		return nil
	case <-start.Done():
		return start.Err()
	}
}

// read reads the messages of a stream that come after one, until something goes wrong, and
// returns which was the last.
func (q *Queue) read(ctx context.Context, stream, subject string, last uint64, f func(uint64, []byte)) uint64 {
	try, cancel := context.WithTimeout(ctx, tryFor)
	defer cancel()
	s, err := q.js.Stream(try, stream)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		_ = q.make(try)
	}
	if err != nil {
		return last
	}
	if s.CachedInfo().State.LastSeq < last {
		last = 0 // the server has lost what it had, and counts anew
	}
	reader, err := s.CreateConsumer(try, jetstream.ConsumerConfig{
		FilterSubject: subject, AckPolicy: jetstream.AckNonePolicy, DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: last + 1,
		InactiveThreshold: lease, MemoryStorage: true,
	})
	if err != nil {
		return last
	}
	defer func() {
		end, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = s.DeleteConsumer(end, reader.CachedInfo().Name)
	}()
	for ctx.Err() == nil {
		batch, err := reader.Fetch(256, jetstream.FetchMaxWait(time.Second))
		if err != nil {
			return last
		}
		for msg := range batch.Messages() {
			if meta, err := msg.Metadata(); err == nil {
				last = meta.Sequence.Stream
				f(last, msg.Data())
			}
		}
		if err := batch.Error(); err != nil && !errors.Is(err, nats.ErrTimeout) {
			return last
		}
	}
	return last
}
