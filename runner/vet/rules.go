package vet

import (
	"fmt"
	"go/ast"
	"go/token"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/tools/go/analysis"
)

func itoa(n int) string { return strconv.Itoa(n) }

// finding is a mistake, before it is told.
type finding struct {
	check  string
	pos    token.Pos
	end    token.Pos
	text   string
	target ast.Expr // the path at which the file is looked for after a crash
	// The file grows; it is new; it takes a call that fails to see it.
	log, fresh, faults bool
	suffix             string // of the name of the test
}

// tell reports the findings of a function.
func (fn *function) tell(c config) {
	found := slices.Concat(fn.renamed(), fn.overwritten(), fn.unnamed(), fn.unheeded())
	found = slices.DeleteFunc(found, func(f finding) bool { return c.skip[f.check] })
	slices.SortStableFunc(found, func(a, b finding) int { return int(a.pos - b.pos) })
	tests := map[string]string{}
	for _, f := range found {
		target := ""
		if f.target != nil {
			target = fn.key(f.target)
		}
		target += fmt.Sprint(f.log, f.fresh, f.faults)
		name, above := tests[target], true
		if name == "" {
			if len(tests) > 0 {
				f.suffix = itoa(len(tests) + 1)
			}
			above = false
		}
		how := ""
		switch {
		case above:
			how = fmt.Sprintf("crashsim test -run '^%s$', with the test of a report above", name)
		default:
			name, how = fn.skeleton(f)
			tests[target] = name
			if c.skeleton {
				how = fmt.Sprintf("crashsim test -run '^%s$', with this test:\n%s", name, how)
			} else {
				how = fmt.Sprintf("crashsim test -run '^%s$', with the test that -skeleton prints", name)
			}
		}
		fn.pass.Report(analysis.Diagnostic{Pos: f.pos, End: f.end, Category: f.check, Message: f.text + " (" + f.check + "); to have it confirmed: " + how})
	}
}

// renameOf is the first rename of a file of that path after a call.
func (fn *function) renameOf(key string, after ast.Node) *rename {
	for _, r := range fn.renames {
		if r.fromKey == key && r.call.Pos() > after.Pos() {
			return r
		}
	}
	return nil
}

// renamedHandle is the rename of a file that was opened here, or nil.
func (fn *function) renamedHandle(h *handle) *rename {
	for _, r := range fn.renames {
		if h.open != nil && r.call.Pos() < h.open.Pos() {
			continue
		}
		if h.path != nil && h.key == r.fromKey || fn.nameOf(r.from) == h {
			return r
		}
	}
	return nil
}

func (fn *function) isRenamed(h *handle) bool { return fn.renamedHandle(h) != nil }

// nameOf is the file whose name an expression is, as in f.Name().
func (fn *function) nameOf(e ast.Expr) *handle {
	call, ok := ast.Unparen(fn.resolved(e)).(*ast.CallExpr)
	if !ok {
		return nil
	}
	sel, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || sel.Sel.Name != "Name" {
		return nil
	}
	return fn.current[fn.variable(sel.X)]
}

// before are the positions before another.
func before(all []token.Pos, pos token.Pos) []token.Pos {
	return slices.DeleteFunc(slices.Clone(all), func(p token.Pos) bool { return p >= pos })
}

// renamed finds renames of files that are not synced, or not closed.
func (fn *function) renamed() []finding {
	var found []finding
	for _, h := range fn.handles {
		r := fn.renamedHandle(h)
		if r == nil || h.kept || h.param != nil || fn.isElsewhere(r.to) {
			continue
		}
		at := r.call.Pos()
		if len(before(h.writes, at)) == 0 || h.synced(&at) {
			continue
		}
		found = append(found, finding{
			check: checkRename, pos: at, end: r.call.End(), target: r.to,
			text: fmt.Sprintf("the file is renamed and nothing has synced it: after a power cut the new name can lead to an empty or a torn file; call %s.Sync() before the file is closed, and check its error", h.name),
		})
		if at, early := closesLate(h); early {
			found = append(found, finding{
				check: checkDefer, pos: at, target: r.to,
				text: fmt.Sprintf("%s is closed after it is renamed, since this call is deferred: an error of the last write comes too late; close the file before the rename, and check the error", h.name),
			})
		}
	}
	for _, w := range fn.saves {
		r := fn.renameOf(w.key, w.call)
		if r == nil || w.use.Synced || fn.isElsewhere(r.to) {
			continue
		}
		found = append(found, finding{
			check: checkWriteFile, pos: r.call.Pos(), end: r.call.End(), target: r.to,
			text: fmt.Sprintf("the file that %s wrote is renamed and nothing has synced it: after a power cut the new name can lead to an empty or a torn file; write with os.OpenFile, call Sync and Close, and check their errors, before the rename", called(w)),
		})
	}
	return found
}

func called(w *save) string {
	if w.callee.Pkg() != nil && (w.callee.Pkg().Path() == "os" || w.callee.Pkg().Path() == "io/ioutil") {
		return w.callee.Pkg().Name() + "." + w.callee.Name()
	}
	return w.callee.Name()
}

// closesLate reports whether a file is closed only by deferred calls, and where.
func closesLate(h *handle) (token.Pos, bool) {
	for _, c := range h.closes {
		if !c.deferred {
			return 0, false
		}
	}
	if len(h.closes) == 0 {
		return 0, false
	}
	return h.closes[0].where, true
}

// overwritten finds files that are emptied though they are the only copy.
func (fn *function) overwritten() []finding {
	var found []finding
	for _, w := range fn.saves {
		read := fn.readBack(w.key, w.form)
		if !w.use.Truncates || read == 0 || fn.renameOf(w.key, w.call) != nil || fn.isSetAside(w.key, w.path) {
			continue
		}
		found = append(found, finding{
			check: checkWriteFile, pos: w.call.Pos(), end: w.call.End(), target: w.path,
			text: fmt.Sprintf("%s empties the file before it writes it, and the program reads it again (%s): after a power cut it can be empty or torn; write a new file, sync it, and rename it over this one", called(w), fn.place(read)),
		})
	}
	for _, h := range fn.handles {
		if h.open == nil || !h.truncates || h.exclusive || h.temp || h.kept || len(h.writes) == 0 || fn.isRenamed(h) || fn.isSetAside(h.key, h.path) {
			continue
		}
		read := fn.readBack(h.key, h.form)
		why := ""
		switch {
		case read != 0:
			why = fmt.Sprintf("the program reads it again (%s)", fn.place(read))
		case h.synced(nil) && !fn.isHelper(h):
			why = "it is synced, so it is meant to last"
		default:
			continue
		}
		found = append(found, finding{
			check: checkTruncate, pos: h.open.Pos(), end: h.open.End(), target: h.path,
			text: fmt.Sprintf("this empties the file before the new data is there, and %s: after a power cut neither the old nor the new can be left; write a new file, sync it, and rename it over this one", why),
		})
	}
	return found
}

// readBack is where the program reads the file of a path, or 0.
func (fn *function) readBack(key, form string) token.Pos {
	if pos := fn.localReads[key]; pos != 0 {
		return pos
	}
	if form == "" {
		return 0
	}
	return fn.code.reads[form]
}

// isSetAside reports whether a path is removed here, is temporary, or is on no disk.
func (fn *function) isSetAside(key string, path ast.Expr) bool {
	return slices.Contains(fn.removed, key) || fn.looksTemporary(path) || fn.isElsewhere(path)
}

// isHelper reports whether a file's path is given by functions of this package, which may
// rename it.
func (fn *function) isHelper(h *handle) bool {
	return h.path != nil && fn.paramOf(h.path) != nil && len(fn.callers()) > 0
}

// callers are the functions of the package that call this one.
func (fn *function) callers() []*function {
	var all []*function
	for _, other := range fn.functions {
		if other != fn && other.events.calls[fn.obj] != 0 {
			all = append(all, other)
		}
	}
	return all
}

func (fn *function) place(pos token.Pos) string {
	p := fn.pass.Fset.Position(pos)
	name := p.Filename[strings.LastIndexAny(p.Filename, `/\`)+1:]
	return fmt.Sprintf("%s:%d", name, p.Line)
}

// unnamed finds files that are synced and whose names are not.
func (fn *function) unnamed() []finding {
	var found []finding
	for _, h := range fn.handles {
		if h.kept || h.param != nil || len(h.writes) == 0 || !h.synced(nil) {
			continue
		}
		if r := fn.renamedHandle(h); r != nil {
			at := r.call.Pos()
			if h.synced(&at) && !fn.directorySynced(at) && !fn.isElsewhere(r.to) {
				found = append(found, finding{
					check: checkDirectory, pos: at, end: r.call.End(), target: r.to,
					text: "the file is synced and renamed, and nothing syncs the directory after that: a power cut can undo the rename after the save was reported; open the directory and call Sync on it",
				})
			}
			continue
		}
		if h.open == nil || !h.created || h.temp || h.truncates && !h.exclusive || fn.isHelper(h) || fn.isSetAside(h.key, h.path) || fn.directorySynced(h.open.Pos()) {
			continue
		}
		found = append(found, finding{
			check: checkDirectory, pos: h.open.Pos(), end: h.open.End(), target: h.path, fresh: true,
			text: "the file is synced, and nothing syncs the directory in which it may be new: after a power cut its name can be missing; open the directory and call Sync on it",
		})
	}
	return found
}

// directorySynced reports whether a directory is synced after a position, here or by the
// functions that call this one.
func (fn *function) directorySynced(after token.Pos) bool {
	if slices.ContainsFunc(fn.directories, func(p token.Pos) bool { return p > after }) {
		return true
	}
	for _, other := range fn.callers() {
		if slices.ContainsFunc(other.directories, func(p token.Pos) bool { return p > other.events.calls[fn.obj] }) {
			return true
		}
	}
	return false
}

// unheeded finds errors that nobody looks at.
func (fn *function) unheeded() []finding {
	var found []finding
	for _, h := range fn.handles {
		if len(h.writes) == 0 && h.param == nil {
			continue
		}
		for _, s := range h.syncs {
			if s.ignored {
				found = append(found, finding{
					check: checkError, pos: s.where, target: fn.targetOf(h), log: h.appends, faults: true,
					text: fmt.Sprintf("the error of the sync of %s is ignored: where it fails, data that was written before is lost, and nobody is told", h.name),
				})
			}
		}
		if h.open == nil || !h.created || h.kept || len(h.writes) == 0 || h.synced(nil) || h.temp && !fn.isRenamed(h) || len(h.closes) == 0 {
			continue
		}
		if h.path != nil && fn.isSetAside(h.key, h.path) && !fn.isRenamed(h) {
			continue
		}
		if _, late := closesLate(h); late && fn.isRenamed(h) {
			continue // the check of deferred closes tells it
		}
		at := slices.IndexFunc(h.closes, func(u use) bool { return !u.failing })
		if at < 0 || slices.ContainsFunc(h.closes, func(u use) bool { return !u.ignored }) {
			continue
		}
		found = append(found, finding{
			check: checkError, pos: h.closes[at].where, target: fn.targetOf(h), log: h.appends,
			text: fmt.Sprintf("the error of Close is ignored on %s, which was written, and nothing syncs it: data can be lost while the function reports success; call Sync and Close, and check their errors", h.name),
		})
	}
	return found
}

// targetOf is the path at which the data of a file is looked for after a crash.
func (fn *function) targetOf(h *handle) ast.Expr {
	if r := fn.renamedHandle(h); r != nil {
		return r.to
	}
	return h.path
}
