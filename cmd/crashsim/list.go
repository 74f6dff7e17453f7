package main

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/crashsim/crashsim/faultfs/model"
	"github.com/crashsim/crashsim/runner"
)

func (a *app) listCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the scenarios, and the presets under which they break",
		Example: `  crashsim list
  crashsim list --json`,
		Args: wants(),
		RunE: func(*cobra.Command, []string) error {
			if asJSON {
				return a.printJSON(listOf(a.scenarios))
			}
			a.printList()
			return nil
		},
	}
	jsonFlag(cmd, &asJSON)
	return cmd
}

func (a *app) printList() {
	rows := []row{{cells: cells("SCENARIO", "BREAKS UNDER")}}
	for i := range rows[0].cells {
		rows[0].cells[i].paint = a.style.head
	}
	for _, s := range a.scenarios {
		breaks := strings.Join(breaksUnder(&s), " ")
		if breaks == "" {
			breaks = "none"
		}
		rows = append(rows, row{cells: cells(s.Name, breaks), below: "    " + s.Lesson + "\n"})
	}
	writeTable(&a.out, rows)
}

// breaksUnder returns the presets under which a scenario is declared broken.
func breaksUnder(s *runner.Scenario) []string {
	var names []string
	for _, p := range model.Presets() {
		if s.Declared[p.Model].Verdict == runner.Broken {
			names = append(names, p.Name)
		}
	}
	return names
}
