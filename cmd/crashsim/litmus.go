package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/crashsim/crashsim/faultfs/model"
	"github.com/crashsim/crashsim/runner"
	"github.com/crashsim/crashsim/runner/litmus"
	"github.com/crashsim/crashsim/runner/show"
)

// litmusDir is where litmus files are looked for if no other place is given.
const litmusDir = "testdata/litmus"

func (a *app) litmusCommand() *cobra.Command {
	var names []string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "litmus [FILE|DIR...]",
		Short: "Judge what litmus files expect of each model",
		Long: `Litmus prints, for each litmus file and model, the number of distinct cases that
a crash can leave, and whether what the file expects of them holds: "ok",
"FAIL", or nothing where nothing is expected. What is expected of models that
have no column is counted under "other". Below a file stand its expectations
that failed, each with its line and the case that shows it.

A directory stands for the files named *.txtar in it and below. Without
arguments ` + litmusDir + ` is taken. The exit status is 1 if an expectation fails.`,
		Example: `  crashsim litmus
  crashsim litmus testdata/litmus/pub-append-chrome.txtar
  crashsim litmus --model posix,unit=512 --model ext4 prog.txtar`,
		RunE: func(cmd *cobra.Command, args []string) error {
			models, err := parseModels(names)
			if err != nil {
				return err
			}
			tests, err := readLitmusFiles(args)
			if err != nil {
				return err
			}
			judged, err := judgeLitmus(cmd.Context(), tests, models)
			if err != nil {
				return err
			}
			if slices.ContainsFunc(judged, func(j litmusResult) bool { return !j.held() }) {
				a.status = exitWrong
			}
			if asJSON {
				return a.printJSON(litmusOf(judged))
			}
			if models == nil {
				models = presets()
			}
			a.printLitmus(judged, models)
			return nil
		},
	}
	modelFlag(cmd, &names, "judge only under this `model`; may be repeated (default all presets and the models that the files name)")
	jsonFlag(cmd, &asJSON)
	return cmd
}

// readLitmusFiles reads files, and those of directories, in order. It reports
// all that are bad.
func readLitmusFiles(args []string) ([]*litmus.Test, error) {
	if len(args) == 0 {
		if _, err := os.Stat(litmusDir); err != nil {
			return nil, usagef("no file given, and no directory %s here", litmusDir)
		}
		args = []string{litmusDir}
	}
	var tests []*litmus.Test
	var bad []error
	for _, arg := range args {
		files, err := litmusFiles(arg)
		if err != nil {
			bad = append(bad, err)
		}
		for _, file := range files {
			test, err := readLitmus(file)
			if err != nil {
				bad = append(bad, err)
				continue
			}
			tests = append(tests, test)
		}
	}
	return tests, errors.Join(bad...)
}

// litmusFiles returns a file as it is, and the litmus files of a directory.
func litmusFiles(arg string) ([]string, error) {
	info, err := os.Stat(arg)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return []string{arg}, nil
	}
	var files []string
	err = filepath.WalkDir(arg, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && filepath.Ext(path) == ".txtar" {
			files = append(files, path)
		}
		return err
	})
	if err == nil && files == nil {
		err = fmt.Errorf("%s: no file named *.txtar in it or below", arg)
	}
	return files, err
}

// litmusResult is what was found out about a litmus file.
type litmusResult struct {
	test    *litmus.Test
	reports []*litmus.Report
}

func (j *litmusResult) held() bool {
	return !slices.ContainsFunc(j.reports, func(r *litmus.Report) bool { return !r.Held() })
}

// judgeLitmus judges files under the given models; none are all presets and
// those that a file names.
func judgeLitmus(ctx context.Context, tests []*litmus.Test, models []model.Model) ([]litmusResult, error) {
	judged := make([]litmusResult, len(tests))
	for i, test := range tests {
		judged[i].test = test
		these := models
		if these == nil {
			these = presets()
			for _, m := range test.Models() {
				if !slices.Contains(these, m) {
					these = append(these, m)
				}
			}
		}
		for _, m := range these {
			report, err := test.Judge(ctx, m)
			if err != nil {
				return nil, err
			}
			judged[i].reports = append(judged[i].reports, report)
		}
	}
	return judged, nil
}

// printLitmus prints a table of files and models. Models without a column
// share the last one.
func (a *app) printLitmus(judged []litmusResult, columns []model.Model) {
	head := []cell{{"LITMUS", a.style.head}}
	for _, m := range columns {
		head = append(head, cell{m.String(), a.style.head})
	}
	others := slices.ContainsFunc(judged, func(j litmusResult) bool { return len(j.reports) > len(columns) })
	if others {
		head = append(head, cell{"other", a.style.head})
	}
	rows := []row{{cells: head}}
	width := len(strconv.Itoa(maxCases(judged)))
	held, failed := 0, 0
	for _, j := range judged {
		r := row{cells: cells(strings.TrimSuffix(filepath.Base(j.test.File), ".txtar"))}
		for i := range columns {
			r.cells = append(r.cells, a.litmusCell(j.reports[i], width))
		}
		if others {
			r.cells = append(r.cells, a.otherCell(j.reports[len(columns):]))
		}
		r.below = a.failedExpectations(&j)
		rows = append(rows, r)
		for _, report := range j.reports {
			for _, f := range report.Findings {
				if f.Held {
					held++
				} else {
					failed++
				}
			}
		}
	}
	writeTable(&a.out, rows)
	fmt.Fprintf(&a.out, "\n%s: %d of %d expectations hold\n", show.Count(len(judged), "file"), held, held+failed)
}

func maxCases(judged []litmusResult) int {
	most := 0
	for _, j := range judged {
		for _, r := range j.reports {
			most = max(most, r.Cases)
		}
	}
	return most
}

// litmusCell shows the number of cases, and whether what is expected holds.
func (a *app) litmusCell(r *litmus.Report, width int) cell {
	switch {
	case len(r.Findings) == 0:
		return cell{text: fmt.Sprintf("%*d", width, r.Cases)}
	case r.Held():
		return cell{fmt.Sprintf("%*d ok", width, r.Cases), a.style.good}
	}
	return cell{fmt.Sprintf("%*d FAIL", width, r.Cases), a.style.bad}
}

// otherCell says under how many models without a column all holds, or where
// it does not.
func (a *app) otherCell(reports []*litmus.Report) cell {
	failed := 0
	for _, r := range reports {
		if !r.Held() {
			failed++
		}
	}
	switch {
	case len(reports) == 0:
		return cell{text: "-"}
	case failed > 0:
		return cell{fmt.Sprintf("%d of %d FAIL", failed, len(reports)), a.style.bad}
	}
	return cell{fmt.Sprintf("%d ok", len(reports)), a.style.good}
}

// failedExpectations tells each expectation that failed, in the order of the
// file, and the case that shows it; models that share one are named together.
func (a *app) failedExpectations(j *litmusResult) string {
	var b strings.Builder
	for _, e := range j.test.Expects {
		var shown []story
		for _, r := range j.reports {
			for _, f := range r.Findings {
				if f.Expect == e && !f.Held {
					shown = mergeStory(shown, r.Model, story{text: exampleText(f.Example)})
				}
			}
		}
		for _, s := range shown {
			fmt.Fprintf(&b, "    %s:%d: %s under %s: %s %s\n%s", j.test.File, e.Line,
				a.style.bad("FAIL"), s.models, e.Quantifier, e.Expression, s.text)
		}
	}
	return b.String()
}

func exampleText(example *runner.State) string {
	if example == nil {
		return "        no case shows it\n"
	}
	return showState(example, "        ")
}
