package vet

import (
	"fmt"
	"go/ast"
	"go/constant"
	"go/token"
	"go/types"
	"path/filepath"
	"strings"

	"golang.org/x/tools/go/types/typeutil"
)

// assignedOnce returns the local variables of a function that are given a value exactly
// once, with that value.
func assignedOnce(info *types.Info, f *ast.FuncDecl) map[types.Object]ast.Expr {
	times, value := map[types.Object]int{}, map[types.Object]ast.Expr{}
	assign := func(left, right ast.Expr, n int) {
		id, ok := ast.Unparen(left).(*ast.Ident)
		if !ok {
			return
		}
		obj := info.Defs[id]
		if obj == nil {
			obj = info.Uses[id]
		}
		if obj != nil {
			times[obj] += n
			value[obj] = right
		}
	}
	ast.Inspect(f.Body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			for i, left := range n.Lhs {
				if len(n.Rhs) == len(n.Lhs) && (n.Tok == token.ASSIGN || n.Tok == token.DEFINE) {
					assign(left, n.Rhs[i], 1)
				} else {
					assign(left, nil, 2)
				}
			}
		case *ast.ValueSpec:
			for i, name := range n.Names {
				if len(n.Values) == len(n.Names) {
					assign(name, n.Values[i], 1)
				} else if len(n.Values) > 0 {
					assign(name, nil, 2)
				}
			}
		case *ast.RangeStmt:
			assign(n.Key, nil, 2)
			assign(n.Value, nil, 2)
		case *ast.IncDecStmt:
			assign(n.X, nil, 2)
		case *ast.UnaryExpr:
			if n.Op == token.AND {
				assign(n.X, nil, 2)
			}
		}
		return true
	})
	once := map[types.Object]ast.Expr{}
	for obj, n := range times {
		if v, ok := obj.(*types.Var); ok && n == 1 && value[obj] != nil && !v.IsField() && v.Parent() != v.Pkg().Scope() {
			once[obj] = value[obj]
		}
	}
	return once
}

// resolved follows local variables that are given a value once.
func (fn *function) resolved(e ast.Expr) ast.Expr {
	for range 10 {
		id, ok := ast.Unparen(e).(*ast.Ident)
		if !ok {
			break
		}
		value := fn.once[fn.object(id)]
		if value == nil {
			break
		}
		e = value
	}
	return e
}

func (fn *function) object(id *ast.Ident) types.Object {
	return fn.pass.TypesInfo.ObjectOf(id)
}

// constant is the value of a constant string.
func (fn *function) constant(e ast.Expr) (string, bool) {
	v := fn.pass.TypesInfo.Types[e].Value
	if v == nil || v.Kind() != constant.String {
		return "", false
	}
	return constant.StringVal(v), true
}

// key is a text that is equal for two expressions of one function where they have one value,
// as far as can be seen.
func (fn *function) key(e ast.Expr) string {
	e = ast.Unparen(e)
	if text, ok := fn.constant(e); ok {
		return fmt.Sprintf("%q", text)
	}
	switch x := e.(type) {
	case *ast.Ident:
		obj := fn.object(x)
		value := fn.once[obj]
		if value == nil {
			return fmt.Sprintf("%s@%d", x.Name, objectPos(obj))
		}
		if call, ok := ast.Unparen(value).(*ast.CallExpr); ok && !fn.isPure(call) {
			return fmt.Sprintf("%s@%d", x.Name, objectPos(obj))
		}
		return fn.key(value)
	case *ast.SelectorExpr:
		return fn.key(x.X) + "." + x.Sel.Name
	case *ast.StarExpr:
		return "*" + fn.key(x.X)
	case *ast.BinaryExpr:
		return fn.key(x.X) + x.Op.String() + fn.key(x.Y)
	case *ast.CallExpr:
		text := fn.key(x.Fun) + "("
		for _, arg := range x.Args {
			text += fn.key(arg) + ","
		}
		return text + ")"
	case *ast.IndexExpr:
		return fn.key(x.X) + "[" + fn.key(x.Index) + "]"
	}
	return fmt.Sprintf("@%d", e.Pos())
}

func objectPos(obj types.Object) token.Pos {
	if obj == nil {
		return token.NoPos
	}
	return obj.Pos()
}

// isPure reports whether a call gives the same each time: those that put paths together.
func (fn *function) isPure(call *ast.CallExpr) bool {
	callee := typeutil.StaticCallee(fn.pass.TypesInfo, call)
	if callee == nil || callee.Pkg() == nil {
		return false
	}
	p := callee.Pkg().Path()
	return p == "path/filepath" || p == "path" || callee.FullName() == "(*os.File).Name"
}

// form is a text that is equal for two paths of one package which mean one file; "" where
// that cannot be said. A path is known by constants, fields and variables of the package.
func (fn *function) form(e ast.Expr) string {
	e = ast.Unparen(fn.resolved(e))
	if text, ok := fn.constant(e); ok {
		return fmt.Sprintf("%q", text)
	}
	switch x := e.(type) {
	case *ast.Ident:
		if v, ok := fn.object(x).(*types.Var); ok && v.Pkg() != nil && v.Parent() == v.Pkg().Scope() {
			return v.Pkg().Path() + "." + v.Name()
		}
	case *ast.SelectorExpr:
		if v, ok := fn.pass.TypesInfo.Uses[x.Sel].(*types.Var); ok && v.Pkg() != nil {
			return fmt.Sprintf("%s.%s@%d", v.Pkg().Path(), v.Name(), v.Pos())
		}
	case *ast.BinaryExpr:
		return joinForms(x.Op.String(), fn.form(x.X), fn.form(x.Y))
	case *ast.CallExpr:
		callee := typeutil.StaticCallee(fn.pass.TypesInfo, x)
		if callee == nil {
			return ""
		}
		forms := []string{callee.FullName()}
		for _, arg := range x.Args {
			forms = append(forms, fn.form(arg))
		}
		return joinForms(",", forms...)
	}
	return ""
}

// joinForms is "" if one of the forms is.
func joinForms(with string, forms ...string) string {
	for _, f := range forms {
		if f == "" {
			return ""
		}
	}
	return strings.Join(forms, with)
}

// isElsewhere reports whether a path leads to no disk, or to a file that is thrown away.
func (fn *function) isElsewhere(e ast.Expr) bool {
	for range 10 {
		e = ast.Unparen(fn.resolved(e))
		if text, ok := fn.constant(e); ok {
			slashed := filepath.ToSlash(text)
			for _, prefix := range []string{"/dev/", "/proc/", "/sys/", "/tmp/"} {
				if strings.HasPrefix(slashed+"/", prefix) {
					return true
				}
			}
			return false
		}
		switch x := e.(type) {
		case *ast.BinaryExpr:
			e = x.X
		case *ast.CallExpr:
			if callee := typeutil.StaticCallee(fn.pass.TypesInfo, x); callee != nil && callee.FullName() == "os.TempDir" {
				return true
			}
			if len(x.Args) == 0 {
				return false
			}
			e = x.Args[0]
		default:
			return false
		}
	}
	return false
}

// looksTemporary reports whether a path is named like a file that will be renamed.
func (fn *function) looksTemporary(e ast.Expr) bool {
	if e == nil {
		return false
	}
	text := strings.ToLower(types.ExprString(e) + " " + types.ExprString(fn.resolved(e)))
	return strings.Contains(text, "tmp") || strings.Contains(text, "temp")
}

// isFile reports whether a type is *os.File.
func isFile(t types.Type) bool {
	p, ok := types.Unalias(t).(*types.Pointer)
	if !ok {
		return false
	}
	n, ok := types.Unalias(p.Elem()).(*types.Named)
	return ok && n.Obj().Name() == "File" && n.Obj().Pkg() != nil && n.Obj().Pkg().Path() == "os"
}

// hasMethod reports whether an interface has a method.
func hasMethod(t types.Type, name string) bool {
	i, ok := t.Underlying().(*types.Interface)
	if !ok {
		return false
	}
	for m := range i.Methods() {
		if m.Name() == name {
			return true
		}
	}
	return false
}
