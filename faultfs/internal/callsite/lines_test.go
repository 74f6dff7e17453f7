//go:build linux && amd64

package callsite_test

import (
	"encoding/json"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crashsim/crashsim/faultfs/internal/callsite"
)

// known is a frame as the program itself knows it.
type known struct {
	Func string
	File string
	Line int
}

// own are the frames of a stack from the first that is not of the standard
// library.
func own(stack []callsite.Frame) []known {
	site, ok := callsite.Site(stack)
	if !ok {
		return nil
	}
	var frames []known
	for _, f := range stack {
		if len(frames) > 0 || f == site {
			frames = append(frames, known{f.Func, f.File, f.Line})
		}
	}
	return frames
}

func TestStacksAreThoseThatTheProgramSees(t *testing.T) {
	for name, how := range map[string]struct {
		cgo   bool
		slow  bool
		flags []string
	}{
		"as usual":           {},
		"cgo":                {cgo: true, flags: []string{"-tags=withcgo"}},
		"stripped":           {flags: []string{"-ldflags=-s"}},
		"stripped PIE":       {flags: []string{"-ldflags=-s -w", "-buildmode=pie"}},
		"PIE and cgo":        {cgo: true, slow: true, flags: []string{"-buildmode=pie", "-tags=withcgo"}},
		"external linking":   {cgo: true, slow: true, flags: []string{"-ldflags=-s -linkmode=external", "-tags=withcgo"}},
		"without inlining":   {slow: true, flags: []string{"-gcflags=-l"}},
		"not optimised":      {slow: true, flags: []string{"-gcflags=-N -l"}},
		"trimpath":           {slow: true, flags: []string{"-trimpath"}},
		"with race detector": {cgo: true, slow: true, flags: []string{"-race"}},
	} {
		t.Run(name, func(t *testing.T) {
			if how.slow && testing.Short() {
				t.Skip("builds a program")
			}
			l, dir := look(t, nil)
			program := build(t, "./testdata/lines", how.cgo, how.flags...)
			var want map[string][]known
			require.NoError(t, json.Unmarshal(run(t, program, dir), &want))
			found := l.seen(t)
			require.Len(t, slices.Collect(maps.Keys(found)), len(want))
			require.Greater(t, len(want), 30)
			for name, stack := range want {
				require.Equal(t, stack, own(found[name]), name)
			}
		})
	}
}

func TestCAndGoCallEachOther(t *testing.T) {
	for name, flags := range map[string][]string{"as usual": nil, "stripped PIE": {"-ldflags=-s", "-buildmode=pie"}} {
		t.Run(name, func(t *testing.T) {
			l, dir := look(t, nil)
			program := build(t, "./testdata/cgo", true, flags...)
			run(t, program, filepath.Join(dir, "one"), filepath.Join(dir, "two"))
			found := l.seen(t)
			stripped := len(flags) > 0

			one := functions(own(found["one"]))
			if !stripped {
				require.Contains(t, one[0], "make_one", "%+v", found["one"])
			}
			require.Contains(t, one, "main.callC")
			require.Contains(t, one, "main.main")
			two := functions(own(found["two"]))
			require.Equal(t, "main.fromC", two[0], "%+v", found["two"])
			require.Contains(t, two, "main.callBack")
			require.Contains(t, two, "main.main")

			lines := map[string]int{}
			for _, f := range append(found["one"], found["two"]...) {
				lines[f.Func] = f.Line
			}
			want := map[string]string{"main.fromC": "// line of fromC", "main.callC": "// line of callC", "main.callBack": "// line of callBack"}
			if !stripped {
				want[one[0]] = "// line of make_one"
			}
			for function, text := range want {
				require.Equal(t, lineOf(t, "testdata/cgo/main.go", text), lines[function], function)
			}
		})
	}
}

func functions(frames []known) []string {
	var names []string
	for _, f := range frames {
		names = append(names, f.Func)
	}
	return names
}

func lineOf(t *testing.T, file, text string) int {
	t.Helper()
	for i, line := range strings.Split(readFile(t, file), "\n") {
		if strings.Contains(line, text) {
			return i + 1
		}
	}
	require.FailNow(t, "no such line", text)
	return 0
}
