package runner

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/persist"
	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner/internal/search"
	"github.com/crashsim/crashsim/runner/workdir"
)

// memory is what is known of the runs of a scenario's checker under a model, from this
// process and from others that stored theirs in the same directories: see
// Options.Workdir. A search asks it before it runs the checker, and so goes the same way
// as one that runs all by itself, to the same report.
type memory struct {
	*shelf
	aside string // what is judged besides the scenario; "": nothing
}

// shelf is the part of the directories that is of one program, one model and one check.
type shelf struct {
	work    *work
	name    string
	known   map[string]*known // by search
	pending []workdir.Run     // not stored yet
	stored  time.Time         // when some were stored last
	files   []string          // that this process has put
	torn    []string
	runs    int // that were stored before
	reused  int // runs that were known
	ran     int // that were made
	given   int // that came from a queue, while the search went on
	giving  *giving
	also    func(runs []byte) // stores them in the queue, too; nil: there is none
}

// known are the runs of one search.
type known struct {
	tree  *search.Tree[*judgement]
	box   *persist.Box
	exact map[string]*workdir.Run // by what they were given, once the checker is known not to be deterministic
}

// storeEvery and storeRuns say how much work a kill may cost: runs of so long, or so
// many of them. They are variables for tests.
var (
	storeEvery = 250 * time.Millisecond
	storeRuns  = 1 << 14
)

// maxKnown bounds the memory of a search's known runs, in nodes. What is beyond is
// stored, and judged again if it is asked for.
const maxKnown = 1 << 24

// searchOf names a search by what it is of: the same words, the same cells.
func searchOf(words ...any) string {
	sum := sha256.New()
	for _, w := range words {
		fmt.Fprintf(sum, "%v\x00", w)
	}
	return hex.EncodeToString(sum.Sum(nil)[:8])
}

// sumOfOps is the sum of what ops ask for.
func sumOfOps(ops []faultfs.Op) string {
	sum := sha256.New()
	for i := range ops {
		fmt.Fprintln(sum, ops[i].Line())
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// besides returns the memory of another search for the same scenario.
func (m *memory) besides(what string) *memory {
	if m == nil {
		return nil
	}
	return &memory{m.shelf, m.aside + what}
}

// of returns what is known of a search.
func (m *memory) of(name string, plan *persist.Plan, start *persist.Box) *known {
	name = searchOf(m.aside, name)
	k := m.known[name]
	if k == nil {
		k = &known{tree: search.NewTree[*judgement]()}
		m.known[name] = k
	}
	k.box = plan.NewBox()
	k.box.StartFrom(start)
	return k
}

// around returns what a search calls to run the checker: it runs what is not known, and
// stores it.
func (m *memory) around(p *pool, name string) func(context.Context, []*attempt) {
	if m == nil {
		return p.runAll
	}
	k := m.of(name, p.plan, p.start)
	name = searchOf(m.aside, name)
	return func(ctx context.Context, attempts []*attempt) {
		left := k.unanswered(attempts, p.start != nil)
		if m.runs > 0 {
			m.reused += len(attempts) - len(left)
		}
		if len(left) == 0 {
			return
		}
		p.runAll(ctx, left)
		if p.scenario.unjudged.err() != nil {
			return // what was judged beside a case that could not be is not relied on
		}
		for _, a := range left {
			if !a.Skipped && !a.Empty {
				m.note(name, k, a)
			}
		}
		if len(m.pending) >= storeRuns || time.Since(m.stored) >= storeEvery {
			p.scenario.lacks(m.store())
		}
	}
}

// lacks notes an error of our own, by which there is no verdict.
func (s *Scenario) lacks(err error) {
	if err != nil && s.unjudged != nil {
		s.unjudged.note(oracle.Unjudged(err))
	}
}

// answer fills in an attempt from what is known.
func (k *known) answer(a *attempt, later bool) bool {
	if k.exact == nil {
		return k.tree.Answer(k.box, a)
	}
	k.box.Move(a.Point)
	if later || !k.box.RestrictTo(a.Subset) {
		return false
	}
	r := k.exact[givenTo(a.Point, k.box.Narrowed())]
	if r == nil {
		return false
	}
	outcome, err := parseOutcome(r.Outcome)
	if err != nil {
		return false
	}
	if slices.ContainsFunc(r.Reads, func(s persist.Read) bool { return !k.box.Has(s.Cell) }) {
		return false
	}
	for _, s := range r.Reads {
		if _, taken, split := k.box.Choose(s.Cell); split {
			a.Taken = append(a.Taken, taken)
		}
	}
	a.Reads, a.Outcome, a.Skipped = append(a.Reads, r.Reads...), outcome, false
	return true
}

// givenTo names what a run was given.
func givenTo(point int, box []persist.Bound) string { return fmt.Sprint(point, box) }

// unanswered answers attempts from what is known, and returns the others. Later says that they are
// of a later life.
func (k *known) unanswered(attempts []*attempt, later bool) (left []*attempt) {
	for _, a := range attempts {
		if !k.answer(a, later) {
			left = append(left, a)
		}
	}
	return left
}

// note notes a run, to be stored.
func (m *memory) note(name string, k *known, a *attempt) {
	m.ran++
	r := runOf(k.box, name, a)
	m.pending = append(m.pending, r)
	k.add(&r, a.Outcome)
}

// runOf is the record of a run that was made. It moves the box.
func runOf(box *persist.Box, name string, a *attempt) workdir.Run {
	box.Move(a.Point)
	box.RestrictTo(a.Subset)
	r := workdir.Run{Search: name, Point: a.Point, Box: box.Narrowed(), Reads: slices.Clone(a.Reads), Outcome: a.Outcome.text()}
	for _, b := range a.Taken {
		box.Restrict(b)
	}
	if cuts, exact := box.Count(); exact {
		r.Cuts = cuts.String()
	}
	return r
}

// add adds a run to what is known.
func (k *known) add(r *workdir.Run, outcome *judgement) {
	switch {
	case k.exact != nil:
		k.exact[givenTo(r.Point, r.Box)] = r
	case k.tree.Size() < maxKnown && !k.tree.Add(r.Reads, outcome):
		// The checker is not deterministic: from now on a run stands for what it was
		// given alone. What is stored of it is read once more when it is needed.
		k.exact = map[string]*workdir.Run{givenTo(r.Point, r.Box): r}
		k.tree = nil
	}
}

// store stores the runs that are not stored yet.
func (m *memory) store() error {
	m.stored = time.Now()
	if len(m.pending) == 0 {
		return nil
	}
	slices.SortStableFunc(m.pending, func(a, b workdir.Run) int { return cmp.Compare(a.Search, b.Search) })
	text := workdir.Append(nil, m.pending)
	if m.also != nil {
		m.also(text)
	}
	m.pending = m.pending[:0]
	return m.put(text)
}

// put puts a file of runs into the first directory, if there is one.
func (m *memory) put(text []byte) error {
	if len(m.work.dirs) == 0 {
		return nil
	}
	name, err := m.work.dirs[0].Put(m.name, text)
	if err != nil {
		return fmt.Errorf("results could not be stored: %w", err)
	}
	m.files = append(m.files, name)
	return nil
}

// load reads what the directories hold.
func (m *memory) load() error {
	var loose []string
	for pass := range 2 {
		for _, d := range m.work.dirs {
			torn, err := d.Each(m.name, func(name string, text []byte) error {
				if !workdir.HoldsRuns(text) {
					return nil
				}
				if pass == 0 {
					m.files = append(m.files, name)
				}
				return workdir.Parse(text, func(r *workdir.Run) error { return m.recall(r, pass == 1, &loose) })
			})
			if err != nil {
				return fmt.Errorf("results of before: %w", err)
			}
			if pass == 0 {
				m.torn = append(m.torn, torn...)
			}
		}
		if len(loose) == 0 {
			return nil
		}
	}
	return nil
}

// recall adds a stored run to what is known. Runs of a checker that is not deterministic
// are read once more, after that was found out.
func (m *memory) recall(r *workdir.Run, again bool, loose *[]string) error {
	outcome, err := parseOutcome(r.Outcome)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(r.Reads, func(s persist.Read) bool { return s.Value < 0 }) {
		return errors.New("no cell has a value below zero")
	}
	k := m.known[r.Search]
	if k == nil {
		k = &known{tree: search.NewTree[*judgement]()}
		m.known[r.Search] = k
	}
	if again && !slices.Contains(*loose, r.Search) {
		return nil
	}
	if !again {
		m.runs++
	}
	kept := *r
	k.add(&kept, outcome)
	if k.exact != nil && !slices.Contains(*loose, r.Search) {
		*loose = append(*loose, r.Search)
	}
	return nil
}

// text is a judgement as one line.
func (j *judgement) text() string {
	switch {
	case j == nil:
		return "kept"
	case len(j.violations) == 0 && j.wrote:
		return "wrote"
	}
	b := strconv.AppendQuote([]byte("wrong "), j.stack)
	for _, v := range j.violations {
		b = fmt.Appendf(b, " %q %q %q", v.Kind, v.Path, v.Detail)
	}
	return string(b)
}

// parseOutcome reads a judgement.
func parseOutcome(text string) (*judgement, error) {
	switch text {
	case "kept":
		return nil, nil
	case "wrote":
		return recovered, nil
	}
	rest, ok := strings.CutPrefix(text, "wrong ")
	words, err := quotedWords(rest)
	if !ok || err != nil || len(words)%3 != 1 {
		return nil, fmt.Errorf("%q is no outcome: want kept, wrote, or wrong and words in quotes", text)
	}
	j := &judgement{stack: words[0]}
	for w := words[1:]; len(w) > 0; w = w[3:] {
		kind, err := oracle.ParseKind(w[0])
		if err != nil {
			return nil, err
		}
		j.violations = append(j.violations, oracle.Violation{Kind: kind, Path: w[1], Detail: w[2]})
	}
	return j, nil
}
