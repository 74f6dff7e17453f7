package main

import (
	"fmt"
	"strings"

	"github.com/rogpeppe/go-internal/diff"
	"github.com/spf13/cobra"

	"github.com/crashsim/crashsim/faultfs/model"
	"github.com/crashsim/crashsim/runner"
	"github.com/crashsim/crashsim/runner/repair"
	"github.com/crashsim/crashsim/runner/show"
)

func (a *app) fixCommand() *cobra.Command {
	var models []string
	var asJSON, patch bool
	cmd := &cobra.Command{
		Use:   "fix NAME...",
		Short: "Find the syncs that a program lacks, and prove that they are enough",
		Long: `Fix finds, for each scenario and model, a smallest set of syncs with which the
program keeps its promise in every case: which file or directory, and after which
call. It is verified by crashing the program with them everywhere. Where no set of
syncs is enough, that is proved with every sync added that could be, and the kind
of change that is needed is told. Syncs are added in all lives of the program: in the
workload, in recovery, and in what it works on after it was killed; faults and damaged
media are not looked at. With --patch it prints a patch of what the
workload does, as "crashsim trace" prints it; syncs that later lives make, too, are named above it.

Exit status: 0 if nothing is broken, 1 if anything is, 3 if that is unknown.`,
		Example: `  crashsim fix rename-without-fsync
  crashsim fix 'seed-*' --model posix --model ext4
  crashsim fix rename-without-fsync --patch`,
		ValidArgsFunction: a.completeScenarios(0),
		RunE: func(cmd *cobra.Command, args []string) error {
			chosen, parsed, err := a.chosenUnder(args, models)
			if err != nil {
				return err
			}
			if parsed == nil {
				parsed = []model.Model{model.Default()}
			}
			out := fixJSON{Schema: fixSchema, Repairs: []repairJSON{}}
			var patches []byte
			for _, s := range chosen {
				for _, m := range parsed {
					found, err := s.Fix(cmd.Context(), m, runner.Options{})
					if err := endsAll(cmd.Context(), err); err != nil {
						return err
					}
					out.Repairs = append(out.Repairs, repairOf(s.Name, m, found, err))
					if patch && err == nil && len(found.Syncs) > 0 {
						text, err := patchOf(s, found)
						if err != nil {
							return err
						}
						patches = append(patches, text...)
					}
				}
			}
			a.status = out.status()
			if patch {
				a.exact = true
				a.out.Write(patches)
				return nil
			}
			return a.printAs(out, asJSON, func() { a.printRepairs(out) })
		},
	}
	modelFlag(cmd, &models, "repair under this `model`; may be repeated (default posix)")
	cmd.Flags().BoolVar(&patch, "patch", false, "print the syncs as a patch of the program's ops")
	jsonFlag(cmd, &asJSON)
	cmd.MarkFlagsMutuallyExclusive("patch", "json")
	return cmd
}

// patchOf is what turns the ops of a program into those of the repaired one.
func patchOf(s runner.Scenario, found repair.Repair) ([]byte, error) {
	program := s.Trace
	if program == nil {
		var err error
		if program, err = s.Record(); err != nil {
			return nil, err
		}
	}
	var text []byte
	for _, sync := range found.Syncs {
		switch {
		case sync.Life != repair.Workload:
			text = fmt.Appendf(text, "# not in the workload: %s\n", sync)
		case sync.Later:
			text = fmt.Appendf(text, "# in recovery, or after a kill, too: %s\n", sync)
		}
	}
	return append(text, diff.Diff(s.Name, program.Text(), s.Name+".repaired", found.Program.Text())...), nil
}

const fixSchema = "crashsim/fix/1"

type fixJSON struct {
	Schema  string       `json:"schema"`
	Repairs []repairJSON `json:"repairs"`
}

type repairJSON struct {
	Scenario string          `json:"scenario"`
	Model    string          `json:"model"`
	Syncs    []addedSyncJSON `json:"syncs"`
	Beyond   []string        `json:"beyond"` // kinds of violations that no sync repairs
	Change   string          `json:"change"` // what kind of change is needed then
	Tried    int             `json:"tried"`  // programs that were judged
	Error    string          `json:"error,omitempty"`
}

type addedSyncJSON struct {
	Op        int    `json:"op"`
	Call      string `json:"call"`
	Path      string `json:"path"`
	Directory bool   `json:"directory"`
	Site      string `json:"site"`
	Add       string `json:"add"`            // what to add to the source
	Times     int    `json:"times"`          // how many calls of the workload it comes behind
	Life      string `json:"life,omitempty"` // when it is made, where not in the workload; its op is -1
	Text      string `json:"text"`
}

func repairOf(scenario string, m model.Model, r repair.Repair, err error) repairJSON {
	j := repairJSON{Scenario: scenario, Model: m.String(), Syncs: []addedSyncJSON{}, Beyond: []string{}, Change: r.Change, Tried: r.Tried}
	if err != nil {
		j.Error = err.Error()
	}
	for _, s := range repair.Grouped(r.Syncs) {
		j.Syncs = append(j.Syncs, addedSyncJSON{
			int(s.After), s.Call, s.Path, s.Dir, s.Site.String(), s.Add(), s.Times, s.Life.String(), s.String(),
		})
	}
	for _, k := range r.Beyond {
		j.Beyond = append(j.Beyond, k.String())
	}
	return j
}

func (out *fixJSON) status() int {
	status := exitOK
	for _, r := range out.Repairs {
		switch {
		case len(r.Syncs) > 0 || len(r.Beyond) > 0:
			return exitWrong
		case r.Error != "":
			status = exitUnknown
		}
	}
	return status
}

func (a *app) printRepairs(out fixJSON) {
	for _, r := range out.Repairs {
		fmt.Fprintf(&a.out, "%s under %s: ", a.style.head(r.Scenario), r.Model)
		switch {
		case r.Error != "":
			fmt.Fprintf(&a.out, "%s: %s\n", a.style.bad("not judged"), r.Error)
		case len(r.Beyond) > 0:
			fmt.Fprintf(&a.out, "%s: with every sync added that could be, it is still %s\n    %s\n",
				a.style.bad("no sync repairs it"), strings.Join(r.Beyond, " and "), r.Change)
		case len(r.Syncs) == 0:
			fmt.Fprintf(&a.out, "%s\n", a.style.good("nothing is to be repaired"))
		default:
			fmt.Fprintf(&a.out, "%s, and then every case is right (%s)\n",
				a.style.odd("add "+show.Count(len(r.Syncs), "sync")), show.Count(r.Tried, "program")+" judged")
		}
		for _, s := range r.Syncs {
			fmt.Fprintf(&a.out, "    %s\n        %s\n", s.Text, s.Add)
		}
	}
}
