package process

import (
	"sync"
	"time"
)

// An awake timer ends what takes too long, but counts only the time in which this
// process could run. A container that is paused, a computer that sleeps, a process
// that a signal has stopped: what a command did not do meanwhile says nothing of it.
// The timer looks many times, and between two looks no more than twice the time that
// was meant to pass counts.
type awake struct {
	now  func() time.Time
	step time.Duration // between two looks
	end  func()

	mu    sync.Mutex
	timer *time.Timer
	last  time.Time     // of the look before
	left  time.Duration // until the end
	done  bool          // it has come, or nobody waits for it any more
}

// awakeLooks is how many times a timer looks.
const awakeLooks = 16

// afterAwake calls end, once, when this process has been awake for so long. Stop
// prevents that, and reports whether it did.
func afterAwake(d time.Duration, end func()) (stop func() bool) {
	a := &awake{now: time.Now, step: max(d/awakeLooks, 1), end: end, left: d}
	a.begin()
	return a.stop
}

func (a *awake) begin() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.last = a.now()
	a.timer = time.AfterFunc(min(a.step, a.left), a.look)
}

// look counts what has passed, and looks again later or comes to the end.
func (a *awake) look() {
	a.mu.Lock()
	now := a.now()
	a.left -= min(now.Sub(a.last), 2*a.step)
	a.last = now
	switch {
	case a.done:
		a.mu.Unlock()
	case a.left > 0:
		a.timer.Reset(min(a.step, a.left))
		a.mu.Unlock()
	default:
		a.done = true
		a.mu.Unlock()
		a.end()
	}
}

func (a *awake) stop() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.done {
		return false
	}
	a.done = true
	a.timer.Stop()
	return true
}
