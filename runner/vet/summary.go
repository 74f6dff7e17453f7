package vet

import (
	"fmt"
	"go/ast"
	"go/types"
	"maps"
	"slices"
	"strings"
)

// summary is what a function does to files, as far as a caller has to know. It is a fact of
// the analysis: summaries of other packages are read, not worked out again.
type summary struct {
	// Files are the parameters that are files, by number.
	Files map[int]fileUse
	// Saves are the parameters that are paths of files which the function writes.
	Saves map[int]saveUse
	// Directory is true if a directory is synced.
	Directory bool
}

// fileUse is what a function does to a file that it is given.
type fileUse struct{ Wrote, Synced, Closed, Kept bool }

// saveUse is how a function writes a file of which it is given the path.
type saveUse struct{ Synced, Truncates bool }

// AFact marks a summary as a fact of the analysis.
func (*summary) AFact() {}

// worthTelling reports whether a summary says more than that nothing is known.
func (s *summary) worthTelling() bool {
	return len(s.Files) > 0 || len(s.Saves) > 0 || s.Directory
}

func (fn *function) summarize() *summary {
	s := &summary{Files: map[int]fileUse{}, Saves: map[int]saveUse{}, Directory: len(fn.directories) > 0}
	params := fn.obj.Signature().Params()
	for i := range params.Len() {
		p := params.At(i)
		if isFile(p.Type()) || hasMethod(p.Type(), "Sync") {
			s.Files[i] = fileUse{}
		}
		for _, h := range fn.handles {
			switch {
			case h.param == p:
				s.Files[i] = fileUse{Wrote: len(h.writes) > 0, Synced: h.synced(nil), Closed: len(h.closes) > 0, Kept: h.kept}
			case h.pathIs(p) && h.created && len(h.writes) > 0 && !h.kept && !fn.isRenamed(h):
				s.Saves[i] = saveUse{Synced: h.synced(nil), Truncates: h.truncates && !h.exclusive}
			}
		}
		for _, w := range fn.saves {
			if fn.paramOf(w.path) == p && fn.renameOf(w.key, w.call) == nil {
				s.Saves[i] = w.use
			}
		}
	}
	return s
}

// paramOf is the parameter that an expression is, or nil.
func (fn *function) paramOf(e ast.Expr) *types.Var {
	id, ok := ast.Unparen(fn.resolved(e)).(*ast.Ident)
	if !ok {
		return nil
	}
	v, _ := fn.pass.TypesInfo.Uses[id].(*types.Var)
	if fn.paramIndex(v) < 0 {
		return nil
	}
	return v
}

// paramIndex is the number of a parameter, or -1.
func (fn *function) paramIndex(v *types.Var) int {
	params := fn.obj.Signature().Params()
	for i := range params.Len() {
		if params.At(i) == v {
			return i
		}
	}
	return -1
}

// String says what the function does, for tests of the analyzer.
func (s *summary) String() string {
	var parts []string
	for _, i := range slices.Sorted(maps.Keys(s.Files)) {
		parts = append(parts, fmt.Sprintf("file %d %+v", i, s.Files[i]))
	}
	for _, i := range slices.Sorted(maps.Keys(s.Saves)) {
		parts = append(parts, fmt.Sprintf("saves %d %+v", i, s.Saves[i]))
	}
	if s.Directory {
		parts = append(parts, "syncs a directory")
	}
	return strings.Join(parts, ", ")
}
