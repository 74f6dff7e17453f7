package oracle_test

import (
	"fmt"
	"testing"

	"github.com/crashsim/crashsim/oracle"
	"github.com/spf13/afero"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// twoFiles judges /a and /b, "-" for none, by generations "a|b".
func twoFiles(t require.TestingT, a, b string, m oracle.Marks, generations ...[]oracle.Content) []oracle.Violation {
	files := tree{}
	if a != "-" {
		files["/a"] = a
	}
	if b != "-" {
		files["/b"] = b
	}
	o := oracle.AllOrNothing{Paths: []string{"/a", "/b"}, Generations: generations, Mark: "saved"}
	return o.Judge(files.disk(t), m)
}

func TestAllOrNothingAcceptsEachGenerationFromTheAcknowledgedOneOn(t *testing.T) {
	rows := [][2]string{{"-", "-"}, {"a1", "b1"}, {"a1", "b2"}, {"a3", "-"}}
	var generations [][]oracle.Content
	for _, row := range rows {
		generations = append(generations, texts(row[:]...))
	}
	for n := range rows {
		for m := n; m < len(rows); m++ {
			require.Empty(t, twoFiles(t, rows[m][0], rows[m][1], times(n), generations...))
		}
	}
}

func TestAllOrNothingRejects(t *testing.T) {
	update := [][]oracle.Content{texts("a0", "b0"), texts("a1", "b1")}
	creation := [][]oracle.Content{nil, texts("a1", "b1")}
	tests := []struct {
		name, a, b   string
		acknowledged int
		generations  [][]oracle.Content
		want         string
	}{
		{"a mixture", "a1", "b0", 0, update,
			`torn /b: a mixture of generations: /a is of generation 1, /b is of generation 0`},
		{"a mixture the other way", "a0", "b1", 0, update,
			`torn /a: a mixture of generations: /a is of generation 0, /b is of generation 1`},
		{"half a creation", "a1", "-", 0, creation,
			`torn /b: a mixture of generations: /a is of generation 1, /b is missing as of generation 0`},
		{"a file of an acknowledged creation lost", "a1", "-", 1, creation,
			`lost /b: is missing, though the mark "saved" acknowledged generation 1`},
		{"an acknowledged creation lost", "-", "-", 1, creation,
			"lost /a: is missing, though the mark \"saved\" acknowledged generation 1\n" +
				`lost /b: is missing, though the mark "saved" acknowledged generation 1`},
		{"a file lost that was always there", "a0", "-", 0, update,
			`lost /b: is missing, but it exists in every generation`},
		{"an old generation", "a0", "b0", 1, update,
			`stale /a: all files are of generation 0, though the mark "saved" acknowledged generation 1`},
		{"a torn file", "a1", "b", 0, update,
			`torn /b: holds no whole generation; it has 1 byte: offset 0 is as in generation 1, which has 2 bytes`},
		{"an alien file", "a1", "c1", 0, update,
			`alien /b: holds 2 bytes, which are no generation of the file: none has the byte 0x63 at offset 0`},
		{"more marks than generations", "a0", "b0", 5, update,
			`stale: all files are of generation 0, though the mark "saved" acknowledged generation 5`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			require.Equal(t, test.want, found(twoFiles(t, test.a, test.b, times(test.acknowledged), test.generations...)))
		})
	}
}

func TestAllOrNothingAsksForNoMarkThatDoesNotMatter(t *testing.T) {
	require.Empty(t, twoFiles(t, "a1", "b1", noMarks{t}, texts("a0", "b0"), texts("a1", "b1")))
}

func TestTheZeroAllOrNothingPromisesNothing(t *testing.T) {
	require.Empty(t, oracle.AllOrNothing{}.Judge(brokenFs{}, noMarks{t}))
}

func TestAllOrNothingReportsAReadErrorAsRefused(t *testing.T) {
	o := oracle.AllOrNothing{Paths: []string{"/a"}, Generations: [][]oracle.Content{texts("a0")}}
	require.Equal(t, "refused /a: cannot be read: broken", found(o.Judge(brokenFs{}, times(0))))
	o.Read = func(_ afero.Fs, path string) ([]byte, error) { return nil, fmt.Errorf("%s: %w", path, errBroken) }
	require.Equal(t, "refused /a: cannot be read: /a: broken", found(o.Judge(brokenFs{}, times(0))))
	o.Read = func(afero.Fs, string) ([]byte, error) { return []byte("a0"), nil }
	require.Empty(t, o.Judge(brokenFs{}, times(0)))
}

// slowSet are the kinds that AllOrNothing may report, by its definition: the
// ones of single files if there are any, else the one of the set.
func slowSet(files [2]string, acknowledged int, rows [][2]string) []oracle.Kind {
	older := false
	for n, row := range rows {
		if row == files && n >= acknowledged {
			return nil
		}
		older = older || row == files
	}
	var kinds []oracle.Kind
	for i, content := range files {
		var column []string
		for _, row := range rows {
			column = append(column, row[i])
		}
		kind := slowFile(content, 0, column)
		if content == "-" {
			kind = slowFile(content, acknowledged, column)
		}
		if kind != oracle.NoKind {
			kinds = append(kinds, kind)
		}
	}
	switch {
	case kinds != nil:
		return kinds
	case older:
		return []oracle.Kind{oracle.Stale}
	}
	return []oracle.Kind{oracle.Torn}
}

func TestAllOrNothingAgreesWithItsDefinition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.SampledFrom([]string{"-", "", "a", "b", "ab", "ba"})
		row := rapid.Custom(func(t *rapid.T) [2]string { return [2]string{text.Draw(t, "a"), text.Draw(t, "b")} })
		rows := rapid.SliceOfN(row, 1, 4).Draw(t, "generations")
		files := rapid.OneOf(row, rapid.SampledFrom(rows)).Draw(t, "files")
		n := rapid.IntRange(0, len(rows)-1).Draw(t, "acknowledged")
		var generations [][]oracle.Content
		for _, r := range rows {
			generations = append(generations, texts(r[:]...))
		}
		var kinds []oracle.Kind
		for _, v := range twoFiles(t, files[0], files[1], times(n), generations...) {
			kinds = append(kinds, v.Kind)
		}
		require.Equal(t, slowSet(files, n, rows), kinds)
	})
}
