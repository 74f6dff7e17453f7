package overlay

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/printer"
	"go/token"
	"slices"
	"strings"
)

// entry is a function through which system calls go, and its signature.
type entry struct{ name, signature string }

var entries = []entry{
	{"Syscall", "func(trap, a1, a2, a3 uintptr) (r1, r2 uintptr, err Errno)"},
	{"Syscall6", "func(trap, a1, a2, a3, a4, a5, a6 uintptr) (r1, r2 uintptr, err Errno)"},
	{"RawSyscall", "func(trap, a1, a2, a3 uintptr) (r1, r2 uintptr, err Errno)"},
	{"RawSyscall6", "func(trap, a1, a2, a3, a4, a5, a6 uintptr) (r1, r2 uintptr, err Errno)"},
}

// addition is the file that package syscall gets besides the patched ones: the hook, and
// calls without it. Package faultfs/inprocess sees by crashsimKernel that it runs in such
// a build.
const addition = `package syscall

import _ "unsafe"

// crashsimHook answers a system call, or says that it is not for it to answer. The
// stack of the goroutine lies from lo to hi when it is asked: it may move meanwhile,
// and with it what arguments point to.
//
//go:linkname crashsimHook
var crashsimHook func(trap, a1, a2, a3, a4, a5, a6, lo, hi uintptr) (r1, r2 uintptr, err Errno, done bool)

// crashsimExec says why a process must not be started, nil if it may.
//
//go:linkname crashsimExec
var crashsimExec func(argv0, dir string, files []uintptr) error

// crashsimKernel makes a system call and asks nobody.
//
//go:linkname crashsimKernel
var crashsimKernel = crashsimCall6

// crashsimBounds returns the bounds of the stack of the goroutine.
//
//go:linkname crashsimBounds
var crashsimBounds = crashsimStack

//go:linkname crashsimStack runtime.crashsimStack
func crashsimStack() (lo, hi uintptr)

// crashsimMoved returns arguments as they are after a stack that lay from lo to hi has
// moved: those that lay in it moved with it.
//
//go:nosplit
//go:norace
func crashsimMoved(lo, hi, a1, a2, a3, a4, a5, a6 uintptr) (b1, b2, b3, b4, b5, b6 uintptr) {
	_, now := crashsimStack()
	if now == hi {
		return a1, a2, a3, a4, a5, a6
	}
	return crashsimAt(lo, hi, now, a1), crashsimAt(lo, hi, now, a2), crashsimAt(lo, hi, now, a3),
		crashsimAt(lo, hi, now, a4), crashsimAt(lo, hi, now, a5), crashsimAt(lo, hi, now, a6)
}

//go:nosplit
//go:norace
func crashsimAt(lo, hi, now, a uintptr) uintptr {
	if a >= lo && a < hi {
		return a - hi + now
	}
	return a
}

//go:uintptrkeepalive
//go:nosplit
//go:norace
func crashsimRaw3(trap, a1, a2, a3 uintptr) (r1, r2 uintptr, err Errno) {
	return crashsimRaw6(trap, a1, a2, a3, 0, 0, 0)
}

//go:uintptrkeepalive
//go:nosplit
func crashsimCall6(trap, a1, a2, a3, a4, a5, a6 uintptr) (r1, r2 uintptr, err Errno) {
	runtime_entersyscall()
	r1, r2, err = crashsimRaw6(trap, a1, a2, a3, a4, a5, a6)
	runtime_exitsyscall()
	return
}

//go:uintptrkeepalive
//go:nosplit
//go:norace
func crashsimRaw6(trap, a1, a2, a3, a4, a5, a6 uintptr) (r1, r2 uintptr, err Errno) `

// runtimeAddition is the file that package runtime gets.
const runtimeAddition = `package runtime

import _ "unsafe"

//go:linkname crashsimStack
//go:nosplit
//go:norace
func crashsimStack() (lo, hi uintptr) {
	gp := getg()
	return gp.stack.lo, gp.stack.hi
}
`

// source is a Go file that is to be patched.
type source struct {
	name string
	text []byte
	fset *token.FileSet
	file *ast.File

	edits []edit
}

// edit puts text in the place of a part of a source.
type edit struct {
	from, to int
	text     string
}

func parse(name string, text []byte) (*source, error) {
	s := &source{name: name, text: text, fset: token.NewFileSet()}
	var err error
	s.file, err = parser.ParseFile(s.fset, name, text, parser.ParseComments)
	return s, err
}

func (s *source) offset(pos token.Pos) int { return s.fset.Position(pos).Offset }

// function returns a function of the source that must have a signature.
func (s *source) function(name, signature string) (*ast.FuncDecl, error) {
	for _, decl := range s.file.Decls {
		f, ok := decl.(*ast.FuncDecl)
		if !ok || f.Recv != nil || f.Name.Name != name {
			continue
		}
		var text bytes.Buffer
		if err := printer.Fprint(&text, s.fset, f.Type); err != nil {
			return nil, err
		}
		if text.String() != signature {
			return nil, fmt.Errorf("%s: function %s is %s, want %s: crashsim does not know this version of Go",
				s.name, name, text.String(), signature)
		}
		return f, nil
	}
	return nil, fmt.Errorf("%s: there is no function %s: crashsim does not know this version of Go", s.name, name)
}

func (s *source) replace(from, to token.Pos, text string) {
	s.edits = append(s.edits, edit{s.offset(from), s.offset(to), text})
}

// bytes returns the patched source. Its lines are those of the original.
func (s *source) bytes() []byte {
	slices.SortFunc(s.edits, func(a, b edit) int { return a.from - b.from })
	var out bytes.Buffer
	at := 0
	for _, e := range s.edits {
		out.Write(s.text[at:e.from])
		out.WriteString(e.text)
		at = e.to
	}
	out.Write(s.text[at:])
	return out.Bytes()
}

// patchEntries lets the functions through which all system calls go ask the hook, and
// returns the patched file and the one that is added to the package.
func patchEntries(name string, text []byte) (patched, added []byte, err error) {
	s, err := parse(name, text)
	if err != nil {
		return nil, nil, err
	}
	for _, e := range entries {
		f, err := s.function(e.name, e.signature)
		if err != nil {
			return nil, nil, err
		}
		if f.Body == nil {
			return nil, nil, fmt.Errorf("%s: function %s has no body: crashsim does not know this version of Go", name, e.name)
		}
		args, moved := "a1, a2, a3, 0, 0, 0", "a1, a2, a3, _, _, _"
		if strings.HasSuffix(e.name, "6") {
			args, moved = "a1, a2, a3, a4, a5, a6", "a1, a2, a3, a4, a5, a6"
			if e.name == "RawSyscall6" {
				body := s.text[s.offset(f.Body.Pos()):s.offset(f.Body.End())]
				added = slices.Concat([]byte(addition), body, []byte("\n"))
			}
		}
		s.replace(f.Body.Lbrace+1, f.Body.Lbrace+1, fmt.Sprintf(
			" if crashsimHook != nil { lo, hi := crashsimStack(); if r1, r2, err, done := crashsimHook(trap, %s, lo, hi); done { return r1, r2, err }; %s = crashsimMoved(lo, hi, %s) };",
			args, moved, args))
		callUnhooked(s, f.Body)
	}
	// The file that is added calls the system by what this one imports.
	imports, err := importsOf(s, added)
	if err != nil {
		return nil, nil, err
	}
	added = bytes.Replace(added, []byte("import _ \"unsafe\"\n"), []byte(imports), 1)
	return s.bytes(), added, nil
}

// importsOf returns the import declarations of those packages that the added text uses.
func importsOf(s *source, added []byte) (string, error) {
	used := map[string]bool{}
	file, err := parser.ParseFile(token.NewFileSet(), "added.go", added, parser.SkipObjectResolution)
	if err != nil {
		return "", err
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok {
			if x, ok := sel.X.(*ast.Ident); ok {
				used[x.Name] = true
			}
		}
		return true
	})
	text := "import _ \"unsafe\"\n"
	for _, spec := range s.file.Imports {
		name := spec.Path.Value[strings.LastIndexByte(spec.Path.Value, '/')+1:]
		name = strings.Trim(name, `"`)
		if spec.Name != nil {
			name = spec.Name.Name
		}
		if used[name] && name != "unsafe" {
			text += "import " + name + " " + spec.Path.Value + "\n"
		}
	}
	return text, nil
}

// callUnhooked lets calls of the raw functions below a node ask no hook.
func callUnhooked(s *source, below ast.Node) (count int) {
	ast.Inspect(below, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		f, ok := call.Fun.(*ast.Ident)
		if !ok {
			return true
		}
		switch f.Name {
		case "RawSyscall":
			s.replace(f.Pos(), f.End(), "crashsimRaw3")
		case "RawSyscall6":
			s.replace(f.Pos(), f.End(), "crashsimRaw6")
		default:
			return true
		}
		count++
		return true
	})
	return count
}

// patchFork keeps the code between fork and exec from asking the hook.
func patchFork(name string, text []byte) ([]byte, error) {
	s, err := parse(name, text)
	if err != nil {
		return nil, err
	}
	if _, err := s.function("forkAndExecInChild1", forkSignature); err != nil {
		return nil, err
	}
	if callUnhooked(s, s.file) == 0 {
		return nil, fmt.Errorf("%s: nothing calls RawSyscall between fork and exec: crashsim does not know this version of Go", name)
	}
	return s.bytes(), nil
}

const (
	forkSignature = "func(argv0 *byte, argv, envv []*byte, chroot, dir *byte, attr *ProcAttr, sys *SysProcAttr, pipe int) (pid uintptr, pidfd int32, err1 Errno, mapPipe [2]int, locked bool)"
	execSignature = "func(argv0 string, argv []string, attr *ProcAttr) (pid int, err error)"
)

// patchExec lets the start of a process ask whether it may be.
func patchExec(name string, text []byte) ([]byte, error) {
	s, err := parse(name, text)
	if err != nil {
		return nil, err
	}
	f, err := s.function("forkExec", execSignature)
	if err != nil {
		return nil, err
	}
	s.replace(f.Body.Lbrace+1, f.Body.Lbrace+1,
		" if crashsimExec != nil && attr != nil { if err := crashsimExec(argv0, attr.Dir, attr.Files); err != nil { return 0, err } };")
	return s.bytes(), nil
}
