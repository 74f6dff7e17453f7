package runner

import (
	"context"
	"fmt"
	"time"

	"github.com/crashsim/crashsim/faultfs/persist"
	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner/internal/search"
	"github.com/crashsim/crashsim/runner/queue"
	"github.com/crashsim/crashsim/runner/workdir"
)

// hand works on parcels of a queue, one after the other.
type hand struct {
	queue    queue.Queue
	key      string
	search   string // whose boxes it can judge
	scenario *Scenario
	plan     *persist.Plan
	pool     *pool
	box      *persist.Box
	made     int           // runs
	slots    chan struct{} // holds a value for each hand that runs checkers
	near     func([]byte)  // takes results for the search of this process; nil: that is another one

	runs []workdir.Run // of the parcel at hand
	tree *search.Tree[*judgement]
	bad  error // why a parcel was thrown away
}

// How long a worker works on one parcel. What it has not begun by then it hands back. One
// that was quicker goes on with what is left of its boxes, so that quick checks are worth the
// way. They are variables for tests.
var (
	parcelTime = 250 * time.Millisecond
	goOnTime   = 25 * time.Millisecond
)

// newHands returns hands that judge the boxes that a pool judges. There are two for each of
// its workers, which take turns: while one runs the checker, the other stores what it
// has, and takes more.
func newHands(q queue.Queue, key, name string, p *pool) (hands []*hand) {
	slots := make(chan struct{}, p.workers)
	for range 2 * p.workers {
		hands = append(hands, newHand(q, key, name, p, slots))
	}
	return hands
}

func newHand(q queue.Queue, key, name string, p *pool, slots chan struct{}) *hand {
	own := newPool(p.scenario, p.plan, &Options{Workers: 1, Timeout: p.timeout})
	own.gone = p.gone
	return &hand{queue: q, key: key, search: name, scenario: p.scenario, plan: p.plan, pool: own, box: p.plan.NewBox(), slots: slots}
}

// take waits for a parcel, for a while. What went wrong is waited for, too: a queue
// may come back.
func (h *hand) take(ctx context.Context) (queue.Parcel, error) {
	p, err := h.queue.Take(ctx, h.key, takeWait)
	if err != nil {
		select {
		case <-ctx.Done():
		case <-time.After(takeWait):
		}
	}
	return p, err
}

// work runs the checker on the boxes of a parcel, stores the results, and only then says
// that it is done.
func (h *hand) work(ctx context.Context, p queue.Parcel) error {
	name, boxes, err := queue.Parse(p.Boxes(), h.plan)
	if err == nil && name != h.search {
		err = fmt.Errorf("a parcel of the search %q", name)
	}
	if err != nil {
		h.bad = fmt.Errorf("a parcel was thrown away: %w", err) // nobody could work on it
		return p.Done(ctx)
	}
	if err := h.judge(ctx, name, boxes); err != nil {
		return h.back(p, err)
	}
	if err := h.scenario.unjudged.err(); err != nil || ctx.Err() != nil {
		if err == nil {
			err = ctx.Err()
		}
		return h.back(p, err)
	}
	results := workdir.Append(nil, h.runs)
	if h.near != nil {
		h.near(results) // if the queue cannot store them, they are known here all the same
	}
	if err := h.queue.Put(ctx, h.key, results); err != nil && h.near == nil {
		return h.back(p, err)
	}
	h.made += len(h.runs)
	return p.Done(ctx)
}

// judge runs the checker on boxes.
func (h *hand) judge(ctx context.Context, name string, boxes []queue.Box) error {
	select {
	case h.slots <- struct{}{}:
		defer func() { <-h.slots }()
	case <-ctx.Done():
		return ctx.Err()
	}
	start := time.Now()
	h.runs, h.tree = nil, search.NewTree[*judgement]()
	var jobs []search.Job
	for i := range boxes {
		if i > 0 && time.Since(start) > parcelTime {
			if err := h.queue.Give(ctx, h.key, queue.Append(nil, name, boxes[i:])); err != nil {
				return err
			}
			break
		}
		a := &attempt{Job: search.Job{Point: boxes[i].Point, Subset: boxes[i].Part()}}
		h.run(ctx, []*attempt{a})
		jobs = append(jobs, a.Job)
	}
	if time.Since(start) < goOnTime {
		h.goOn(ctx, jobs, start.Add(goOnTime))
	}
	return nil
}

// back gives a parcel back because of an error.
func (h *hand) back(p queue.Parcel, err error) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = p.Back(ctx) // else it is delivered again since nobody was heard of
	if h.scenario.unjudged.err() != nil {
		return oracle.ErrNoVerdict
	}
	return err
}

// run runs the checker for attempts, and notes what the runs did, once for each that is new.
func (h *hand) run(ctx context.Context, attempts []*attempt) {
	var left []*attempt
	for _, a := range attempts {
		if h.tree == nil || !h.tree.Answer(h.box, a) {
			left = append(left, a)
		}
	}
	if len(left) == 0 {
		return
	}
	h.pool.runAll(ctx, left)
	for _, a := range left {
		if a.Skipped || a.Empty {
			continue
		}
		h.runs = append(h.runs, runOf(h.box, h.search, a))
		if h.tree != nil && !h.tree.Add(a.Reads, a.Outcome) {
			h.tree = nil // the checker is not deterministic: nothing is known of a run but what it was given
		}
	}
}

// goOn works on what is left of jobs: nobody else reads what they read.
func (h *hand) goOn(ctx context.Context, jobs []search.Job, until time.Time) {
	if h.tree == nil {
		return
	}
	s := search.New(h.plan, search.Options[*judgement]{
		Run: h.run, Visit: func(*cube) bool { return h.tree != nil },
		Budget: &search.Budget{MaxLosses: -1, Deadline: until},
	})
	for _, j := range jobs {
		s.Push(j)
	}
	s.Work(ctx)
}
