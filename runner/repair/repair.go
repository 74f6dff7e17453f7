// Package repair says what a program lacks: a smallest set of syncs with which it
// keeps its promise, or the proof that no set of syncs is enough.
//
// Words: a life is a run of the program: its workload, its recovery after a crash, or
// what it goes on to do after it was killed. A site is a place at which the program
// could sync a file or a directory and does not: a path, behind the calls of one kind
// on one line of its source, in whatever life the line runs; where the line of a call
// is not known, behind that one call of the workload, or behind each call of the kind
// on the path in a later life. A repair is a set of sites. A core is a set of sites of
// which every repair has one: what is left beside a largest set that repairs nothing.
//
// In a later life the calls that read are followed by sites, too: what a killed program
// has left in the page cache need not be durable when it is read.
//
// Limits: programs are repaired only by syncs. Faults and damaged media are not looked
// at. Whether a program is broken is for the caller to say. Where sites are many the
// search takes long; it ends when the caller's judge returns an error.
//
// This package is public only because several packages of this module use it. It makes no
// promise of compatibility: a release may change it in any way.
package repair

import (
	"errors"
	"fmt"
	"slices"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/oracle"
)

// VariantJudge crashes a variant of a program everywhere and returns the kinds of violations
// that were found, none if every case is right. An error ends the search.
type VariantJudge func(v Variant) ([]oracle.Kind, error)

// Life is a run of a program.
type Life uint8

// The lives.
const (
	Workload Life = iota
	Recovery      // after a power cut or a kill
	WorkOn        // after a kill and the recovery from it
)

// String says when a later life runs, "" of the workload.
func (l Life) String() string {
	return [...]string{"", "in recovery", "when it works on after a kill"}[l]
}

// Variant is a program that makes more syncs.
type Variant struct {
	// Program is its workload.
	Program *faultfs.Trace
	// SyncAfter returns the paths to sync after an op of a later life.
	SyncAfter func(life Life, op *faultfs.Op) []string
	// SyncFirst says that after a kill everything is synced before recovery begins.
	SyncFirst bool
}

// Repair is what a program lacks: a smallest set of syncs of files and
// directories with which every case is right, under one model.
type Repair struct {
	// Syncs are to be added, in the order of the trace; none where nothing is
	// broken.
	Syncs []AddedSync
	// Beyond are the kinds of violations that are left with every sync added
	// that could be, in all lives of the program: no set of syncs repairs it, and
	// something else about it must change. None: the Syncs repair it.
	Beyond []oracle.Kind
	// Change says what kind of change is needed where no set of syncs is enough;
	// the caller may know. "" where it is not needed, or not known.
	Change string
	// Variant is the program with the Syncs, or, where they are not enough, with
	// every sync that could be added.
	Variant
	// Tried is how many programs were judged to find out.
	Tried int
}

// Fix finds a smallest set of syncs that, added to a program, leave its judge
// nothing to complain of; it is verified by judging every case again. The search
// is exact: of each set that does not do, it finds a largest one around it that
// does not either, and a repair has something that this one lacks. It takes for
// granted that a sync more takes cases away and adds none, which is so in every
// model.
func Fix(program *faultfs.Trace, judge VariantJudge) (Repair, error) {
	f := fixer{judge: judge, trace: program, known: map[string][]oracle.Kind{}}
	f.findCandidates()
	syncs, beyond, err := f.search()
	r := Repair{Beyond: beyond, Tried: f.tried}
	for _, i := range syncs {
		sync := f.candidates[i].AddedSync
		sync.Later = sync.Later || f.later[f.candidates[i].key]
		r.Syncs = append(r.Syncs, sync)
	}
	if err == nil {
		r.Variant, err = f.variant(syncs, len(beyond) > 0)
	}
	return r, err
}

// broken returns the kinds of violations that are left with a set, none if
// every case is right.
func (f *fixer) broken(set []int) ([]oracle.Kind, error) {
	key := fmt.Sprint(set)
	if kinds, known := f.known[key]; known {
		return kinds, nil
	}
	v, err := f.variant(set, false)
	if err != nil {
		return nil, err
	}
	kinds, err := f.judged(v)
	if err == nil {
		f.known[key] = kinds
	}
	return kinds, err
}

// judged judges a variant, and finds the sites of the lives that it leads to.
func (f *fixer) judged(v Variant) ([]oracle.Kind, error) {
	f.tried++
	kinds, err := f.judge(v)
	if err == nil {
		err = f.takeFound()
	}
	return kinds, err
}

// search returns a smallest set that repairs the program, or what no set does.
func (f *fixer) search() (set []int, beyond []oracle.Kind, err error) {
	if kinds, err := f.broken(nil); err != nil || len(kinds) == 0 {
		return nil, nil, err
	}
	workload := f.all()
	everything, err := f.variant(nil, true)
	if err != nil {
		return nil, nil, err
	}
	everything.SyncFirst = false
	if beyond, err = f.judged(everything); err != nil {
		return nil, nil, err
	}
	if len(beyond) > 0 {
		everything.SyncFirst = true
		if beyond, err = f.judged(everything); err != nil || len(beyond) > 0 {
			return nil, beyond, err
		}
		f.candidates = append(f.candidates, first)
	} else if len(f.candidates) == len(workload) {
		f.known[fmt.Sprint(workload)] = nil // there is nothing more to sync
	}
	var cores [][]int // a repair has one of each
	for all := f.all(); ; {
		set = hit(cores)
		kinds, err := f.broken(set)
		if err != nil || len(kinds) == 0 {
			return set, nil, err
		}
		if kinds, err = f.broken(all); err != nil {
			return nil, nil, err
		}
		if grown := f.all(); len(grown) > len(all) { // a core is one of all sites
			all, cores = grown, nil
			continue
		}
		core, err := f.core(set, all)
		if err != nil {
			return nil, nil, err
		}
		if len(kinds) > 0 || len(core) == 0 {
			return nil, nil, errors.New("crashsim: bug: a sync more has made a case wrong")
		}
		if grown := f.all(); len(grown) > len(all) {
			all, cores = grown, nil
			continue
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
