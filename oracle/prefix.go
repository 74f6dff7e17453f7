package oracle

import (
	"errors"
	"fmt"
	"io/fs"
	"reflect"

	"github.com/spf13/afero"
)

// Prefix is the promise of a store that is described by a simple model: what
// recovery finds is the state of the model after some number of operations, at
// least as many as were acknowledged and at most as many as had begun.
//
// The violations are Stale (the state after fewer operations than were
// acknowledged), Alien (the state after more operations than had begun), Torn
// (the state is not that of any number of operations; a model cannot distinguish
// torn from alien), Lost (the reader found nothing, and nothing is not one of the
// states) and Refused (the reader returned an error).
type Prefix[S any] struct {
	_ struct{} // written with field names: fields may be added

	// Path names the store in violations.
	Path string
	// Read is the program's own reader. If it returns an error that is
	// fs.ErrNotExist, the state that it returned with it, as a rule the zero S,
	// is judged.
	Read func(disk afero.Fs) (S, error)
	// States are the model: States[n] is its state after n operations, so the
	// first one is the state before the run. See StatesOf.
	States []S
	// Equal compares a state that was read with one of the model. The default
	// is reflect.DeepEqual, to which nil and empty are not the same; a function
	// made for S is faster.
	Equal func(read, model S) bool
	// Mark is the label whose n-th mark acknowledges the n-th operation.
	Mark string
	// Begun is the label whose n-th mark says that the n-th operation begins.
	// Without one the bound is the number of operations.
	Begun string
	// Diff says in half a sentence how a state that was read differs from one
	// of the model. It becomes part of the detail of a violation. It may be nil.
	Diff func(read, model S) string
}

// StatesOf runs a model. It returns the initial state and the state after each
// operation. Apply must not change the state that it is given.
func StatesOf[S, Op any](initial S, apply func(S, Op) S, ops ...Op) []S {
	states := make([]S, 1, len(ops)+1)
	states[0] = initial
	for _, op := range ops {
		states = append(states, apply(states[len(states)-1], op))
	}
	return states
}

// Judge implements Oracle.
func (p Prefix[S]) Judge(disk afero.Fs, marks Marks) []Violation {
	state, err := p.Read(disk)
	missing := err != nil && errors.Is(err, fs.ErrNotExist)
	if err != nil && !missing {
		return refused(p.Path, err)
	}
	last := len(p.States) - 1
	if last >= 0 && p.Begun == "" && p.equal(state, last) {
		return nil
	}
	// The first state from the acknowledged one on is nearly always the one
	// that was read, and never the first one from either end.
	acknowledged := count(marks, p.Mark)
	n := p.find(state, acknowledged, last)
	if n >= 0 && (p.Begun == "" || n <= marks.Count(p.Begun)) {
		return nil
	}
	return []Violation{p.violation(state, missing, acknowledged, n, marks)}
}

func (p Prefix[S]) equal(state S, n int) bool {
	if p.Equal == nil {
		return reflect.DeepEqual(state, p.States[n])
	}
	return p.Equal(state, p.States[n])
}

// find returns the first n from low to high after which the model has the
// state, -1 if there is none.
func (p Prefix[S]) find(state S, low, high int) int {
	for n := low; n <= high; n++ {
		if p.equal(state, n) {
			return n
		}
	}
	return -1
}

// violation says what is wrong with a state that is that of n operations, at
// least as many as were acknowledged, or none of those if n is negative.
func (p Prefix[S]) violation(state S, missing bool, acknowledged, n int, marks Marks) Violation {
	v := Violation{Path: p.Path}
	last := len(p.States) - 1
	older := -1
	for m := min(acknowledged-1, last); m >= 0 && n < 0 && older < 0; m-- {
		if p.equal(state, m) {
			older = m
		}
	}
	switch {
	case missing && n < 0:
		v.Kind = Lost
		v.Detail = fmt.Sprintf("the reader found nothing, though operation %d was acknowledged", acknowledged)
		if acknowledged == 0 {
			v.Detail = "the reader found nothing, but the state before the run was not empty"
		}
	case n >= 0:
		v.Kind = Alien
		v.Detail = fmt.Sprintf("holds state %d, though only %d operations had begun", n, marks.Count(p.Begun))
	case older >= 0:
		v.Kind = Stale
		v.Detail = fmt.Sprintf("holds state %d, though operation %d was acknowledged", older, acknowledged)
	default:
		v.Kind = Torn
		v.Detail = fmt.Sprintf("holds none of the states 0 to %d (acknowledged: %d)", last, acknowledged)
	}
	if p.Diff != nil && last >= 0 {
		near := min(acknowledged, last)
		v.Detail += fmt.Sprintf("; it differs from state %d: %s", near, p.Diff(state, p.States[near]))
	}
	return v
}
