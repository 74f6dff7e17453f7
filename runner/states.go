package runner

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/model"
	"github.com/crashsim/crashsim/faultfs/persist"
	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner/internal/search"
)

// State is a case: the visible tree of a cut, and the marks made before the
// crash. It is what an oracle judges.
type State struct {
	Marks []string // sorted, each once
	// Tree is what can be reached from the root, by path; the root itself is not
	// in it. A name that leads back to a directory on its own path, which a rename
	// of directories can leave where both names may be seen, is listed and not
	// entered.
	Tree map[string]Entry
	// Wrong is what breaks the promise in the case, where an oracle was asked:
	// see Scenario.States. Warnings are left out.
	Wrong []oracle.Violation
}

// Entry is a file, a directory or a symbolic link.
type Entry struct {
	Data []byte // of a file
	Dir  bool
	Link string // where a symbolic link points
	Mode string // four octal digits; "" for a symbolic link
}

// MarshalJSON gives an entry the form that States documents.
func (e Entry) MarshalJSON() ([]byte, error) {
	switch {
	case e.Dir:
		return marshal(struct {
			Dir  bool   `json:"dir"`
			Mode string `json:"mode"`
		}{true, e.Mode})
	case e.Mode == "":
		return marshal(struct {
			Link string `json:"link"`
		}{e.Link})
	}
	data := e.Data
	if data == nil {
		data = []byte{}
	}
	return marshal(struct {
		Data []byte `json:"data"`
		Mode string `json:"mode"`
	}{data, e.Mode})
}

// marshal is json.Marshal without the escapes that only web pages need.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// Line returns the state as one line of JSON, keys sorted, without spaces.
func (s State) Line() (string, error) {
	line, err := marshal(map[string]any{"marks": s.Marks, "tree": s.Tree})
	return string(line), err
}

// maxListed bounds the size in bytes of a file that States writes out.
const maxListed = 64 << 20

// maxLines bounds about how many bytes all cases that States returns may take. It is
// a variable for the test that reaches it.
var maxLines = 256 << 20

// States returns every distinct case of all crash points of a trace under a
// model, in the order of their lines.
func States(ctx context.Context, trace *faultfs.Trace, m model.Model) ([]State, error) {
	return listStates(ctx, persist.Lower(trace, m), nil)
}

// States returns the cases of what the scenario does, as the function States
// does, and lets its recovery and its oracle judge each of them. Where marks
// that were made in another order, or more often, give one case, what is wrong
// with any of them is wrong with it.
func (s Scenario) States(ctx context.Context, m model.Model) ([]State, error) {
	take, err := s.prepare()
	if err != nil {
		return nil, err
	}
	plan := persist.Lower(take.trace, m)
	ctx, watched := s.watched(ctx)
	defer watched.unjudged.end()
	pool := newPool(watched, plan, &Options{})
	defer pool.close()
	states, err := listStates(ctx, plan, func(point int, subset persist.Subset) []oracle.Violation {
		outcome := pool.once(point, subset).Outcome
		if !outcome.wrong() {
			return nil
		}
		return slices.DeleteFunc(slices.Clone(outcome.violations), func(v oracle.Violation) bool { return v.Kind.Warning() })
	})
	if err := watched.unjudged.err(); err != nil {
		return nil, err
	}
	return states, err
}

// listStates lists the cases of a plan, and judges them if it can.
func listStates(ctx context.Context, plan *persist.Plan, judge judgeFunc) ([]State, error) {
	l := lister{
		plan: plan, disk: plan.NewDisk(), seen: map[string]State{}, left: maxLines, marks: map[int][]string{},
		judge: judge, judged: map[judgedKey]bool{},
	}
	search.New(plan, search.Options[*listing]{Run: l.run, Visit: l.visit}).Explore(ctx)
	if l.err == nil {
		l.err = ctx.Err()
	}
	if l.err != nil {
		return nil, l.err
	}
	lines := slices.Sorted(maps.Keys(l.seen))
	states := make([]State, len(lines))
	for i, line := range lines {
		states[i] = l.seen[line]
	}
	return states, nil
}

// lister is a checker that reads the whole tree.
type lister struct {
	plan   *persist.Plan
	disk   *persist.Disk
	seen   map[string]State
	left   int              // bytes that further cases may take
	marks  map[int][]string // sorted, by crash point
	judge  judgeFunc        // nil: nobody judges
	judged map[judgedKey]bool
	err    error
}

// judgeFunc says what is wrong with a part of a crash point.
type judgeFunc func(point int, subset persist.Subset) []oracle.Violation

// judgedKey is what an oracle can tell apart: a case, and how many marks were
// made.
type judgedKey struct {
	line  string
	marks int
}

// listing is what a run of the lister found.
type listing struct {
	tree map[string]Entry
	json string
}

func (l *lister) run(ctx context.Context, attempts []*search.Attempt[*listing]) {
	for _, a := range attempts {
		if a.Skipped = ctx.Err() != nil; a.Skipped {
			continue
		}
		l.disk.Begin(a.Point, a.Subset)
		tree := map[string]Entry{}
		if err := l.list(tree, "", []faultfs.Ino{faultfs.Root}); err != nil && l.err == nil {
			l.err = err
		}
		text, err := marshal(tree)
		if err != nil && l.err == nil {
			l.err = err
		}
		a.Outcome = &listing{tree, string(text)}
		a.Reads = append(a.Reads, l.disk.Reads()...)
		a.Taken = append(a.Taken, l.disk.Taken()...)
	}
}

func (l *lister) visit(c *search.Cube[*listing]) bool {
	marks, ok := l.marks[c.Point]
	if !ok {
		marks = sortedMarks(l.plan, c.Point)
		l.marks[c.Point] = marks
	}
	head, err := marshal(marks)
	if err != nil && l.err == nil {
		l.err = err
	}
	line := `{"marks":` + string(head) + `,"tree":` + c.Outcome.json + `}`
	state, known := l.seen[line]
	if !known {
		state = State{Marks: marks, Tree: c.Outcome.tree}
		l.take(len(line) + len(state.Tree)*entryBytes)
	}
	key := judgedKey{line, len(l.plan.Marks(c.Point))}
	if l.judge != nil && !l.judged[key] {
		l.judged[key] = true
		for _, v := range l.judge(c.Point, c.Whole()) {
			if !slices.Contains(state.Wrong, v) {
				state.Wrong = append(state.Wrong, v)
			}
		}
	}
	l.seen[line] = state
	return l.err == nil
}

// entryBytes is about how many bytes an entry of a tree takes besides its line.
const entryBytes = 200

// take takes room for a case.
func (l *lister) take(bytes int) {
	if l.left -= bytes; l.left < 0 && l.err == nil {
		l.err = fmt.Errorf("%d cases under %s, and not all are found: they take more than %d bytes", len(l.seen), l.plan.Model(), maxLines)
	}
}

// sortedMarks returns the marks made before the crash at a point, each once.
func sortedMarks(plan *persist.Plan, point int) []string {
	marks := append([]string{}, plan.Marks(point)...)
	slices.Sort(marks)
	return slices.Compact(marks)
}

// list adds what lies below a directory, the last one of those on the way.
func (l *lister) list(tree map[string]Entry, path string, way []faultfs.Ino) error {
	dir := way[len(way)-1]
	for _, name := range l.disk.Names(dir) {
		ino := l.disk.Entry(dir, name)
		if ino == 0 {
			continue
		}
		below := path + "/" + name
		switch l.disk.Type(ino) {
		case faultfs.Directory:
			tree[below] = Entry{Dir: true, Mode: fmt.Sprintf("%04o", l.disk.Mode(ino))}
			if slices.Contains(way, ino) {
				continue
			}
			if err := l.list(tree, below, append(way, ino)); err != nil {
				return err
			}
		case faultfs.Symlink:
			tree[below] = Entry{Link: l.disk.Target(ino)}
		case faultfs.Regular:
			size := l.disk.Size(ino)
			if size > maxListed {
				return fmt.Errorf("%s has %d bytes in a case, more than %d", below, size, maxListed)
			}
			data := make([]byte, size)
			l.disk.ReadAt(ino, data, 0)
			tree[below] = Entry{Data: data, Mode: fmt.Sprintf("%04o", l.disk.Mode(ino))}
		}
	}
	return nil
}
