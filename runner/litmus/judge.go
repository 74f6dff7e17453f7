package litmus

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/expr-lang/expr/vm"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/model"
	"github.com/crashsim/crashsim/runner"
)

// Report is what was found out about a litmus file under a model.
type Report struct {
	Model    model.Model
	Cases    int // distinct cases of all crash points
	Findings []Finding
}

// Finding is what became of an expectation.
type Finding struct {
	*Expect
	Held bool
	// Example is the case that shows it, nil where none can: where a sometimes
	// fails, or an always or a never holds.
	Example *runner.State
}

// Held reports whether every expectation held.
func (r *Report) Held() bool {
	return !slices.ContainsFunc(r.Findings, func(f Finding) bool { return !f.Held })
}

// Judge evaluates the expectations of a model on each of its cases. An
// expression that cannot be evaluated is an error, a *faultfs.TextError.
func (t *Test) Judge(ctx context.Context, m model.Model) (*Report, error) {
	program := t.run(m)
	states, err := runner.States(ctx, program.trace, m)
	if err != nil {
		return nil, fmt.Errorf("%s under %s: %w", t.File, m, err)
	}
	r := &Report{Model: m, Cases: len(states)}
	v := newView(program)
	for _, e := range t.Expects {
		if !e.Of(m) {
			continue
		}
		f, err := e.judge(v, states)
		if err != nil {
			return nil, &faultfs.TextError{File: t.File, Line: e.Line, Err: err}
		}
		r.Findings = append(r.Findings, f)
	}
	return r, nil
}

// judge looks for the case that settles an expectation.
func (e *Expect) judge(v *view, states []runner.State) (Finding, error) {
	settles := e.Quantifier != Always // what the expression says of the case
	for i := range states {
		said, err := v.eval(e, &states[i])
		if err != nil {
			return Finding{}, err
		}
		if said == settles {
			return Finding{Expect: e, Held: e.Quantifier == Sometimes, Example: &states[i]}, nil
		}
	}
	return Finding{Expect: e, Held: e.Quantifier != Sometimes}, nil
}

// view is a case as expressions see it.
type view struct {
	env   env
	vm    vm.VM
	state *runner.State
}

// env are the functions that an expression may call, by their tags.
type env struct {
	Content func(path string) any     `expr:"content"`
	Exists  func(path string) bool    `expr:"exists"`
	Size    func(path string) int     `expr:"size"`
	List    func(dir string) []string `expr:"list"`
	Marked  func(label string) bool   `expr:"marked"`
	Mode    func(path string) any     `expr:"mode"`
	Link    func(path string) any     `expr:"link"`

	Result func(label string) string `expr:"result"`
	Live   func(path string) any     `expr:"live"`
}

func newView(program *live) *view {
	v := &view{}
	result := func(label string) string { return program.results[label] }
	v.env = env{v.content, v.exists, v.size, v.list, v.marked, v.mode, v.link, result, program.content}
	return v
}

func (v *view) eval(e *Expect, s *runner.State) (bool, error) {
	v.state = s
	out, err := v.vm.Run(e.program, v.env)
	if err != nil {
		line, lineErr := s.Line()
		if lineErr != nil {
			return false, lineErr
		}
		return false, fmt.Errorf("%w, in the case %s", plain(err), line)
	}
	return out.(bool), nil
}

// file returns the regular file with a name.
func (v *view) file(path string) (runner.Entry, bool) {
	e, ok := v.state.Tree[path]
	return e, ok && !e.Dir && e.Mode != ""
}

func (v *view) content(path string) any {
	if e, ok := v.file(path); ok {
		return string(e.Data)
	}
	return nil
}

func (v *view) exists(path string) bool {
	_, ok := v.state.Tree[path]
	return ok || path == "/"
}

func (v *view) size(path string) int {
	if e, ok := v.file(path); ok {
		return len(e.Data)
	}
	return -1
}

func (v *view) list(dir string) []string {
	names := []string{}
	prefix := strings.TrimSuffix(dir, "/") + "/"
	for path := range v.state.Tree {
		if name, below := strings.CutPrefix(path, prefix); below && !strings.Contains(name, "/") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func (v *view) marked(label string) bool {
	_, found := slices.BinarySearch(v.state.Marks, label)
	return found
}

func (v *view) mode(path string) any {
	if e, ok := v.state.Tree[path]; ok && e.Mode != "" {
		return e.Mode
	}
	return nil
}

func (v *view) link(path string) any {
	if e, ok := v.state.Tree[path]; ok && !e.Dir && e.Mode == "" {
		return e.Link
	}
	return nil
}
