package vet

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/tools/go/analysis/analysistest"
)

// Each wrong way to save a file has its report, and no right way has one.
func TestWrongWaysToSaveAreReported(t *testing.T) {
	analysistest.Run(t, analysistest.TestData(), Analyzer, "saves")
}

// quiet drops what does not match the comments: another test looks at that.
type quiet struct{}

func (quiet) Errorf(string, ...any) {}

// Each test that a report prints compiles as it stands, beside the code that it is about.
func TestSkeletonsCompile(t *testing.T) {
	results := analysistest.Run(t, analysistest.TestData(), Analyzer, "shapes")
	dir, replace, made := t.TempDir(), map[string]string{}, 0
	for _, result := range results {
		for _, d := range result.Diagnostics {
			_, skeleton, ok := strings.Cut(d.Message, "with this test:\n")
			if !ok {
				continue
			}
			made++
			name := fmt.Sprintf("skeleton%d_test.go", made)
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(skeleton), 0o600))
			there, err := filepath.Abs(filepath.Join("testdata", "src", "shapes", name))
			require.NoError(t, err)
			replace[there] = filepath.Join(dir, name)
		}
	}
	require.Equal(t, 11, made)
	text, err := json.Marshal(map[string]any{"Replace": replace})
	require.NoError(t, err)
	file := filepath.Join(dir, "overlay.json")
	require.NoError(t, os.WriteFile(file, text, 0o600))
	said, err := exec.CommandContext(t.Context(), "go", "vet", "-overlay="+file, "./testdata/src/shapes").CombinedOutput()
	require.NoError(t, err, "%s", said)
}

func TestUnknownChecksAreRefused(t *testing.T) {
	a := newAnalyzer()
	require.ErrorContains(t, a.Flags.Set("skip", "rename,nonsense"), `no check "nonsense"; the checks are: rename, writefile`)
	require.NoError(t, a.Flags.Set("skip", "directory,error"))
	require.Equal(t, "directory,error", a.Flags.Lookup("skip").Value.String())
}

// A check that is left out is left out, and the tests are not printed where nobody wants them.
func TestChecksAndSkeletonsCanBeLeftOut(t *testing.T) {
	a := newAnalyzer()
	require.NoError(t, a.Flags.Set("skip", "writefile,error"))
	require.NoError(t, a.Flags.Set("skeleton", "false"))
	results := analysistest.Run(quiet{}, analysistest.TestData(), a, "shapes")
	require.Len(t, results[0].Diagnostics, 1)
	require.Contains(t, results[0].Diagnostics[0].Message, "(directory)")
	require.NotContains(t, results[0].Diagnostics[0].Message, "package shapes")
}
