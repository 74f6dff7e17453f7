package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/crashsim/crashsim/faultfs/model"
	"github.com/crashsim/crashsim/runner"
	"github.com/crashsim/crashsim/runner/show"
)

func (a *app) auditCommand() *cobra.Command {
	var models []string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "audit NAME...",
		Short: "Show what each sync of a program is good for",
		Long: `Audit leaves out each sync of a program, alone, and crashes the program without
it everywhere, under one model at a time. The sync is
  needed     a case is wrong without it: the smallest one is told
  redundant  no case is wrong without it, which is proved by judging all of them

A sync that is redundant alone may be needed where another one is left out, too.

Exit status: 0 if all is known, 3 if anything is not.`,
		Example: `  crashsim audit seed-atomic-rename-fixed
  crashsim audit wal-checkpoint-fixed --model ext4 --model posix`,
		ValidArgsFunction: a.completeScenarios(0),
		RunE: func(cmd *cobra.Command, args []string) error {
			chosen, parsed, err := a.chosenUnder(args, models)
			if err != nil {
				return err
			}
			if parsed == nil {
				parsed = []model.Model{model.Default()}
			}
			out := auditJSON{Schema: auditSchema, Syncs: []auditedJSON{}, Errors: []string{}}
			for _, s := range chosen {
				for _, m := range parsed {
					mutants, err := s.Mutate(cmd.Context(), runner.Options{Models: []model.Model{m}})
					if err := endsAll(cmd.Context(), err); err != nil {
						return err
					}
					if err != nil {
						out.Errors = append(out.Errors, err.Error())
					}
					out.add(s.Name, m, mutants)
				}
			}
			if len(out.Errors) > 0 {
				a.status = exitUnknown
			}
			return a.printAs(out, asJSON, func() { a.printAudit(out) })
		},
	}
	modelFlag(cmd, &models, "audit under this `model`; may be repeated (default posix)")
	jsonFlag(cmd, &asJSON)
	return cmd
}

const auditSchema = "crashsim/audit/1"

type auditJSON struct {
	Schema string        `json:"schema"`
	Syncs  []auditedJSON `json:"syncs"`
	Errors []string      `json:"errors"` // scenarios of which nothing is known, and why
}

type auditedJSON struct {
	Scenario string `json:"scenario"`
	Model    string `json:"model"`
	Op       int    `json:"op"`
	Call     string `json:"call"`
	Verdict  string `json:"verdict"` // "needed", "redundant" or "unknown"
	Story    string `json:"story,omitempty"`
}

func (out *auditJSON) add(scenario string, m model.Model, mutants []runner.Mutant) {
	for _, mutant := range mutants {
		if mutant.Lacks == "rename" {
			continue
		}
		j := auditedJSON{Scenario: scenario, Model: m.String(), Op: int(mutant.Op), Call: mutant.Call}
		switch mutant.Fate {
		case runner.Killed:
			j.Verdict, j.Story = "needed", mutant.Story
		case runner.Harmless, runner.Survived:
			j.Verdict = "redundant"
		default:
			j.Verdict = "unknown"
			out.Errors = append(out.Errors, fmt.Sprintf("scenario %s without %s: a budget ended the search", scenario, mutant.Call))
		}
		out.Syncs = append(out.Syncs, j)
	}
}

func (a *app) printAudit(out auditJSON) {
	needed, redundant := 0, 0
	above := ""
	for _, s := range out.Syncs {
		if head := s.Scenario + " under " + s.Model; head != above {
			fmt.Fprintf(&a.out, "%s under %s\n", a.style.head(s.Scenario), s.Model)
			above = head
		}
		switch s.Verdict {
		case "needed":
			needed++
			fmt.Fprintf(&a.out, "    %s     %s\n        without it: %s\n", a.style.good("needed"), s.Call, a.style.story(onTwoLines(s.Story)))
		case "redundant":
			redundant++
			fmt.Fprintf(&a.out, "    %s  %s\n", a.style.odd("redundant"), s.Call)
		default:
			fmt.Fprintf(&a.out, "    %s    %s\n", a.style.bad("unknown"), s.Call)
		}
	}
	fmt.Fprintf(&a.out, "\n%s: %d needed, %d redundant\n", show.Count(len(out.Syncs), "sync"), needed, redundant)
	for _, err := range out.Errors {
		fmt.Fprintf(&a.out, "%s: %s\n", a.style.bad("not judged"), err)
	}
}
