package runner

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/afero"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/model"
	"github.com/crashsim/crashsim/faultfs/persist"
	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner/repair"
)

// Scenario is a program to crash: what it does to its files, how it recovers,
// and what it promised.
type Scenario struct {
	Name   string // a short name, of letters, digits and dashes
	Lesson string // one line: what it shows

	// Setup makes what stands on the disk, durably, before the program runs.
	// It may be nil.
	Setup func(fs *faultfs.FS) error
	// Workload is the program. It marks what it tells the world. It must do
	// the same each time it is called.
	Workload func(fs *faultfs.FS) error
	// Trace, if set, is what the program did, recorded before: Setup and Workload
	// are not called, and calls cannot be made to fail.
	Trace *faultfs.Trace
	// Recover is what the program does when it starts again after a crash. An
	// error is a refusal to start. It may be nil, and it may be called from
	// several goroutines at once, each with a disk of its own.
	Recover func(disk afero.Fs) error
	// Oracle judges what recovery left.
	Oracle oracle.Oracle

	// WorkOn is what the program does after it was killed and has recovered, where
	// it has a Recover, or was started again where it has none; nil: nothing. Its
	// marks follow those made before the kill.
	WorkOn func(fs *faultfs.FS) error

	// Media judges what recovery left where a durable sector of a file was
	// damaged before the program started again: a bit is flipped, the sector is
	// zeroed, or it holds what was meant for another one. A recovery that returns
	// an error has noticed. It is usually oracle.Detects of the Oracle; nil: the
	// disk is never damaged.
	Media oracle.Oracle

	// Faults are part of the scenario: the program is judged without any, and
	// then with each of them injected alone. A workload that returns an error
	// because of one has stopped there.
	Faults []faultfs.Fault

	// Declared is the verdict that is known, by the text form of the model.
	// Where it says nothing, Check expects Kept and Run expects nothing.
	Declared map[string]Outcome

	// Command, if set, says by which commands a recorded program was run and is
	// judged. It is stored with failures.
	Command *Command

	rotten   bool            // the disk may be damaged
	variant  *repair.Variant // syncs that its later lives make besides their own; nil: none
	unjudged *unjudged       // set while the scenario is judged
}

// restarts reports whether anything happens after a kill.
func (s *Scenario) restarts() bool { return s.Recover != nil || s.WorkOn != nil }

// Verdict says whether a promise holds. The zero Verdict is Unknown, which
// never counts as a pass.
type Verdict uint8

// The verdicts.
const (
	Unknown Verdict = iota
	Kept            // every case was judged, and none is wrong
	Broken          // a case is wrong
)

// String returns the verdict in lower case.
func (v Verdict) String() string {
	switch v {
	case Kept:
		return "kept"
	case Broken:
		return "broken"
	}
	return "unknown"
}

// Outcome is a verdict and, of Broken, the kinds of violations, in order.
type Outcome struct {
	Verdict Verdict
	Kinds   []oracle.Kind
}

// Breaks returns the outcome Broken with the given kinds.
func Breaks(kinds ...oracle.Kind) Outcome {
	kinds = slices.Clone(kinds)
	slices.Sort(kinds)
	return Outcome{Broken, slices.Compact(kinds)}
}

// Keeps returns the outcome Kept.
func Keeps() Outcome { return Outcome{Verdict: Kept} }

// String returns "kept", "unknown" or, say, "broken(lost,torn)".
func (o Outcome) String() string {
	if len(o.Kinds) == 0 {
		return o.Verdict.String()
	}
	kinds := make([]string, len(o.Kinds))
	for i, k := range o.Kinds {
		kinds[i] = k.String()
	}
	return fmt.Sprintf("%s(%s)", o.Verdict, strings.Join(kinds, ","))
}

// Equal reports whether two outcomes are the same.
func (o Outcome) Equal(p Outcome) bool {
	return o.Verdict == p.Verdict && slices.Equal(o.Kinds, p.Kinds)
}

// breaksSomewhere reports whether a verdict is declared Broken.
func (s *Scenario) breaksSomewhere() bool {
	for _, o := range s.Declared {
		if o.Verdict == Broken {
			return true
		}
	}
	return false
}

// declared returns the outcome that is declared for a model, the zero Outcome
// if none is.
func (s *Scenario) declared(m model.Model) Outcome { return s.Declared[m.String()] }

// Options say how to run a scenario. The zero value is what go test wants.
type Options struct {
	// Models to run under; nil means each model that the scenario declares a
	// verdict for, in the order of the presets, or the default model if it
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
	// Samples is how many cuts are drawn at random from what a budget cut off.
	Samples int
	// Seed is where these draws begin.
	Seed uint64

	// Depth is how often the power may fail again while the program recovers,
	// and whether it is killed, recovers and works on before the power fails;
	// zero means once, negative means neither. Without either, a verdict that is
	// declared Broken may be Kept.
	Depth int

	// Faults replace those of the scenario, where there are any. Sweep lets each
	// op of the workload fail once in each way that fits it, alone; of the ops
	// that one line makes, the first 64. Where there is damage at rest, it flips a
	// bit of every byte, not of 16 bytes of each sector. Under either, a verdict that
	// is declared Broken may have further kinds; where faults of the scenario were
	// replaced it may be Kept.
	Faults []faultfs.Fault
	Sweep  bool

	// Strict makes the verdict Unknown where Kept means little: the oracle was never
	// seen to reject anything, though an empty disk and the cases of the program
	// without its syncs were tried. Without it there is a note.
	Strict bool

	// First ends the search at the first failure, which is a smallest one of its
	// kind; the verdict then need not name all kinds. All goes on after the
	// smallest example of each kind of failure is known.
	First, All bool
	// Failures is a directory to store failures in, and to replay them from
	// first. In Run, "" stores nothing; in Check, "" means testdata/failures.
	Failures string
	// Progress, if set, is called now and then from one goroutine.
	Progress func(Progress)
}

// Progress is how far a run has come.
type Progress struct {
	Scenario string
	Model    model.Model
	Cases    int // that were judged
	Runs     int // of the checker
}

// Result is what was found out about a scenario under a model.
type Result struct {
	Scenario string
	Model    model.Model
	Plan     *persist.Plan // what was judged; the effects of failures are those of this plan
	Outcome  Outcome
	Declared Outcome // the zero Outcome where nothing is declared
	// AtLeast says that more was tried than the declared verdict speaks of: it
	// may have further kinds.
	AtLeast bool
	// AtMost says that less was tried: recovery was not crashed, or the faults
	// of the scenario were replaced. A verdict declared Broken may then lack
	// kinds, or be Kept.
	AtMost bool
	// Failures hold the smallest example of each kind of violation, fewest
	// losses first; Warnings the same for kinds that only warn.
	Failures []*Failure
	Warnings []*Failure
	Coverage Coverage
	// Why says why the verdict is Unknown.
	Why     string
	doubted bool // it is Unknown, and not because a budget ended the search
	settled bool // the search ended since each kind of failure that was found has its smallest example
	// Command is that of the scenario.
	Command *Command
	// Unstored says why failures could not be stored as files, where that was
	// asked for. They are known all the same.
	Unstored error

	test testName // that found it

	// Notes are remarks on the run, such as that the checker is not
	// deterministic.
	Notes []string
	// Recovery says how recovery behaves when it is run on what it has left
	// itself; nil where it never changed anything, or was not crashed.
	Recovery *Recovery

	scenario *Scenario     // that was judged
	timeout  time.Duration // of a run of its checker
}

// Recovery says how recovery behaves when it is run again.
type Recovery struct {
	// Settles is how many runs of recovery, each on what the one before it left, it
	// takes at most until one changes nothing that can be seen, less that one: 1 where
	// the second run changed nothing. Zero says that it was still changing something
	// after several runs. Each of these runs came to its end: what a recovery that is
	// crashed and run again makes of the disk is judged, and is a failure if it is wrong.
	Settles int
	// Example is an op of a run that should have changed nothing.
	Example string
}

// AsDeclared reports whether the outcome is the declared one. Where nothing is
// declared, any verdict but Unknown will do.
func (r *Result) AsDeclared() bool {
	if r.Declared.Verdict == Unknown {
		return r.Outcome.Verdict != Unknown
	}
	if r.Declared.Verdict != Broken || r.Outcome.Verdict == Unknown {
		return r.Outcome.Equal(r.Declared)
	}
	lacks := r.Outcome.Verdict == Kept || !containsAll(r.Outcome.Kinds, r.Declared.Kinds)
	return (r.AtMost || !lacks) && (r.AtLeast || containsAll(r.Declared.Kinds, r.Outcome.Kinds))
}

func containsAll(kinds, some []oracle.Kind) bool {
	return !slices.ContainsFunc(some, func(k oracle.Kind) bool { return !slices.Contains(kinds, k) })
}

// Coverage says how much was tried.
type Coverage struct {
	Ops        int    // ops of the workload
	Cells      int    // things that persist on their own
	Points     int    // moments at which power was cut
	Recoveries int    // recoveries, told apart by what they read, that were crashed at each of their ops
	Faults     int    // runs of the workload, told apart by what they did, in which a call failed
	Kills      int    // moments at which the program was killed, to recover and then lose power
	Damages    int    // ways in which durable data was damaged before the program started again
	Cuts       string // legal cuts, decimal
	CutsExact  bool   // Cuts is exact; otherwise there are at most so many
	Cases      int    // parts of the cuts that the checker could tell apart, and that were judged
	Runs       int    // runs of the checker
	Exhaustive bool   // every legal cut was judged
	Bound      string // what was judged, where it is not everything
}
