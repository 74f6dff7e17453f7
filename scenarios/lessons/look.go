package lessons

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/model"
	"github.com/crashsim/crashsim/runner"
	"github.com/crashsim/crashsim/runner/repair"
)

// shown is how many disks are shown of those that are possible.
const shown = 8

// here is the mark behind the last op of a program that is looked at: what is
// possible with it is possible now.
const here = "here"

// ops shows what a program asked the file system for.
func ops(s runner.Scenario) piece {
	return func(context.Context) (Block, error) {
		b := Block{Kind: Look, Title: "what the file system is asked for"}
		trace, err := s.Record()
		if err != nil {
			return b, err
		}
		for i := range trace.Ops {
			b.Lines = append(b.Lines, fmt.Sprintf("%2d  %s", i+1, trace.Ops[i].Summary()))
		}
		return b, nil
	}
}

// until is a program up to its first op of a kind, and no further. The zero kind
// stands for its end.
func until(s runner.Scenario, last faultfs.OpKind) (*faultfs.Trace, error) {
	whole, err := s.Record()
	if err != nil {
		return nil, err
	}
	n := len(whole.Ops)
	if last != faultfs.OpNone {
		i := slices.IndexFunc(whole.Ops, func(op faultfs.Op) bool { return op.Kind == last })
		if i < 0 {
			return nil, fmt.Errorf("the program has no %s", last)
		}
		n = i + 1
	}
	e := whole.Edit()
	if err := e.KeepAll(faultfs.OpNum(n - 1)); err != nil {
		return nil, err
	}
	if _, err := e.Add(faultfs.Op{Kind: faultfs.OpMark, Label: here}); err != nil {
		return nil, err
	}
	return e.Trace(), nil
}

// disks are the disks that a crash may leave, each in a line, in order, where
// the power fails when the program has come to the end of a trace.
func disks(ctx context.Context, trace *faultfs.Trace, m model.Model) ([]string, error) {
	states, err := runner.States(ctx, trace, m)
	if err != nil {
		return nil, err
	}
	var lines []string
	for _, s := range states {
		if slices.Contains(s.Marks, here) {
			lines = append(lines, treeLine(s.Tree))
		}
	}
	slices.Sort(lines)
	return slices.Compact(lines), nil
}

// treeLine shows the files of a tree in a line.
func treeLine(tree map[string]runner.Entry) string {
	var names []string
	for name, e := range tree {
		if !e.Dir {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for i, name := range names {
		names[i] = fmt.Sprintf("%s %s", name, contents(tree[name].Data))
	}
	if names == nil {
		return "(no file)"
	}
	return strings.Join(names, "   ")
}

// contents shows what a file holds: a byte that stands there again and again
// once, with how often.
func contents(data []byte) string {
	const many = 4 // so often is written out, unless it is all
	if len(data) == 0 {
		return "is empty"
	}
	var parts []string
	var plain []byte
	flush := func() {
		if len(plain) > 0 {
			parts = append(parts, strconv.Quote(string(plain)))
			plain = nil
		}
	}
	for i := 0; i < len(data); {
		n := 1
		for i+n < len(data) && data[i+n] == data[i] {
			n++
		}
		if n > many || n == len(data) && n > 2 {
			flush()
			parts = append(parts, fmt.Sprintf("%q * %d", data[i:i+1], n))
		} else {
			plain = append(plain, data[i:i+n]...)
		}
		i += n
	}
	flush()
	return strings.Join(parts, " + ")
}

// cache shows what programs see, from the page cache, once a program has done its
// first op of a kind.
func cache(s runner.Scenario, last faultfs.OpKind) piece {
	return func(ctx context.Context) (Block, error) {
		b := Block{Kind: Look, Title: "in the page cache, for every program to see"}
		trace, err := until(s, last)
		if err == nil {
			b.Lines, err = disks(ctx, trace, model.MustParse("kill"))
		}
		if err == nil && len(b.Lines) != 1 {
			err = fmt.Errorf("what a process that is killed leaves is not one thing: %q", b.Lines)
		}
		return b, err
	}
}

// now shows what the disk may hold if power fails once a program has done its
// first op of a kind.
func now(s runner.Scenario, last faultfs.OpKind, m string) piece {
	return func(ctx context.Context) (Block, error) {
		trace, err := until(s, last)
		if err != nil {
			return Block{}, err
		}
		lines, err := disks(ctx, trace, model.MustParse(m))
		return listed(fmt.Sprintf("on the disk if the power fails now (%s): %s", m, count(len(lines), "possibility", "possibilities")), lines), err
	}
}

// gone shows which disks are possible at the end of a program and not at that of
// another one, which does more for its files.
func gone(less, more runner.Scenario, m string) piece {
	return func(ctx context.Context) (Block, error) {
		var sets [2][]string
		for i, s := range []runner.Scenario{less, more} {
			trace, err := until(s, faultfs.OpNone)
			if err != nil {
				return Block{}, err
			}
			if sets[i], err = disks(ctx, trace, model.MustParse(m)); err != nil {
				return Block{}, err
			}
		}
		vanished := slices.DeleteFunc(slices.Clone(sets[0]), func(d string) bool { return slices.Contains(sets[1], d) })
		b := listed(fmt.Sprintf("of %s, this leaves %d (%s):", count(len(sets[0]), "disk", "disks"), len(sets[1]), m), sets[1])
		if len(vanished) == 0 {
			return b, fmt.Errorf("nothing vanishes under %s", m)
		}
		return b, nil
	}
}

// listed is a list of disks, not too long.
func listed(title string, lines []string) Block {
	b := Block{Kind: Look, Title: title, Lines: lines}
	if len(lines) > shown {
		b.Lines = append(slices.Clone(lines[:shown-1]), fmt.Sprintf("... and %d more", len(lines)-shown+1))
	}
	return b
}

// crash crashes a program everywhere under some models and shows the verdicts,
// and the story of the first failure. The verdicts are expected: "kept", or the
// kinds of violations as "broken(lost)", by models, as in "kill strict".
func crash(s runner.Scenario, want map[string]string) piece {
	return func(ctx context.Context) (Block, error) {
		b := Block{Kind: Look, Title: "crashed everywhere, and judged"}
		expected := map[string]string{}
		for models, outcome := range want {
			for name := range strings.FieldsSeq(models) {
				expected[name] = outcome
			}
		}
		story := ""
		for _, p := range model.Presets() {
			outcome, ok := expected[p.Name]
			if !ok {
				continue
			}
			results, err := runner.Run(ctx, s, runner.Options{Models: []model.Model{p.Model}})
			if err != nil {
				return b, err
			}
			r := &results[0]
			if got := r.Outcome.String(); got != outcome {
				return b, fmt.Errorf("%s under %s is %s, and the lesson goes on from %s", s.Name, p.Name, got, outcome)
			}
			b.Lines = append(b.Lines, fmt.Sprintf("%-7s %-16s %s judged", p.Name, r.Outcome, count(r.Coverage.Cases, "case", "cases")))
			if len(r.Failures) > 0 && story == "" {
				story = fmt.Sprintf("%s: %s", p.Name, r.Failures[0].Story)
			}
		}
		if story != "" {
			b.Lines = append(b.Lines, "", story)
		}
		return b, nil
	}
}

// fixed finds the syncs that a program lacks under a model and shows them. The
// lesson goes on from their number; it is -1 where no syncs are enough.
func fixed(s runner.Scenario, m string, want int) piece {
	return func(ctx context.Context) (Block, error) {
		b := Block{Kind: Look, Title: "the smallest set of syncs that repairs it (" + m + ")"}
		r, err := s.Fix(ctx, model.MustParse(m), runner.Options{})
		if err != nil {
			return b, err
		}
		n := len(r.Syncs)
		for _, sync := range repair.Grouped(r.Syncs) {
			b.Lines = append(b.Lines, sync.String())
		}
		if len(r.Beyond) > 0 {
			n = -1
			kinds := make([]string, len(r.Beyond))
			for i, k := range r.Beyond {
				kinds[i] = k.String()
			}
			b.Lines = append(b.Lines, "there is none: with every sync that could be added, it is still "+strings.Join(kinds, " and "))
		}
		if n == 0 {
			b.Lines = append(b.Lines, "nothing is missing")
		}
		if n != want {
			return b, fmt.Errorf("%s under %s lacks %d syncs, and the lesson goes on from %d", s.Name, m, n, want)
		}
		return b, nil
	}
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// same shows that two programs leave the same disks at their ends.
func same(one, other runner.Scenario, m string) piece {
	return func(ctx context.Context) (Block, error) {
		var sets [2][]string
		for i, s := range []runner.Scenario{one, other} {
			trace, err := until(s, faultfs.OpNone)
			if err != nil {
				return Block{}, err
			}
			if sets[i], err = disks(ctx, trace, model.MustParse(m)); err != nil {
				return Block{}, err
			}
		}
		b := listed(fmt.Sprintf("the same %s, either way (%s):", count(len(sets[0]), "disk", "disks"), m), sets[0])
		if !slices.Equal(sets[0], sets[1]) {
			return b, fmt.Errorf("%s and %s leave different disks", one.Name, other.Name)
		}
		return b, nil
	}
}

// example shows a disk that is possible and has something about it; that there is
// none is an error.
func example(s runner.Scenario, last faultfs.OpKind, m, what string, is func(map[string]runner.Entry) bool) piece {
	return func(ctx context.Context) (Block, error) {
		b := Block{Kind: Look, Title: "a possible disk (" + m + "): " + what}
		trace, err := until(s, last)
		if err != nil {
			return b, err
		}
		states, err := runner.States(ctx, trace, model.MustParse(m))
		if err != nil {
			return b, err
		}
		for _, state := range states {
			if slices.Contains(state.Marks, here) && is(state.Tree) {
				b.Lines = []string{treeLine(state.Tree)}
				return b, nil
			}
		}
		return b, fmt.Errorf("there is no disk with %s", what)
	}
}

func missing(name string) func(map[string]runner.Entry) bool {
	return func(t map[string]runner.Entry) bool { _, ok := t[name]; return !ok }
}

func noData(name string) func(map[string]runner.Entry) bool {
	return func(t map[string]runner.Entry) bool { e, ok := t[name]; return ok && len(e.Data) == 0 }
}

func onlyNULs(name string, size int) func(map[string]runner.Entry) bool {
	return func(t map[string]runner.Entry) bool { return string(t[name].Data) == strings.Repeat("\x00", size) }
}

// onlySecondPage is a file whose first page is of NULs and whose second is full of
// a letter.
func onlySecondPage(name, letter string) func(map[string]runner.Entry) bool {
	return func(t map[string]runner.Entry) bool {
		return string(t[name].Data) == strings.Repeat("\x00", len(page(letter)))+page(letter)
	}
}
