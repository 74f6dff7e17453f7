package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/crashsim/crashsim/faultfs/model"
	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner"
	"github.com/crashsim/crashsim/runner/show"
)

// chosenUnder returns the scenarios that arguments name, of which there must be
// some, and the models that flags do, nil for none.
func (a *app) chosenUnder(args, models []string) ([]runner.Scenario, []model.Model, error) {
	if len(args) == 0 {
		return nil, nil, usagef("want the name of a scenario")
	}
	chosen, err := a.choose(args)
	if err != nil {
		return nil, nil, err
	}
	parsed, err := parseModels(models)
	return chosen, parsed, err
}

// printAs prints a result as JSON, or as text.
func (a *app) printAs(out any, asJSON bool, text func()) error {
	if asJSON {
		return a.printJSON(out)
	}
	text()
	return nil
}

func (a *app) mutateCommand() *cobra.Command {
	var models []string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "mutate NAME...",
		Short: "Score a test: leave out each sync, and see whether the test notices",
		Long: `Mutate scores a test: it makes mutants of a scenario's workload, each of which
lacks one sync, one directory sync or one rename, and judges each under the
models. Its fate is one of:
  killed    the oracle rejects a case, under the model that is named
  harmless  the mutant has the same cases as the scenario under every model
  survived  it has other cases, and the oracle takes them all

Exit status: 0 if no mutant survived, 1 if one did, 3 if one could not be judged.`,
		Example: `  crashsim mutate seed-atomic-rename-fixed
  crashsim mutate '*-fixed' --model posix`,
		ValidArgsFunction: a.completeScenarios(0),
		RunE: func(cmd *cobra.Command, args []string) error {
			chosen, parsed, err := a.chosenUnder(args, models)
			if err != nil {
				return err
			}
			out := mutateJSON{Schema: mutateSchema, Mutants: []mutantJSON{}, Errors: []string{}}
			for _, s := range chosen {
				mutants, err := s.Mutate(cmd.Context(), runner.Options{Models: parsed})
				if cmd.Context().Err() != nil {
					return err
				}
				if err != nil {
					out.Errors = append(out.Errors, err.Error())
				}
				for i := range mutants {
					out.add(s.Name, &mutants[i])
				}
			}
			a.status = out.status()
			return a.printAs(out, asJSON, func() { a.printMutants(out) })
		},
	}
	modelFlag(cmd, &models, "judge under this `model`; may be repeated (default all presets)")
	jsonFlag(cmd, &asJSON)
	return cmd
}

const mutateSchema = "crashsim/mutate/1"

type mutateJSON struct {
	Schema   string       `json:"schema"`
	Mutants  []mutantJSON `json:"mutants"`
	Killed   int          `json:"killed"`
	Harmless int          `json:"harmless"`
	Survived int          `json:"survived"`
	Unjudged int          `json:"unjudged"`
	Errors   []string     `json:"errors"` // scenarios that have no score, and why
}

type mutantJSON struct {
	Scenario string `json:"scenario"`
	Op       int    `json:"op"`
	Call     string `json:"call"`
	Lacks    string `json:"lacks"`
	Fate     string `json:"fate"`
	Model    string `json:"model,omitempty"` // of a killed one
	Kind     string `json:"kind,omitempty"`
}

func (out *mutateJSON) add(scenario string, m *runner.Mutant) {
	j := mutantJSON{Scenario: scenario, Op: int(m.Op), Call: m.Call, Lacks: m.Lacks, Fate: m.Fate.String()}
	switch m.Fate {
	case runner.Killed:
		out.Killed++
		j.Model = m.Model.String()
		if m.Kind != oracle.NoKind {
			j.Kind = m.Kind.String()
		}
	case runner.Harmless:
		out.Harmless++
	case runner.Survived:
		out.Survived++
	default:
		out.Unjudged++
	}
	out.Mutants = append(out.Mutants, j)
}

func (out *mutateJSON) status() int {
	switch {
	case out.Survived > 0:
		return exitWrong
	case out.Unjudged > 0 || len(out.Errors) > 0:
		return exitUnknown
	}
	return exitOK
}

func (a *app) printMutants(out mutateJSON) {
	rows := []row{{cells: cells("SCENARIO", "LACKS", "FATE", "OP")}}
	for i := range rows[0].cells {
		rows[0].cells[i].paint = a.style.head
	}
	for _, m := range out.Mutants {
		fate := cell{m.Fate, a.style.good}
		switch m.Fate {
		case "killed":
			if m.Kind != "" {
				fate.text += " by " + m.Kind
			}
			fate.text += " under " + m.Model
		case "survived", "unjudged":
			fate.paint = a.style.bad
		}
		rows = append(rows, row{cells: []cell{{text: m.Scenario}, {text: m.Lacks}, fate, {text: m.Call}}})
	}
	writeTable(&a.out, rows)
	text := fmt.Sprintf("\n%s: %d killed, %d harmless, %d survived", show.Count(len(out.Mutants), "mutant"), out.Killed, out.Harmless, out.Survived)
	if out.Unjudged > 0 {
		text += fmt.Sprintf(", %d unjudged", out.Unjudged)
	}
	a.out.WriteString(text + "\n")
	for _, err := range out.Errors {
		fmt.Fprintf(&a.out, "%s: %s\n", a.style.bad("not judged"), err)
	}
}
