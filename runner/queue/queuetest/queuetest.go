// Package queuetest holds what every queue must do, as a test.
//
// The words are those of package queue. A package that brings a queue calls [Contract] in a
// test of its own, with queues that are empty. What a network does beyond that, such as
// the delivery of a parcel whose worker has died, is not in here: it takes time, and a way
// to kill something.
package queuetest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/crashsim/crashsim/runner/queue"
)

// patience is how long something is waited for that must come.
const patience = 30 * time.Second

// Contract tests a queue, which must be empty; again opens it once more, as another process
// does.
func Contract(t *testing.T, q queue.Queue, again func() queue.Queue) {
	ctx, stop := context.WithTimeout(t.Context(), 2*patience)
	defer stop()
	other := again()
	t.Run("parcels are given out once, in order, by job", func(t *testing.T) { parcels(ctx, t, q, other) })
	t.Run("results come to all who follow", func(t *testing.T) { results(ctx, t, q, other) })
	t.Run("files are kept by what is in them", func(t *testing.T) { files(ctx, t, q, other) })
	t.Run("jobs are told", func(t *testing.T) { jobs(ctx, t, q, other) })
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// take takes a parcel, which must be there.
func take(ctx context.Context, t *testing.T, q queue.Queue, key, want string) queue.Parcel {
	t.Helper()
	p, err := q.Take(ctx, key, patience)
	must(t, err)
	if p == nil || string(p.Boxes()) != want {
		t.Fatalf("want the parcel %q, got %v", want, p)
	}
	return p
}

func nothing(ctx context.Context, t *testing.T, q queue.Queue, key string) {
	t.Helper()
	p, err := q.Take(ctx, key, 10*time.Millisecond)
	must(t, err)
	if p != nil {
		t.Fatalf("want no parcel, got %q", p.Boxes())
	}
}

func parcels(ctx context.Context, t *testing.T, q, other queue.Queue) {
	for _, text := range []string{"one", "two", "three"} {
		must(t, q.Give(ctx, "job", []byte(text)))
	}
	must(t, q.Give(ctx, "another", []byte("four")))
	one := take(ctx, t, other, "job", "one")
	two := take(ctx, t, q, "job", "two")
	must(t, one.Done(ctx))
	must(t, two.Back(ctx))
	three, err := q.Take(ctx, "job", patience)
	must(t, err)
	left, err := other.Take(ctx, "job", patience)
	must(t, err)
	texts := []string{string(three.Boxes()), string(left.Boxes())} // what was given back may come first
	slices.Sort(texts)
	if !slices.Equal(texts, []string{"three", "two"}) {
		t.Fatalf("got %v", texts)
	}
	must(t, three.Done(ctx))
	must(t, left.Done(ctx))
	nothing(ctx, t, q, "job")
	must(t, q.Clear(ctx, "another"))
	nothing(ctx, t, other, "another")
}

func results(ctx context.Context, t *testing.T, q, other queue.Queue) {
	large := strings.Repeat("large\n", 1<<19) // more than a message of a network may hold
	must(t, q.Put(ctx, "job", []byte("first")))
	must(t, q.Put(ctx, "job", []byte(large)))
	must(t, q.Put(ctx, "another", []byte("of another job")))
	follow, end := context.WithCancel(ctx)
	defer end()
	come := make(chan string, 100)
	must(t, other.Follow(follow, "job", func(text []byte) { come <- string(text) }))
	if len(come) < 2 {
		t.Fatalf("%d of 2 texts are there when Follow returns", len(come))
	}
	must(t, q.Put(ctx, "job", []byte("third")))
	seen := map[string]bool{}
	for len(seen) < 3 {
		select {
		case text := <-come:
			seen[text] = true
		case <-ctx.Done():
			t.Fatal("a text of results did not come")
		}
	}
	if !seen["first"] || !seen[large] || !seen["third"] {
		t.Fatal("the texts of results are not those that were stored")
	}
}

func files(ctx context.Context, t *testing.T, q, other queue.Queue) {
	for _, text := range []string{"", "a file", strings.Repeat("x", 3<<20)} {
		name, err := q.Keep(ctx, []byte(text))
		must(t, err)
		again, err := q.Keep(ctx, []byte(text))
		must(t, err)
		got, err := other.Kept(ctx, name)
		must(t, err)
		if name != again || string(got) != text {
			t.Fatalf("a file of %d bytes was kept as %s and %s, and has %d", len(text), name, again, len(got))
		}
	}
	if _, err := q.Kept(ctx, strings.Repeat("0", 64)); err == nil {
		t.Fatal("a file that nobody has kept is there")
	}
}

func jobs(ctx context.Context, t *testing.T, q, other queue.Queue) {
	said := []queue.Job{{Key: "a", About: "x\ny\n", Scenario: "s", Model: "m", Session: "1", Open: true}, {Key: "b", Command: "c"}}
	for _, j := range said {
		must(t, q.Say(ctx, j))
	}
	said[0].Open = false
	must(t, q.Say(ctx, said[0]))
	want := fmt.Sprint([]queue.Job{said[1], said[0]})
	for {
		got, quiet, err := other.Jobs(ctx)
		must(t, err)
		if fmt.Sprint(got) == want {
			if quiet > patience {
				t.Fatalf("nothing was heard for %v", quiet)
			}
			return
		}
		if ctx.Err() != nil {
			t.Fatalf("got %v, want %v", got, want)
		}
		time.Sleep(time.Millisecond)
	}
}
