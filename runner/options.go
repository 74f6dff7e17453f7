package runner

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/model"
	"github.com/crashsim/crashsim/runner/queue"
	"github.com/crashsim/crashsim/runner/show"
)

// Options say how to run a scenario. The zero value is what go test wants.
type Options struct {
	_ struct{} // written with field names: fields may be added

	// Models to run under; nil means each model that the scenario declares a
	// verdict for, the presets first and in their order, or the default model if it
	// declares none.
	Models []model.Model
	// Workers is how many checkers run at once; zero means GOMAXPROCS. The
	// report does not depend on it.
	Workers int
	// Timeout is how long one run of the checker may take; zero means ten
	// seconds. A run that takes longer is a Hung case.
	Timeout time.Duration

	// MaxRuns and MaxTime are budgets of all models together, of which each model
	// gets a fair share; zero means none. Counting, blame and, in Check, the look for
	// a repair are inside MaxTime, which is kept to within one run of the checker.
	// MaxMemory bounds the memory of the cases that wait to be judged, in bytes; zero
	// means about 800 MB. MaxLosses judges only cases that lack at most so many effects; for
	// none at all, use the model "kill". What a budget cuts off is stated in
	// the result. Check has a budget of its own where all three are zero.
	MaxRuns   int
	MaxLosses int
	MaxTime   time.Duration
	MaxMemory int64
	// Enough says which cases have to be judged for the verdict Kept; the zero Claim means
	// all of them. The search goes no further than that. What was judged is
	// Coverage.Claim; where it is not everything, Coverage.Exhaustive is false.
	Enough Claim
	// Samples is how many cuts are drawn at random where a budget ended the search, besides
	// the runs of MaxRuns; zero means 1,000, within MaxRuns, or as Enough says; negative means
	// none.
	Samples int
	// Seed is where these draws begin.
	Seed uint64

	// Depth is how often the power may fail again while the program recovers. The zero
	// Depth is Times(1).
	Depth Depth

	// Faults replace those of the scenario, where there are any. Sweep lets each
	// op of the workload fail once in each way that fits it, alone; of the ops
	// that one line makes, the first 64. Where there is damage at rest, it flips a
	// bit of every byte, not of 16 bytes of each sector. Under either, a verdict that
	// is declared Broken may have further kinds; where faults of the scenario were
	// replaced it may be Kept.
	Faults []faultfs.Fault
	Sweep  bool

	// Pairs is how many pairs of blows are dealt at most, of each of three kinds: two calls of
	// the workload fail; a call of recovery fails after the power cut; recovery is crashed on
	// a disk with damage. Zero means none. The first blow is one of those that are dealt alone;
	// where there is no fault among them, each call is let fail in turn. Pairs that do
	// the same as another count, too. As under Sweep, a verdict that is declared Broken may have
	// further kinds.
	Pairs int

	// Strict makes the verdict Unknown where Kept means little: the oracle was never
	// seen to reject anything, though an empty disk and the cases of the program
	// without its syncs were tried. Without it there is a note.
	Strict bool

	// First ends the search at the first failure, which is a smallest one of its
	// kind; the verdict then need not name all kinds. All goes on after the
	// smallest example of each kind of failure is known.
	First, All bool
	// MaxFailures ends the search once so many failures are known; zero means that it goes on.
	MaxFailures int
	// Failures is a directory to store failures in, and to replay them from
	// first. In Run, "" stores nothing; in Check, "" means testdata/failures.
	Failures string
	// Progress, if set, is called now and then from one goroutine.
	Progress func(Progress)
	// Found, if set, is called with each failure as soon as it is found, in a line that says
	// what is wrong and where the power was cut. A smaller case of the same kind may
	// follow; what is to blame is known at the end.
	Found func(story string)

	// Workdir are directories in which each run of the checker is kept. What is there is
	// not run again, so that a search that was stopped goes on where it was. The first is
	// written to, and made if need be. Any number of processes may use one at once. Results
	// are those of the same program, model, check and version of crashsim: in a test,
	// of the same test binary. What decides a run must be in there: a check that asks
	// another file, the network or the time must have a directory of its own.
	Workdir []string
	// Shard is which part of the search is judged, from zero, where Shards is how many
	// parts there are; with Shards below 2, all is judged. A shard says Broken where it finds a
	// failure, and Unknown otherwise: the verdict is that of all results together.
	Shard, Shards int
	// Merge wants of the Workdir that every shard has come to its end, proves by counting that
	// nothing is missing, and otherwise returns an error.
	Merge bool

	// Queue, if it is set, is where boxes are given out to other processes, on any number of
	// machines, that work with the same scenario and Work. They share the search of the
	// power cut. The report is the same as without a queue, and needs none of them: this
	// process works, too. See package queue.
	Queue queue.Queue
	// Work lets this process work for the one that gives out boxes at the Queue. It judges
	// nothing: it comes to its end when that has ended, or when nothing was heard of
	// anybody who gives out boxes for a minute.
	Work bool
	// Known, if it is no nil map, remembers the programs that were kept, by sums of what they
	// did: of one that begins like one of those, only the crashes are judged that come after the
	// common part. A run adds to it, so it is for one goroutine at a time. All runs with one Known
	// must be of one check, one WorkOn and the same options, and the verdict on a crash must not
	// depend on what the program would have done after it. Coverage counts what was
	// judged this time. With Known, no results are kept in a Workdir, and there is no Queue.
	Known map[string]bool

	onlyLosses bool // what a budget cuts off is left at that
}

// aside returns the options of a search beside the one that was asked for: it is not
// divided, its results are not kept, and no pairs of blows are dealt.
func (o Options) aside() Options {
	o.Workdir, o.Shard, o.Shards, o.Merge, o.Queue, o.Work, o.Known, o.Pairs = nil, 0, 0, false, nil, false, nil, 0
	return o
}

// Depth is how often the power may fail again while the program recovers. The zero
// Depth is Times(1).
type Depth struct{ plusOne int }

// Times returns the depth at which the power fails again up to n times while the
// program recovers. With Times(0) it does not, and the program is not killed either, to
// recover and work on before the power fails: then a verdict that is declared Broken may
// be Kept. It panics if n is negative.
func Times(n int) Depth {
	if n < 0 {
		panic(fmt.Sprintf("runner.Times(%d): want 0 or more", n))
	}
	return Depth{n + 1}
}

// times is how often recovery may be crashed.
func (d Depth) times() int {
	if d == (Depth{}) {
		return 1
	}
	return d.plusOne - 1
}

// Progress is how far a run has come.
type Progress struct {
	Scenario string
	Model    model.Model
	Cases    int // that were judged
	Runs     int // of the checker
	Losses   int // all cases with at most so many losses were judged, of what is looked at just now; -1: not even those without
	Failures int // that were found
	Waiting  int // parts of the cases that are known to be left; more may come of each
}

// level says up to how many losses all cases were judged.
func (p Progress) level() string {
	switch p.Losses {
	case -1:
		return "not yet all without losses"
	case 0:
		return "all without losses"
	}
	return "all with at most " + show.Count(p.Losses, "effect") + " lost"
}

// String returns, say, "1204 cases, 310 runs, 0 failures, all with at most 2 effects lost, 96 parts left".
func (p Progress) String() string {
	return fmt.Sprintf("%s, %s, %s, %s, %s left", show.Count(p.Cases, "case"), show.Count(p.Runs, "run"), show.Count(p.Failures, "failure"),
		p.level(), show.Count(p.Waiting, "part"))
}

// models returns the models to run under.
func (o *Options) models(s *Scenario) []model.Model {
	if o.Models != nil {
		return o.Models
	}
	var models []model.Model
	for m := range s.Declared {
		models = append(models, m)
	}
	if models == nil {
		return []model.Model{model.Default()}
	}
	presets := model.Presets()
	place := func(m model.Model) int { // of a preset among the presets; others come after them, by their text
		i := slices.IndexFunc(presets, func(p model.Preset) bool { return p.Model == m.WithDefaults() })
		if i < 0 {
			return len(presets)
		}
		return i
	}
	slices.SortFunc(models, func(a, b model.Model) int {
		return cmp.Or(cmp.Compare(place(a), place(b)), cmp.Compare(a.String(), b.String()))
	})
	return models
}
