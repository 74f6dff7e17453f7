package litmus

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/model"
)

const program = `-- setup --
mkdir /d
write /f 0 "old"
-- ops --
write /f 0 "new"
symlink /f /l
chmod /d 0700
mark done
-- expect --
`

// judge judges expectations of the program above under the default model.
func judge(t *testing.T, expect string) (*Report, error) {
	t.Helper()
	test, err := Parse("p.txtar", []byte(program+expect))
	require.NoError(t, err)
	return test.Judge(t.Context(), model.Default())
}

func TestEachQuantifierCanHoldAndFail(t *testing.T) {
	for _, c := range []struct {
		expect  string
		held    bool
		example string // what content("/f") is in the example, "" for none
	}{
		{`always content("/f") in ["old", "new"]`, true, ""},
		{`always content("/f") == "new"`, false, "old"},
		{`never content("/f") == ""`, true, ""},
		{`never content("/f") == "old"`, false, "old"},
		{`sometimes content("/f") == "new"`, true, "new"},
		{`sometimes content("/f") == "odd"`, false, ""},
	} {
		report, err := judge(t, "posix: "+c.expect)
		require.NoError(t, err)
		require.Len(t, report.Findings, 1)
		f := report.Findings[0]
		assert.Equal(t, c.held, f.Held, c.expect)
		assert.Equal(t, c.held, report.Held(), c.expect)
		if c.example == "" {
			assert.Nil(t, f.Example, c.expect)
		} else if assert.NotNil(t, f.Example, c.expect) {
			assert.Equal(t, c.example, string(f.Example.Tree["/f"].Data), c.expect)
		}
	}
}

func TestFunctionsSeeTheCase(t *testing.T) {
	for _, expect := range []string{
		`always content("/d") == nil && content("/l") == nil`,
		`always size("/f") == 3 && size("/d") == -1 && size("/l") == -1`,
		`always exists("/") && exists("/d") && exists("/f")`,
		`always mode("/f") == "0644" && mode("/d") in ["0755", "0700"] && mode("/l") == nil`,
		`always link("/f") == nil && link("/d") == nil`,
		`sometimes link("/l") == "/f" && exists("/l")`,
		`sometimes link("/l") == nil && !exists("/l")`,
		`always list("/") in [["d", "f"], ["d", "f", "l"]] && len(list("/d")) == 0 && len(list("/f")) == 0`,
		`sometimes marked("done") && mode("/d") == "0755"`,
		`sometimes !marked("done") && mode("/d") == "0700"`,
		`always !(content("/l") startsWith "x")`,
	} {
		report, err := judge(t, "posix: "+expect)
		require.NoError(t, err, expect)
		assert.True(t, report.Held(), expect)
	}
}

func TestOnlyTheModelsOfALineAreJudged(t *testing.T) {
	test, err := Parse("p.txtar", []byte(program+`
posix,unit=512 kill: never content("/f") == "odd"
# a comment
*: always exists("/f")
`))
	require.NoError(t, err)
	var names []string
	for _, m := range test.Models() {
		names = append(names, m.String())
	}
	assert.Equal(t, "kill strict ext4 xfs btrfs posix posix,unit=512", strings.Join(names, " "))
	for _, m := range test.Models() {
		report, err := test.Judge(t.Context(), m)
		require.NoError(t, err)
		want := 1
		if m.String() == "kill" {
			want = 2
		}
		assert.Len(t, report.Findings, want, m)
	}
	assert.Equal(t, 11, test.Expects[0].Line)
	assert.Equal(t, 13, test.Expects[1].Line)
}

func TestBadExpectationsNameFileAndLine(t *testing.T) {
	for _, c := range []struct{ expect, says string }{
		{`posix always true`, `want MODEL...: always|never|sometimes EXPRESSION`},
		{`: always true`, `no model in front of the colon`},
		{`ext5: always true`, `unknown preset "ext5"`},
		{`posix: mostly true`, `want always, never or sometimes, not "mostly"`},
		{`posix: always`, `no expression behind the quantifier`},
		{`posix: always content("/f")`, `expected bool, but got interface {}`},
		{`posix: always size("/f")`, `expected bool, but got int`},
		{`posix: always contents("/f") == "new"`, `unknown name contents, at column 1 of the expression`},
		{`posix: always exists("/f") && size("/f") = 3`, `at column 28 of the expression`},
		{`posix: always exists(3)`, `cannot use int as argument (type string)`},
		{`posix: never exists("/g")`, `path "/g": no op speaks of "g"`},
		{`posix: never exists("f")`, `want an absolute one`},
		{`posix: never exists("/d/")`, `want an absolute one`},
		{`posix: never marked("did")`, `no op makes the mark "did", at column 1`},
		{`posix: never mode("/f") == 0644`, `mode is text or nil, never 644`},
		{`posix: never "644" == mode("/f")`, `a mode is four octal digits, never "644"`},
		{`posix: never content("/f") in ["new", 1]`, `content is text or nil, never 1`},
		{`posix: always now().Year() > 0`, `unknown name now`},
	} {
		_, err := Parse("p.txtar", []byte(program+"# why\n"+c.expect+"\n"))
		require.ErrorContains(t, err, c.says, c.expect)
		require.ErrorContains(t, err, "p.txtar:11: ", c.expect)
		var at *faultfs.TextError
		require.ErrorAs(t, err, &at, c.expect)
		assert.NotContains(t, err.Error(), "\n", c.expect)
	}
}

func TestAnExpressionThatCannotBeEvaluatedIsAnError(t *testing.T) {
	_, err := judge(t, `posix: always content("/d")[0] == "x"`)
	require.ErrorContains(t, err, `p.txtar:10: `)
	require.ErrorContains(t, err, `cannot fetch 0 from <nil>, at column 14 of the expression, in the case {"marks":[`)
}

func TestJudgeStopsWithItsContext(t *testing.T) {
	test, err := Parse("p.txtar", []byte(program))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = test.Judge(ctx, model.Default())
	require.ErrorIs(t, err, context.Canceled)
}

const faulty = `-- setup --
write /f 0 "old"
-- ops --
mark before
write /f 0 "newer"
mark written
fsync /f
mark synced
mark again
fsync /f
mark twice
mark twice
-- faults --
# why
fsync /f err=EIO
-- expect --
`

func TestEachModelIsJudgedByWhatItsProgramGot(t *testing.T) {
	test, err := Parse("p.txtar", []byte(faulty+`
*: always result("written") == "" && result("synced") == "EIO" && result("again") == "EIO"
kill strict ext4 xfs posix: always live("/f") == "newer"
btrfs: always live("/f") == "old"
posix,report=next: always result("synced") == ""
kill strict ext4,failed=dirty: never marked("twice") && content("/f") != "newer"
ext4: sometimes marked("twice") && content("/f") != "newer"
`))
	require.NoError(t, err)
	for _, m := range test.Models() {
		report, err := test.Judge(t.Context(), m)
		require.NoError(t, err)
		for _, f := range report.Findings {
			assert.True(t, f.Held, "line %d under %s", f.Line, m)
		}
	}
	assert.NotContains(t, string(test.Trace.Text()), "lost=")
	assert.Contains(t, string(test.Record(model.Default()).Text()), "fsync /f ; err=EIO injected=yes lost=all")
}

func TestWithoutFaultsEachModelHasTheSameTrace(t *testing.T) {
	test, err := Parse("p.txtar", []byte(program))
	require.NoError(t, err)
	assert.Same(t, test.Trace, test.Record(model.Default()))
}

func TestBadFaultsNameFileAndLine(t *testing.T) {
	for _, c := range []struct{ faults, expect, says string }{
		{`fsync /f`, ``, `p.txtar:10: fault "fsync /f": a fault needs err=ERRNO`},
		{`fsync /g err=EIO`, ``, `p.txtar:10: the fault makes no op fail, under any model`},
		{`fsync err=EIO op=1`, ``, `p.txtar:10: the fault makes no op fail`},
		{strings.Repeat("* err=EIO\n", 257), ``, `p.txtar:266: more than 256 faults`},
		{`chmod err=EIO`, `*: always result("did") == ""`, `p.txtar:12: want one mark "did" behind an op, there are 0`},
		{`chmod err=EIO`, `*: always result("done") == "EOI"`, `p.txtar:12: no call fails with "EOI"`},
		{`chmod err=EIO`, `*: always result("done") == "errno5"`, `no call fails with "errno5"`},
		{`chmod err=EIO`, `*: always result("done") != "EIO nth=2"`, `no call fails with`},
		{`chmod err=EIO`, `*: always result("done") == nil`, `result is text, never nil`},
		{`chmod err=EIO`, `*: always live("/g") == nil`, `p.txtar:12: path "/g": no op speaks of "g"`},
		{``, `*: always live("/f") == nil`, `p.txtar:12: live is about a program whose calls fail: there is no section "faults"`},
		{``, `*: always result("do" + "ne") == ""`, `result is about a program whose calls fail`},
	} {
		text := strings.Replace(program, "-- expect", "-- faults --\n"+c.faults+"\n-- expect", 1)
		_, err := Parse("p.txtar", []byte(text+c.expect))
		require.ErrorContains(t, err, c.says, c.faults+c.expect)
		var at *faultfs.TextError
		require.ErrorAs(t, err, &at)
	}
	_, err := Parse("p.txtar", []byte(faulty+`*: always result("before") == ""`))
	require.ErrorContains(t, err, `want one mark "before" behind an op, there are 0`)
	_, err = Parse("p.txtar", []byte(faulty+`*: always result("twice") == ""`))
	require.ErrorContains(t, err, `want one mark "twice" behind an op, there are 2`)
}

// FuzzParse looks for files that make the parser panic, for errors without a
// line, and for expectations that cannot be told as they were read.
func FuzzParse(f *testing.F) {
	f.Add(program + `posix: always content("/f") in ["old", "new"]`)
	f.Add(program + `* posix,unit=512: sometimes size("/f") == 3 || marked("done") # no comment`)
	f.Add(program + "kill:never list(\"/\") == [\"\\x00\"]\n-- setup --\n")
	f.Add("-- expect --\n-- ops --\n-- expect --\n")
	f.Add(faulty + `*: always result("synced") == "EIO" && live("/f") == "newer"`)
	f.Fuzz(func(t *testing.T, text string) {
		test, err := Parse("f", []byte(text))
		if err != nil {
			var at *faultfs.TextError
			require.ErrorAs(t, err, &at)
			require.Positive(t, at.Line)
			require.LessOrEqual(t, at.Line, 2+strings.Count(text, "\n"))
			return
		}
		again := "-- ops --\n" + opsFor(test)
		if test.faults != nil { // each must strike
			again = string(test.Trace.Text()) + "-- faults --\n"
			for _, f := range test.faults {
				again += f.String() + "\n"
			}
		}
		again += "-- expect --\n"
		for _, e := range test.Expects {
			again += fmt.Sprintf("%s: %s %s\n", modelNames(e), e.Quantifier, e.Expression)
		}
		twin, err := Parse("again", []byte(again))
		require.NoError(t, err, again)
		require.Len(t, twin.Expects, len(test.Expects))
		for i, e := range test.Expects {
			require.Equal(t, e.Models, twin.Expects[i].Models)
			require.Equal(t, e.Quantifier, twin.Expects[i].Quantifier)
			require.Equal(t, e.Expression, twin.Expects[i].Expression)
		}
	})
}

func modelNames(e *Expect) string {
	names := make([]string, len(e.Models))
	for i, m := range e.Models {
		names[i] = m.String()
	}
	return strings.Join(names, " ")
}

// opsFor returns ops that speak of all that a test's ops speak of.
func opsFor(test *Test) string {
	var b strings.Builder
	words := vocabularyOf(test.Trace)
	for name := range words.names {
		// A failed op may hold any path.
		fmt.Fprintf(&b, "rmdir %q ; err=ENOENT\n", "/"+name)
	}
	for label := range words.labels {
		fmt.Fprintf(&b, "mark %q\n", label)
	}
	return b.String()
}
