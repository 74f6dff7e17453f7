package litmus

import (
	"fmt"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/crashsim/crashsim/faultfs/model"
)

const filesDir = "../../testdata/litmus"

// parseFiles reads every litmus file of the project.
func parseFiles(t *testing.T) []*Test {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(filesDir, "*.txtar"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	var tests []*Test
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		test, err := Parse(file, text)
		require.NoError(t, err)
		tests = append(tests, test)
	}
	return tests
}

func TestEveryExpectationHolds(t *testing.T) {
	for _, test := range parseFiles(t) {
		t.Run(strings.TrimSuffix(filepath.Base(test.File), ".txtar"), func(t *testing.T) {
			t.Parallel()
			require.NotEmpty(t, test.Expects)
			for _, m := range test.Models() {
				report, err := test.Judge(t.Context(), m)
				require.NoError(t, err)
				for _, f := range report.Findings {
					if f.Held {
						continue
					}
					example := "no case shows it"
					if f.Example != nil {
						example, err = f.Example.Line()
						require.NoError(t, err)
					}
					t.Errorf("%s:%d: under %s: %s %s\n%s", test.File, f.Line, m, f.Quantifier, f.Expression, example)
				}
			}
		})
	}
}

func TestEveryExpectationIsSeenByItsPreset(t *testing.T) {
	for _, test := range parseFiles(t) {
		for _, p := range model.Presets() {
			assert.Contains(t, test.Models(), p.Model, "%s expects nothing under %s", test.File, p.Name)
		}
	}
}

// sentence is a sentence of the contract, up to the end of its paragraph; the
// file that holds it begins with it.
var sentence = regexp.MustCompile(`(?m)^S(\d\d+)\. (?:.+\n)+`)

func TestSentencesAndFilesAgree(t *testing.T) {
	const statement = "../../faultfs/model/doc.go"
	source, err := parser.ParseFile(token.NewFileSet(), statement, nil, parser.PackageClauseOnly|parser.ParseComments)
	require.NoError(t, err)
	stated := map[string]string{}
	for _, found := range sentence.FindAllStringSubmatch(source.Doc.Text(), -1) {
		assert.NotContains(t, stated, found[1], "sentence S%s is stated twice", found[1])
		stated[found[1]] = words(found[0])
	}
	require.NotEmpty(t, stated, "%s has no numbered sentences", statement)
	readme, err := os.ReadFile("../../MODELS.md")
	require.NoError(t, err)
	assert.Contains(t, string(readme), fmt.Sprintf(" %d numbered sentences", len(stated)))
	held := map[string]bool{}
	for _, test := range parseFiles(t) {
		found := sentence.FindStringSubmatchIndex(test.About)
		base := filepath.Base(test.File)
		if !strings.HasPrefix(base, "s") {
			assert.Nil(t, found, "%s states a sentence, and its name does not say so", base)
			continue
		}
		if !assert.True(t, found != nil && found[0] == 0, "%s does not begin with its sentence", base) {
			continue
		}
		number := test.About[found[2]:found[3]]
		assert.True(t, strings.HasPrefix(base, "s"+number+"-"), "%s begins with S%s", base, number)
		if assert.Contains(t, stated, number, "%s holds S%s, which is not stated", base, number) {
			assert.True(t, strings.HasPrefix(words(test.About), stated[number]),
				"%s begins with other words than %s", base, stated[number])
		}
		assert.False(t, held[number], "a second file holds S%s", number)
		held[number] = true
	}
	for number := range stated {
		assert.True(t, held[number], "no file holds S%s", number)
	}
}

// words returns a text with single blanks between its words.
func words(text string) string { return strings.Join(strings.Fields(text), " ") }
