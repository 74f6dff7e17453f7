// Package crashsim_test holds the rules of the house that a machine can check.
package crashsim_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/crashsim/crashsim"

// floors are the packages of the house by floor: a package imports only
// packages of lower floors.
var floors = map[string]int{
	"faultfs":                    0,
	"faultfs/internal/callsite":  0,
	"faultfs/internal/seccomp":   0,
	"faultfs/internal/pagecache": -1,
	"faultfs/internal/thread":    -1,
	"faultfs/internal/mapped":    0,
	"faultfs/model":              1,
	"faultfs/persist":            2,
	"faultfs/mount":              1,
	"faultfs/strace":             1,
	"faultfs/inprocess":          2,
	"oracle":                     1,
	"runner/show":                -1,
	"runner/outfile":             1,
	"runner/blame":               3,
	"runner/report":              3,
	"runner/repair":              3,
	"runner/internal/drawn":      3,
	"runner/internal/search":     3,
	"runner/queue":               3,
	"runner/queue/queuetest":     4,
	"runner/queue/natsqueue":     4,
	"runner/workdir":             3,
	"runner":                     4,
	"runner/litmus":              5,
	"runner/vet":                 0,
	"runner/process":             5,
	"runner/machine":             5,
	"scenarios":                  5,
	"scenarios/lessons":          6,
	"cmd/crashsim":               7,

	"cmd/crashsim/internal/descriptors": -1,
	"cmd/crashsim/internal/overlay":     5,
}

// Ratchets: these numbers only ever go down.
const (
	maxFileLines     = 620
	maxFunctionLines = 75
	maxExported      = 30
)

// exportedAbove are packages that export more than maxExported names, and how
// many. In faultfs, every rewrite of a trace goes through Edit.
var exportedAbove = map[string]int{"faultfs": 31}

// source is a parsed Go file of the main module.
type source struct {
	dir   string // relative to the root
	name  string
	test  bool
	lines int
	file  *ast.File
	fset  *token.FileSet
}

func sources(t *testing.T) []source {
	t.Helper()
	var all []source
	err := filepath.WalkDir(".", func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && p != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || isNested(p)):
			return filepath.SkipDir
		case d.IsDir() || filepath.Ext(p) != ".go":
			return nil
		}
		text, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, p, text, parser.ParseComments)
		if err != nil {
			return err
		}
		all = append(all, source{
			dir: filepath.ToSlash(filepath.Dir(p)), name: p, test: strings.HasSuffix(p, "_test.go"),
			lines: strings.Count(string(text), "\n"), file: file, fset: fset,
		})
		return nil
	})
	require.NoError(t, err)
	return all
}

// isNested reports whether a folder is a module of its own.
func isNested(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "go.mod"))
	return err == nil
}

func TestPackagesImportOnlyLowerFloors(t *testing.T) {
	for _, s := range sources(t) {
		if s.dir == "." {
			continue
		}
		floor, known := floors[s.dir]
		require.True(t, known, "%s: package %s has no floor", s.name, s.dir)
		if s.test {
			continue
		}
		for _, spec := range s.file.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			require.NoError(t, err)
			below, ours := strings.CutPrefix(imported, module+"/")
			if !ours {
				continue
			}
			require.Less(t, floors[below], floor, "%s imports %s", s.name, below)
		}
	}
}

// ofTests are packages that only tests import: rapid adds flags to a program.
var ofTests = []string{"runner/internal/drawn", "runner/machine"}

func TestOnlyTestsImportTestLibraries(t *testing.T) {
	for _, s := range sources(t) {
		for _, spec := range s.file.Imports {
			for _, of := range ofTests {
				require.False(t, !s.test && spec.Path.Value == strconv.Quote(module+"/"+of), "%s imports %s, which is for tests", s.name, of)
			}
			for _, library := range []string{"pgregory.net/rapid", "github.com/stretchr/testify"} {
				if strings.Contains(spec.Path.Value, library) {
					require.True(t, s.test || slices.Contains(ofTests, s.dir), "%s imports %s", s.name, library)
				}
			}
		}
	}
}

func TestMainModuleReplacesNothing(t *testing.T) {
	text, err := os.ReadFile("go.mod")
	require.NoError(t, err)
	require.NotContains(t, string(text), "replace")
}

func TestTopLevelHoldsNoOtherFolders(t *testing.T) {
	entries, err := os.ReadDir(".")
	require.NoError(t, err)
	known := []string{"faultfs", "scenarios", "oracle", "runner", "cmd", "testdata"}
	for _, e := range entries {
		if e.IsDir() && !strings.HasPrefix(e.Name(), ".") {
			require.Contains(t, known, e.Name())
		}
	}
}

func TestFilesAndFunctionsStayShort(t *testing.T) {
	for _, s := range sources(t) {
		require.LessOrEqual(t, s.lines, maxFileLines, "%s is too long", s.name)
		for _, decl := range s.file.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok {
				continue
			}
			lines := s.fset.Position(f.End()).Line - s.fset.Position(f.Pos()).Line + 1
			require.LessOrEqual(t, lines, maxFunctionLines, "%s: %s is too long", s.name, f.Name.Name)
		}
	}
}

func TestPackagesOpenWithTheirWords(t *testing.T) {
	documented := map[string]bool{}
	for _, s := range sources(t) {
		if !s.test && s.file.Doc != nil && len(s.file.Doc.Text()) > 200 {
			documented[s.dir] = true
		}
	}
	for dir := range floors {
		require.True(t, documented[dir], "package %s has no doc comment that tells its words and limits", dir)
	}
}

func TestExportedNamesAreDocumentedAndFew(t *testing.T) {
	exported := map[string][]string{}
	for _, s := range sources(t) {
		if s.test || s.file.Name.Name == "main" {
			continue
		}
		for _, decl := range s.file.Decls {
			exported[s.dir] = append(exported[s.dir], exportedNames(t, s, decl)...)
		}
	}
	for dir, names := range exported {
		most := maxExported
		if n, ok := exportedAbove[dir]; ok {
			most = n
		}
		slices.Sort(names)
		require.LessOrEqual(t, len(names), most, "%s exports %v", path.Join(module, dir), names)
	}
}

// exportedNames returns the exported names that a declaration adds to its
// package; a block of constants of one type counts as one. Methods are
// checked for their comment and not counted.
func exportedNames(t *testing.T, s source, decl ast.Decl) []string {
	var names []string
	switch d := decl.(type) {
	case *ast.FuncDecl:
		if !d.Name.IsExported() || d.Recv != nil && !exportedReceiver(d) {
			return nil
		}
		if d.Recv == nil {
			names = append(names, d.Name.Name)
		}
		obvious := d.Recv != nil && (d.Name.Name == "Error" || d.Name.Name == "Unwrap")
		require.True(t, obvious || d.Doc != nil, "%s: %s has no doc comment", s.name, d.Name.Name)
	case *ast.GenDecl:
		block := d.Doc != nil
		for i, spec := range d.Specs {
			switch v := spec.(type) {
			case *ast.TypeSpec:
				if v.Name.IsExported() {
					names = append(names, v.Name.Name)
					require.True(t, block || v.Doc != nil, "%s: %s has no doc comment", s.name, v.Name.Name)
				}
			case *ast.ValueSpec:
				for _, n := range v.Names {
					if !n.IsExported() {
						continue
					}
					require.True(t, block || v.Doc != nil, "%s: %s has no doc comment", s.name, n.Name)
					if d.Tok != token.CONST || i == 0 {
						names = append(names, n.Name)
					}
				}
			}
		}
	}
	return names
}

func exportedReceiver(d *ast.FuncDecl) bool {
	typ := d.Recv.List[0].Type
	if star, ok := typ.(*ast.StarExpr); ok {
		typ = star.X
	}
	if index, ok := typ.(*ast.IndexExpr); ok {
		typ = index.X
	}
	name, ok := typ.(*ast.Ident)
	return ok && name.IsExported()
}

func TestArchitectureListsEachPackageOnItsFloor(t *testing.T) {
	text, err := os.ReadFile("ARCHITECTURE.md")
	require.NoError(t, err)
	for dir, floor := range floors {
		require.Contains(t, string(text), "| "+strconv.Itoa(floor)+" | `"+dir+"` |", "ARCHITECTURE.md lacks package %s", dir)
	}
}

// grow are the structs that users write, by package. They will get more fields, so a
// literal without field names must not compile.
var grow = map[string][]string{
	"faultfs":        {"Fault", "SyncFailure"},
	"faultfs/model":  {"Model"},
	"oracle":         {"AllOrNothing", "NoLitter", "Log", "OldOrNew", "Violation", "Prefix", "Durable"},
	"runner":         {"Command", "Options", "Scenario"},
	"runner/process": {"Dir", "Options", "Program"},
	"runner/machine": {"Machine"},
}

func TestStructsThatUsersWriteNeedFieldNames(t *testing.T) {
	keyed := map[string]bool{}
	for _, s := range sources(t) {
		ast.Inspect(s.file, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			if st, ok := spec.Type.(*ast.StructType); ok && !s.test && len(st.Fields.List) > 0 {
				first := st.Fields.List[0]
				keyed[s.dir+"."+spec.Name.Name] = len(first.Names) == 1 && first.Names[0].Name == "_"
			}
			return true
		})
	}
	for dir, names := range grow {
		for _, name := range names {
			require.True(t, keyed[dir+"."+name], "%s.%s does not begin with the field \"_ struct{}\"", dir, name)
		}
	}
}
