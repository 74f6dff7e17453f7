package queue

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// Job is one program under one model with one check, of which boxes are given out.
type Job struct {
	Key      string // the sum of About
	About    string // all that decides a run: the program, the check, the version, the model
	Scenario string
	Model    string
	Command  string // the name of a file that says how to work on it; "": that is known to the worker
	Session  string // which process gives it out, a word that no other process has
	Open     bool   // boxes are given out; otherwise it has come to its end
}

// Queue is where those meet who give out boxes and those who work on them. Its methods may be
// called from several goroutines at once. They wait while the other side cannot be
// reached, until the context ends.
type Queue interface {
	// Say tells all workers of a job, as it is now. Who gives out says it again every
	// few seconds.
	Say(context.Context, Job) error
	// Jobs returns what was said last of each job, the job of which something was said last
	// at the end, and how long ago this process heard anything.
	Jobs(context.Context) (jobs []Job, quiet time.Duration, err error)
	// Clear throws away the parcels of a job that nobody has taken.
	Clear(ctx context.Context, key string) error
	// Give adds a parcel of a job. It may be delivered more than once.
	Give(ctx context.Context, key string, boxes []byte) error
	// Take takes a parcel of a job, and waits for one, but not for longer than it is told.
	// Without one it returns nil.
	Take(ctx context.Context, key string, wait time.Duration) (Parcel, error)
	// Put stores results of a job. They are durable, as far as the queue is, once it has
	// returned.
	Put(ctx context.Context, key string, results []byte) error
	// Follow calls f for each text of results of a job: for those that were stored before,
	// and then it returns, and for all others when they come, until the context ends. It
	// calls f for one after the other. A text may come more than once.
	Follow(ctx context.Context, key string, f func(results []byte)) error
	// Keep stores a file, and returns its name, which is made of its text.
	Keep(ctx context.Context, text []byte) (name string, err error)
	// Kept returns a file. Its text is the one that was stored, or there is an error.
	Kept(ctx context.Context, name string) ([]byte, error)
}

// Parcel is some boxes that were taken. Where a worker ends without a word, they are
// delivered again, to whoever takes them.
type Parcel interface {
	// Boxes is the text of the boxes. See Parse.
	Boxes() []byte
	// Done says that the results of all boxes are stored, or that those that are not were
	// given again.
	Done(context.Context) error
	// Back gives all boxes back.
	Back(context.Context) error
}

// MaxText bounds a text of results, of boxes, or of a file, in bytes.
const MaxText = 256 << 20

var known struct {
	sync.Mutex
	open map[string]func(context.Context, string) (Queue, error)
}

// Register makes a kind of queue known by the scheme of its addresses, such as "nats". It is
// called by the package that holds it, before main.
func Register(scheme string, open func(ctx context.Context, address string) (Queue, error)) {
	known.Lock()
	defer known.Unlock()
	if known.open == nil {
		known.open = map[string]func(context.Context, string) (Queue, error){}
	}
	known.open[scheme] = open
}

// Open opens the queue with an address, such as "nats://host:4222".
func Open(ctx context.Context, address string) (Queue, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("the address of a queue: %w", hideUser(err))
	}
	known.Lock()
	open := known.open[u.Scheme]
	var schemes []string
	for s := range known.open {
		schemes = append(schemes, s+"://")
	}
	known.Unlock()
	slices.Sort(schemes)
	if open == nil {
		what := "this program knows no queues; import the package of one, such as _ \"github.com/crashsim/crashsim/runner/queue/natsqueue\""
		if schemes != nil {
			what = "want an address that begins with " + strings.Join(schemes, " or ")
		}
		return nil, fmt.Errorf("a queue with the address %q is not known: %s", u.Redacted(), what)
	}
	return open(ctx, address)
}

// hideUser takes the address, which may hold a password, off an error of package url.
func hideUser(err error) error {
	if e, ok := err.(*url.Error); ok {
		return e.Err
	}
	return err
}
