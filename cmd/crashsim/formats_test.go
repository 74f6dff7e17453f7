package main

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/jstemmer/go-junit-report/v2/junit"
	"github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/runner"
	"github.com/crashsim/crashsim/runner/report"
	"github.com/crashsim/crashsim/scenarios"
)

// output runs the command, which must end with a verdict, and returns what it
// prints.
func output(t *testing.T, all []runner.Scenario, args ...string) []byte {
	t.Helper()
	var out, errs bytes.Buffer
	status := newApp(all, &out, &errs).run(args)
	require.Contains(t, []int{exitOK, exitWrong, exitUnknown}, status, "%q: %s", args, errs.String())
	return out.Bytes()
}

func parsed(t *testing.T, text []byte) any {
	t.Helper()
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	require.NoError(t, err)
	return document
}

func compiled(t *testing.T, text []byte) *jsonschema.Schema {
	t.Helper()
	c := jsonschema.NewCompiler()
	require.NoError(t, c.AddResource("schema.json", parsed(t, text)))
	s, err := c.Compile("schema.json")
	require.NoError(t, err)
	return s
}

// samples are commands that print each kind of document, with all that can be in
// it.
func samples(t *testing.T) map[string][][]string {
	t.Helper()
	dir := t.TempDir()
	output(t, scenarios.All(), "run", "rename-without-fsync", "recovery-clears-first", "bit-rot-in-log", "retry-fsync", "--model", "posix", "--failures", dir)
	stored, err := filepath.Glob(filepath.Join(dir, "*.txt"))
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(stored), 4)
	return map[string][][]string{
		runSchema: {
			{"run", "rename-without-fsync", "rename-without-fsync-fixed", "recovery-clears-first", "retry-fsync", "--failures", dir},
			{"run", "seed-checksum-log", "--budget-runs", "3", "--samples", "2", "--model", "posix"},
		},
		litmusSchema:  {{"litmus", "../../testdata/litmus/pub-append-chrome.txtar"}},
		listSchema:    {{"list"}},
		modelsSchema:  {{"models"}, {"models", "posix,unit=512"}},
		replaySchema:  {{"replay", stored[0]}, {"replay", stored[1]}, {"replay", stored[2]}, {"replay", stored[3]}},
		mutateSchema:  {{"mutate", "rename-without-fsync-fixed", "--model", "posix"}},
		fixSchema:     {{"fix", "rename-without-fsync", "overwrite-in-place"}},
		auditSchema:   {{"audit", "rename-without-fsync-fixed"}},
		diffSchema:    {{"diff", "rename-without-fsync", "rename-without-fsync-fixed", "--model", "ext4"}},
		explainSchema: {{"explain", "rename-without-fsync"}, {"explain", stored[0]}, {"explain", stored[1]}},
	}
}

func TestEachDocumentIsAsItsSchemaSays(t *testing.T) {
	all := samples(t)
	for name := range documents() {
		s := compiled(t, output(t, nil, "schema", name))
		require.NotEmpty(t, all[name], "nothing prints %s", name)
		for _, args := range all[name] {
			text := output(t, scenarios.All(), append(args, "--json")...)
			document := parsed(t, text)
			require.NoError(t, s.Validate(document), "%q", args)

			// It is no schema that anything would suit.
			fields := document.(map[string]any)
			require.Equal(t, name, fields["schema"])
			fields["schema"] = "crashsim/other/1"
			require.Error(t, s.Validate(fields))
			fields["schema"], fields["unknown"] = name, 1
			require.Error(t, s.Validate(fields))
			delete(fields, "unknown")
			for key := range fields {
				value := fields[key]
				delete(fields, key)
				require.Error(t, s.Validate(fields), "%s without %s", name, key)
				fields[key] = value
			}
		}
	}
}

// The schemas are published: what they say changes only together with these
// files.
func TestSchemasAreAsPublished(t *testing.T) {
	for name, document := range documents() {
		got, err := json.MarshalIndent(schemaOf(name, document), "", "  ")
		require.NoError(t, err)
		file := filepath.Join("../../testdata/schema", strings.ReplaceAll(name, "/", "-")+".json")
		if *update {
			require.NoError(t, os.WriteFile(file, append(got, '\n'), 0o644))
		}
		want, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Equal(t, string(want), string(got)+"\n", "%s", name)
	}
}

// Each name of a schema in the source has a schema.
func TestNoSchemaIsMissing(t *testing.T) {
	names := map[string]bool{}
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		require.NoError(t, err)
		ast.Inspect(file, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
				text, _ := strconv.Unquote(lit.Value)
				if parts := strings.Split(text, "/"); len(parts) == 3 && parts[0] == "crashsim" && parts[2] == "1" {
					names[text] = true
				}
			}
			return true
		})
	}
	for name := range documents() {
		require.Contains(t, names, name)
		delete(names, name)
	}
	require.Empty(t, names)
}

// written runs scenarios and returns the SARIF log and the JUnit report.
func written(t *testing.T, all []runner.Scenario, args ...string) (log, report []byte) {
	t.Helper()
	dir := t.TempDir()
	files := []string{filepath.Join(dir, "out.sarif"), filepath.Join(dir, "out.xml")}
	output(t, all, append(append([]string{"run"}, args...), "--sarif", files[0], "--junit", files[1])...)
	log, err := os.ReadFile(files[0])
	require.NoError(t, err)
	report, err = os.ReadFile(files[1])
	require.NoError(t, err)
	return log, report
}

func TestSarifIsAsThePublishedSchemaSays(t *testing.T) {
	text, err := os.ReadFile("../../testdata/schema/sarif-2.1.0.json")
	require.NoError(t, err)
	s := compiled(t, text)
	for _, args := range [][]string{
		{"rename-without-fsync", "rename-without-fsync-fixed", "retry-fsync", "overwrite-in-place", "recovery-clears-first", "--model", "ext4", "--model", "posix"},
		{"rename-without-fsync-fixed", "--model", "kill"},
	} {
		log, _ := written(t, scenarios.All(), args...)
		require.NoError(t, s.Validate(parsed(t, log)), "%q", args)
	}
	empty, err := sarifText(nil, nil, ".")
	require.NoError(t, err)
	require.NoError(t, s.Validate(parsed(t, empty)))
	require.Error(t, s.Validate(parsed(t, bytes.Replace(empty, []byte(`"2.1.0"`), []byte(`"2.2.0"`), 1))))
}

// Each missing sync stands at the line behind which it belongs, each redundant
// one at its own, and the same run gives the same bytes.
func TestSarifNamesTheLines(t *testing.T) {
	t.Chdir("../..")
	log, _ := written(t, scenarios.All(), "rename-without-fsync", "--model", "posix")
	again, _ := written(t, scenarios.All(), "rename-without-fsync", "--model", "posix", "--workers", "1")
	require.Equal(t, string(log), string(again))
	report, err := sarif.FromBytes(log)
	require.NoError(t, err)
	found := map[string]int{}
	for _, r := range report.Runs[0].Results {
		at := r.Locations[0].PhysicalLocation
		file, line := *at.ArtifactLocation.URI, *at.Region.StartLine
		source, err := os.ReadFile(file)
		require.NoError(t, err, "the path leads to the file from where the command runs")
		found[*r.RuleID+" "+strings.TrimSpace(strings.Split(string(source), "\n")[line-1])]++
	}
	// Three saves lack a sync, at one line.
	write := "if err := afero.WriteFile(disk, temp(config), data, 0o644); err != nil {"
	require.Equal(t, map[string]int{ruleMissing + " " + write: 1, ruleBroken + " " + write: 1}, found)

	log, _ = written(t, scenarios.All(), "rename-without-fsync-fixed", "--model", "kill")
	require.Contains(t, string(log), `"`+ruleRedundant+`"`)
	require.Contains(t, string(log), "redundant: fsync /etc/app.conf.tmp")
}

// A line is redundant only if none of its syncs is needed in any program.
func TestALineThatIsNeededOnceIsNotRedundant(t *testing.T) {
	log, _ := written(t, scenarios.All(), "rename-without-fsync-fixed", "--model", "kill", "--model", "posix")
	require.NotContains(t, string(log), "redundant: fsync")
	at, other := faultfs.CallSite{File: "a/b.go", Line: 1}, faultfs.CallSite{File: "a/b.go", Line: 2}
	left := withoutNeeded([]remark{
		{rule: ruleRedundant, site: at}, {rule: ruleNeeded, site: at}, {rule: ruleRedundant, site: other}, {rule: ruleMissing, site: at},
	})
	require.Equal(t, []remark{{rule: ruleRedundant, site: other}, {rule: ruleMissing, site: at}}, left)
}

func TestPathsThatAreNotClearAreLeftAsTheyAre(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a/x/one.go", "b/x/one.go", "b/x/two.go", ".git/x/three.go"} {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o777))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), nil, 0o644))
	}
	p := report.FindSources(dir)
	require.Equal(t, "x/one.go", p.Path("x/one.go"), "there are two")
	require.Equal(t, "b/x/two.go", p.Path("x/two.go"))
	require.Equal(t, "x/three.go", p.Path("x/three.go"))
}

func TestJUnitIsAsThePublishedSchemaSays(t *testing.T) {
	evil := runner.Scenario{Name: "no-oracle", Workload: func(*faultfs.FS) error { return errors.New("\x00\x1b]]>\xff") }}
	all := append(toys(), evil)
	_, report := written(t, all, "--model", "posix")
	var suites junit.Testsuites
	require.NoError(t, xml.Unmarshal(report, &suites))
	require.Equal(t, len(all), len(suites.Suites))
	require.NotZero(t, suites.Failures+suites.Errors)

	// Its numbers are those of the JSON.
	var run runJSON
	require.NoError(t, json.Unmarshal(output(t, all, "run", "--model", "posix", "--json"), &run))
	failures, unknown := 0, len(run.Errors)
	for _, r := range run.Results {
		switch {
		case r.Verdict == "unknown":
			unknown++
		case !r.AsDeclared:
			failures++
		}
	}
	require.Equal(t, [2]int{failures, unknown}, [2]int{suites.Failures, suites.Errors})

	lint, err := exec.LookPath("xmllint")
	if err != nil {
		t.Skip("there is no xmllint")
	}
	file := filepath.Join(t.TempDir(), "out.xml")
	require.NoError(t, os.WriteFile(file, report, 0o644))
	text, err := exec.Command(lint, "--noout", "--schema", "../../testdata/schema/junit-10.xsd", file).CombinedOutput()
	require.NoError(t, err, "%s", text)
	require.NoError(t, os.WriteFile(file, bytes.Replace(report, []byte("<testcase name"), []byte("<testcase label"), 1), 0o644))
	require.Error(t, exec.Command(lint, "--noout", "--schema", "../../testdata/schema/junit-10.xsd", file).Run())
}
