package machine

import (
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/spf13/afero"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner"
	"github.com/crashsim/crashsim/runner/show"
)

// The marks of a program: before each call, with its label, which acknowledges the calls
// before it; after the last one; and where it has recovered from a kill.
const (
	beginMark = "begin "
	doneMark  = "done"
	againMark = "again"
)

// scenario is a program of the machine as package runner judges it. Its promise follows from
// the marks, and so it is the same for all programs.
func (j *judge[P, S]) scenario(program, further []call) runner.Scenario {
	m := j.machine
	s := runner.Scenario{
		Name:     m.Name,
		Workload: func(fs *faultfs.FS) error { return j.work(fs, program) },
		Recover: func(disk afero.Fs) error {
			return m.on(disk, func(P) error { return nil })
		},
		WorkOn: func(fs *faultfs.FS) error { return j.workOn(fs, further) },
		Oracle: j,
	}
	if m.Setup != nil {
		s.Setup = func(fs *faultfs.FS) error { return m.Setup(fs) }
	}
	return s
}

// work does the calls of a program.
func (j *judge[P, S]) work(fs *faultfs.FS, program []call) error {
	return j.machine.on(fs, func(p P) error {
		for _, c := range program {
			if err := j.tell(fs, p, c); err != nil {
				return err
			}
		}
		fs.Mark(doneMark)
		return nil
	})
}

// tell does a call, with its mark.
func (j *judge[P, S]) tell(fs *faultfs.FS, p P, c call) error {
	fs.Mark(beginMark + c.label)
	if err := j.machine.Ops[c.op].do(p, c.arg); err != nil {
		return fmt.Errorf("%s fails: %w", c.label, err)
	}
	return nil
}

// workOn is what the program does after it was killed and has recovered: the calls that can
// be done in the state that it finds.
func (j *judge[P, S]) workOn(fs *faultfs.FS, further []call) error {
	if len(further) == 0 {
		return nil
	}
	fs.Mark(againMark)
	return j.machine.on(fs, func(p P) error {
		state, err := j.machine.Read(p)
		did := false
		for _, c := range further {
			if err != nil {
				return err
			}
			if !j.machine.Ops[c.op].ready(state, c.arg) {
				continue
			}
			if err = j.tell(fs, p, c); err == nil {
				state, err = j.machine.applied(state, c)
				did = true
			}
		}
		if err == nil && did {
			fs.Mark(doneMark)
		}
		return err
	})
}

// judge is the oracle of all programs of a machine.
type judge[P, S any] struct {
	machine *Machine[P, S]

	mu    sync.Mutex
	known map[string]call // by their labels
}

func newJudge[P, S any](m *Machine[P, S]) *judge[P, S] {
	return &judge[P, S]{machine: m, known: map[string]call{}}
}

// parse reads a label, once.
func (j *judge[P, S]) parse(label string) (call, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	c, ok := j.known[label]
	if ok {
		return c, nil
	}
	c, err := j.machine.parseCall(label)
	if err == nil {
		j.known[label] = c
	}
	return c, err
}

// line is a course that things may have taken: the states of the model, one after another, how
// many operations were acknowledged, and how many had begun.
type line[S any] struct {
	states       []S
	acked, begun int
}

// lines reads from marks which courses are possible. There are two where the program was killed
// during an operation: it may have been done or not.
func (j *judge[P, S]) lines(marks []string) (lines []line[S], last *call, err error) {
	m := j.machine
	lines = []line[S]{{states: []S{m.Initial}}}
	sure := true // the calls before have come to their end
	for _, mark := range marks {
		label, begins := strings.CutPrefix(mark, beginMark)
		switch {
		case begins:
			c, err := j.parse(label)
			if err != nil {
				return nil, nil, err
			}
			last = &c
			for i := range lines {
				l := &lines[i]
				if sure {
					l.acked = l.begun
				}
				l.states = append(l.states[:l.begun+1:l.begun+1], m.Ops[c.op].apply(l.states[l.begun], c.arg))
				l.begun++
			}
			sure = true
		case mark == againMark:
			for _, l := range lines {
				if l.begun > l.acked {
					lines = append(lines, line[S]{l.states[:l.acked+1], l.acked, l.acked})
				}
			}
			sure = false
		case mark == doneMark:
			for i := range lines {
				lines[i].acked = lines[i].begun
			}
		default:
			return nil, nil, fmt.Errorf("machine %s: the mark %q is none of its own", m.Name, mark)
		}
	}
	return lines, last, nil
}

// counts are the marks as oracle.Prefix asks for them.
type counts struct{ acked, begun int }

func (c counts) Has(label string) bool { return c.Count(label) > 0 }
func (c counts) All() []string         { return nil }
func (c counts) Count(label string) int {
	if label == doneMark {
		return c.acked
	}
	return c.begun
}

// Judge implements oracle.Oracle.
func (j *judge[P, S]) Judge(disk afero.Fs, marks oracle.Marks) []oracle.Violation {
	state, err := j.machine.read(disk)
	if err != nil {
		return refused("after the crash ", err)
	}
	lines, last, err := j.lines(marks.All())
	if err != nil {
		return oracle.NoVerdict(err)
	}
	var first []oracle.Violation
	for _, l := range lines {
		p := oracle.Prefix[S]{
			Path: j.machine.Name, Read: func(afero.Fs) (S, error) { return state, nil }, States: l.states,
			Equal: j.machine.equal, Mark: doneMark, Begun: beginMark, Diff: differ[S],
		}
		wrong := p.Judge(nil, counts{l.acked, l.begun})
		if wrong == nil {
			return j.goesOn(disk, state, last)
		}
		if first == nil {
			first = wrong
		}
	}
	return first
}

// goesOn does the last operation that had begun once more, on a copy of the disk, and sees
// whether it is there when the program is opened again.
func (j *judge[P, S]) goesOn(disk afero.Fs, state S, last *call) []oracle.Violation {
	m := j.machine
	if last == nil || !m.Ops[last.op].ready(state, last.arg) {
		return nil
	}
	copied, ok := disk.(*faultfs.FS)
	if !ok {
		return oracle.NoVerdict(fmt.Errorf("machine %s judges the disk that the runner hands out, and no %T", m.Name, disk))
	}
	fork := copied.Fork()
	if err := m.on(fork, func(p P) error { return m.Ops[last.op].do(p, last.arg) }); err != nil {
		return refused(fmt.Sprintf("after the crash %s was done once more, and failed: ", last.label), err)
	}
	after, err := m.read(fork)
	if err != nil {
		return refused(fmt.Sprintf("after the crash %s was done once more, and then ", last.label), err)
	}
	want := m.Ops[last.op].apply(state, last.arg)
	if m.equal(after, want) {
		return nil
	}
	v := oracle.Violation{Kind: oracle.Torn, Path: m.Name}
	if m.equal(after, state) {
		v.Kind = oracle.Lost
	}
	v.Detail = fmt.Sprintf("after the crash %s was done once more, and then the program, opened again, was wrong: %s", last.label, differ(after, want))
	return []oracle.Violation{v}
}

// refused is the violation of a program that does not start, or nothing where no verdict can be
// relied on.
func refused(when string, err error) []oracle.Violation {
	if errors.Is(err, oracle.ErrNoVerdict) {
		return oracle.NoVerdict(err)
	}
	return []oracle.Violation{{Kind: oracle.Refused, Detail: when + err.Error(), Doubtful: errors.Is(err, oracle.ErrDoubtful)}}
}

// differ says how a state that was read differs from one of the model.
func differ[S any](read, model S) string {
	return fmt.Sprintf("it reads %s, and the model says %s", clip(read), clip(model))
}

func clip(state any) string { return show.Clip(show.Line(fmt.Sprintf("%v", state)), show.WordLength) }
