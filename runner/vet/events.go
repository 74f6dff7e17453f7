package vet

import (
	"go/ast"
	"go/constant"
	"go/token"
	"go/types"
	"strings"

	"golang.org/x/tools/go/types/typeutil"
)

// events is what a function does to files, in the order of its text.
type events struct {
	handles     []*handle
	current     map[string]*handle // by the key of the variable
	renames     []*rename
	saves       []*save
	directories []token.Pos               // where directories are synced
	removed     []string                  // the keys of paths that are removed or locked
	localReads  map[string]token.Pos      // by key
	calls       map[*types.Func]token.Pos // the last call of each function
}

// handle is a file that is open.
type handle struct {
	name                          string        // of the variable
	open                          *ast.CallExpr // nil where it comes from elsewhere
	param                         *types.Var
	path                          ast.Expr
	key, form                     string // of the path
	created, truncates, exclusive bool
	appends, writable, temp       bool
	writes                        []token.Pos
	syncs, closes                 []use
	kept                          bool // it goes elsewhere: what happens to it is not known
}

// use is a call of Sync or Close.
type use struct {
	pos               token.Pos // when it is made: one that is deferred is made at the end
	where             token.Pos
	ignored, deferred bool // its error is dropped without a word; it is made at the end
	failing           bool // it is made where something has failed before
}

// rename is a call that renames a file.
type rename struct {
	call     *ast.CallExpr
	from, to ast.Expr
	fromKey  string
}

// save is a call that writes a whole file, such as os.WriteFile.
type save struct {
	call      *ast.CallExpr
	path      ast.Expr
	key, form string
	callee    *types.Func
	use       saveUse
}

func (h *handle) pathIs(p *types.Var) bool {
	id, ok := h.path.(*ast.Ident)
	return ok && h.key == id.Name+"@"+itoa(int(p.Pos()))
}

// synced reports whether the file is synced, or may be; before a position, if there is one.
func (h *handle) synced(before *token.Pos) bool {
	for _, s := range h.syncs {
		if before == nil || s.pos < *before && !s.deferred {
			return true
		}
	}
	return false
}

// collect gathers the events.
func (fn *function) collect() {
	fn.events = events{current: map[string]*handle{}, localReads: map[string]token.Pos{}, calls: map[*types.Func]token.Pos{}}
	params := fn.obj.Signature().Params()
	for i := range params.Len() {
		if p := params.At(i); isFile(p.Type()) || hasMethod(p.Type(), "Sync") {
			h := &handle{name: p.Name(), param: p}
			fn.handles = append(fn.handles, h)
			fn.current[p.Name()+"@"+itoa(int(p.Pos()))] = h
		}
	}
	var above []ast.Node
	ast.Inspect(fn.decl.Body, func(n ast.Node) bool {
		if n == nil {
			above = above[:len(above)-1]
			return true
		}
		switch x := n.(type) {
		case *ast.CallExpr:
			fn.call(x, above)
		case *ast.Ident, *ast.SelectorExpr:
			fn.mention(x.(ast.Expr), above)
		}
		above = append(above, n)
		return true
	})
}

// fileOf is the open file that an expression means, or nil.
func (fn *function) fileOf(e ast.Expr) *handle {
	e = ast.Unparen(e)
	switch e.(type) {
	case *ast.Ident, *ast.SelectorExpr:
	default:
		return nil
	}
	t := fn.pass.TypesInfo.TypeOf(e)
	if t == nil {
		return nil
	}
	key := fn.variable(e)
	if h := fn.current[key]; h != nil {
		return h
	}
	if !isFile(t) {
		return nil
	}
	h := &handle{name: types.ExprString(e)}
	_, local := e.(*ast.Ident)
	h.kept = !local
	fn.handles = append(fn.handles, h)
	fn.current[key] = h
	return h
}

// variable is a key for a variable or a field, whatever its value is.
func (fn *function) variable(e ast.Expr) string {
	switch x := ast.Unparen(e).(type) {
	case *ast.Ident:
		return x.Name + "@" + itoa(int(objectPos(fn.object(x))))
	case *ast.SelectorExpr:
		return fn.variable(x.X) + "." + x.Sel.Name
	}
	return fn.key(e)
}

// mention sees a file go elsewhere: it is kept, returned, or given to somebody.
func (fn *function) mention(e ast.Expr, above []ast.Node) {
	t := fn.pass.TypesInfo.TypeOf(e)
	if t == nil || !isFile(t) || len(above) == 0 {
		return
	}
	switch parent := above[len(above)-1].(type) {
	case *ast.CallExpr, *ast.BinaryExpr, *ast.IfStmt, *ast.ValueSpec, *ast.Field:
		return // calls see their arguments themselves
	case *ast.SelectorExpr:
		return // a method, or the name of a field
	case *ast.AssignStmt:
		for _, left := range parent.Lhs {
			if left == e {
				return
			}
		}
	}
	if h := fn.fileOf(e); h != nil {
		h.kept = true
	}
}

// call looks at a call.
func (fn *function) call(call *ast.CallExpr, above []ast.Node) {
	callee, _ := typeutil.Callee(fn.pass.TypesInfo, call).(*types.Func)
	static := typeutil.StaticCallee(fn.pass.TypesInfo, call)
	if static != nil && static.Pkg() == fn.pass.Pkg {
		fn.calls[static.Origin()] = call.Pos()
	}
	if callee != nil && isDirectorySync(callee.Name()) {
		fn.directories = append(fn.directories, fn.at(call, above))
	}
	if fn.method(call, above) {
		return
	}
	if callee != nil && fn.known(call, callee, above) {
		return
	}
	fn.given(call, static, above)
}

// isDirectorySync reports whether a function is named like one that syncs a directory.
func isDirectorySync(name string) bool {
	name = strings.ToLower(name)
	if !strings.Contains(name, "sync") {
		return false
	}
	return strings.Contains(name, "dir") || strings.Contains(name, "parent") || strings.Contains(name, "folder")
}

// method looks at a call of a method of a file.
func (fn *function) method(call *ast.CallExpr, above []ast.Node) bool {
	sel, ok := ast.Unparen(call.Fun).(*ast.SelectorExpr)
	if !ok {
		return false
	}
	h := fn.fileOf(sel.X)
	if h == nil {
		return false
	}
	u := use{pos: fn.at(call, above), where: call.Pos(), ignored: isIgnored(call, above), deferred: isDeferred(above), failing: isFailing(above)}
	switch name := sel.Sel.Name; {
	case name == "Sync":
		fn.sync(h, u)
	case name == "Close":
		h.closes = append(h.closes, u)
	case strings.HasPrefix(name, "Write"), name == "ReadFrom", name == "Truncate":
		h.writes = append(h.writes, call.Pos())
		for _, arg := range call.Args {
			fn.use(arg, nil, nil, u)
		}
	}
	return true
}

// sync notes that a file is synced; one that was opened to be read is a directory.
func (fn *function) sync(h *handle, u use) {
	h.syncs = append(h.syncs, u)
	if h.open != nil && !h.writable {
		fn.directories = append(fn.directories, u.pos)
	}
}

// known looks at a call of a function of the standard library that takes paths.
func (fn *function) known(call *ast.CallExpr, callee *types.Func, above []ast.Node) bool {
	u := use{pos: fn.at(call, above), where: call.Pos(), ignored: isIgnored(call, above), deferred: isDeferred(above)}
	args := call.Args
	switch callee.FullName() {
	case "os.Create", "os.CreateTemp", "io/ioutil.TempFile", "os.Open", "os.OpenFile":
		fn.opened(call, callee, above)
	case "os.WriteFile", "io/ioutil.WriteFile":
		w := &save{call: call, path: args[0], key: fn.key(args[0]), form: fn.form(args[0]), callee: callee, use: saveUse{Truncates: true}}
		fn.saves = append(fn.saves, w)
	case "os.Rename", "syscall.Rename", "golang.org/x/sys/unix.Rename":
		fn.renames = append(fn.renames, &rename{call: call, from: args[0], to: args[1], fromKey: fn.key(args[0])})
	case "os.ReadFile", "io/ioutil.ReadFile":
		fn.read(args[0], call.Pos())
	case "os.Remove", "os.RemoveAll":
		fn.removed = append(fn.removed, fn.key(args[0]))
	case "syscall.Sync", "golang.org/x/sys/unix.Sync", "golang.org/x/sys/unix.Syncfs":
		fn.directories = append(fn.directories, u.pos)
	case "syscall.Fsync", "syscall.Fdatasync", "golang.org/x/sys/unix.Fsync", "golang.org/x/sys/unix.Fdatasync":
		ast.Inspect(args[0], func(n ast.Node) bool {
			if e, ok := n.(ast.Expr); ok {
				if t := fn.pass.TypesInfo.TypeOf(e); t != nil && isFile(t) {
					if h := fn.fileOf(e); h != nil {
						fn.sync(h, u)
					}
				}
			}
			return true
		})
	default:
		return false
	}
	return true
}

func (fn *function) read(path ast.Expr, pos token.Pos) {
	fn.localReads[fn.key(path)] = pos
	if form := fn.form(path); form != "" && fn.report {
		fn.code.reads[form] = pos
	}
}

// opened looks at a call that opens a file.
func (fn *function) opened(call *ast.CallExpr, callee *types.Func, above []ast.Node) {
	h := &handle{open: call, path: call.Args[0]}
	switch callee.Name() {
	case "Create":
		h.created, h.truncates, h.writable = true, true, true
	case "CreateTemp", "TempFile":
		h.created, h.exclusive, h.writable, h.temp = true, true, true, true
		h.path = nil
	case "OpenFile":
		fn.flags(h, call.Args[1], callee.Pkg())
	}
	if h.path != nil {
		h.key, h.form = fn.key(h.path), fn.form(h.path)
	}
	if !h.writable && h.path != nil {
		fn.read(h.path, call.Pos())
	}
	h.kept = true
	if len(above) > 0 {
		if assign, ok := above[len(above)-1].(*ast.AssignStmt); ok && len(assign.Rhs) == 1 {
			left := ast.Unparen(assign.Lhs[0])
			_, local := left.(*ast.Ident)
			h.name, h.kept = types.ExprString(left), !local
			fn.current[fn.variable(left)] = h
		}
	}
	fn.handles = append(fn.handles, h)
}

// flags reads the flags of os.OpenFile. Of flags that are not constant, nothing is known
// but that the file may be written, and may be synced with each write.
func (fn *function) flags(h *handle, arg ast.Expr, os *types.Package) {
	v := fn.pass.TypesInfo.Types[arg].Value
	if v == nil {
		h.writable, h.kept = true, true
		h.syncs = append(h.syncs, use{pos: arg.Pos()})
		return
	}
	flags, _ := constant.Int64Val(v)
	has := func(name string) bool {
		c, ok := os.Scope().Lookup(name).(*types.Const)
		if !ok {
			return false
		}
		bit, _ := constant.Int64Val(c.Val())
		return bit != 0 && flags&bit == bit
	}
	h.writable = has("O_WRONLY") || has("O_RDWR")
	h.created, h.truncates, h.exclusive, h.appends = has("O_CREATE"), has("O_TRUNC"), has("O_EXCL"), has("O_APPEND")
	if has("O_SYNC") {
		h.syncs = append(h.syncs, use{pos: arg.Pos()})
	}
}

// given looks at the arguments of a call of any other function.
func (fn *function) given(call *ast.CallExpr, static *types.Func, above []ast.Node) {
	s := fn.summaryOf(static)
	u := use{pos: fn.at(call, above), where: call.Pos(), ignored: isIgnored(call, above), deferred: isDeferred(above)}
	if s != nil && s.Directory {
		fn.directories = append(fn.directories, u.pos)
	}
	sig, _ := fn.pass.TypesInfo.TypeOf(call.Fun).(*types.Signature)
	for i, arg := range call.Args {
		var param types.Type
		if sig != nil {
			switch n := sig.Params().Len(); {
			case sig.Variadic() && i >= n-1:
				if slice, ok := sig.Params().At(n - 1).Type().(*types.Slice); ok {
					param = slice.Elem()
				}
			case i < n:
				param = sig.Params().At(i).Type()
			}
		}
		if s != nil {
			if saved, ok := s.Saves[i]; ok && static.FullName() != "os.WriteFile" {
				fn.saves = append(fn.saves, &save{call: call, path: arg, key: fn.key(arg), form: fn.form(arg), callee: static, use: saved})
			}
			if f, ok := s.Files[i]; ok {
				fn.use(arg, param, &f, u)
				continue
			}
		}
		fn.use(arg, param, nil, u)
	}
}

// use looks at a file that is given to a function, of which may be known what it does.
func (fn *function) use(arg ast.Expr, param types.Type, does *fileUse, u use) {
	t := fn.pass.TypesInfo.TypeOf(arg)
	if t == nil {
		return
	}
	h := fn.fileOf(arg)
	if h == nil {
		return
	}
	switch {
	case does != nil:
		if does.Wrote {
			h.writes = append(h.writes, arg.Pos())
		}
		if does.Synced {
			fn.sync(h, u)
		}
		if does.Closed {
			h.closes = append(h.closes, use{pos: u.pos, deferred: u.deferred})
		}
		h.kept = h.kept || does.Kept
	case param == nil, isFile(param), hasMethod(param, "Sync"):
		h.kept = true
		h.syncs = append(h.syncs, u) // it may sync it
	case hasMethod(param, "Close"):
		h.kept = true
		h.writes = append(h.writes, arg.Pos())
	case hasMethod(param, "Write"):
		h.writes = append(h.writes, arg.Pos())
	case !hasMethod(param, "Read"):
		h.kept = true
		h.writes = append(h.writes, arg.Pos())
	}
}

// at is when a call is made: one that is deferred is made at the end.
func (fn *function) at(call *ast.CallExpr, above []ast.Node) token.Pos {
	if isDeferred(above) {
		return fn.decl.End()
	}
	return call.Pos()
}

// isDeferred reports whether a call is deferred, or stands in a function that is.
func isDeferred(above []ast.Node) bool {
	for _, n := range above {
		if _, ok := n.(*ast.DeferStmt); ok {
			return true
		}
	}
	return false
}

// isFailing reports whether a call stands in the body of "if err != nil".
func isFailing(above []ast.Node) bool {
	for i, n := range above[:max(0, len(above)-1)] {
		test, ok := n.(*ast.IfStmt)
		if !ok || above[i+1] != ast.Node(test.Body) {
			continue
		}
		cond, ok := test.Cond.(*ast.BinaryExpr)
		if !ok || cond.Op != token.NEQ {
			continue
		}
		if id, ok := cond.Y.(*ast.Ident); ok && id.Name == "nil" {
			return true
		}
	}
	return false
}

// isIgnored reports whether nobody looks at what a call returns, and nothing says that this is
// meant. An assignment to the blank identifier says so.
func isIgnored(_ *ast.CallExpr, above []ast.Node) bool {
	if len(above) == 0 {
		return false
	}
	switch above[len(above)-1].(type) {
	case *ast.ExprStmt, *ast.DeferStmt, *ast.GoStmt:
		return true
	}
	return false
}
