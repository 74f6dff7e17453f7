package runner

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/model"
	"github.com/crashsim/crashsim/faultfs/persist"
	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner/blame"
)

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
	// Failures hold the smallest example of each cause for which a promise is broken, those
	// first that are the smallest of their kind; Warnings hold one of each kind that only
	// warns. Notes say where more causes were found than are told.
	Failures []*Failure
	Warnings []*Failure
	Coverage Coverage
	// Why says why the verdict is Unknown.
	Why      string
	doubted  bool // it is Unknown, and not because a budget ended the search
	bounded  bool // the options say how far the search goes: by Enough, First or MaxFailures
	worked   bool // this process has worked for others: there is no verdict of its own
	allFound bool // the search ended since each kind of failure that was found has its smallest example
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

	shard    string        // the part of a search that was judged whole, such as "2/3"; "": not that
	proof    proof         // by counting
	memory   *shelf        // where results were kept; nil: nowhere
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

// Bounded reports whether the verdict is Kept although not every case was judged, since
// what was judged is what Options.Enough asks for.
func (r *Result) Bounded() bool { return r.Outcome.Verdict == Kept && !r.Coverage.Exhaustive }

// AsDeclared reports whether the outcome is the declared one. Where nothing is
// declared, any verdict but Unknown will do. A shard without a failure is what all shards of
// a program that is Kept are, and some of one that is Broken.
func (r *Result) AsDeclared() bool {
	if r.Shard() != "" {
		return true
	}
	if r.Declared.Verdict == Unknown {
		return r.Outcome.Verdict != Unknown
	}
	if r.Declared.Verdict != Broken || r.Outcome.Verdict == Unknown {
		return r.Outcome.Equal(r.Declared)
	}
	lacks := r.Outcome.Verdict == Kept || !containsAll(r.Outcome.Kinds, r.Declared.Kinds)
	fewer := r.bounded && r.Outcome.Verdict == Broken // the search may have gone no further
	return (r.AtMost || fewer || !lacks) && (r.AtLeast || containsAll(r.Declared.Kinds, r.Outcome.Kinds))
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
	Pairs      int    // pairs of blows that were dealt: see Options.Pairs
	Cuts       string // legal cuts, decimal
	CutsExact  bool   // Cuts is exact; otherwise there are at most so many
	Cases      int    // parts of the cuts that the checker could tell apart, and that were judged
	Runs       int    // runs of the checker
	Exhaustive bool   // every legal cut was judged
	Claim      Claim  // which cases were judged, all of them
	Bound      string // what was judged, where it is not everything
}

// Crash is where power was cut, and what was lost there.
type Crash struct {
	// Plan is the life that the crash ended: of the program, or of its recovery.
	Plan *persist.Plan
	// After is the op after which the power was cut, -1 for before the first.
	After faultfs.OpNum
	// Lost are the effects that the running program saw and the disk lacks.
	Lost []persist.Effect

	point int          // the crash point
	start *persist.Box // of a later life: the cuts that it may have begun on
}

// Failure is a case that is wrong: where power was cut, what was lost, and
// what the oracle says.
type Failure struct {
	Kind       oracle.Kind
	Violations []oracle.Violation
	// How says what happened besides the power cut, such as a call that failed;
	// "" for nothing.
	How string
	// Crash is the crash, the first one where there were several.
	Crash
	// RecoveryCrashes are the crashes of recovery that followed.
	RecoveryCrashes []Crash
	// Pair is what is to blame: an effect that the last crash lost, and what was
	// kept though it was; nil where that crash lost nothing.
	Pair *blame.Pair
	// Cases is how many of the cases that were judged fail for this cause; where the
	// search was not exhaustive, there may be more.
	Cases int
	// Marks are the marks made before the crash.
	Marks []string
	// Story is the failure in one line.
	Story string
	// Stack is where the checker panicked or hung, if it did.
	Stack string
	// File is where the failure is stored, "" if it is not.
	File string

	fault    *faultfs.Fault // that the program met
	second   *faultfs.Fault // that it met in the same run
	inLife   *faultfs.Fault // that its recovery met, before the last crash
	damage   *damage        // of the disk
	needless bool           // no crash is needed: the program ends with a disk that is wrong like this
}
