package vet

import (
	"go/ast"
	"go/token"
	"go/types"
	"strings"

	"golang.org/x/tools/go/analysis"
)

// Analyzer finds the mistakes that the package comment lists. Its flag "skip" leaves out checks
// by name, "tests" looks into test files, too, and "skeleton=false" leaves out the tests that
// confirm.
var Analyzer = newAnalyzer()

func newAnalyzer() *analysis.Analyzer {
	var c config
	a := &analysis.Analyzer{
		Name:      "crashsim",
		Doc:       "report saves of files that a power cut can undo, tear or lose\n\nEach report prints a test that confirms it under \"crashsim test\".",
		URL:       "https://pkg.go.dev/github.com/crashsim/crashsim/runner/vet",
		FactTypes: []analysis.Fact{(*summary)(nil)},
		Run:       func(pass *analysis.Pass) (any, error) { return nil, run(pass, c) },
	}
	a.Flags.Var(&c.skip, "skip", "names of checks to leave out, with commas between them: "+strings.Join(checkNames, ", "))
	a.Flags.BoolVar(&c.tests, "tests", false, "look into test files, too")
	c.skeleton = true
	a.Flags.BoolVar(&c.skeleton, "skeleton", true, "print a test that confirms each report")
	return a
}

// config is what the flags say.
type config struct {
	skip            checkSet
	tests, skeleton bool
}

// The checks, as the package comment explains them.
const (
	checkRename    = "rename"
	checkWriteFile = "writefile"
	checkDirectory = "directory"
	checkTruncate  = "truncate"
	checkError     = "error"
	checkDefer     = "defer"
)

var checkNames = []string{checkRename, checkWriteFile, checkDirectory, checkTruncate, checkError, checkDefer}

// code is a package that is looked at.
type code struct {
	pass      *analysis.Pass
	functions []*function
	of        map[*types.Func]*function
	summaries map[*types.Func]*summary // of functions of this package
	reads     map[string]token.Pos     // where the package reads a file, by the form of its path
}

// function is a function that is declared in the package.
type function struct {
	*code
	decl   *ast.FuncDecl
	obj    *types.Func
	report bool // it is in a file that is reported on
	once   map[types.Object]ast.Expr
	events
}

// rounds is how often summaries are worked out: a helper that calls a helper that calls a
// helper is seen through.
const rounds = 3

func run(pass *analysis.Pass, c config) error {
	p := &code{pass: pass, of: map[*types.Func]*function{}, summaries: map[*types.Func]*summary{}}
	for _, file := range pass.Files {
		name := pass.Fset.File(file.FileStart).Name()
		report := !ast.IsGenerated(file) && (c.tests || !strings.HasSuffix(name, "_test.go"))
		for _, decl := range file.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok || f.Body == nil {
				continue
			}
			obj, ok := pass.TypesInfo.Defs[f.Name].(*types.Func)
			if !ok {
				continue
			}
			fn := &function{code: p, decl: f, obj: obj, report: report, once: assignedOnce(pass.TypesInfo, f)}
			p.functions = append(p.functions, fn)
			p.of[obj] = fn
		}
	}
	for range rounds {
		p.reads = map[string]token.Pos{}
		for _, fn := range p.functions {
			fn.collect()
		}
		for _, fn := range p.functions {
			p.summaries[fn.obj] = fn.summarize()
		}
	}
	for _, fn := range p.functions {
		if s := p.summaries[fn.obj]; s.worthTelling() {
			pass.ExportObjectFact(fn.obj, s)
		}
	}
	for _, fn := range p.functions {
		if fn.report {
			fn.tell(c)
		}
	}
	return nil
}

// summaryOf is what is known of a function that is called, or nil.
func (p *code) summaryOf(callee *types.Func) *summary {
	if callee == nil {
		return nil
	}
	callee = callee.Origin()
	if callee.Pkg() == p.pass.Pkg {
		return p.summaries[callee]
	}
	var s summary
	if p.pass.ImportObjectFact(callee, &s) {
		return &s
	}
	return nil
}

// checkSet is a flag that holds names of checks.
type checkSet map[string]bool

func (s *checkSet) String() string {
	var names []string
	for _, name := range checkNames {
		if (*s)[name] {
			names = append(names, name)
		}
	}
	return strings.Join(names, ",")
}

func (s *checkSet) Set(text string) error {
	*s = checkSet{}
	for name := range strings.SplitSeq(text, ",") {
		if !strings.Contains(" "+strings.Join(checkNames, " ")+" ", " "+name+" ") || name == "" {
			return unknownCheckError(name)
		}
		(*s)[name] = true
	}
	return nil
}

type unknownCheckError string

func (e unknownCheckError) Error() string {
	return "no check \"" + string(e) + "\"; the checks are: " + strings.Join(checkNames, ", ")
}
