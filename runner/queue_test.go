package runner

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/model"
	"github.com/crashsim/crashsim/faultfs/persist"
	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner/queue"
)

// quickQueue lets workers look often.
func quickQueue(t *testing.T) {
	look, take, patience := lookEvery, takeWait, workPatience
	lookEvery, takeWait = time.Millisecond, 20*time.Millisecond
	t.Cleanup(func() { lookEvery, takeWait, workPatience = look, take, patience })
}

// unsteady is a queue on which things go wrong: parcels are delivered again, and results are lost, come
// twice, or are what somebody else wrote.
type unsteady struct {
	*queue.Memory
	mu          sync.Mutex
	wild        bool
	takes, puts int
	wrong       [5]int // how often each went wrong
}

// next says what goes wrong with the next thing of a kind, each in turn.
func (q *unsteady) next(count *int) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.wild {
		return 0
	}
	*count++
	kind := *count % len(q.wrong)
	q.wrong[kind]++
	return kind
}

func (q *unsteady) Take(ctx context.Context, key string, wait time.Duration) (queue.Parcel, error) {
	if q.next(&q.takes) == 1 {
		q.Redeliver()
	}
	return q.Memory.Take(ctx, key, wait)
}

func (q *unsteady) Put(ctx context.Context, key string, results []byte) error {
	switch q.next(&q.puts) {
	case 1:
		return context.DeadlineExceeded // the worker's parcel comes back
	case 2:
		return nil // the server had said so, and lost it
	case 3:
		_ = q.Memory.Put(ctx, key, results)
	case 4:
		_ = q.Memory.Put(ctx, key, slices.Concat(results[:len(results)/2], []byte("\n")))
		_ = q.Memory.Put(ctx, key, []byte("crashsim boxes 1\nsearch power\noutcome kept\nrun 0 read 0 2000000000=7 -2000000000=0 outcome 0\n"))
	}
	return q.Memory.Put(ctx, key, results)
}

// withWorkers runs a scenario at a queue with so many workers.
func withWorkers(t require.TestingT, s Scenario, o Options, workers int) (report string, given, made int) {
	ctx, stop := context.WithCancel(context.Background())
	var all sync.WaitGroup
	for range workers {
		mine := o
		mine.Work, mine.Workers = true, 1
		all.Go(func() { _, _ = Run(ctx, s, mine) })
	}
	results, err := Run(context.Background(), s, o)
	stop()
	all.Wait()
	require.NoError(t, err)
	text := ""
	for i := range results {
		r := &results[i]
		text += r.Report() + r.Line() + "\n"
		for _, f := range r.Failures {
			text += string(r.Stored(f).Text())
		}
		_, m := r.Kept()
		given, made = given+r.Given(), made+m
	}
	return text, given, made
}

func TestReportFromAQueueIsThatOfOneMachineWhateverGoesWrong(t *testing.T) {
	quickStore(t)
	quickQueue(t)
	given, wrong := 0, [5]int{}
	rapid.Check(t, func(r *rapid.T) {
		s, o := drawScenario(r), drawOptions(r)
		if !isSmall(&s.Scenario, &o) {
			return
		}
		want, _, _ := reportOf(r, s.Scenario, o)
		q := &unsteady{Memory: &queue.Memory{}, wild: rapid.Bool().Draw(r, "wild"), puts: rapid.IntRange(0, 4).Draw(r, "turn")}
		o.Queue = q
		got, n, _ := withWorkers(r, s.Scenario, o, rapid.IntRange(0, 3).Draw(r, "others"))
		require.Equal(r, want, got)
		given += n
		for i, n := range q.wrong {
			wrong[i] += n
		}
	})
	require.Positive(t, given)
	for i, n := range wrong {
		require.Positive(t, n, "nothing went wrong in way %d", i)
	}
}

// Who gives out boxes and is started again goes on where it was.
func TestWhatAQueueHoldsIsNotJudgedAgain(t *testing.T) {
	quickQueue(t)
	s := threeFiles()
	o := Options{Models: []model.Model{model.Default()}, Queue: &queue.Memory{}}
	want, given, _ := withWorkers(t, s, o, 0)
	require.Positive(t, given)
	got, given, made := withWorkers(t, s, o, 0)
	require.Equal(t, want, got)
	require.Zero(t, given+made)
}

func TestResultsFromAQueueAreKeptInTheDirectoryToo(t *testing.T) {
	quickStore(t)
	quickQueue(t)
	s := threeFiles()
	o := Options{Models: []model.Model{model.Default()}, Queue: &queue.Memory{}, Workdir: []string{freshDir()}}
	want, given, _ := withWorkers(t, s, o, 2)
	require.Positive(t, given)
	o.Queue = nil
	got, known, made := reportOf(t, s, o)
	require.Equal(t, want, got)
	require.Zero(t, made)
	require.Positive(t, known)
	o.Merge = true
	results, err := Run(t.Context(), s, o)
	require.NoError(t, err, "one machine has judged all")
	require.Regexp(t, `^\d+ parts judged hold \d+ cuts, as many as are legal$`, results[0].Proof())
}

// A worker with another program takes no box, and says why.
func TestWorkerWithAnotherProgramSaysSo(t *testing.T) {
	quickQueue(t)
	q := &queue.Memory{}
	s := threeFiles()
	o := Options{Models: []model.Model{model.Default()}, Queue: q}
	_, _, _ = withWorkers(t, s, o, 0)
	jobs, _, err := q.Jobs(t.Context())
	require.NoError(t, err)
	require.Len(t, jobs, 1)
	jobs[0].Open = true
	require.NoError(t, q.Say(t.Context(), jobs[0]))
	o.Work = true
	for want, change := range map[string]func(*Scenario){
		"another program": func(s *Scenario) {
			before := s.Workload
			s.Workload = func(fs *faultfs.FS) error {
				if err := before(fs); err != nil {
					return err
				}
				return fs.Mkdir("/more", 0o755)
			}
		},
		"another check":    func(s *Scenario) { s.Command = &Command{Check: "another"} },
		"another recovery": func(s *Scenario) { s.Command = &Command{Check: "three", Recover: "r"} },
	} {
		other := s
		change(&other)
		_, err = Run(t.Context(), other, o)
		require.ErrorContains(t, err, want)
	}
}

func TestWorkerEndsWhenNothingIsHeard(t *testing.T) {
	quickQueue(t)
	workPatience = 0
	results, err := Run(t.Context(), threeFiles(), Options{Models: []model.Model{model.Default()}, Queue: &queue.Memory{}, Work: true})
	require.NoError(t, err)
	require.Contains(t, results[0].Why, "worked for the one that gives out the boxes")
	_, err = Run(t.Context(), threeFiles(), Options{Work: true})
	require.ErrorContains(t, err, "Options.Queue")
}

// A worker that could not judge a case stores nothing of it, gives the box back, and has an error.
func TestWorkerThatCannotJudgeGivesTheBoxBack(t *testing.T) {
	quickQueue(t)
	q := &queue.Memory{}
	s := threeFiles()
	s.Oracle = oracle.Func(func(afero.Fs, oracle.Marks) []oracle.Violation {
		return []oracle.Violation{{Kind: oracle.Refused, Err: errors.New("no room")}}
	})
	key, name := giveOne(t, q, &s)
	_, err := Run(t.Context(), s, Options{Models: []model.Model{model.Default()}, Queue: q, Work: true})
	require.ErrorIs(t, err, oracle.ErrNoVerdict)
	require.ErrorContains(t, err, "no room")
	require.NoError(t, q.Follow(t.Context(), key, func(text []byte) { t.Errorf("stored: %s", text) }))
	p, err := q.Take(t.Context(), key, 0)
	require.NoError(t, err)
	require.NotNil(t, p)
	require.Equal(t, string(queue.Append(nil, name, []queue.Box{{}})), string(p.Boxes()))
}

// A parcel that takes long is not kept to the end: others take the rest.
func TestWorkerHandsBackWhatItHasNoTimeFor(t *testing.T) {
	quickQueue(t)
	long, short := parcelTime, goOnTime
	t.Cleanup(func() { parcelTime, goOnTime = long, short })
	parcelTime, goOnTime = 0, 0
	q := &queue.Memory{}
	s := threeFiles()
	key, name := giveOne(t, q, &s)
	first, err := q.Take(t.Context(), key, 0)
	require.NoError(t, err)
	require.NoError(t, first.Done(t.Context()))
	boxes := []queue.Box{{Point: 0}, {Point: 1}, {Point: 2}}
	require.NoError(t, q.Give(t.Context(), key, queue.Append(nil, name, boxes)))

	plan := persist.Lower(recordedOf(t, &s), model.Default())
	p := newPool(&s, plan, &Options{Workers: 1})
	defer p.close()
	h := newHand(q, key, name, p, make(chan struct{}, 1))
	defer h.pool.close()
	for i := range boxes {
		parcel, err := h.take(t.Context())
		require.NoError(t, err)
		require.Equal(t, string(queue.Append(nil, name, boxes[i:])), string(parcel.Boxes()))
		require.NoError(t, h.work(t.Context(), parcel))
		require.Equal(t, i+1, h.made)
	}
	parcel, err := q.Take(t.Context(), key, 0)
	require.NoError(t, err)
	require.Nil(t, parcel)

	// What cannot be judged here is thrown away, and said; with time left, a worker goes on.
	goOnTime = time.Minute
	for _, bad := range []string{"what", string(queue.Append(nil, "another", boxes)), string(queue.Append(nil, name, []queue.Box{{Point: 1 << 20}}))} {
		require.NoError(t, q.Give(t.Context(), key, []byte(bad)))
		parcel, err := h.take(t.Context())
		require.NoError(t, err)
		require.NoError(t, h.work(t.Context(), parcel))
		require.ErrorContains(t, h.bad, "a parcel was thrown away")
		require.Equal(t, len(boxes), h.made)
	}
	require.NoError(t, q.Give(t.Context(), key, queue.Append(nil, name, []queue.Box{{Point: plan.Points() - 1}})))
	parcel, err = h.take(t.Context())
	require.NoError(t, err)
	require.NoError(t, h.work(t.Context(), parcel))
	require.Greater(t, h.made, len(boxes)+8, "all of what three files may be after a crash")
}

func recordedOf(t *testing.T, s *Scenario) *faultfs.Trace {
	take, err := s.prepare()
	require.NoError(t, err)
	return take.trace
}

// giveOne gives out the first box of a scenario, and returns the key of the job and the
// name of the search.
func giveOne(t *testing.T, q queue.Queue, s *Scenario) (key, search string) {
	o := Options{Models: []model.Model{model.Default()}, Queue: q}
	take, err := s.prepare()
	require.NoError(t, err)
	w, err := s.openWork(&o, take, testName{})
	require.NoError(t, err)
	m, err := w.memory(model.Default())
	require.NoError(t, err)
	job := m.giving.job
	job.Open, job.Session = true, "test"
	require.NoError(t, q.Say(t.Context(), job))
	search = searchOf("", (&program{}).name())
	require.NoError(t, q.Give(t.Context(), job.Key, queue.Append(nil, search, []queue.Box{{}})))
	return job.Key, search
}
