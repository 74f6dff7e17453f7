package runner

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner/queue"
	"github.com/crashsim/crashsim/runner/workdir"
)

// giving gives out the boxes of a scenario under a model at a queue, and receives what
// comes of them. The search itself is made here, and waits: see package queue.
type giving struct {
	queue queue.Queue
	job   queue.Job
	ctx   context.Context // of all that goes on beside the search
	all   sync.WaitGroup  // what goes on
	hands []*hand         // that work in this process, once something was given out
	busy  atomic.Int64    // how many of them have a parcel
	bored chan struct{}   // one of them found nothing to take while all had nothing to do

	mu      sync.Mutex
	results [][]byte                   // that have come
	seen    map[[sha256.Size]byte]bool // the sums of all that have come
	news    chan struct{}
	unsent  [][]byte // runs made here, on their way to the queue
	sends   bool

	batch int // how many boxes are given out at once
}

// Some bounds of time. They are variables for tests.
var (
	reachTime = 20 * time.Second // a queue that cannot be reached for so long at the beginning is an error
	beatEvery = 5 * time.Second  // who gives out says that it is there
	takeWait  = 500 * time.Millisecond
)

// workersElsewhere is for how many workers a search looks for boxes.
const workersElsewhere = 64

// How many boxes are given out at once: as many as are worked on in about a second.
const (
	minGiven   = 64
	firstGiven = 256
	maxGiven   = 512
	givenTime  = time.Second
)

// giveOut begins to give out boxes, and reads what is known of before. It returns what
// ends it.
func (m *memory) giveOut(ctx context.Context) (end func(), err error) {
	if m == nil || m.giving == nil {
		return func() {}, nil
	}
	g := m.giving
	g.job.Session, g.job.Open = rand.Text(), true
	g.seen = map[[sha256.Size]byte]bool{}
	g.news, g.bored, g.batch = make(chan struct{}, 1), make(chan struct{}, 1), firstGiven
	beside, stop := context.WithCancel(ctx)
	g.ctx = beside
	failed := time.AfterFunc(reachTime, stop)
	err = g.queue.Clear(beside, g.job.Key)
	if err == nil {
		err = g.queue.Say(beside, g.job)
	}
	if err == nil {
		err = g.queue.Follow(beside, g.job.Key, g.receive)
	}
	if !failed.Stop() || err != nil {
		stop()
		if ctx.Err() != nil {
			return func() {}, ctx.Err()
		}
		return func() {}, fmt.Errorf("the queue: %w", orUnreached(err))
	}
	m.absorb()
	m.runs, m.given, m.also = m.runs+m.given, 0, g.send
	g.all.Go(g.beat)
	return func() { g.close(stop) }, nil
}

func orUnreached(err error) error {
	if err == nil {
		return fmt.Errorf("it did not answer within %v", reachTime)
	}
	return err
}

// close ends the giving: what was made here is stored if that is possible, and all who work are told.
func (g *giving) close(stop func()) {
	late := time.AfterFunc(reachTime/4, stop)
	for !g.sent() && g.ctx.Err() == nil {
		select {
		case <-g.ctx.Done():
		case <-time.After(10 * time.Millisecond):
		}
	}
	late.Stop()
	stop()
	ctx, cancel := context.WithTimeout(context.Background(), reachTime/4)
	defer cancel()
	g.job.Open = false
	_ = g.queue.Clear(ctx, g.job.Key) // nobody waits for it
	_ = g.queue.Say(ctx, g.job)       // else those who work find out when they hear nothing more
	g.all.Wait()
}

// beat says every now and then that boxes are given out.
func (g *giving) beat() {
	for {
		select {
		case <-g.ctx.Done():
			return
		case <-time.After(beatEvery):
			_ = g.queue.Say(g.ctx, g.job)
		}
	}
}

// receive takes results that have come.
func (g *giving) receive(results []byte) {
	sum := sha256.Sum256(results)
	g.mu.Lock()
	if !g.seen[sum] {
		g.seen[sum] = true
		g.results = append(g.results, results)
	}
	g.mu.Unlock()
	poke(g.news)
}

// poke lets whoever waits at a channel go on.
func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// send stores runs in the queue, in its own time.
func (g *giving) send(runs []byte) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.seen[sha256.Sum256(runs)] = true
	g.unsent = append(g.unsent, runs)
	if g.sends {
		return
	}
	g.sends = true
	g.all.Go(func() {
		for {
			g.mu.Lock()
			if len(g.unsent) == 0 || g.ctx.Err() != nil {
				g.sends = false
				g.mu.Unlock()
				return
			}
			next := g.unsent[0]
			g.unsent = g.unsent[1:]
			g.mu.Unlock()
			_ = g.queue.Put(g.ctx, g.job.Key, next) // without it, that is judged again another time
		}
	})
}

func (g *giving) sent() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return !g.sends
}

// absorb adds what has come to what is known. Text that is not of runs is left out, and told.
func (m *memory) absorb() {
	g := m.giving
	g.mu.Lock()
	results := g.results
	g.results = nil
	g.mu.Unlock()
	for _, text := range results {
		var runs []workdir.Run
		err := workdir.Parse(text, func(r *workdir.Run) error {
			_, err := parseOutcome(r.Outcome)
			runs = append(runs, *r)
			return err
		})
		var loose []string
		for i := 0; i < len(runs) && err == nil; i++ {
			err = m.recall(&runs[i], false, &loose)
			m.runs-- // it is not of before
		}
		if err != nil {
			m.torn = append(m.torn, fmt.Sprintf("a text of results in the queue (%v)", err))
			continue
		}
		m.given += len(runs)
		if err := m.put(text); err != nil {
			m.giving.failed(err)
		}
	}
}

// failed notes an error of our own, by which there is no verdict.
func (g *giving) failed(err error) {
	if len(g.hands) > 0 {
		g.hands[0].scenario.lacks(err)
	}
}

// givingOut returns what a search calls to run the checker: it gives out what is not known,
// and waits until it is.
func (m *memory) givingOut(p *pool, name string) func(context.Context, []*attempt) {
	here := m.around(p, name)
	k := m.of(name, p.plan, p.start)
	name = searchOf(m.aside, name)
	return func(ctx context.Context, attempts []*attempt) {
		m.absorb()
		left := k.unanswered(attempts, false)
		if m.runs > 0 {
			m.reused += len(attempts) - len(left)
		}
		switch {
		case len(left) == 0:
		case k.exact != nil:
			here(ctx, left)
		default:
			m.wait(ctx, p, k, name, left, here)
		}
	}
}

// wait gives out what is left, and waits until all of it is known. Where nothing is to be taken
// and nothing comes, it makes runs here, the last one first.
func (m *memory) wait(ctx context.Context, p *pool, k *known, name string, left []*attempt, here func(context.Context, []*attempt)) {
	g := m.giving
	for _, a := range left {
		a.Skipped = true // until it is known
	}
	g.employ(p, name)
	start := time.Now()
	given, done := context.WithCancel(ctx)
	defer done()
	count := len(left)
	parcels := g.parcels(k, name, left)
	g.all.Go(func() {
		for _, text := range parcels {
			if g.queue.Give(given, g.job.Key, text) != nil {
				return // they are made here in the end
			}
		}
	})
	last := start
	for len(left) > 0 {
		select {
		case <-ctx.Done():
			return
		case <-g.news:
			m.absorb()
			last = time.Now()
		case <-g.bored:
			if time.Since(last) >= takeWait {
				here(ctx, left[max(len(left)-p.workers, 0):])
				last = time.Now()
			}
		}
		if k.exact != nil { // the checker is not deterministic
			here(ctx, left)
			return
		}
		left = k.unanswered(left, false)
	}
	switch took := time.Since(start); {
	case took > 2*givenTime:
		g.batch = max(g.batch/2, minGiven)
	case took < givenTime && count >= g.batch:
		g.batch = min(2*g.batch, maxGiven)
	}
}

// parcels returns the texts of boxes: large ones first, small ones at the end, so that all who work come
// to an end at about the same time.
func (g *giving) parcels(k *known, name string, left []*attempt) (texts [][]byte) {
	const shares, most = 32, 16
	var boxes []queue.Box
	for _, a := range left {
		if bounds, ok := k.tree.Way(k.box, a.Job); ok {
			boxes = append(boxes, queue.Box{Point: a.Point, Bounds: bounds})
		}
	}
	for len(boxes) > 0 {
		n := min(max(len(boxes)/shares, 1), most)
		texts = append(texts, queue.Append(nil, name, boxes[:n]))
		boxes = boxes[n:]
	}
	return texts
}

// employ lets this process work, too.
func (g *giving) employ(p *pool, name string) {
	if len(g.hands) > 0 {
		return
	}
	g.hands = newHands(g.queue, g.job.Key, name, p)
	for _, h := range g.hands {
		h.near = g.receive
		g.all.Go(func() {
			defer h.pool.close()
			for g.ctx.Err() == nil {
				parcel, err := h.take(g.ctx)
				switch {
				case err != nil || parcel == nil:
					if g.busy.Load() == 0 {
						poke(g.bored)
					}
				default:
					g.busy.Add(1)
					err = h.work(g.ctx, parcel)
					g.busy.Add(-1)
				}
				if errors.Is(err, oracle.ErrNoVerdict) {
					return // it is noted, and ends the search
				}
			}
		})
	}
}

// givesOut reports whether the cases of an exploration are given out: those of the power
// cut, first lives, the program as it is. Those of others depend on what was found
// before, which only the search knows.
func (p *exploration) givesOut() bool {
	m := p.judging.scenario.memory
	return m != nil && m.giving != nil && m.giving.ctx != nil && m.aside == "" && p.large && len(p.past) == 0 && p.judging.round == byLosses &&
		p.pool.start == nil && p.pool.damage == nil && !p.judging.options.sharded()
}
