package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/crashsim/crashsim/faultfs/persist"
	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner"
)

func (a *app) replayCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "replay FILE",
		Short: "Judge a stored failure again",
		Long: `Replay makes the disk of a stored failure again, shows it, and lets the
scenario's recovery and oracle look at it. Of a scenario that this command does
not know, the disk is shown and not judged.

Exit status: 0 if nothing is wrong any more, 1 if the failure is still there,
3 if it could not be judged.`,
		Example: `  crashsim run seed-defer-close --failures testdata/failures
  crashsim replay testdata/failures/seed-defer-close--posix--lost.txt`,
		Args: wants("FILE"),
		RunE: func(_ *cobra.Command, args []string) error {
			text, err := os.ReadFile(args[0])
			if err != nil {
				return err
			}
			stored, err := runner.ParseFailure(args[0], text)
			if err != nil {
				return err
			}
			r, err := a.replay(stored)
			if err != nil {
				return err
			}
			if asJSON {
				return a.printJSON(r.json())
			}
			a.printReplay(r)
			return nil
		},
	}
	jsonFlag(cmd, &asJSON)
	return cmd
}

// replayed is a stored failure that was judged again.
type replayed struct {
	*runner.Stored
	disk       runner.State
	known      bool // the scenario is: the disk was judged
	violations []oracle.Violation
}

// replay judges a stored failure again and sets the exit status.
func (a *app) replay(s *runner.Stored) (*replayed, error) {
	disk, err := s.State()
	if err != nil {
		return nil, err
	}
	r := &replayed{Stored: s, disk: disk}
	scenario, err := a.find(s.Scenario)
	if err != nil {
		var unknown usageError
		if !errors.As(err, &unknown) {
			return nil, err
		}
		a.status = exitUnknown
		return r, nil
	}
	r.known = true
	r.violations, err = s.Judge(scenario, runner.Options{})
	if len(r.violations) > 0 {
		a.status = exitWrong
	}
	return r, err
}

func (a *app) printReplay(r *replayed) {
	fmt.Fprintf(&a.out, "%s under %s\n", a.style.head(r.Scenario), r.Model)
	fmt.Fprintf(&a.out, "    %s\n", onTwoLines(r.Story))
	plan := persist.Lower(r.Trace, r.Model)
	a.out.WriteString("lost\n")
	switch {
	case len(r.Lost) == 0 && r.How == "":
		a.out.WriteString("    nothing: kill -9 is enough\n")
	case len(r.Lost) == 0:
		a.out.WriteString("    nothing\n")
	}
	for _, e := range r.Lost {
		op := &r.Trace.Ops[e.Op]
		fmt.Fprintf(&a.out, "    the %s of %s\n", plan.What(e), op.Call())
	}
	a.out.WriteString("disk\n")
	a.out.WriteString(showState(&r.disk, "    "))
	switch {
	case !r.known:
		fmt.Fprintf(&a.out, "%s: this command knows no scenario %q\n", a.style.odd("not judged"), r.Scenario)
	case len(r.violations) == 0:
		fmt.Fprintf(&a.out, "%s: nothing is wrong with it any more\n", a.style.good("kept"))
	default:
		fmt.Fprintf(&a.out, "%s: %s\n", a.style.bad("broken"), strings.Join(shownViolations(r.violations), "\n        "))
	}
}

type replayJSON struct {
	Schema     string       `json:"schema"`
	Scenario   string       `json:"scenario"`
	Model      string       `json:"model"`
	Kind       string       `json:"kind"` // when it was stored
	Story      string       `json:"story"`
	Lost       []effectJSON `json:"lost"`
	Disk       any          `json:"disk"`
	Verdict    string       `json:"verdict"`
	Violations []string     `json:"violations"`
}

func (r *replayed) json() any {
	plan := persist.Lower(r.Trace, r.Model)
	verdict := runner.Unknown
	switch {
	case r.known && len(r.violations) > 0:
		verdict = runner.Broken
	case r.known:
		verdict = runner.Kept
	}
	return replayJSON{
		replaySchema, r.Scenario, r.Model.String(), r.Kind.String(), r.Story,
		effectsOf(r.Lost, plan), stateOf(&r.disk), verdict.String(), violationTexts(r.violations),
	}
}
