package crashsim_test

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// noImports imports nothing: what a file calls in its own package is known without.
type noImports struct{}

func (noImports) Import(string) (*types.Package, error) { return nil, errors.New("not needed") }

// A reader of package runner can take its files one after another: of two files, one
// calls functions of the other, and not both each other's.
func TestFilesOfTheRunnerCallOneAnotherInOneDirection(t *testing.T) {
	all := sources(t)
	for _, dir := range []string{"runner", "runner/internal/search"} {
		calls := callsBetweenFiles(t, all, dir)
		require.Greater(t, len(calls), 3, "%s: no calls are seen", dir)
		for way, name := range calls {
			back, both := calls[[2]string{way[1], way[0]}]
			require.False(t, both, "%s: %s calls %s of %s, which calls %s of it: move one of them", dir, way[0], name, way[1], back)
		}
	}
}

// callsBetweenFiles returns, for each two files of a package of which one uses a
// function or method of the other, the name of one that it uses.
func callsBetweenFiles(t *testing.T, all []source, dir string) map[[2]string]string {
	fset := token.NewFileSet()
	var files []*ast.File
	for _, s := range all {
		if s.dir == dir && !s.test {
			file, err := parser.ParseFile(fset, s.name, nil, parser.SkipObjectResolution)
			require.NoError(t, err)
			files = append(files, file)
		}
	}
	info := &types.Info{Uses: map[*ast.Ident]types.Object{}}
	config := types.Config{Importer: noImports{}, Error: func(error) {}}
	pkg, _ := config.Check(dir, fset, files, info) // it cannot be complete without imports
	calls := map[[2]string]string{}
	for id, used := range info.Uses {
		f, ok := used.(*types.Func)
		if !ok || f.Pkg() != pkg || isOfInterface(f) {
			continue
		}
		from, to := filepath.Base(fset.Position(id.Pos()).Filename), filepath.Base(fset.Position(f.Pos()).Filename)
		if from != to {
			calls[[2]string{from, to}] = f.Name()
		}
	}
	return calls
}

// isOfInterface reports whether a function is a method that an interface asks for:
// who calls it does not know the file of the one that runs.
func isOfInterface(f *types.Func) bool {
	recv := f.Signature().Recv()
	return recv != nil && types.IsInterface(recv.Type())
}
