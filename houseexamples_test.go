package crashsim_test

import (
	"go/ast"
	"go/token"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// public are the packages that a test of a program needs at most.
var public = []string{"faultfs", "faultfs/model", "oracle", "runner", "runner/process"}

// unshown are exported names of these packages that no Example uses. The list only ever
// gets shorter.
var unshown = map[string][]string{
	// The disk that a file system begins on, and what the model and the recorders need of
	// ops: a test of a program has no use for them.
	"faultfs": {"Base", "NewOn", "Unrecorded", "Edit", "OpNum", "Type", "CallSite", "Everything"},
	// The type of an error, for those who want its line.
	"faultfs.errors": {"TextError"},
	// What a run reports while it goes on, and which commands were run: for the command.
	"runner": {"Progress", "Command"},
	// The namespace of the command, the checks that have a name there, the runs with faults,
	// and a disk that is written to be looked at.
	"runner/process": {"AloneWith", "IsBuiltin", "Rerun", "WriteDisk"},
}

// declared is what a package exports: each name with the other names that stand for it in an
// Example. A type is shown by one of its constants, and by a function that returns it.
type declared struct {
	standIns map[string][]string
	results  map[string][]string // of functions and methods, and fields of structs, by their name: types
}

func TestEachExportedNameIsUsedInAnExample(t *testing.T) {
	all := sources(t)
	known := map[string]*declared{}
	for _, dir := range public {
		known[dir] = &declared{map[string][]string{}, map[string][]string{}}
	}
	used := map[string]bool{} // selectors of all Examples: "runner.Run", and names of methods and fields
	for _, s := range all {
		switch {
		case known[s.dir] != nil && !s.test:
			for _, decl := range s.file.Decls {
				known[s.dir].add(t, s, decl)
			}
		case strings.HasSuffix(s.name, "example_test.go"):
			selectors(t, s, used)
		}
	}
	for _, dir := range public {
		allowed := slices.Concat(unshown[dir], unshown[dir+".errors"])
		shown := known[dir].shown(dir, used)
		for name := range known[dir].standIns {
			if slices.Contains(allowed, name) {
				assert.False(t, shown[name], "%s.%s is used in an Example: take it off the list", dir, name)
				continue
			}
			assert.True(t, shown[name], "no Example uses %s.%s: show what it is for, or do not export it", dir, name)
		}
		for _, name := range allowed {
			assert.Contains(t, known[dir].standIns, name, "%s exports no %s: take it off the list", dir, name)
		}
	}
}

// add notes what a declaration exports.
func (d *declared) add(t *testing.T, s source, decl ast.Decl) {
	names := exportedNames(t, s, decl)
	switch decl := decl.(type) {
	case *ast.FuncDecl:
		if !decl.Name.IsExported() {
			return
		}
		if decl.Recv == nil {
			d.standIns[decl.Name.Name] = nil
		}
		if decl.Type.Results != nil {
			d.results[decl.Name.Name] = append(d.results[decl.Name.Name], typesIn(decl.Type.Results)...)
		}
	case *ast.GenDecl:
		if decl.Tok == token.CONST && len(names) > 0 { // they are shown by their type, which stands first
			var values []string
			typ := ""
			for _, spec := range decl.Specs {
				v := spec.(*ast.ValueSpec)
				if id, ok := v.Type.(*ast.Ident); ok {
					typ = id.Name
				}
				for _, n := range v.Names {
					values = append(values, n.Name)
				}
			}
			d.standIns[typ] = append(d.standIns[typ], values...)
			return
		}
		for _, name := range names {
			d.standIns[name] = append(d.standIns[name], name)
		}
		for _, spec := range decl.Specs {
			if typ, ok := spec.(*ast.TypeSpec); ok && typ.Name.IsExported() {
				if st, ok := typ.Type.(*ast.StructType); ok {
					for _, f := range st.Fields.List {
						if id, embedded := f.Type.(*ast.Ident); embedded && f.Names == nil {
							d.results[id.Name] = append(d.results[id.Name], id.Name)
						}
						for _, n := range f.Names {
							d.results[n.Name] = append(d.results[n.Name], typesIn(f)...)
						}
					}
				}
			}
		}
	}
}

// shown returns the exported names that Examples use, by their own name, that of a stand-in,
// or as the type of what a function, a method or a field that they use gives.
func (d *declared) shown(dir string, used map[string]bool) map[string]bool {
	shown := map[string]bool{}
	for name, standIns := range d.standIns {
		for _, n := range append(standIns, name) {
			shown[name] = shown[name] || used[dir+"."+n]
		}
	}
	for name, types := range d.results {
		if used[dir+"."+name] || used[name] {
			for _, typ := range types {
				shown[typ] = true
			}
		}
	}
	return shown
}

// typesIn returns the names of the package's own types in a list of results, or a field.
func typesIn(n ast.Node) []string {
	var types []string
	ast.Inspect(n, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.SelectorExpr: // of another package
			return false
		case *ast.Ident:
			types = append(types, n.Name)
		}
		return true
	})
	return types
}

// selectors notes what the examples of a file select: "runner.Run" of a package, and
// the names of methods, of fields, and of the keys of literals.
func selectors(t *testing.T, s source, used map[string]bool) {
	dirs := map[string]string{}
	for _, spec := range s.file.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		require.NoError(t, err)
		if dir, ours := strings.CutPrefix(imported, module+"/"); ours {
			dirs[path.Base(dir)] = dir
		}
	}
	ast.Inspect(s.file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.SelectorExpr:
			if pkg, ok := n.X.(*ast.Ident); ok && dirs[pkg.Name] != "" {
				used[dirs[pkg.Name]+"."+n.Sel.Name] = true
				return false
			}
			used[n.Sel.Name] = true
		case *ast.KeyValueExpr:
			if key, ok := n.Key.(*ast.Ident); ok {
				used[key.Name] = true
			}
		}
		return true
	})
}
