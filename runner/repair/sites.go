package repair

import (
	"cmp"
	"errors"
	"fmt"
	"path"
	"slices"
	"sync"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/oracle"
)

// AddedSync is a sync that a program lacks.
type AddedSync struct {
	After faultfs.OpNum    // the op of the workload behind which it belongs, the first of several; -1: of a later life
	Call  string           // that op, with its call site; "" for the start of recovery
	Site  faultfs.CallSite // its call site
	Path  string           // what is to be synced; "" for everything
	Dir   bool             // it is a directory
	Times int              // how many calls of the workload it comes behind; 0: of a later life
	Files int              // how many paths it stands for: see Grouped
	Life  Life             // the first life in which it is made
	Later bool             // it is made in recovery, or after a kill: there alone, or there too
}

// String says, say, "sync /f.tmp after write /f.tmp [0,9) (save.go:41)".
func (a AddedSync) String() string {
	if a.Call == "" {
		return "sync everything before recovery begins, where the program was killed"
	}
	text := a.What() + " after " + a.Call
	if a.Life != Workload {
		text += " " + a.Life.String()
	}
	switch {
	case a.Files > 1 && a.Times > 1:
		text += fmt.Sprintf(" (%d times, of %d files, at this line)", a.Times, a.Files)
	case a.Files > 1:
		text += fmt.Sprintf(" (of %d files, at this line)", a.Files)
	case a.Times > 1:
		text += fmt.Sprintf(" (%d times, at this line)", a.Times)
	}
	return text
}

// Grouped returns syncs with those of one line of the source told together, as the
// first of them: to who mends it, a line that changes many files lacks one sync, in
// whatever life it runs.
func Grouped(syncs []AddedSync) []AddedSync {
	var groups []AddedSync
	for _, s := range syncs {
		i := slices.IndexFunc(groups, func(g AddedSync) bool {
			return s.Site.File != "" && g.Site == s.Site && g.Dir == s.Dir
		})
		if i < 0 {
			s.Files = 1
			groups = append(groups, s)
			continue
		}
		groups[i].Times += s.Times
		groups[i].Files++
	}
	return groups
}

// What says what is to be synced: "sync /f", or "sync the directory /d".
func (a AddedSync) What() string {
	if a.Dir {
		return "sync the directory " + a.Path
	}
	return "sync " + a.Path
}

// Add says what to add to the source, say, "add f.Sync() after save.go:41". Where no
// call site is known, it names the op by its number, from one.
func (a AddedSync) Add() string {
	where := a.Site.String()
	switch {
	case a.Call == "" && a.After < 0:
		return "sync everything, as sync(2) does, before recovery begins"
	case where != "":
	case a.After < 0:
		where = "it, " + a.Life.String()
	default:
		where = fmt.Sprintf("call %d", a.After+1)
	}
	if a.Dir {
		return fmt.Sprintf("open %s, call its Sync and close it after %s", a.Path, where)
	}
	return fmt.Sprintf("add f.Sync() for %s after %s", a.Path, where)
}

// key tells sites apart.
type key struct {
	site faultfs.CallSite
	kind faultfs.OpKind
	path string
	dir  bool
	op   faultfs.OpNum // of a call of the workload whose line is not known, from one
}

// candidate is a sync that could be added.
type candidate struct {
	key
	AddedSync
}

// first is the sync of everything after a kill.
var first = candidate{AddedSync: AddedSync{After: -1, Life: Recovery, Later: true}}

// fixer is a search for a repair. A set of syncs is their numbers, rising.
type fixer struct {
	judge      VariantJudge
	trace      *faultfs.Trace
	candidates []candidate
	known      map[string][]oracle.Kind // by set: what is broken with it
	tried      int

	mu    sync.Mutex
	found map[key]candidate // in later lives, since the last look
	later map[key]bool      // those that a later life has come by
}

// all is the set of all sites.
func (f *fixer) all() []int {
	all := make([]int, len(f.candidates))
	for i := range all {
		all[i] = i
	}
	return all
}

// maxCandidates bounds the sites of a program: those of its later lives come to light as
// these are run.
const maxCandidates = 1 << 12

// candidates are the syncs that could be added behind an op: of a file behind a call
// that changes it, and of a directory behind one that changes its names; with reads,
// of what was read as well. Position is that of the op in the workload, -1 in a later life.
func candidates(op *faultfs.Op, position faultfs.OpNum, reads bool) (found []key) {
	if op.Failed() || op.Idle() {
		return nil
	}
	add := func(what string, dir bool) {
		k := key{site: op.Site, kind: op.Kind, path: what, dir: dir}
		if op.Site == (faultfs.CallSite{}) {
			k.op = position + 1
		}
		if what != "" && !slices.Contains(found, k) {
			found = append(found, k)
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
	if !reads {
		return found
	}
	switch op.Kind {
	case faultfs.OpRead:
		add(op.Path, false)
		add(parent(op.Path), true)
	case faultfs.OpReaddir:
		add(op.Path, true)
	case faultfs.OpOpen, faultfs.OpStat, faultfs.OpLstat:
		add(parent(op.Path), true)
	}
	return found
}

func parent(name string) string {
	if name == "" {
		return ""
	}
	return path.Dir(path.Clean(name))
}

// findCandidates finds every sync that the workload could make and does not.
func (f *fixer) findCandidates() {
	for i := range f.trace.Ops {
		op := &f.trace.Ops[i]
		for _, k := range candidates(op, faultfs.OpNum(i), false) {
			if f.syncsNext(i, k.path) {
				continue
			}
			if at := slices.IndexFunc(f.candidates, func(s candidate) bool { return s.key == k }); at >= 0 {
				f.candidates[at].Times++
				continue
			}
			f.candidates = append(f.candidates, candidate{k, AddedSync{
				After: faultfs.OpNum(i), Call: op.Call(), Site: op.Site, Path: k.path, Dir: k.dir, Times: 1,
			}})
		}
	}
}

// syncsNext reports whether the op behind an op is a sync of a path already.
func (f *fixer) syncsNext(i int, what string) bool {
	if i+1 >= len(f.trace.Ops) {
		return false
	}
	next := &f.trace.Ops[i+1]
	return next.Kind == faultfs.OpFsync && path.Clean(next.Path) == what
}

// takeFound takes over the sites that later lives have shown, in an order that does
// not depend on which ran first.
func (f *fixer) takeFound() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	var more []candidate
	for k, s := range f.found {
		if !slices.ContainsFunc(f.candidates, func(s candidate) bool { return s.key == k }) {
			more = append(more, s)
		}
	}
	clear(f.found)
	slices.SortFunc(more, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.site.File, b.site.File), cmp.Compare(a.site.Line, b.site.Line),
			cmp.Compare(a.kind, b.kind), cmp.Compare(a.path, b.path), cmp.Compare(a.key.site.Func, b.key.site.Func))
	})
	f.candidates = append(f.candidates, more...)
	if len(f.candidates) > maxCandidates {
		return errors.New("the program could make more syncs than can be tried")
	}
	return nil
}

// note remembers a site of a later life. The one of the earliest life is kept, and of
// calls of one line the one whose text comes first.
func (f *fixer) note(k key, life Life, op *faultfs.Op) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.found == nil {
		f.found, f.later = map[key]candidate{}, map[key]bool{}
	}
	f.later[k] = true
	s := candidate{k, AddedSync{After: -1, Call: op.Call(), Site: op.Site, Path: k.path, Dir: k.dir, Life: life}}
	if old, known := f.found[k]; !known || s.Life < old.Life || s.Life == old.Life && s.Call < old.Call {
		f.found[k] = s
	}
}

// variant is the program with the syncs of a set, or with every one that could be.
func (f *fixer) variant(set []int, every bool) (Variant, error) {
	chosen := map[key]bool{}
	v := Variant{SyncFirst: every}
	for _, i := range set {
		chosen[f.candidates[i].key] = true
		v.SyncFirst = v.SyncFirst || f.candidates[i].key == first.key
	}
	v.SyncAfter = func(life Life, op *faultfs.Op) (paths []string) {
		for _, k := range candidates(op, -1, true) {
			f.note(k, life, op)
			if (every || chosen[k]) && !slices.Contains(paths, k.path) {
				paths = append(paths, k.path)
			}
		}
		return paths
	}
	e := f.trace.Edit()
	for i := range f.trace.Ops {
		if _, err := e.Keep(faultfs.OpNum(i)); err != nil {
			return v, err
		}
		op := &f.trace.Ops[i]
		changes := candidates(op, faultfs.OpNum(i), false)
		for _, k := range candidates(op, faultfs.OpNum(i), op.Site != (faultfs.CallSite{})) {
			if (every && slices.Contains(changes, k) || chosen[k]) && !f.syncsNext(i, k.path) {
				// What has no name by now has nothing that could be found either.
				_, _ = e.Add(faultfs.Op{Kind: faultfs.OpFsync, Path: k.path, Site: op.Site})
			}
		}
	}
	v.Program = e.Trace()
	return v, nil
}
