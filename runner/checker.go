package runner

import (
	"context"
	"fmt"
	"path"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/persist"
	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner/internal/search"
)

// judgement is what was wrong with a case; nil says that nothing was.
type judgement struct {
	violations []oracle.Violation
	stack      string
	wrote      bool // recovery changed the disk; said only where nothing is wrong
}

// attempt is a part of a crash point for which the checker runs.
type attempt = search.Attempt[*judgement]

// pool runs a scenario's checker, its recovery and then its oracle, on the
// disks of a plan. A checker that panics, ends its goroutine or hangs fails
// the case it was judging, nothing else.
type pool struct {
	scenario *Scenario // whose oracles have seen the run
	asked    *Scenario // as it was given
	plan     *persist.Plan
	workers  int
	timeout  time.Duration
	idle     []*worker
	ticker   *time.Ticker
	gone     <-chan struct{} // closed once nobody waits for what runs under way find; nil: never
	start    *persist.Box    // of a later life: what the crash before it left
	damage   *damage         // of the disk at rest, nil: none
	inside   atomic.Int64    // nanoseconds spent in checkers, where measured
	measure  bool
}

// worker is one disk, and what is needed to run the checker on it.
type worker struct {
	pool *pool
	disk *persist.Disk
	rot  *rotten // the disk as the program sees it
	fs   *faultfs.FS

	runs      atomic.Uint64           // counts runs, to see whether one makes progress
	current   atomic.Pointer[attempt] // nil between runs, and once the run was judged Hung
	goroutine string

	lastRun uint64 // as the watch saw it last
	ticks   int
}

const defaultTimeout = 10 * time.Second

// watchTicks is how often the watch looks during one timeout.
const watchTicks = 8

func newPool(s *Scenario, plan *persist.Plan, o *Options) *pool {
	p := &pool{scenario: s.ofRun(plan.Trace()), asked: s, plan: plan, workers: o.Workers, timeout: o.Timeout}
	if p.workers <= 0 {
		p.workers = runtime.GOMAXPROCS(0)
	}
	if p.timeout <= 0 {
		p.timeout = defaultTimeout
	}
	p.ticker = time.NewTicker(max(p.timeout/watchTicks, time.Millisecond))
	return p
}

func (p *pool) close() { p.ticker.Stop() }

// later returns a pool that runs the same checker on the disks of another plan: of another
// run, or of what recovery did after the crash of a run that left the cuts of seat.
func (p *pool) later(plan *persist.Plan, start *persist.Box) *pool {
	scenario := p.scenario
	if start == nil {
		scenario = p.asked.ofRun(plan.Trace())
	}
	return &pool{
		scenario: scenario, asked: p.asked, plan: plan, workers: p.workers, timeout: p.timeout, ticker: p.ticker, gone: p.gone, start: start,
	}
}

func (p *pool) worker() *worker {
	if n := len(p.idle); n > 0 {
		w := p.idle[n-1]
		p.idle = p.idle[:n-1]
		return w
	}
	disk := p.plan.NewDisk()
	disk.StartFrom(p.start)
	rot := &rotten{Disk: disk}
	return &worker{pool: p, disk: disk, rot: rot, fs: faultfs.Unrecorded(rot)}
}

// batch is a set of attempts that workers share out among themselves.
type batch struct {
	ctx      context.Context // no run begins after its end
	attempts []*attempt
	next     atomic.Int64
	done     chan *worker
}

// soon is how long a run that is to be abandoned is waited for, before it is
// looked at again.
const soon = 10 * time.Millisecond

// runAll runs the checker for each attempt. Once the context ends no more runs
// begin; once the pool's caller is gone, those under way are abandoned, too.
func (p *pool) runAll(ctx context.Context, attempts []*attempt) {
	b := &batch{ctx: ctx, attempts: attempts, done: make(chan *worker, p.workers)}
	for _, a := range attempts {
		a.Skipped = true // until it is run
	}
	busy := map[*worker]bool{}
	for range min(p.workers, len(attempts)) {
		w := p.worker()
		busy[w] = true
		go w.serve(b)
	}
	gone, again := p.gone, (<-chan time.Time)(nil)
	for len(busy) > 0 {
		select {
		case w := <-b.done:
			if busy[w] {
				delete(busy, w)
				p.idle = append(p.idle, w)
			}
		case <-gone:
			gone, again = nil, time.After(0)
		case <-again:
			for w := range busy {
				if w.abandon(nil) {
					delete(busy, w)
				}
			}
			again = time.After(soon)
		case <-p.ticker.C:
			for w := range busy {
				if w.hangs() {
					delete(busy, w)
					fresh := p.worker()
					busy[fresh] = true
					go fresh.serve(b)
				}
			}
		}
	}
}

// once runs the checker on a part of a crash point.
func (p *pool) once(point int, subset persist.Subset) *attempt {
	a := &attempt{Job: search.Job{Point: point, Subset: subset}}
	p.runAll(context.Background(), []*attempt{a})
	return a
}

// serve takes attempts until none is left. A checker that ends its goroutine
// ends this one; then another goes on.
func (w *worker) serve(b *batch) {
	w.goroutine = goroutineID()
	ended := false // as it should: not by the checker
	defer func() {
		if !ended && w.publish(exited()) {
			go w.serve(b)
		}
	}()
	for {
		i := int(b.next.Add(1)) - 1
		if i >= len(b.attempts) {
			ended = true
			b.done <- w
			return
		}
		a := b.attempts[i]
		if b.ctx.Err() != nil {
			continue
		}
		if !w.try(a) {
			ended = true // abandoned: another worker has taken over
			return
		}
	}
}

// try runs the checker once. It returns false where the run took so long that
// the worker was abandoned.
func (w *worker) try(a *attempt) bool {
	if w.pool.scenario.unjudged.err() != nil {
		a.Empty = true // there will be no verdict
		return true
	}
	w.fs.Reset()
	w.rot.damage.Store(w.pool.damage)
	if !w.disk.Begin(a.Point, a.Subset) {
		a.Empty, a.Skipped = true, false
		return true
	}
	w.runs.Add(1)
	w.current.Store(a)
	var j *judgement
	if w.pool.measure {
		start := time.Now()
		j = w.judge()
		w.pool.inside.Add(int64(time.Since(start)))
	} else {
		j = w.judge()
	}
	if j.doubtful() {
		j = w.judgeAgain(a, j)
	}
	return w.publish(j)
}

// doubtful reports whether something that is no part of the program may have made a
// case wrong.
func (j *judgement) doubtful() bool {
	return j != nil && slices.ContainsFunc(j.violations, func(v oracle.Violation) bool { return v.Doubtful })
}

// kindsOf returns the kinds of what is wrong with a case, each once, in order.
func kindsOf(j *judgement) []oracle.Kind {
	var kinds []oracle.Kind
	if j != nil {
		for _, v := range j.violations {
			kinds = append(kinds, v.Kind)
		}
	}
	slices.Sort(kinds)
	return slices.Compact(kinds)
}

// judgeAgain judges a doubtful case again, and ends the run if it is not wrong in the
// same way: then the program was not the reason, the first time or the second.
func (w *worker) judgeAgain(a *attempt, first *judgement) *judgement {
	if w.current.Load() == nil {
		return first // nobody waits for it
	}
	w.fs.Reset()
	w.disk.Begin(a.Point, a.Subset)
	w.runs.Add(1)
	second := w.judge()
	if s := w.pool.scenario; s.unjudged != nil && !slices.Equal(kindsOf(first), kindsOf(second)) {
		s.unjudged.note(oracle.Unjudged(fmt.Errorf("%s; the same case was judged again, and was not wrong in that way: %w", first.violations[0], oracle.ErrDoubtful)))
	}
	return second
}

// judge runs recovery and the oracle, and turns a panic into a judgement.
func (w *worker) judge() (j *judgement) {
	defer func() {
		if r := recover(); r != nil {
			j = panicked(r)
		}
	}()
	j = w.pool.scenario.judge(w.fs, w.disk.Marks())
	if j == nil && w.pool.scenario.Recover != nil && w.fs.Changed() {
		return recovered
	}
	return j
}

// publish notes what a run read and found. It returns false where nobody waits
// for that any more: the run was judged Hung.
func (w *worker) publish(j *judgement) bool {
	a := w.current.Swap(nil)
	if a == nil {
		return false
	}
	w.note(a, j)
	return true
}

// note writes down what a run read and found. Who takes the attempt from
// current does it.
func (w *worker) note(a *attempt, j *judgement) {
	a.Reads = append(a.Reads, w.disk.Reads()...)
	a.Taken = append(a.Taken, w.disk.Taken()...)
	a.Outcome = j
	a.Skipped = false
}

// hangs reports whether the worker has been at the same run for a whole
// timeout. If so it is abandoned, and its run is judged Hung.
func (w *worker) hangs() bool {
	if runs := w.runs.Load(); w.current.Load() == nil || runs != w.lastRun {
		w.lastRun, w.ticks = runs, 0
		return false
	}
	if w.ticks++; w.ticks <= watchTicks {
		return false
	}
	return w.abandon(func() *judgement { return hung(w.pool.timeout, stackOf(w.goroutine)) })
}

// abandon leaves a run to itself, which is then judged as given, or counts as one
// that never began. It returns false where the run has just come to an end.
func (w *worker) abandon(judged func() *judgement) bool {
	a := w.current.Swap(nil)
	if a == nil {
		return false // its disk is still in use
	}
	var j *judgement
	if judged != nil {
		j = judged() // before the checker is made to end
	}
	w.fs.Crash()  // its next call fails
	w.disk.Halt() // and what it asks is noted no more
	if judged != nil {
		w.note(a, j)
	}
	return true
}

// panicked is the judgement of a checker that panicked. It must be called from
// the deferred function that recovered.
func panicked(value any) *judgement {
	var pcs [64]uintptr
	n := runtime.Callers(2, pcs[:])
	frames := runtime.CallersFrames(pcs[:n])
	var stack []string
	for {
		frame, more := frames.Next()
		if !isOwnFrame(frame.Function) {
			stack = append(stack, fmt.Sprintf("%s %s:%d", frame.Function, shortFile(frame.File), frame.Line))
		}
		if !more {
			break
		}
	}
	return misbehaved(oracle.Refused, fmt.Sprintf("the checker panicked: %v", value), stack)
}

// exited is the judgement of a checker that ended its goroutine.
func exited() *judgement {
	return misbehaved(oracle.Refused, "the checker ended its goroutine (runtime.Goexit, or FailNow of a test)", nil)
}

// hung is the judgement of a checker that did not come to an end.
func hung(timeout time.Duration, stack []string) *judgement {
	return misbehaved(oracle.Hung, fmt.Sprintf("the checker ran for more than %v", timeout), stack)
}

func misbehaved(kind oracle.Kind, detail string, stack []string) *judgement {
	return &judgement{
		violations: []oracle.Violation{{Kind: kind, Detail: detail}},
		stack:      strings.Join(stack, "\n"),
	}
}

// isOwnFrame reports whether a function is the runtime's or the runner's, of
// which a stack of the checker says nothing.
func isOwnFrame(function string) bool {
	return strings.HasPrefix(function, "runtime.") ||
		strings.HasPrefix(function, "github.com/crashsim/crashsim/runner.(*worker)") ||
		strings.HasPrefix(function, "github.com/crashsim/crashsim/runner.(*Scenario)")
}

func shortFile(file string) string {
	dir, base := path.Split(file)
	return path.Join(path.Base(dir), base)
}

// goroutineID returns the number of the current goroutine, as stacks show it.
func goroutineID() string {
	var buf [64]byte
	text := string(buf[:runtime.Stack(buf[:], false)])
	id, _, _ := strings.Cut(strings.TrimPrefix(text, "goroutine "), " ")
	return id
}

// stackOf returns the functions and lines where a goroutine is now, the
// innermost first, without addresses.
func stackOf(goroutine string) []string {
	buf := make([]byte, 1<<20)
	text := string(buf[:runtime.Stack(buf, true)])
	for _, block := range strings.Split(text, "\n\n") {
		lines := strings.Split(strings.TrimSpace(block), "\n")
		if !strings.HasPrefix(lines[0], "goroutine "+goroutine+" ") {
			continue
		}
		var stack []string
		for i := 1; i+1 < len(lines); i += 2 {
			function := lines[i]
			if open := strings.LastIndexByte(function, '('); open > 0 {
				function = function[:open]
			}
			where, _, _ := strings.Cut(strings.TrimSpace(lines[i+1]), " ")
			if !isOwnFrame(function) && !strings.HasPrefix(function, "created by ") {
				stack = append(stack, function+" "+shortFile(where))
			}
		}
		return stack
	}
	return nil
}
