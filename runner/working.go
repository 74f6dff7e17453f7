package runner

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/crashsim/crashsim/faultfs/model"
	"github.com/crashsim/crashsim/faultfs/persist"
	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner/queue"
)

// workPatience is how long a worker waits where nothing is heard of anybody who gives out
// boxes, and lookEvery how often it looks. They are variables for tests.
var (
	workPatience = time.Minute
	lookEvery    = 100 * time.Millisecond
)

// worksFor works on the boxes of the scenario under a model until the process that gives
// them out has come to its end.
func (s *Scenario) worksFor(ctx context.Context, take *recording, m model.Model, o *Options) (Result, error) {
	r := Result{Scenario: s.Name, Model: m, Declared: s.declared(m), scenario: s, worked: true}
	if s.memory == nil || s.memory.giving == nil {
		return r, errors.New("to work for others, Options.Queue must say where")
	}
	r.memory, r.Why = s.memory.shelf, "this process worked for the one that gives out the boxes, and has no verdict of its own"
	q, job := s.memory.giving.queue, s.memory.giving.job
	if ended, err := awaitJob(ctx, q, job); ended || err != nil {
		return r, err
	}
	working, stop := context.WithCancel(ctx)
	defer stop()
	p := newPool(s, persist.Lower(take.trace, m), o)
	defer p.close()
	p.gone = ctx.Done()
	name := searchOf("", (&program{}).name())
	hands := newHands(q, job.Key, name, p)
	var all sync.WaitGroup
	for i := range hands {
		all.Go(func() {
			defer hands[i].pool.close()
			for working.Err() == nil {
				parcel, err := hands[i].take(working)
				if err == nil && parcel != nil {
					err = hands[i].work(working, parcel)
				}
				if errors.Is(err, oracle.ErrNoVerdict) {
					return // it is noted, and ends the context
				}
			}
		})
	}
	_, err := awaitEnd(ctx, q, job)
	stop()
	all.Wait()
	for _, h := range hands {
		s.memory.ran += h.made
		if h.bad != nil {
			s.memory.torn = append(s.memory.torn, h.bad.Error())
		}
	}
	if unjudged := s.unjudged.err(); unjudged != nil {
		err = unjudged
	}
	return r, err
}

// awaitJob waits until boxes of a job are given out. It returns ended where that is over
// already, or nobody is heard of.
func awaitJob(ctx context.Context, q queue.Queue, job queue.Job) (ended bool, err error) {
	return await(ctx, q, func(jobs []queue.Job) (done, ended bool, err error) {
		i := slices.IndexFunc(jobs, func(j queue.Job) bool { return j.Key == job.Key })
		if i < 0 {
			return false, false, anotherJob(jobs, job)
		}
		over := !jobs[i].Open && jobs[i].Session == jobs[len(jobs)-1].Session
		return jobs[i].Open || over, over, nil
	})
}

// awaitEnd waits until boxes of a job are no longer given out.
func awaitEnd(ctx context.Context, q queue.Queue, job queue.Job) (ended bool, err error) {
	return await(ctx, q, func(jobs []queue.Job) (done, ended bool, err error) {
		open := slices.ContainsFunc(jobs, func(j queue.Job) bool { return j.Key == job.Key && j.Open })
		return !open, true, nil
	})
}

// await looks at the jobs of a queue until something is done.
func await(ctx context.Context, q queue.Queue, look func([]queue.Job) (done, ended bool, err error)) (bool, error) {
	for {
		jobs, quiet, err := q.Jobs(ctx)
		if err == nil {
			var done, ended bool
			if done, ended, err = look(jobs); done || err != nil {
				return ended, err
			}
			if quiet > workPatience {
				return true, nil
			}
		}
		select {
		case <-ctx.Done():
			return true, ctx.Err()
		case <-time.After(lookEvery):
		}
	}
}

// anotherJob returns an error where boxes are given out of the same scenario under the same
// model, but of another program, check or version.
func anotherJob(jobs []queue.Job, own queue.Job) error {
	mine := aboutLines(own.About)
	for _, j := range jobs {
		other := aboutLines(j.About)
		if !j.Open || j.Scenario != own.Scenario || j.Model != own.Model || other["test"] != mine["test"] || other["call"] != mine["call"] {
			continue
		}
		for _, line := range []struct{ name, what string }{
			{"crashsim", "another version of crashsim, or another build of the test"}, {"program", "another program: it did something else when it was recorded"},
			{"timeout", "another timeout of the check"}, {"oracle", "another oracle"}, {"path", "a program at another path"},
			{"recover", "another recovery"}, {"check", "another check"}, {"file", "a check with other files"},
		} {
			if other[line.name] != mine[line.name] {
				return fmt.Errorf("%s under %s: the boxes that are given out are of %s; this process cannot work on them", own.Scenario, own.Model, line.what)
			}
		}
	}
	return nil
}

// aboutLines returns the lines of what a job is about, by their first words.
func aboutLines(about string) map[string]string {
	lines := map[string]string{}
	for line := range strings.Lines(about) {
		name, value, _ := strings.Cut(line, " ")
		lines[name] += value
	}
	return lines
}
