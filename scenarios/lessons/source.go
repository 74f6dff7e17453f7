package lessons

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"strings"
)

// The source of the programs of the course.
//
//go:embed programs.go
var programs []byte

// code is the source of functions of programs.go, as it stands there.
func code(names ...string) piece {
	return func(context.Context) (Block, error) {
		b := Block{Kind: Code}
		for i, name := range names {
			text, err := sourceOf(name)
			if err != nil {
				return b, err
			}
			if i > 0 {
				b.Lines = append(b.Lines, "")
			}
			b.Lines = append(b.Lines, strings.Split(text, "\n")...)
		}
		return b, nil
	}
}

// sourceOf returns the source of a function, with blanks for tabs.
func sourceOf(name string) (string, error) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, "programs.go", programs, parser.ParseComments)
	if err != nil {
		return "", err
	}
	for _, d := range file.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && f.Name.Name == name {
			text := programs[fset.Position(f.Pos()).Offset:fset.Position(f.End()).Offset]
			return string(bytes.ReplaceAll(text, []byte("\t"), []byte("    "))), nil
		}
	}
	return "", fmt.Errorf("there is no program %s", name)
}
