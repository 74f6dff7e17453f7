package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/tools/go/analysis/unitchecker"

	"github.com/crashsim/crashsim/runner/show"
	"github.com/crashsim/crashsim/runner/vet"
)

// vetCommand finds what a power cut does to saves by reading the code.
func (a *app) vetCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "vet [-n] [FLAGS AND PACKAGES OF GO VET]",
		Short: "Find saves in Go code that a power cut can undo, and print tests that confirm it",
		Long: `Reads Go code that uses package os, and reports what a power cut can undo, tear or
lose:

  rename     a file is renamed and nothing has synced it
  writefile  os.WriteFile saves a file that is then renamed, or that is read again
  directory  a file is synced, and nothing syncs the directory that holds its name
  truncate   O_TRUNC empties the only copy of a file
  error      the error of Sync is ignored, or of Close on a file that nothing synced
  defer      a written file is renamed while its Close is still deferred

Each report of a function prints a test. Put it into a file beside the code, and run
"crashsim test": it says whether the report is right, and which sync is missing.

It takes the flags of "go vet", and these: -skip CHECK,CHECK leaves out checks, -tests
looks into test files, too, and -skeleton=false prints no tests. With -n in front, the command
is printed that would be run. By hand: go vet -vettool=$(which crashsim) ./...

Exit status:
  0  no report
  1  a report
  2  an error, such as code that does not compile`,
		Example: `  crashsim vet ./...
  crashsim vet -skip directory,error ./store
  crashsim vet -n ./...                     # what would be run`,
		DisableFlagParsing: true,
		RunE:               aroundGo(a.vet),
	}
}

// isVetTool reports whether "go vet" started this process to have a package looked at: it
// asks for a version, for flags, or hands a file over.
func isVetTool(args []string) bool {
	for _, arg := range args[:max(0, len(args)-1)] {
		if !strings.HasPrefix(arg, "-") {
			return false
		}
	}
	last := ""
	if len(args) > 0 {
		last = args[len(args)-1]
	}
	return last == "-V=full" || last == "-flags" || strings.HasSuffix(last, "vet.cfg")
}

// vetTool does what "go vet" asks for. It does not return.
func vetTool() { unitchecker.Main(vet.Analyzer) }

func (a *app) vet(ctx context.Context, args []string, only bool) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	flags, rest := firstC(args)
	flags = slices.Concat([]string{"vet"}, flags, []string{"-vettool=" + self})
	if !only {
		flags = append(flags, "-json")
	}
	for i, arg := range rest {
		name, _, _ := strings.Cut(strings.TrimLeft(arg, "-"), "=")
		switch {
		case !strings.HasPrefix(arg, "-"):
		case name == "vettool" || name == "json":
			return usagef("go vet gets its flag -%s from this command, and can have only one", name)
		case vet.Analyzer.Flags.Lookup(name) != nil: // go vet knows them by their whole names
			rest[i] = "-" + vet.Analyzer.Name + "." + strings.TrimLeft(arg, "-")
		}
	}
	words := append(flags, rest...)
	if only {
		return a.printGo(words)
	}
	reports, err := vetReports(ctx, words)
	if err != nil {
		return err
	}
	return a.printVet(reports)
}

// vetReport is one report.
type vetReport struct {
	Posn    string `json:"posn"`
	Message string `json:"message"`
}

// vetReports runs go vet and returns what it reports, each report once.
func vetReports(ctx context.Context, words []string) ([]vetReport, error) {
	var out, said bytes.Buffer
	err := goCommand(ctx, words, &out, &said).Run()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, fmt.Errorf("go vet: %w\n%s", err, strings.TrimSpace(out.String()+said.String()))
	}
	// Older go commands print the reports to standard error, with comments between them.
	var text bytes.Buffer
	for line := range strings.Lines(out.String() + said.String()) {
		if !strings.HasPrefix(line, "#") && !strings.HasPrefix(line, "go: downloading ") {
			text.WriteString(line)
		}
	}
	known := map[vetReport]bool{}
	decoder := json.NewDecoder(&text)
	for {
		var packages map[string]map[string]json.RawMessage
		if err := decoder.Decode(&packages); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, fmt.Errorf("go vet printed what is no report: %w\n%s", err, said.String())
		}
		for name, analyzers := range packages {
			text := analyzers[vet.Analyzer.Name]
			if text == nil {
				continue
			}
			var reports []vetReport
			if err := json.Unmarshal(text, &reports); err != nil {
				return nil, fmt.Errorf("package %s: %s", name, text)
			}
			for _, r := range reports {
				known[r] = true
			}
		}
	}
	return slices.SortedFunc(maps.Keys(known), func(a, b vetReport) int {
		return cmp.Or(comparePlaces(a.Posn, b.Posn), cmp.Compare(a.Message, b.Message))
	}), nil
}

// comparePlaces compares FILE:LINE:COLUMN.
func comparePlaces(a, b string) int {
	x, y := strings.Split(a, ":"), strings.Split(b, ":")
	for i := range min(len(x), len(y)) {
		m, err1 := strconv.Atoi(x[i])
		n, err2 := strconv.Atoi(y[i])
		order := cmp.Compare(x[i], y[i])
		if err1 == nil && err2 == nil {
			order = cmp.Compare(m, n)
		}
		if order != 0 {
			return order
		}
	}
	return cmp.Compare(len(x), len(y))
}

// printVet prints reports, with places below the working directory as they are seen from
// there.
func (a *app) printVet(reports []vetReport) error {
	here, err := os.Getwd()
	if err != nil {
		return err
	}
	a.exact = true
	for _, r := range reports {
		place := r.Posn
		if below, ok := strings.CutPrefix(place, here+string(os.PathSeparator)); ok {
			place = below
		}
		if _, err := fmt.Fprintf(&a.out, "%s: %s\n", show.Text(place), show.Text(r.Message)); err != nil {
			return err
		}
	}
	if len(reports) > 0 {
		a.status = exitWrong
	}
	return nil
}
