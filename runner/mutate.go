package runner

import (
	"context"
	"fmt"
	"io/fs"
	"slices"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/model"
	"github.com/crashsim/crashsim/faultfs/persist"
	"github.com/crashsim/crashsim/oracle"
)

// Mutant is a scenario whose program does one thing less for its files: it
// leaves a sync out, or copies where it renamed.
type Mutant struct {
	Op    faultfs.OpNum // in the trace of the scenario
	Call  string        // that op, with its call site
	Lacks string        // what it does not do: "sync", "directory sync" or "rename"

	Fate Fate
	// Model and Kind say under which model a killed mutant was caught first, and
	// how its failure is called.
	Model model.Model
	Kind  oracle.Kind
	// Story is the failure that caught it, in one line.
	Story string
}

// Fate is what became of a mutant. The zero Fate is that it survived.
type Fate uint8

// The fates of mutants.
const (
	Survived Fate = iota // no case of it is wrong: the oracle does not miss what it lacks
	Killed               // the oracle rejects a case of it
	Harmless             // it has the same cases as the scenario, so that no oracle can tell it
	Unjudged             // a budget ended the search before anything was found
)

// String returns the fate in lower case.
func (f Fate) String() string {
	return [...]string{"survived", "killed", "harmless", "unjudged"}[f]
}

// Mutate scores a scenario's oracle: it makes every mutant of the workload, one
// change each, and judges it under the options' models, all presets if there
// are none. A good test kills each mutant that is not harmless. That one is
// harmless is proved by comparing all cases of both, under every one of the
// models. A mutant is judged under the models under which the scenario itself is
// kept, without its faults; where there is none, or the oracle cannot be
// believed, there is no score, but an error.
func (s Scenario) Mutate(ctx context.Context, o Options) ([]Mutant, error) {
	if o.Models == nil {
		for _, p := range model.Presets() {
			o.Models = append(o.Models, p.Model)
		}
	}
	o = o.aside()
	o.Failures = ""
	take, err := s.prepare()
	if err != nil {
		return nil, err
	}
	sound, err := s.soundUnder(ctx, take.trace, &o)
	if err != nil {
		return nil, err
	}
	var mutants []Mutant
	for i := range take.trace.Ops {
		op := &take.trace.Ops[i]
		m := Mutant{Op: faultfs.OpNum(i), Call: op.Call(), Lacks: lacking(op, take.trace)}
		if m.Lacks == "" {
			continue
		}
		trace, err := mutated(take.trace, faultfs.OpNum(i))
		if err != nil {
			return mutants, fmt.Errorf("scenario %s without %s: %w", s.Name, m.Call, err)
		}
		if err := m.judge(ctx, &s, take.trace, trace, sound, &o); err != nil {
			return mutants, err
		}
		mutants = append(mutants, m)
	}
	return mutants, nil
}

// lacking says what a program lacks that does not do an op, "" where no mutant
// is made of it.
func lacking(op *faultfs.Op, trace *faultfs.Trace) string {
	switch {
	case op.Failed() || op.Idle():
	case op.Kind == faultfs.OpSync:
		return "sync"
	case op.Kind.Syncs() && isDirectory(trace, op.Ino):
		return "directory sync"
	case op.Kind.Syncs():
		return "sync"
	case op.Kind == faultfs.OpRename && !isDirectory(trace, op.Ino):
		return "rename"
	}
	return ""
}

func isDirectory(trace *faultfs.Trace, ino faultfs.Ino) bool {
	return trace.Base().Type(ino) == faultfs.Directory || slices.ContainsFunc(trace.Ops, func(op faultfs.Op) bool {
		return op.Kind == faultfs.OpMkdir && op.Ino == ino && !op.Failed()
	})
}

// mutated is a trace without one op; instead of a rename, it copies.
func mutated(trace *faultfs.Trace, without faultfs.OpNum) (*faultfs.Trace, error) {
	e := trace.Edit()
	err := e.KeepAll(without - 1)
	e.Drop(without)
	if op := &trace.Ops[without]; err == nil && op.Kind == faultfs.OpRename {
		err = copyInsteadOfRename(e, op, usedLater(trace, without))
	}
	if err == nil {
		err = e.KeepAll(faultfs.OpNum(len(trace.Ops) - 1))
	}
	return e.Trace(), err
}

// usedLater reports whether the file that a rename replaces is one that the program
// goes on to use, by another name or through a handle.
func usedLater(trace *faultfs.Trace, rename faultfs.OpNum) bool {
	replaced := trace.Ops[rename].Replaced
	return replaced != 0 && slices.ContainsFunc(trace.Ops[rename+1:], func(op faultfs.Op) bool {
		return op.Ino == replaced && !op.Failed() && (op.Kind.Changes() || op.Kind.Syncs())
	})
}

// copyInsteadOfRename does what a program does that knows no rename: see copying.
func copyInsteadOfRename(e *faultfs.Edit, rename *faultfs.Op, used bool) error {
	ops, err := copying(e.FS().Fork(), rename, used) // a fork reads without leaving a trace
	if err != nil {
		return err
	}
	for _, op := range ops {
		op.Site = rename.Site
		if _, err := e.Add(op); err != nil {
			return err
		}
	}
	return nil
}

// copying are the ops that write the bytes of one file into another and remove the
// one. Where what was there must not get these bytes, since it is no file or has
// other users, they remove that first.
func copying(look *faultfs.FS, rename *faultfs.Op, used bool) ([]faultfs.Op, error) {
	from, _, err := look.LstatIfPossible(rename.Path)
	if err != nil {
		return nil, err
	}
	link := from.Mode()&fs.ModeSymlink != 0
	inPlace := false
	var ops []faultfs.Op
	if rename.Replaced != 0 {
		was, names, errno := look.StatAt(rename.Replaced)
		if errno != 0 {
			return nil, errno
		}
		inPlace = !link && !used && was.Mode().IsRegular() && names == 1
		switch {
		case !inPlace:
			ops = append(ops, faultfs.Op{Kind: faultfs.OpUnlink, Path: rename.To})
		case was.Mode().Perm() != from.Mode().Perm():
			ops = append(ops, faultfs.Op{Kind: faultfs.OpChmod, Path: rename.To, Mode: uint32(from.Mode().Perm())})
			fallthrough
		default:
			ops = append(ops, faultfs.Op{Kind: faultfs.OpTruncate, Path: rename.To})
		}
	}
	last := faultfs.Op{Kind: faultfs.OpUnlink, Path: rename.Path}
	if link {
		target, err := look.ReadlinkIfPossible(rename.Path)
		return append(ops, faultfs.Op{Kind: faultfs.OpSymlink, Path: rename.To, Target: target}, last), err
	}
	if !inPlace {
		ops = append(ops, faultfs.Op{Kind: faultfs.OpCreate, Path: rename.To, Mode: uint32(from.Mode().Perm())})
	}
	data, err := oracle.ReadFile(look, rename.Path)
	if len(data) > 0 {
		ops = append(ops, faultfs.Op{Kind: faultfs.OpWrite, Path: rename.To, Data: data})
	}
	return append(ops, last), err
}

// withoutFaults is the scenario whose mutants are judged: its trace alone.
func (s *Scenario) withoutFaults() *Scenario {
	plain := *s
	plain.Declared, plain.Faults = nil, nil
	return &plain
}

// soundUnder returns the models under which the scenario itself is kept: where
// it is broken, a broken mutant says nothing.
func (s *Scenario) soundUnder(ctx context.Context, trace *faultfs.Trace, o *Options) ([]model.Model, error) {
	var sound []model.Model
	first := *o
	first.First, first.Strict = true, true
	for _, m := range o.Models {
		r, err := verdict(ctx, s.withoutFaults(), &recording{trace: trace}, m, &first)
		if err != nil {
			return nil, err
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		switch {
		case r.Outcome.Verdict == Kept:
			sound = append(sound, m)
		case r.doubted: // the oracle cannot be believed
			return nil, fmt.Errorf("scenario %s under %s: %s", s.Name, m, r.Why)
		}
	}
	if len(sound) == 0 {
		return nil, fmt.Errorf("scenario %s is kept under none of the models: that a mutant is broken says nothing", s.Name)
	}
	return sound, nil
}

// judge finds out what becomes of a mutant, under the models under which the
// scenario is sound.
func (m *Mutant) judge(ctx context.Context, s *Scenario, trace, without *faultfs.Trace, sound []model.Model, o *Options) error {
	bounded := false
	for _, under := range sound {
		watching, watched := s.withoutFaults().watched(ctx)
		r := judgeModel(watching, watched, &recording{trace: without}, under, o)
		watched.unjudged.end()
		if err := watched.unjudged.err(); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		switch {
		case r.Outcome.Verdict == Broken:
			m.Fate, m.Model, m.Kind, m.Story = Killed, under, r.Failures[0].Kind, r.Failures[0].Story
			return nil
		case r.Outcome.Verdict == Unknown:
			bounded = true
		}
	}
	same := true
	for _, under := range o.Models {
		if same = same && sameCases(ctx, trace, without, under); !same {
			break
		}
	}
	switch {
	case same:
		m.Fate = Harmless
	case bounded:
		m.Fate = Unjudged
	}
	return ctx.Err()
}

// maxProof bounds the cuts of a trace whose cases are listed to prove that a
// mutant is harmless.
const maxProof = 20000

// sameCases reports whether two traces are known to leave the same cases.
func sameCases(ctx context.Context, a, b *faultfs.Trace, m model.Model) bool {
	var lists [2][]State
	for i, trace := range []*faultfs.Trace{a, b} {
		if cuts, exact := persist.Lower(trace, m).Count(ctx); !exact || !cuts.IsInt64() || cuts.Int64() > maxProof {
			return false
		}
		states, err := States(ctx, trace, m)
		if err != nil {
			return false
		}
		lists[i] = states
	}
	return slices.EqualFunc(lists[0], lists[1], func(x, y State) bool {
		lx, errx := x.Line()
		ly, erry := y.Line()
		return errx == nil && erry == nil && lx == ly
	})
}
