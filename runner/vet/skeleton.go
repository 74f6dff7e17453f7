package vet

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/format"
	"go/types"
	"maps"
	"path"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/tools/go/types/typeutil"
)

// skeleton returns the name of the test that confirms a finding, and its text.
func (fn *function) skeleton(f finding) (name, text string) {
	s := &skeleton{fn: fn, imports: map[string]string{}, file: fn.locate(f.target)}
	name = s.name() + f.suffix
	for _, p := range []string{"fmt", "os", "path/filepath", "strings", "testing", module + "/runner", module + "/runner/process"} {
		s.imports[path.Base(p)] = p
	}
	call, err := s.call()
	if err != nil {
		call = fmt.Sprintf("return fmt.Errorf(\"call %s here, with files below %%s and the text %%q (%v)\", dir, text)", fn.obj.Name(), err)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "package %s\n\nimport (\n", fn.pass.Pkg.Name())
	paths := slices.SortedFunc(maps.Values(s.imports), func(a, b string) int {
		return cmp.Or(cmp.Compare(strings.Count(a, "."), strings.Count(b, ".")), cmp.Compare(a, b))
	})
	body := s.body(name, call, f)
	standard := true
	for _, p := range paths {
		if standard && strings.Contains(p, ".") {
			standard = false
			b.WriteString("\n") // the standard library stands apart
		}
		if strings.Contains(body, path.Base(p)+".") || strings.Contains(call, packageName(s.imports, p)+".") {
			fmt.Fprintf(&b, "%q\n", p)
		}
	}
	fmt.Fprintf(&b, ")\n\n%s", body)
	formatted, err := format.Source([]byte(b.String()))
	if err != nil {
		return name, b.String() // it is read by people, who see what is wrong
	}
	return name, string(formatted)
}

const module = "github.com/crashsim/crashsim"

func packageName(imports map[string]string, of string) string {
	for name, p := range imports {
		if p == of {
			return name
		}
	}
	return ""
}

// skeleton is a test that is being written.
type skeleton struct {
	fn      *function
	imports map[string]string // by name
	file    located
}

// name is the name of the test.
func (s *skeleton) name() string {
	name := s.fn.obj.Name()
	if r := s.receiver(); r != nil {
		name = r.Obj().Name() + "_" + name
	}
	first, size := utf8.DecodeRuneInString(name)
	return "Test" + string(unicode.ToUpper(first)) + name[size:] + "SurvivesPowerLoss"
}

// receiver is the type of the receiver, or nil.
func (s *skeleton) receiver() *types.Named {
	r := s.fn.obj.Signature().Recv()
	if r == nil {
		return nil
	}
	t := types.Unalias(r.Type())
	if p, ok := t.(*types.Pointer); ok {
		t = types.Unalias(p.Elem())
	}
	n, _ := t.(*types.Named)
	return n
}

// body is the test. What a finding says tells what is promised: that old or new is there, that
// a log keeps what it holds, or that a new file is there at all.
func (s *skeleton) body(name, call string, f finding) string {
	setup, sweep := "Setup: func(dir string) error { return save(dir, \"old\") },\n", ""
	promise := "that one of the two is there after a power cut, and\n\t\t// \"new\" once it said that it was saved."
	if f.faults {
		sweep = "Sweep: true" // each call fails once
	}
	rule := `	case err != nil:
				return fmt.Errorf("lost: %w", err)
			case !strings.Contains(string(text), "old") && !strings.Contains(string(text), "new"):
				return fmt.Errorf("torn: the file holds %q", text)
			case len(marks) > 0 && !strings.Contains(string(text), "new"):
				return fmt.Errorf("stale: the file holds %q after \"new\" was saved", text)`
	if f.log {
		promise = "that what it wrote stays there."
		rule = `	case err != nil:
				return fmt.Errorf("lost: %w", err)
			case !strings.Contains(string(text), "old"), len(marks) > 0 && !strings.Contains(string(text), "new"):
				return fmt.Errorf("lost: the file holds %q", text)`
	}
	if f.fresh {
		setup, promise = "", "that \"new\" is there once it said that it was saved."
		rule = `	case len(marks) == 0:
				return nil
			case err != nil:
				return fmt.Errorf("lost: %w", err)
			case !strings.Contains(string(text), "new"):
				return fmt.Errorf("lost: the file holds %q", text)`
	}
	return fmt.Sprintf(`func %s(t *testing.T) {
	save := func(dir, text string) error {
		%s
	}
	process.CheckDir(t, process.Dir{
		Name:  %q,
		%sWorkload: func(dir string, mark func(string)) error {
			err := save(dir, "new")
			if err == nil {
				mark("saved")
			}
			return err
		},
		// What the program promises: %s
		Check: func(dir string, marks []string) error {
			text, err := os.ReadFile(%s)
			switch {
		%s
			}
			return nil
		},
	}, runner.Options{%s})
}
`, name, call, s.fn.obj.Name(), setup, promise, s.file.read(), rule, sweep)
}

// located says how a function comes to the path of the file that it saves.
type located struct {
	param *types.Var // of the function, or a field of its receiver
	field bool
	known bool
	rest  string // what is added to it
	join  bool   // it is a directory, and the rest a name in it
}

// read is the path of the file, as an expression of Go.
func (l located) read() string {
	switch {
	case !l.known:
		return `filepath.Join(dir, "file") /* the file that is saved */`
	case l.rest == "":
		return `filepath.Join(dir, "file")`
	}
	return fmt.Sprintf("filepath.Join(dir, %q)", l.rest)
}

// argument is what the function gets, so that the file is there.
func (l located) argument() string {
	switch {
	case l.rest == "":
		return `filepath.Join(dir, "file")`
	case l.join:
		return "dir"
	}
	return `dir + "/"`
}

// locate finds out how a path is made of a parameter or of a field of the receiver.
func (fn *function) locate(e ast.Expr) located {
	if e == nil {
		return located{}
	}
	e = ast.Unparen(fn.resolved(e))
	switch x := e.(type) {
	case *ast.Ident:
		if v, ok := fn.object(x).(*types.Var); ok && fn.paramIndex(v) >= 0 && isString(v.Type()) {
			return located{param: v, known: true}
		}
	case *ast.SelectorExpr:
		root, ok := ast.Unparen(x.X).(*ast.Ident)
		v, isVar := fn.pass.TypesInfo.Uses[x.Sel].(*types.Var)
		if ok && isVar && v.IsField() && isString(v.Type()) && fn.object(root) == types.Object(fn.obj.Signature().Recv()) {
			return located{param: v, field: true, known: true}
		}
	case *ast.BinaryExpr:
		l := fn.locate(x.X)
		if rest, ok := fn.constant(fn.resolved(x.Y)); ok && l.known && !l.join {
			l.rest += rest
			return l
		}
	case *ast.CallExpr:
		callee := typeutil.StaticCallee(fn.pass.TypesInfo, x)
		if callee == nil || callee.FullName() != "path/filepath.Join" || len(x.Args) < 2 {
			break
		}
		l := fn.locate(x.Args[0])
		for _, arg := range x.Args[1:] {
			rest, ok := fn.constant(fn.resolved(arg))
			if !ok || !l.known || l.rest != "" && !l.join {
				return located{}
			}
			l.join, l.rest = true, path.Join(l.rest, rest)
		}
		return l
	}
	return located{}
}

func isString(t types.Type) bool {
	b, ok := t.Underlying().(*types.Basic)
	return ok && b.Kind() == types.String
}

// call is the statements that call the function with a text to save.
func (s *skeleton) call() (string, error) {
	sig := s.fn.obj.Signature()
	if sig.TypeParams() != nil || sig.RecvTypeParams() != nil {
		return "", fmt.Errorf("it has type parameters")
	}
	if name := s.fn.obj.Name(); sig.Recv() == nil && (name == "init" || name == "main") {
		return "", fmt.Errorf("it cannot be called like a function that saves")
	}
	if s.fn.pass.TypesInfo.Defs[s.fn.decl.Name] == nil || s.fn.obj.Name() == "_" {
		return "", fmt.Errorf("it has no name")
	}
	target, before := s.fn.obj.Name(), ""
	if r := s.receiver(); r != nil {
		fields := ""
		if s.file.field && isOwnField(r, s.file.param) {
			fields = s.file.param.Name() + ": " + s.argument(s.file.param)
		}
		switch r.Underlying().(type) {
		case *types.Struct:
			before = fmt.Sprintf("store := &%s{%s} // make it as your program does\n", r.Obj().Name(), fields)
		default:
			before = fmt.Sprintf("store := new(%s) // make it as your program does\n", r.Obj().Name())
		}
		target = "store." + target
	}
	var args []string
	for i := range sig.Params().Len() {
		p := sig.Params().At(i)
		if sig.Variadic() && i == sig.Params().Len()-1 {
			break
		}
		arg, err := s.value(p)
		if err != nil {
			return "", err
		}
		args = append(args, arg)
	}
	call := fmt.Sprintf("%s(%s)", target, strings.Join(args, ", "))
	n := sig.Results().Len()
	switch {
	case n == 0:
		return before + call + "\nreturn nil", nil
	case !types.Identical(sig.Results().At(n-1).Type(), types.Universe.Lookup("error").Type()):
		return before + strings.Repeat("_, ", n-1) + "_ = " + call + "\nreturn nil", nil
	case n == 1:
		return before + "return " + call, nil
	}
	return before + strings.Repeat("_, ", n-1) + "err := " + call + "\nreturn err", nil
}

func isOwnField(of *types.Named, field *types.Var) bool {
	st, ok := of.Underlying().(*types.Struct)
	if !ok {
		return false
	}
	for f := range st.Fields() {
		if f == field {
			return true
		}
	}
	return false
}

// argument is the value of the parameter or field that leads to the file.
func (s *skeleton) argument(p *types.Var) string {
	text := s.file.argument()
	if _, plain := types.Unalias(p.Type()).(*types.Basic); !plain {
		if t, err := s.typeText(p.Type()); err == nil {
			return t + "(" + text + ")"
		}
	}
	return text
}

// value is what a parameter gets.
func (s *skeleton) value(p *types.Var) (string, error) {
	if s.file.known && s.file.param == p {
		return s.argument(p), nil
	}
	switch text := types.TypeString(p.Type(), nil); text {
	case "context.Context":
		s.imports["context"] = "context"
		return "context.Background()", nil
	case "io.Reader":
		return "strings.NewReader(text)", nil
	case "os.FileMode", "io/fs.FileMode":
		return "0o644", nil
	case "[]byte":
		return "[]byte(text)", nil
	case "string":
		if looksLikePath(p.Name()) {
			return `filepath.Join(dir, "file")`, nil
		}
		return "text", nil
	case "any", "interface{}", "interface {}":
		return "text", nil
	case "int", "int64", "uint", "uint64", "int32", "uint32", "uint8", "byte", "float64":
		return "1", nil
	case "bool":
		return "true", nil
	}
	t, err := s.typeText(p.Type())
	return "*new(" + t + ")", err
}

// looksLikePath reports whether a parameter is named like a path.
func looksLikePath(name string) bool {
	name = strings.ToLower(name)
	for _, word := range []string{"path", "file", "dir", "root", "dest", "dst", "src", "target"} {
		if strings.Contains(name, word) {
			return true
		}
	}
	return name == "name"
}

// typeText is a type as it is written in the test, which imports what it needs.
func (s *skeleton) typeText(t types.Type) (string, error) {
	var failed error
	text := types.TypeString(t, func(p *types.Package) string {
		if p == s.fn.pass.Pkg {
			return ""
		}
		if held, ok := s.imports[p.Name()]; ok && held != p.Path() || path.Base(p.Path()) != p.Name() {
			failed = fmt.Errorf("it needs a value of package %s", p.Path())
		} else {
			s.imports[p.Name()] = p.Path()
		}
		return p.Name()
	})
	if strings.Contains(text, "unsafe.") {
		failed = fmt.Errorf("it needs an unsafe pointer")
	}
	return text, failed
}
