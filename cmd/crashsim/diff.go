package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/big"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/model"
	"github.com/crashsim/crashsim/faultfs/persist"
	"github.com/crashsim/crashsim/runner"
	"github.com/crashsim/crashsim/runner/show"
)

func (a *app) diffCommand() *cobra.Command {
	var models []string
	var asJSON bool
	shown, most := 10, 100_000
	cmd := &cobra.Command{
		Use:   "diff A [B]",
		Short: "Show which cases only one of two programs, or models, has",
		Long: `Diff lists every case of A and of B, as "crashsim states" does, and prints those
that only one of them has: the marks, and how the tree differs from the nearest
case of the other. Lines of A begin with "-", lines of B with "+". A case that the
oracle of its scenario rejects is marked as wrong; wrong ones come first. A case
names each mark once, however often it was made, so that one which both have can
be wrong in one of them alone.

A and B are names of scenarios, or else files: litmus files, and traces that
"crashsim trace", "record" and "import" have written, which have no oracle. Write
./NAME for a file that has the name of a scenario. With one --model both are seen
under it; with two, A is seen under the first and B under the second, and B may be
left out where it is the same program.

Exit status: 0 if the cases are the same, 1 if they differ, 3 if there are too many
to tell.`,
		Example: `  crashsim diff rename-without-fsync just-before-fsync-partial --model ext4
  crashsim diff rename-without-fsync --model ext4 --model posix
  crashsim diff before.txt after.txt --model posix,unit=512`,
		ValidArgsFunction: a.completeScenariosOrFiles(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if shown < 0 || most < 0 {
				return usagef("--max and --max-cuts count from zero")
			}
			sides, err := a.diffSides(args, models)
			if err != nil {
				return err
			}
			out := diffJSON{Schema: diffSchema, OnlyA: []onlyJSON{}, OnlyB: []onlyJSON{}}
			for i := range sides {
				if why, err := sides[i].list(cmd.Context(), most); err != nil {
					return err
				} else if why != "" {
					out.Unknown = append(out.Unknown, why)
				}
			}
			out.compare(&sides, shown)
			a.status = out.status()
			return a.printAs(out, asJSON, func() { a.printDiff(out) })
		},
	}
	modelFlag(cmd, &models, "see both under this `model`; given twice, A under the first and B under the second (default \""+model.Default().String()+"\")")
	jsonFlag(cmd, &asJSON)
	cmd.Flags().IntVar(&shown, "max", shown, "show so many `cases` of each side, 0 for all")
	cmd.Flags().IntVar(&most, "max-cuts", most, "list no program that has more legal `cuts`, 0 for no limit")
	return cmd
}

// diffSide is a program under a model, and its cases.
type diffSide struct {
	name     string
	model    model.Model
	scenario *runner.Scenario // nil: a trace without an oracle
	trace    *faultfs.Trace
	states   []runner.State
	lines    map[string]int // places in states
}

// diffSides finds what is to be compared.
func (a *app) diffSides(args, names []string) (sides [2]diffSide, err error) {
	models, err := parseModels(names)
	switch {
	case err != nil:
		return sides, err
	case len(args) == 0 || len(args) > 2:
		return sides, usagef("want A, or A and B, got %d arguments", len(args))
	case len(names) > 2:
		return sides, usagef("--model is given %d times, want at most two models", len(names))
	case len(args) == 1 && len(models) < 2:
		return sides, usagef("want B, or two different models to see %s under", args[0])
	case len(models) == 0:
		models = []model.Model{model.Default()}
	}
	for i := range sides {
		sides[i].model = models[min(i, len(models)-1)]
		sides[i].name = args[min(i, len(args)-1)]
		if err := a.program(&sides[i]); err != nil {
			return sides, err
		}
	}
	return sides, nil
}

// program finds the program of a side: a scenario, or else a file.
func (a *app) program(side *diffSide) error {
	s, err := a.find(side.name)
	if err == nil {
		side.scenario = &s
		side.trace, err = s.Record()
		return err
	}
	if _, statErr := os.Stat(side.name); errors.Is(statErr, fs.ErrNotExist) {
		return usageError{fmt.Errorf("%w; nor is there such a file", err)}
	}
	test, err := readLitmus(side.name)
	if err != nil {
		return err
	}
	side.trace = test.Record(side.model)
	return nil
}

// list lists the cases of a side, or says why it does not.
func (side *diffSide) list(ctx context.Context, most int) (why string, err error) {
	cuts, exact := persist.Lower(side.trace, side.model).Count(ctx)
	if most > 0 && cuts.Cmp(big.NewInt(int64(most))) > 0 {
		number := show.Number(cuts.String())
		if !exact {
			number = "up to " + number
		}
		return fmt.Sprintf("%s has %s cuts under %s, more than are listed: --max-cuts is %d", side.name, number, side.model, most), nil
	}
	if side.scenario != nil && side.scenario.Oracle != nil {
		side.states, err = side.scenario.States(ctx, side.model)
	} else {
		side.states, err = runner.States(ctx, side.trace, side.model)
	}
	if err != nil {
		return "", err
	}
	side.lines = map[string]int{}
	for i := range side.states {
		line, err := side.states[i].Line()
		if err != nil {
			return "", err
		}
		side.lines[line] = i
	}
	return "", nil
}

const diffSchema = "crashsim/diff/1"

type diffJSON struct {
	Schema  string     `json:"schema"`
	A       sideJSON   `json:"a"`
	B       sideJSON   `json:"b"`
	Both    bothJSON   `json:"both"`
	OnlyA   []onlyJSON `json:"only_a"` // wrong ones first, no more than --max
	OnlyB   []onlyJSON `json:"only_b"`
	Unknown []string   `json:"unknown"` // why nothing can be told; then all numbers are zero
}

type sideJSON struct {
	Program   string `json:"program"`
	Model     string `json:"model"`
	Judged    bool   `json:"judged"` // by an oracle
	Cases     int    `json:"cases"`
	Wrong     int    `json:"wrong"`
	Only      int    `json:"only"` // cases that the other side does not have
	OnlyWrong int    `json:"only_wrong"`
}

// bothJSON are the cases that both sides have. The oracles of the sides may
// promise different things.
type bothJSON struct {
	Cases  int `json:"cases"`
	WrongA int `json:"wrong_a"`
	WrongB int `json:"wrong_b"`
}

type onlyJSON struct {
	Case    any      `json:"case"`
	Wrong   []string `json:"wrong"`
	Nearest any      `json:"nearest"` // case of the other side

	state, near *runner.State
}

func (out *diffJSON) status() int {
	switch {
	case len(out.Unknown) > 0:
		return exitUnknown
	case out.A.Only > 0 || out.B.Only > 0:
		return exitWrong
	}
	return exitOK
}

// compare compares the sides, if they are listed.
func (out *diffJSON) compare(sides *[2]diffSide, shown int) {
	for i, j := range []*sideJSON{&out.A, &out.B} {
		s := &sides[i]
		j.Program, j.Model, j.Judged = s.name, s.model.String(), s.scenario != nil && s.scenario.Oracle != nil
	}
	if len(out.Unknown) > 0 {
		return
	}
	out.Unknown = []string{}
	out.OnlyA = out.A.only(&sides[0], &sides[1], shown, &out.Both.WrongA)
	out.OnlyB = out.B.only(&sides[1], &sides[0], shown, &out.Both.WrongB)
	out.Both.Cases = out.A.Cases - out.A.Only
}

// only counts the cases of a side and returns those that the other one does not
// have, so many at most.
func (j *sideJSON) only(side, other *diffSide, shown int, wrongInBoth *int) []onlyJSON {
	var wrong, right []*runner.State
	for _, line := range slices.Sorted(maps.Keys(side.lines)) {
		s := &side.states[side.lines[line]]
		j.Cases++
		if len(s.Wrong) > 0 {
			j.Wrong++
		}
		_, both := other.lines[line]
		switch {
		case both && len(s.Wrong) > 0:
			*wrongInBoth++
		case both:
		case len(s.Wrong) > 0:
			wrong = append(wrong, s)
		default:
			right = append(right, s)
		}
	}
	j.Only, j.OnlyWrong = len(wrong)+len(right), len(wrong)
	all := append(wrong, right...)
	if shown > 0 {
		all = all[:min(len(all), shown)]
	}
	list := []onlyJSON{}
	for _, s := range all {
		near := nearestState(s, other.states)
		list = append(list, onlyJSON{stateOf(s), violationTexts(s.Wrong), stateOf(near), s, near})
	}
	return list
}
