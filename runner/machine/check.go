package machine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"pgregory.net/rapid"

	"github.com/crashsim/crashsim/faultfs/inprocess"
	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner"
	"github.com/crashsim/crashsim/runner/outfile"
	"github.com/crashsim/crashsim/runner/repair"
	"github.com/crashsim/crashsim/runner/show"
)

// maxRuns bounds the runs of the checker for one program, where the options set no budget.
const maxRuns = 20000

// maxFurther is how many operations a killed program works on with, at most.
const maxFurther = 2

// TB is what Check needs of a test. *testing.T and *rapid.T have it.
type TB = rapid.TB

// Check lets rapid draw programs of a machine, crashes each of them everywhere, and fails the
// test with the smallest program that fails and its smallest crash. The flags of rapid say how
// many programs there are. Options are those of package runner, for each program: Sweep and
// Faults inject faults. Where they set no budget, a program has 20,000 runs of the checker. One
// that is not judged whole is no example.
//
// A failure is stored in Options.Failures, or testdata/failures where that is empty, and rapid
// stores its own file beside it, under testdata/rapid; each file names the other. Programs of stored
// failures are judged first the next time.
func Check[P, S any](t TB, m Machine[P, S], o runner.Options) {
	t.Helper()
	s, err := newSession(&m, o)
	if err != nil {
		t.Fatalf("%v", err)
	}
	if m.OpenDir != nil && !inprocess.Available() {
		t.Skipf("%v: go run github.com/crashsim/crashsim/cmd/crashsim test -run '^%s$' .", inprocess.ErrUnavailable, t.Name())
	}
	if os.Getenv("CRASHSIM_REPLAY") != "" {
		runner.Check(t, s.judge.scenario(nil, nil), o)
		return
	}
	_, isT := t.(*testing.T)
	if s.store = o.Failures; s.store == "" && isT {
		s.store = filepath.Join("testdata", "failures")
	}
	before := s.rapidFiles(t.Name())
	if s.replayed(t) {
		return
	}
	defer func() { s.conclude(t, before) }()
	rapid.Check(t, s.property)
}

// session judges the programs of one machine.
type session[P, S any] struct {
	machine *Machine[P, S]
	judge   *judge[P, S]
	options runner.Options
	store   string // the directory of stored failures; "": none

	known    map[string]*verdict        // by program
	begun    map[string]map[string]bool // the beginnings that were kept, by what they are judged by
	last     *verdict                   // the last that failed
	losses   int                        // that a failure may have, once one was found; -1 before
	examples int                        // how often rapid asked
	least    int                        // how often it had, when it asked for the last that failed the first time
	judged   int                        // how many programs were judged
	bounded  int                        // of which a budget ended the search
}

func newSession[P, S any](m *Machine[P, S], o runner.Options) (*session[P, S], error) {
	if err := m.validate(); err != nil {
		return nil, err
	}
	if len(o.Workdir) > 0 || o.Shards > 1 || o.Merge || o.Queue != nil {
		return nil, fmt.Errorf("machine %s: Workdir, Shards, Merge and Queue are not for programs that are drawn", m.Name)
	}
	if o.MaxRuns == 0 && o.MaxTime == 0 && o.MaxLosses == 0 {
		o.MaxRuns = maxRuns
	}
	return &session[P, S]{machine: m, judge: newJudge(m), options: o, known: map[string]*verdict{}, begun: map[string]map[string]bool{}, losses: -1}, nil
}

// verdict is what came of a program.
type verdict struct {
	err     error          // there is none
	result  *runner.Result // that is not Kept; nil: all are
	program []call
	further []call
	text    string
}

// failed reports whether a promise was broken.
func (v *verdict) failed() bool { return v.result != nil && v.result.Outcome.Verdict == runner.Broken }

// property is what rapid checks.
func (s *session[P, S]) property(t *rapid.T) {
	program, further, err := s.draw(t)
	if err != nil {
		t.Fatalf("%v", err)
	}
	s.examples++
	v := s.verdict(program, further)
	switch {
	case v.err != nil:
		t.Fatalf("there is no verdict: %v", v.err)
	case v.failed():
		if s.last != v {
			s.last, s.least = v, s.examples
		}
		t.Fatalf("%s", v.text)
	case v.result != nil:
		t.Skipf("%s", v.result.Line())
	}
}

// draw draws a program, and the calls with which it works on after a kill.
func (s *session[P, S]) draw(t *rapid.T) (program, further []call, err error) {
	m := s.machine
	one := rapid.Custom(func(t *rapid.T) call {
		op := rapid.IntRange(0, len(m.Ops)-1).Draw(t, "op")
		c, wrong := m.call(op, m.Ops[op].draw(t))
		if wrong != nil {
			err = wrong
		}
		return c
	})
	program = rapid.SliceOfN(one, 1, m.steps()).Draw(t, "program")
	further = rapid.SliceOfN(one, 0, maxFurther).Draw(t, "further")
	if err == nil {
		program, err = m.possible(program)
	}
	return program, further, err
}

// possible leaves out of a program what cannot be done where it stands.
func (m *Machine[P, S]) possible(program []call) (can []call, err error) {
	state := m.Initial
	for _, c := range program {
		if !m.Ops[c.op].ready(state, c.arg) {
			continue
		}
		if state, err = m.applied(state, c); err != nil {
			return nil, err
		}
		can = append(can, c)
	}
	return can, nil
}

// verdict judges a program, unless it was judged.
func (s *session[P, S]) verdict(program, further []call) *verdict {
	key := textOf(program, further)
	if v := s.known[key]; v != nil && (v.failed() || v.err != nil || s.losses < 0) {
		return v
	}
	limit := fmt.Sprintf("%s\nlosses %d", key, s.losses)
	v := s.known[limit]
	if v == nil {
		v = s.run(program, further)
		s.known[limit] = v
		if s.losses < 0 || v.failed() {
			s.known[key] = v
		}
	}
	if v.failed() {
		s.losses = losses(v.result.Failures[0])
	}
	return v
}

// run judges a program: as far as its first failure, and no further than failures were known to
// reach that are as small.
func (s *session[P, S]) run(program, further []call) *verdict {
	s.judged++
	v := &verdict{program: program, further: further}
	o := s.options
	o.First, o.Failures = true, ""
	if s.losses >= 0 {
		o.Enough = runner.Claim{FewerLosses: s.losses + 1}
	}
	o.Known = s.beginnings(further)
	results, err := runner.Run(context.Background(), s.judge.scenario(program, further), o)
	if err != nil {
		v.err = err
		return v
	}
	for i := range results {
		r := &results[i]
		switch {
		case r.Outcome.Verdict == runner.Broken:
			v.result = r
			v.text = fmt.Sprintf("%s under %s is %s by the program\n%s  %s\n", r.Scenario, r.Model, r.Outcome, listOf(program, further), r.Failures[0].Story)
			if s.store != "" {
				r.NameFiles(s.store)
				v.text += "  stored: " + r.Failures[0].File + "\n"
			}
			return v
		case r.Outcome.Verdict == runner.Unknown && changes(r):
			s.bounded++
			v.result = r
		}
	}
	return v
}

// beginnings are those of programs that were kept: with the same work after a kill, and judged as
// far as is judged now.
func (s *session[P, S]) beginnings(further []call) map[string]bool {
	key := fmt.Sprintf("%d %s", s.losses, textOf(nil, further))
	if s.begun[key] == nil {
		s.begun[key] = map[string]bool{}
	}
	return s.begun[key]
}

// changes reports whether a program has changed anything that can be lost.
func changes(r *runner.Result) bool {
	for i := range r.Plan.Trace().Ops {
		if r.Plan.Trace().Ops[i].Kind.Changes() {
			return true
		}
	}
	return false
}

// losses is how many effects a failure has lost, in all of its crashes.
func losses(f *runner.Failure) int {
	n := len(f.Lost)
	for _, c := range f.RecoveryCrashes {
		n += len(c.Lost)
	}
	return n
}

// textOf is a program as text, a call a line.
func textOf(program, further []call) string {
	var b strings.Builder
	for _, c := range program {
		b.WriteString(c.label + "\n")
	}
	if len(further) > 0 {
		b.WriteString(againMark + "\n")
	}
	for _, c := range further {
		b.WriteString(c.label + "\n")
	}
	return b.String()
}

// listOf is a program for people.
func listOf(program, further []call) string {
	var b strings.Builder
	n := 0
	for _, c := range program {
		n++
		fmt.Fprintf(&b, "    %d. %s\n", n, show.Word(c.label))
	}
	for _, c := range further {
		n++
		fmt.Fprintf(&b, "    %d. after a kill: %s\n", n, show.Word(c.label))
	}
	return b.String()
}

// conclude stores a failure, and says what repairs it.
func (s *session[P, S]) conclude(t TB, before []string) {
	t.Helper()
	if s.last == nil {
		if s.bounded > 0 {
			t.Logf("of %s, a budget left cases of %d unjudged: these are no examples", show.Count(s.judged, "program"), s.bounded)
		}
		return
	}
	s.report(t, s.last, slices.DeleteFunc(s.rapidFiles(t.Name()), func(f string) bool { return slices.Contains(before, f) }))
}

// report stores a failure, and says what repairs the program.
func (s *session[P, S]) report(t TB, v *verdict, files []string) {
	t.Helper()
	r := v.result
	r.FoundBy(t)
	for i, f := range files {
		files[i] = "rapid: " + f
	}
	if s.store != "" {
		r.NameFiles(s.store)
		r.Unstored = s.keep(v, files)
	}
	r.Notes = append(r.Notes, files...)
	t.Logf("the smallest program that fails has %s; it was example %d of rapid, and %s were judged\n%s%s",
		show.Count(len(v.program)+len(v.further), "operation"), s.least, show.Count(s.judged, "program"), r.Report(), s.repair(v))
}

// keep stores the failures of a program, with the program and what else there is to say.
func (s *session[P, S]) keep(v *verdict, notes []string) error {
	err := os.MkdirAll(s.store, 0o777)
	for _, f := range v.result.Failures {
		a := txtar.Parse(v.result.Stored(f).Text())
		a.Comment = fmt.Appendf(slices.Clip(a.Comment), "The program is\n%s%s\n\n", listOf(v.program, v.further), strings.Join(notes, "\n"))
		if err == nil {
			err = outfile.Write(f.File, txtar.Format(a))
		}
		if err != nil {
			f.File = ""
		}
	}
	return err
}

// repair says what repairs the program, "" where that is not known.
func (s *session[P, S]) repair(v *verdict) string {
	o := s.options
	o.Sweep, o.Faults = false, nil
	fix, err := s.judge.scenario(v.program, v.further).Fix(context.Background(), v.result.Model, o)
	switch {
	case err != nil:
		return ""
	case len(fix.Beyond) > 0:
		return "  no set of syncs repairs it: " + fix.Change + "\n"
	}
	text := ""
	for _, add := range repair.Grouped(fix.Syncs) {
		text += "  missing: " + add.String() + "\n"
	}
	return text
}

// rapidFiles are the files of failures that rapid has stored for a test.
func (s *session[P, S]) rapidFiles(test string) []string {
	safe := func(r rune) rune {
		if r == '-' || r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return '_'
	}
	files, _ := filepath.Glob(filepath.Join("testdata", "rapid", strings.Map(safe, test), "*.fail")) // the pattern is well formed
	return files
}

// replayed judges the programs of failures that were stored before. It reports whether one of
// them still fails.
func (s *session[P, S]) replayed(t TB) bool {
	t.Helper()
	programs, err := s.stored()
	if err != nil {
		t.Fatalf("%v", err)
	}
	for _, p := range programs {
		v := s.verdict(p.program, p.further)
		if errors.Is(v.err, oracle.ErrNoVerdict) {
			t.Fatalf("there is no verdict: %v", v.err)
		}
		if v.err != nil || !v.failed() {
			t.Logf("%s: the program of this failure is right by now: remove the file", p.file)
			continue
		}
		v.result.FoundBy(t)
		v.result.Failures[0].File = p.file
		t.Errorf("%sfound before: %s\n%s%s", v.text, p.file, v.result.Report(), s.repair(v))
		return true
	}
	s.losses = -1
	return false
}

// storedProgram is the program of a stored failure.
type storedProgram struct {
	file             string
	program, further []call
}

// stored are the programs of the stored failures of the machine.
func (s *session[P, S]) stored() (programs []storedProgram, err error) {
	if s.store == "" {
		return nil, nil
	}
	entries, err := os.ReadDir(s.store)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), s.machine.Name+"--") || filepath.Ext(e.Name()) != ".txt" {
			continue
		}
		file := filepath.Join(s.store, e.Name())
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		f, err := runner.ParseFailure(file, text)
		if err != nil {
			return nil, err
		}
		p := storedProgram{file: file}
		if p.program, p.further, err = s.fromMarks(f.Trace.Marks()); err != nil {
			return nil, fmt.Errorf("%s: %w; remove it if the machine has changed", file, err)
		}
		programs = append(programs, p)
	}
	return programs, nil
}

// fromMarks reads a program from its marks.
func (s *session[P, S]) fromMarks(marks []string) (program, further []call, err error) {
	to := &program
	for _, mark := range marks {
		if mark == againMark {
			to = &further
		}
		if label, begins := strings.CutPrefix(mark, beginMark); begins {
			c, err := s.machine.parseCall(label)
			if err != nil {
				return nil, nil, err
			}
			*to = append(*to, c)
		}
	}
	return program, further, nil
}
