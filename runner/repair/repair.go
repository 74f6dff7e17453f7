// Package repair says what a program lacks: a smallest set of syncs with which it
// keeps its promise, or the proof that no set of syncs is enough.
//
// Words: a site is a place at which the program could sync a file or a directory
// and does not: behind a call that changes it. A repair is a set of sites. A core
// is a set of sites of which every repair has one: what is left beside a largest
// set that repairs nothing.
//
// Limits: only the workload is repaired, not the recovery, and only by syncs.
// Whether a program is broken is for the caller to say. Where sites are many the
// search takes long; it ends when the caller's judge returns an error.
package repair

import (
	"errors"
	"fmt"
	"path"
	"slices"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/oracle"
)

// Judge crashes a program everywhere and returns the kinds of violations that
// were found, none if every case is right. An error ends the search.
type Judge func(program *faultfs.Trace) ([]oracle.Kind, error)

// Repair is what a program lacks: a smallest set of syncs of files and
// directories with which every case is right, under one model.
type Repair struct {
	// Syncs are to be added, in the order of the trace; none where nothing is
	// broken.
	Syncs []AddedSync
	// Beyond are the kinds of violations that are left with every sync added
	// that could be: no set of syncs repairs the program, and something else
	// about it must change. None: the Syncs repair it.
	Beyond []oracle.Kind
	// Change says what kind of change is needed where no set of syncs is enough;
	// the caller may know. "" where it is not needed, or not known.
	Change string
	// Program is the program with the Syncs, or, where they are not enough, with
	// every sync that could be added.
	Program *faultfs.Trace
	// Tried is how many programs were judged to find out.
	Tried int
}

// AddedSync is a sync that a program lacks.
type AddedSync struct {
	After faultfs.OpNum // the op behind which it belongs
	Call  string        // that op, with its call site
	Site  faultfs.Site  // its call site
	Path  string        // what is to be synced
	Dir   bool          // it is a directory
}

// String says, say, "sync /f.tmp after write /f.tmp [0,9) (save.go:41)".
func (a AddedSync) String() string {
	what := "sync "
	if a.Dir {
		what = "sync the directory "
	}
	return what + a.Path + " after " + a.Call
}

// Add says what to add to the source, say, "add f.Sync() after save.go:41". Where no
// call site is known, it names the op by its number, from one.
func (a AddedSync) Add() string {
	where := a.Site.String()
	if where == "" {
		where = fmt.Sprintf("call %d", a.After+1)
	}
	if a.Dir {
		return fmt.Sprintf("open %s, call its Sync and close it after %s", a.Path, where)
	}
	return fmt.Sprintf("add f.Sync() for %s after %s", a.Path, where)
}

// Fix finds a smallest set of syncs that, added to a program, leave its judge
// nothing to complain of; it is verified by judging every case again. The search
// is exact: of each set that does not do, it finds a largest one around it that
// does not either, and a repair has something that this one lacks. It takes for
// granted that a sync more takes cases away and adds none, which is so in every
// model.
func Fix(program *faultfs.Trace, judge Judge) (Repair, error) {
	f := fixer{judge: judge, trace: program, known: map[string][]oracle.Kind{}}
	f.findSites()
	syncs, beyond, err := f.search()
	r := Repair{Beyond: beyond, Tried: len(f.known)}
	for _, i := range syncs {
		r.Syncs = append(r.Syncs, f.sites[i])
	}
	if len(beyond) > 0 {
		syncs = f.all()
	}
	if err == nil {
		r.Program, err = f.with(syncs)
	}
	return r, err
}

// all is the set of all sites.
func (f *fixer) all() []int {
	all := make([]int, len(f.sites))
	for i := range all {
		all[i] = i
	}
	return all
}

// fixer is a search for a repair. A set of syncs is their numbers, rising.
type fixer struct {
	judge Judge
	trace *faultfs.Trace
	sites []AddedSync
	known map[string][]oracle.Kind // by set: what is broken with it
}

// findSites finds every sync that the program could make and does not: of a
// file behind a call that changes it, and of a directory behind one that changes
// its names.
func (f *fixer) findSites() {
	ops := f.trace.Ops
	for i := range ops {
		op := &ops[i]
		if op.Failed() || op.Idle() {
			continue
		}
		site := AddedSync{After: faultfs.OpNum(i), Call: op.Call(), Site: op.Site}
		add := func(what string, dir bool) {
			site.Path, site.Dir = what, dir
			if what != "" && !slices.Contains(f.sites, site) && !f.syncsNext(i, what) {
				f.sites = append(f.sites, site)
			}
		}
		switch op.Kind {
		case faultfs.OpWrite, faultfs.OpTruncate, faultfs.OpChmod:
			add(op.Path, false)
		case faultfs.OpCreate, faultfs.OpMkdir, faultfs.OpSymlink, faultfs.OpUnlink, faultfs.OpRmdir:
			add(parent(op.Path), true)
		case faultfs.OpLink:
			add(parent(op.To), true)
		case faultfs.OpRename, faultfs.OpExchange:
			add(parent(op.To), true)
			add(parent(op.Path), true)
		}
	}
}

func parent(name string) string {
	if name == "" {
		return ""
	}
	return path.Dir(path.Clean(name))
}

// syncsNext reports whether the op behind an op is a sync of a path already.
func (f *fixer) syncsNext(i int, what string) bool {
	if i+1 >= len(f.trace.Ops) {
		return false
	}
	next := &f.trace.Ops[i+1]
	return next.Kind == faultfs.OpFsync && path.Clean(next.Path) == what
}

// with performs the program with the syncs of a set.
func (f *fixer) with(set []int) (*faultfs.Trace, error) {
	e := f.trace.Edit()
	for i := range f.trace.Ops {
		if _, err := e.Keep(faultfs.OpNum(i)); err != nil {
			return nil, err
		}
		for _, k := range set {
			if site := f.sites[k]; int(site.After) == i {
				// What has no name by now has nothing that could be found either.
				_, _ = e.Add(faultfs.Op{Kind: faultfs.OpFsync, Path: site.Path, Site: f.trace.Ops[i].Site})
			}
		}
	}
	return e.Trace(), nil
}

// broken returns the kinds of violations that are left with a set, none if
// every case is right.
func (f *fixer) broken(set []int) ([]oracle.Kind, error) {
	key := fmt.Sprint(set)
	if kinds, known := f.known[key]; known {
		return kinds, nil
	}
	trace, err := f.with(set)
	if err != nil {
		return nil, err
	}
	kinds, err := f.judge(trace)
	if err != nil {
		return nil, err
	}
	f.known[key] = kinds
	return kinds, nil
}

// search returns a smallest set that repairs the program, or what no set does.
func (f *fixer) search() (set []int, beyond []oracle.Kind, err error) {
	all := f.all()
	if beyond, err = f.broken(all); err != nil || len(beyond) > 0 {
		return nil, beyond, err
	}
	var cores [][]int // a repair has one of each
	for {
		set = hit(cores)
		kinds, err := f.broken(set)
		if err != nil || len(kinds) == 0 {
			return set, nil, err
		}
		core, err := f.core(set, all)
		if err != nil {
			return nil, nil, err
		}
		if len(core) == 0 {
			return nil, nil, errors.New("crashsim: bug: a sync more has made a case wrong")
		}
		cores = append(cores, core)
	}
}

// core returns syncs of which a repair has at least one: those that are not in
// a largest set around the given one that does not repair the program.
func (f *fixer) core(set, all []int) ([]int, error) {
	largest := slices.Clone(set)
	var grow func(more []int) error
	grow = func(more []int) error {
		if len(more) == 0 {
			return nil
		}
		next := slices.Concat(largest, more)
		slices.Sort(next)
		next = slices.Compact(next)
		kinds, err := f.broken(next)
		switch {
		case err != nil:
			return err
		case len(kinds) > 0:
			largest = next
			return nil
		case len(more) == 1:
			return nil
		}
		half := len(more) / 2
		if err := grow(more[:half]); err != nil {
			return err
		}
		return grow(more[half:])
	}
	if err := grow(all); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(slices.Clone(all), func(i int) bool { return slices.Contains(largest, i) }), nil
}

// hit returns a smallest set that has one of each of the given sets, the first
// one in their order.
func hit(sets [][]int) []int {
	for size := 0; ; size++ {
		if found, ok := hitWith(sets, nil, size); ok {
			slices.Sort(found)
			return found
		}
	}
}

func hitWith(sets [][]int, chosen []int, left int) ([]int, bool) {
	i := slices.IndexFunc(sets, func(set []int) bool {
		return !slices.ContainsFunc(set, func(k int) bool { return slices.Contains(chosen, k) })
	})
	switch {
	case i < 0:
		return slices.Clone(chosen), true
	case left == 0:
		return nil, false
	}
	for _, k := range sets[i] {
		if found, ok := hitWith(sets[i+1:], append(slices.Clip(chosen), k), left-1); ok {
			return found, true
		}
	}
	return nil, false
}
