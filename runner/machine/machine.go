package machine

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"

	"github.com/spf13/afero"
	"pgregory.net/rapid"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/inprocess"
	"github.com/crashsim/crashsim/oracle"
)

// Machine is a program P beside a simple model of it, whose state is S. From these
// the package makes programs of operations, runs them, crashes them everywhere, and
// compares what is there after the crash with the model.
type Machine[P, S any] struct {
	_ struct{} // written with field names: fields may be added

	Name string // a short name, of letters, digits and dashes

	// Initial is the state of the model before the first operation: what Read returns of a
	// program that was just opened for the first time.
	Initial S
	// Ops are the operations, made by Do and Plain.
	Ops []Op[P, S]

	// Setup makes what stands on the disk, durably, before the program is opened for the
	// first time. It may be nil.
	Setup func(disk afero.Fs) error
	// Open opens the program on a disk: for the first time, or after a crash, which is its
	// recovery. An error after a crash is a refusal to start.
	Open func(disk afero.Fs) (P, error)
	// OpenDir is Open for a program that uses package os, on the files of a directory. Set one
	// of the two. It needs "crashsim test".
	OpenDir func(dir string) (P, error)
	// Read reads the state of the program.
	Read func(program P) (S, error)
	// Close closes the program. Where it is nil, a program that is an io.Closer is closed by its
	// method, and any other is left as it is.
	Close func(program P) error

	// Equal compares a state that was read with one of the model. The default is
	// reflect.DeepEqual, to which nil and empty are not the same.
	Equal func(read, model S) bool
	// Steps is how many operations a generated program has at most. Zero means 10.
	Steps int
}

// Op is a kind of operation of a program P with a model S. It is made by Do or Plain.
type Op[P, S any] interface {
	name() string
	draw(t *rapid.T) any
	parse(text string) (any, error) // the argument of a label
	label(arg any) (string, error)
	ready(state S, arg any) bool
	apply(state S, arg any) S
	do(program P, arg any) error
}

// Action is an operation with an argument A. It is an Op.
type Action[P, S, A any] struct {
	title    string
	generate *rapid.Generator[A]
	model    func(S, A) S
	program  func(P, A) error
	when     func(S, A) bool
}

// Do returns an operation. Its argument is drawn by arg, model says what it does to the
// state of the model, and program does it. The model must return a new state and leave the one
// that it is given as it is. When program returns, what it did must be durable; an error says
// that it failed, which it may only where a fault was injected. The argument is stored as JSON,
// which must read back as the same argument.
func Do[P, S, A any](name string, arg *rapid.Generator[A], model func(state S, arg A) S, program func(program P, arg A) error) *Action[P, S, A] {
	return &Action[P, S, A]{title: name, generate: arg, model: model, program: program}
}

// Plain returns an operation that has no argument: see Do.
func Plain[P, S any](name string, model func(state S) S, program func(program P) error) *Action[P, S, struct{}] {
	return Do(name, rapid.Just(struct{}{}),
		func(s S, _ struct{}) S { return model(s) }, func(p P, _ struct{}) error { return program(p) })
}

// When says in which states of the model the operation can be done. It is left out of
// programs elsewhere.
func (a *Action[P, S, A]) When(ready func(state S, arg A) bool) *Action[P, S, A] {
	b := *a
	b.when = ready
	return &b
}

func (a *Action[P, S, A]) name() string                { return a.title }
func (a *Action[P, S, A]) draw(t *rapid.T) any         { return a.generate.Draw(t, a.title) }
func (a *Action[P, S, A]) apply(state S, arg any) S    { return a.model(state, arg.(A)) }
func (a *Action[P, S, A]) do(program P, arg any) error { return a.program(program, arg.(A)) }
func (a *Action[P, S, A]) ready(state S, arg any) bool {
	return a.when == nil || a.when(state, arg.(A))
}

// label is the operation as a mark tells it: its name, and its argument where it has one.
func (a *Action[P, S, A]) label(arg any) (string, error) {
	text, err := json.Marshal(arg)
	if err != nil {
		return "", fmt.Errorf("operation %s: its argument cannot be stored: %w", a.title, err)
	}
	if string(text) == "{}" {
		return a.title, nil
	}
	return a.title + " " + string(text), nil
}

func (a *Action[P, S, A]) parse(text string) (any, error) {
	var arg A
	if text == "" {
		return arg, nil
	}
	if err := json.Unmarshal([]byte(text), &arg); err != nil {
		return nil, fmt.Errorf("operation %s: its argument %q cannot be read: %w", a.title, text, err)
	}
	return arg, nil
}

// call is one operation of a program, with its argument.
type call struct {
	op    int
	arg   any
	label string
}

// GoString is the call as rapid shows it.
func (c call) GoString() string { return c.label }

// call returns a call, whose argument must read back from its label.
func (m *Machine[P, S]) call(op int, arg any) (call, error) {
	o := m.Ops[op]
	label, err := o.label(arg)
	if err != nil {
		return call{}, err
	}
	again, err := m.parseCall(label)
	if err == nil && again.label != label {
		err = fmt.Errorf("operation %s: its argument %s reads back as %s: all of its fields must be stored as JSON", o.name(), label, again.label)
	}
	return again, err
}

// parseCall reads the label of a call.
func (m *Machine[P, S]) parseCall(label string) (call, error) {
	name, text, _ := strings.Cut(label, " ")
	op := slices.IndexFunc(m.Ops, func(o Op[P, S]) bool { return o.name() == name })
	if op < 0 {
		return call{}, fmt.Errorf("machine %s has no operation %q", m.Name, name)
	}
	arg, err := m.Ops[op].parse(text)
	if err != nil {
		return call{}, err
	}
	again, err := m.Ops[op].label(arg)
	return call{op, arg, again}, err
}

// validate says what is wrong with a machine.
func (m *Machine[P, S]) validate() error {
	wrong := func(format string, args ...any) error {
		return fmt.Errorf("machine %q: %s", m.Name, fmt.Sprintf(format, args...))
	}
	switch {
	case m.Name == "":
		return wrong("it has no name")
	case len(m.Ops) == 0:
		return wrong("it has no operations")
	case (m.Open == nil) == (m.OpenDir == nil):
		return wrong("set one of Open and OpenDir")
	case m.Read == nil:
		return wrong("it has no Read")
	}
	seen := map[string]bool{}
	for _, o := range m.Ops {
		switch name := o.name(); {
		case name == "" || strings.ContainsAny(name, " \n\t"):
			return wrong("the name of an operation, %q, is empty or holds blanks", name)
		case seen[name]:
			return wrong("two operations have the name %q", name)
		default:
			seen[name] = true
		}
	}
	return nil
}

// applied returns the state after a call. A model that changes the state that it is given would
// make every state the last one: that is an error.
func (m *Machine[P, S]) applied(state S, c call) (S, error) {
	before := fmt.Sprintf("%#v", state)
	next := m.Ops[c.op].apply(state, c.arg)
	if fmt.Sprintf("%#v", state) != before {
		return next, fmt.Errorf("machine %s: the model of %s changes the state that it is given: copy it first", m.Name, m.Ops[c.op].name())
	}
	return next, nil
}

func (m *Machine[P, S]) equal(read, model S) bool {
	if m.Equal == nil {
		return reflect.DeepEqual(read, model)
	}
	return m.Equal(read, model)
}

func (m *Machine[P, S]) steps() int {
	if m.Steps <= 0 {
		return 10
	}
	return m.Steps
}

func (m *Machine[P, S]) close(program P) error {
	if m.Close != nil {
		return m.Close(program)
	}
	if c, ok := any(program).(io.Closer); ok {
		return c.Close()
	}
	return nil
}

// on opens the program on a disk, uses it, and closes it.
func (m *Machine[P, S]) on(disk afero.Fs, use func(program P) error) error {
	if m.OpenDir == nil {
		return m.with(func() (P, error) { return m.Open(disk) }, use)
	}
	fs, ok := disk.(*faultfs.FS)
	if !ok {
		return oracle.Unjudged(fmt.Errorf("machine %s works on the disk that the runner hands out, and on no %T", m.Name, disk))
	}
	dir, err := inprocess.Open(fs)
	if err != nil {
		return oracle.Unjudged(err)
	}
	defer dir.Close()
	err = m.with(func() (P, error) { return m.OpenDir(dir.Path()) }, use)
	if refused := dir.Refused(); len(refused) > 0 {
		return oracle.Unjudged(fmt.Errorf("machine %s: %s cannot be had in the process of the test", m.Name, strings.Join(refused, ", ")))
	}
	return err
}

// with opens the program, uses it, and closes it.
func (m *Machine[P, S]) with(open func() (P, error), use func(program P) error) error {
	program, err := open()
	if err != nil {
		return fmt.Errorf("it cannot be opened: %w", err)
	}
	return errors.Join(use(program), m.close(program))
}

// read opens the program, reads its state, and closes it.
func (m *Machine[P, S]) read(disk afero.Fs) (state S, err error) {
	err = m.on(disk, func(program P) error {
		state, err = m.Read(program)
		if err != nil {
			return fmt.Errorf("its state cannot be read: %w", err)
		}
		return nil
	})
	return state, err
}
