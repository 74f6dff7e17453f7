package litmus

import (
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/vm"

	"github.com/crashsim/crashsim/faultfs"
)

// compile compiles an expression. It must be a condition, and speak only of
// names and labels that the ops speak of.
func compile(expression string, words *vocabulary) (*vm.Program, error) {
	if expression == "" {
		return nil, errors.New("no expression behind the quantifier")
	}
	if len(expression) > maxExpression {
		return nil, fmt.Errorf("an expression of more than %d bytes", maxExpression)
	}
	p := proofreader{words: words}
	options := []expr.Option{expr.Env(env{}), expr.AsBool(), expr.WarnOnAny(), expr.Patch(&p)}
	for _, clock := range []string{"now", "date", "timezone"} {
		options = append(options, expr.DisableBuiltin(clock))
	}
	program, err := expr.Compile(expression, options...)
	if p.err != nil && err == nil {
		err = p.err
	}
	return program, plain(err)
}

// plain makes an error of the expression library fit on a line.
func plain(err error) error {
	if at := (*file.Error)(nil); errors.As(err, &at) {
		return atColumn(errors.New(at.Message), at.Column)
	}
	return err
}

// atColumn adds where in the expression an error is; the first column is 0.
func atColumn(err error, column int) error {
	return fmt.Errorf("%w, at column %d of the expression", err, column+1)
}

// vocabulary is what an expression can sensibly speak of.
type vocabulary struct {
	names  map[string]bool // parts of paths
	labels map[string]bool
	marks  map[string]int // by label: how many marks of the ops stand behind an op
	faults bool
}

func vocabularyOf(t *faultfs.Trace) *vocabulary {
	v := &vocabulary{names: map[string]bool{"": true}, labels: map[string]bool{}, marks: map[string]int{}}
	if first := slices.IndexFunc(t.Ops, func(op faultfs.Op) bool { return op.Kind != faultfs.OpMark }); first >= 0 {
		for i := range t.Ops[first:] {
			if op := &t.Ops[first+i]; op.Kind == faultfs.OpMark {
				v.marks[op.Label]++
			}
		}
	}
	for _, ops := range [][]faultfs.Op{t.Setup, t.Ops} {
		for i := range ops {
			if ops[i].Kind == faultfs.OpMark {
				v.labels[ops[i].Label] = true
			}
			for _, p := range []string{ops[i].Path, ops[i].To} {
				for name := range strings.SplitSeq(p, "/") {
					v.names[name] = true
				}
			}
		}
	}
	return v
}

// checkPath says what is wrong with a path.
func (v *vocabulary) checkPath(p string) error {
	if !path.IsAbs(p) || path.Clean(p) != p {
		return fmt.Errorf("path %.40q is looked up as it is written: want an absolute one without . or .. or a slash at its end", p)
	}
	for name := range strings.SplitSeq(p, "/") {
		if !v.names[name] {
			return fmt.Errorf("path %.40q: no op speaks of %.40q", p, name)
		}
	}
	return nil
}

// proofreader is a visitor that finds what would compile and yet never be
// true.
type proofreader struct {
	words *vocabulary
	err   error // the first
}

// Visit implements ast.Visitor.
func (p *proofreader) Visit(node *ast.Node) {
	var err error
	switch n := (*node).(type) {
	case *ast.CallNode:
		err = p.checkCall(n)
	case *ast.BinaryNode:
		err = checkComparison(n)
	}
	if err != nil && p.err == nil {
		p.err = atColumn(err, (*node).Location().From)
	}
}

func (p *proofreader) checkCall(call *ast.CallNode) error {
	if name := callee(call); (name == "result" || name == "live") && !p.words.faults {
		return fmt.Errorf("%s is about a program whose calls fail: there is no section %q", name, faultsSection)
	}
	if len(call.Arguments) != 1 {
		return nil
	}
	arg, literal := call.Arguments[0].(*ast.StringNode)
	if !literal {
		return nil
	}
	switch callee(call) {
	case "marked":
		if !p.words.labels[arg.Value] {
			return fmt.Errorf("no op makes the mark %.40q", arg.Value)
		}
	case "result":
		if n := p.words.marks[arg.Value]; n != 1 {
			return fmt.Errorf("want one mark %.40q behind an op, there are %d", arg.Value, n)
		}
	case "content", "exists", "size", "list", "mode", "link", "live":
		return p.words.checkPath(arg.Value)
	}
	return nil
}

// callee returns the name of the function that a node calls, "" if it calls
// none of those that see a case.
func callee(node ast.Node) string {
	if call, ok := node.(*ast.CallNode); ok {
		if id, ok := call.Callee.(*ast.IdentifierNode); ok {
			return id.Value
		}
	}
	return ""
}

// modeText is how a mode is written.
var modeText = regexp.MustCompile(`^[0-7]{4}$`)

// checkComparison refuses to compare text with a number, and a mode with what
// is none.
func checkComparison(n *ast.BinaryNode) error {
	switch n.Operator {
	case "==", "!=", "in":
	default:
		return nil
	}
	values := []ast.Node{n.Right}
	if array, ok := n.Right.(*ast.ArrayNode); ok && n.Operator == "in" {
		values = array.Nodes
	}
	for _, v := range values {
		if err := checkPair(n.Left, v); err != nil {
			return err
		}
		if err := checkPair(v, n.Left); err != nil {
			return err
		}
	}
	return nil
}

func checkPair(call, value ast.Node) error {
	name := callee(call)
	switch name {
	case "content", "mode", "link", "live", "result":
	default:
		return nil
	}
	switch v := value.(type) {
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return fmt.Errorf("%s is text or nil, never %s", name, value)
	case *ast.NilNode:
		if name == "result" {
			return errors.New("result is text, never nil")
		}
	case *ast.StringNode:
		if name == "mode" && !modeText.MatchString(v.Value) {
			return fmt.Errorf("a mode is four octal digits, never %.40q", v.Value)
		}
		if name == "result" {
			return checkErrno(v.Value)
		}
	}
	return nil
}
