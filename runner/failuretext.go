package runner

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/tools/txtar"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/model"
	"github.com/crashsim/crashsim/faultfs/persist"
	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner/blame"
	"github.com/crashsim/crashsim/runner/show"
)

// Stored is a failure as a text file holds it: with the trace, so that the
// failing disk can be made again without the program that led to it.
type Stored struct {
	Scenario string
	Model    model.Model
	Kind     oracle.Kind
	Point    int              // the crash point
	Lost     []persist.Effect // what the disk lacks
	Trace    *faultfs.Trace   // of the program, with the calls that failed, or up to where it was killed and on from there
	Story    string
	// How says what happened besides the power cut, "" for nothing.
	How string
	// Fault is the fault that the program met; nil: none.
	Fault *faultfs.Fault
	// Pair is what is to blame, where recovery was not crashed; nil: nothing was
	// lost, or the file is of before pairs were stored.
	Pair *blame.Pair
	// Command is that of the scenario, as the file says it; nil: none.
	Command *Command

	second          *faultfs.Fault // that it met in the same run; nil: none
	plan            *persist.Plan
	subset          persist.Subset
	damage          *damage
	recoveryCrashes []storedCrash
	test            testName // that found it, the zero testName if none did
}

// storedCrash is a crash of recovery. What its numbers mean is known once
// recovery has run again.
type storedCrash struct {
	point int
	lost  [][2]int       // op and index of effects
	fault *faultfs.Fault // that recovery met before
}

// A stored failure is a txtar archive. Its comment begins with the version;
// the part "failure" holds a key and a value a line; the rest is the trace.
const (
	failureHeader  = "crashsim failure "
	failureVersion = 1
	failureSection = "failure"
)

// Text returns the failure in its text form. ParseFailure reads it back.
func (s *Stored) Text() []byte {
	a := txtar.Parse(s.Trace.Text())
	a.Comment = fmt.Appendf(nil, "%s%d\n\n%s\n\n", failureHeader, failureVersion, s.Story)
	var b []byte
	b = fmt.Appendf(b, "scenario %s\nmodel %s\nkind %s\npoint %d\n", s.Scenario, s.Model, s.Kind, s.Point)
	ops := s.Trace.Ops
	for _, e := range s.Lost {
		b = fmt.Appendf(b, "lost %d.%d # %s of %s\n", e.Op, e.Index, show.Line(s.plan.What(e)), ops[e.Op].Summary())
	}
	for _, c := range s.recoveryCrashes {
		b = fmt.Appendf(b, "again %d\n", c.point)
		for _, l := range c.lost {
			b = fmt.Appendf(b, "lost %d.%d\n", l[0], l[1])
		}
		if c.fault != nil {
			b = fmt.Appendf(b, "recovery-fault %s\n", c.fault)
		}
	}
	if p := s.Pair; p != nil {
		b = append(b, p.Text(s.plan)...)
	}
	if s.test != (testName{}) {
		b = fmt.Appendf(b, "test %s %s\n", s.test.pkg, s.test.name)
	}
	if s.How != "" {
		b = fmt.Appendf(b, "how %s\n", s.How)
	}
	if s.Fault != nil {
		b = fmt.Appendf(b, "fault %s\n", s.Fault)
	}
	if s.second != nil {
		b = fmt.Appendf(b, "fault %s\n", s.second)
	}
	if d := s.damage; d != nil {
		b = fmt.Appendf(b, "damage %d %d %x %x\n", d.ino, d.off, d.was, d.now)
	}
	if s.Command != nil {
		b = append(b, s.Command.text()...)
	}
	a.Files = append([]txtar.File{{Name: failureSection, Data: b}}, a.Files...)
	return txtar.Format(a)
}

// ParseFailure reads a stored failure; file is its name, for errors, which are
// *faultfs.TextError. The failure must be one that its model allows.
func ParseFailure(file string, text []byte) (*Stored, error) {
	fail := func(line int, err error) (*Stored, error) {
		return nil, &faultfs.TextError{File: file, Line: line, Err: err}
	}
	a := txtar.Parse(text)
	first, rest, _ := strings.Cut(string(a.Comment), "\n")
	version, ok := strings.CutPrefix(first, failureHeader)
	if !ok {
		return fail(1, fmt.Errorf("no stored failure: it does not begin with %q", failureHeader))
	}
	if n, err := strconv.Atoi(strings.TrimSpace(version)); err != nil || n != failureVersion {
		return fail(1, fmt.Errorf("failure version %q is not known, only %d", version, failureVersion))
	}
	trace, err := faultfs.ParseTrace(file, text, failureSection)
	if err != nil {
		return nil, err
	}
	s := &Stored{Trace: trace, Model: model.Default()}
	line := 1 + bytes.Count(a.Comment, []byte("\n"))
	for _, part := range a.Files {
		if part.Name == failureSection {
			return s.parse(part.Data, file, line+1, rest)
		}
		line += 1 + bytes.Count(part.Data, []byte("\n"))
	}
	return fail(line, errors.New("no part \"failure\""))
}

// failureText is the part "failure" of a stored failure as it is being read, with the
// lines on which its numbers stand: what they mean is known once all are read.
type failureText struct {
	*Stored
	file                             string
	lost                             [][2]int
	pair                             string
	lostAt                           []int
	pointAt, pairAt, damageAt, first int
}

// parse reads the part "failure", whose first line has the given number.
func (s *Stored) parse(data []byte, file string, line int, comment string) (*Stored, error) {
	s.Story, _, _ = strings.Cut(strings.TrimSpace(comment), "\n")
	f := &failureText{Stored: s, file: file, first: line, pointAt: line}
	for i, text := range strings.Split(strings.TrimSuffix(string(data), "\n"), "\n") {
		key, value, _ := strings.Cut(strings.TrimSpace(text), " ")
		if err := f.set(key, value, line+i); err != nil {
			return nil, f.at(line+i, err)
		}
	}
	if err := f.resolve(); err != nil {
		return nil, err
	}
	return s, nil
}

// at is an error on a line of the file.
func (f *failureText) at(line int, err error) error {
	if err == nil {
		return nil
	}
	return &faultfs.TextError{File: f.file, Line: line, Err: err}
}

// set reads a line.
func (f *failureText) set(key, value string, line int) (err error) {
	switch key {
	case "scenario":
		f.Scenario = value
	case "model":
		f.Model, err = model.Parse(value)
	case "kind":
		f.Kind, err = oracle.ParseKind(value)
	case "point":
		f.pointAt = line
		f.Point, err = parseCount("crash point", value)
	case "lost":
		err = f.addLost(value, line)
	case "again":
		var c storedCrash
		c.point, err = parseCount("crash point of recovery", value)
		f.recoveryCrashes = append(f.recoveryCrashes, c)
	case "blame":
		f.pair, f.pairAt = value, line
	case "test":
		f.test, err = parseTest(value)
	case "how":
		f.How = value
	case "fault":
		var fault faultfs.Fault
		if fault, err = faultfs.ParseFault(value); f.Fault == nil {
			f.Fault = &fault
		} else {
			f.second = &fault
		}
	case "recovery-fault":
		var fault faultfs.Fault
		if fault, err = faultfs.ParseFault(value); err == nil && len(f.recoveryCrashes) == 0 {
			err = errors.New("recovery-fault: it stands after the crash of recovery (again) that it belongs to")
		} else if err == nil {
			f.recoveryCrashes[len(f.recoveryCrashes)-1].fault = &fault
		}
	case "damage":
		f.damageAt = line
		f.damage, err = parseDamage(value)
	case "path", "setup", "program", "check", "recover":
		if f.Command == nil {
			f.Command = &Command{}
		}
		err = f.Command.parse(key, value)
	case "":
	default:
		err = fmt.Errorf("unknown key %q, want one of scenario, model, kind, point, lost, again, recovery-fault, blame, how, fault, damage, "+
			"test, path, setup, program, check and recover", key)
	}
	return err
}

// addLost reads an effect that is lost: of the program, or of the last crash of
// recovery that was read.
func (f *failureText) addLost(value string, line int) error {
	value, _, _ = strings.Cut(value, " #")
	op, index, found := strings.Cut(strings.TrimSpace(value), ".")
	if !found {
		return fmt.Errorf("lost %q: want the numbers of an op and of its effect, such as 3.0", value)
	}
	var e [2]int
	var err, indexErr error
	e[0], err = parseCount("op", op)
	e[1], indexErr = parseCount("effect", index)
	if n := len(f.recoveryCrashes); n > 0 {
		f.recoveryCrashes[n-1].lost = append(f.recoveryCrashes[n-1].lost, e)
	} else {
		f.lost, f.lostAt = append(f.lost, e), append(f.lostAt, line)
	}
	return errors.Join(err, indexErr)
}

// parseCount reads a number that is not negative.
func parseCount(what, text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%s %q: want a number from 0 on", what, text)
	}
	return n, nil
}

// resolve finds the effects that are lost, the one cut that is left, and the pair to
// blame.
func (f *failureText) resolve() (err error) {
	s := f.Stored
	s.plan = persist.Lower(s.Trace, s.Model)
	if _, err := effectsAt(s.plan, storedCrash{point: s.Point}); err != nil {
		return f.at(f.pointAt, err)
	}
	for i, l := range f.lost {
		if _, err := effectsAt(s.plan, storedCrash{point: s.Point, lost: [][2]int{l}}); err != nil {
			return f.at(f.lostAt[i], err)
		}
	}
	if s.Lost, s.subset, err = pin(s.plan, storedCrash{point: s.Point, lost: f.lost}); err != nil {
		return f.at(f.pointAt, err)
	}
	if f.pair != "" {
		c := s.WrongCut()
		if s.Pair, err = c.ParsePair(f.pair); err != nil {
			return f.at(f.pairAt, err)
		}
	}
	if d := s.damage; d != nil && !holdsInode(s.Trace, d.ino) {
		return f.at(f.damageAt, fmt.Errorf("damage: the trace has no inode %d", d.ino))
	}
	return nil
}

// holdsInode reports whether an inode is on the disk that a trace begins with, or is
// made by the trace.
func holdsInode(trace *faultfs.Trace, ino faultfs.Ino) bool {
	if ino >= faultfs.Root && ino <= trace.Base().Inodes() {
		return true
	}
	return slices.ContainsFunc(trace.Ops, func(op faultfs.Op) bool { return op.Ino == ino })
}

// WrongCut returns the case that the first crash left.
func (s *Stored) WrongCut() blame.WrongCut {
	return blame.WrongCut{Plan: s.plan, Point: s.Point, Cut: s.subset, Kind: s.Kind, Lost: s.Lost}
}

// pin finds the effects that a crash lost, and the one cut that is left.
func pin(plan *persist.Plan, c storedCrash) (lost []persist.Effect, subset persist.Subset, err error) {
	if lost, err = effectsAt(plan, c); err != nil {
		return nil, subset, err
	}
	subset, err = plan.Pin(c.point, lost)
	return lost, subset, err
}

// effectsAt finds the effects that a crash lost.
func effectsAt(plan *persist.Plan, c storedCrash) (lost []persist.Effect, err error) {
	if c.point < 0 || c.point >= plan.Points() {
		return nil, fmt.Errorf("there is no crash point %d: the trace has those from 0 to %d", c.point, plan.Points()-1)
	}
	for _, l := range c.lost {
		if l[0] < 0 || l[0] >= len(plan.Trace().Ops) {
			return nil, fmt.Errorf("there is no op %d: the trace has %s", l[0], show.Count(len(plan.Trace().Ops), "op"))
		}
		effects := plan.Effects(faultfs.OpNum(l[0]))
		if l[1] < 0 || l[1] >= len(effects) {
			return nil, fmt.Errorf("op %d has no effect %d: it has %s", l[0], l[1], show.Count(len(effects), "effect"))
		}
		lost = append(lost, effects[l[1]])
	}
	return lost, nil
}

// Stored returns a failure of the result as a text file would hold it.
func (r *Result) Stored(f *Failure) *Stored {
	s := &Stored{
		Scenario: r.Scenario, Model: r.Model, Kind: f.Kind, Point: f.point, Lost: f.Lost, Trace: f.Plan.Trace(), Story: f.Story,
		How: f.How, Fault: f.fault, second: f.second, plan: f.Plan, damage: f.damage, Command: r.Command, test: r.test,
	}
	subset, err := f.Plan.Pin(f.point, f.Lost)
	if err != nil {
		panic("crashsim: bug: a case that was judged is no legal cut: " + err.Error())
	}
	s.subset = subset
	if len(f.RecoveryCrashes) == 0 {
		s.Pair = f.Pair
	}
	for _, c := range f.RecoveryCrashes {
		again := storedCrash{point: c.point}
		for _, e := range c.Lost {
			again.lost = append(again.lost, [2]int{int(e.Op), e.Index})
		}
		s.recoveryCrashes = append(s.recoveryCrashes, again)
	}
	if n := len(s.recoveryCrashes); n > 0 {
		s.recoveryCrashes[n-1].fault = f.inLife
	}
	return s
}
