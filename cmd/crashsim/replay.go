package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/spf13/afero"
	"github.com/spf13/cobra"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/persist"
	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner"
	"github.com/crashsim/crashsim/runner/outfile"
	"github.com/crashsim/crashsim/runner/process"
	"github.com/crashsim/crashsim/runner/show"
)

func (a *app) replayCommand() *cobra.Command {
	var asJSON bool
	var to string
	var commands replayCommands
	cmd := &cobra.Command{
		Use:   "replay FILE",
		Short: "Judge a stored failure again",
		Long: `Replay makes the disk of a stored failure again, shows it, and lets the
scenario's recovery and oracle look at it. Of a scenario that this command does
not know, the disk is shown and not judged.

A failure of a program that "crashsim exec" recorded names its check. That is text
which whoever wrote the file has chosen, and so it is only shown: --run-check runs
it, and --check and --recover give commands of your own. With --to, the disk is
written into a directory, as the program finds it when it starts again.

Exit status: 0 if nothing is wrong any more, 1 if the failure is still there,
3 if it could not be judged.`,
		Example: `  crashsim run seed-defer-close --failures testdata/failures
  crashsim replay testdata/failures/seed-defer-close--posix--lost.txt`,
		Args: wants("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			text, err := outfile.Read(args[0])
			if err != nil {
				return err
			}
			stored, err := runner.ParseFailure(args[0], text)
			if err != nil {
				return err
			}
			if commands.asked() {
				if stored.Command == nil {
					return usagef("%s names no command that judges it: leave out --run-check, --check and --recover", args[0])
				}
				if a.inPrivate(cmd.Context()) {
					return nil
				}
			}
			r, err := a.replay(stored, &commands)
			if err != nil {
				return err
			}
			r.file = args[0]
			if to != "" {
				if err := writeDisk(stored, to); err != nil {
					return err
				}
			}
			if asJSON {
				return a.printJSON(r.json())
			}
			a.printReplay(r)
			return nil
		},
	}
	cmd.Flags().BoolVar(&commands.run, "run-check", false, "run the check, and the recovery, that the file names")
	cmd.Flags().StringVar(&commands.check, "check", "", "let the shell run this `command` on the disk, or one of old-or-new:FILE, log:FILE, sqlite:FILE")
	cmd.Flags().StringVar(&commands.recover, "recover", "", "let the shell run this `command` on the disk before the check")
	atFlag(cmd, &commands.path)
	cmd.Flags().StringVar(&to, "to", "", "write the disk into this `directory`, which is made, to look at it; nothing is run there")
	cmd.Flags().DurationVar(&commands.slow, "check-timeout", 10*time.Second, "a check that takes longer than this `time` has failed")
	cmd.MarkFlagsMutuallyExclusive("run-check", "check")
	cmd.MarkFlagsMutuallyExclusive("run-check", "recover")
	jsonFlag(cmd, &asJSON)
	return cmd
}

// replayCommands are by which commands the failure of a recorded program is judged.
type replayCommands struct {
	run            bool // those of the file
	check, recover string
	path           string
	slow           time.Duration
}

// at is the path at which the commands see the disk.
func (c *replayCommands) at(s *runner.Stored) string { return cmp.Or(c.path, s.Command.Path) }

// asked reports whether any command is to be run.
func (c *replayCommands) asked() bool { return c.run || c.check != "" || c.recover != "" }

// of returns the commands that judge a failure.
func (c *replayCommands) of(s *runner.Stored) (*runner.Command, error) {
	command := *s.Command
	if !c.run {
		command.Check, command.Recover = c.check, c.recover
	}
	switch {
	case command.Check == "":
		return nil, usagef("want --check COMMAND: there is nothing to judge the disk by")
	case s.Fault != nil && process.IsBuiltin(command.Check):
		return nil, usagef("the check %s knows what is right from a run without a fault, which the file of this failure does not hold: "+
			"give --check COMMAND, or judge the program again by \"crashsim exec --faults '%s'\"", command.Check, s.Fault)
	}
	return &command, nil
}

// judge judges a failure of a recorded program by commands.
func (c *replayCommands) judge(s *runner.Stored) (violations []oracle.Violation, err error) {
	command, err := c.of(s)
	if err != nil {
		return nil, err
	}
	checker, err := process.NewChecker(process.Options{Timeout: c.slow, At: c.at(s)})
	if err != nil {
		return nil, err
	}
	defer func() { err = ended(err, checker.Close()) }()
	scenario := runner.Scenario{Name: s.Scenario, Trace: s.Trace, Command: command}
	if err := checkedBy(&scenario, checker, s.Trace); err != nil {
		return nil, err
	}
	return s.Judge(scenario, runner.Options{Timeout: 2*c.slow + 10*time.Second})
}

// writeDisk writes the disk of a failure, as a check finds it, into a directory.
func writeDisk(s *runner.Stored, dir string) error {
	if _, err := os.Lstat(dir); err == nil {
		return usagef("--to %s: it exists already, want a directory that is to be made", dir)
	}
	var once sync.Once
	written := errors.New("the disk was not looked at")
	look := oracle.Func(func(disk afero.Fs, _ oracle.Marks) []oracle.Violation {
		once.Do(func() { written = process.WriteDisk(disk.(*faultfs.FS), dir) })
		return nil
	})
	if _, err := s.Judge(runner.Scenario{Name: s.Scenario, Trace: s.Trace, Oracle: look}, runner.Options{}); err != nil {
		return err
	}
	if written != nil {
		return fmt.Errorf("--to %s: %w", dir, written)
	}
	return nil
}

// replayed is a stored failure that was judged again.
type replayed struct {
	*runner.Stored
	file       string
	disk       runner.State
	known      bool // the scenario is: the disk was judged
	violations []oracle.Violation
}

// replay judges a stored failure again and sets the exit status.
func (a *app) replay(s *runner.Stored, commands *replayCommands) (*replayed, error) {
	disk, err := s.State()
	if err != nil {
		return nil, err
	}
	r := &replayed{Stored: s, disk: disk}
	if s.Command != nil {
		if !commands.asked() {
			a.status = exitUnknown
			return r, nil
		}
		r.known = true
		r.violations, err = commands.judge(s)
		if len(r.violations) > 0 {
			a.status = exitWrong
		}
		return r, err
	}
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
	fmt.Fprintf(&a.out, "    %s\n", a.style.story(onTwoLines(r.Story)))
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
	case !r.known && r.Command != nil:
		a.printNotRun(r)
	case !r.known:
		fmt.Fprintf(&a.out, "%s: this command knows no scenario %q\n", a.style.odd("not judged"), r.Scenario)
		if test := r.GoTest(r.file); test != "" {
			fmt.Fprintf(&a.out, "    its test judges it, in its module: %s\n", show.Line(test))
		} else {
			fmt.Fprintf(&a.out, "    the test that checks the scenario judges it: run go test with CRASHSIM_REPLAY=FILE in its environment\n")
		}
	case len(r.violations) == 0:
		fmt.Fprintf(&a.out, "%s: nothing is wrong with it any more\n", a.style.good("kept"))
	default:
		fmt.Fprintf(&a.out, "%s: %s\n", a.style.bad("broken"), strings.Join(shownViolations(r.violations), "\n        "))
	}
}

// printNotRun prints the commands that a stored failure names, and how they are run.
func (a *app) printNotRun(r *replayed) {
	c := r.Command
	fmt.Fprintf(&a.out, "%s: the file names commands, which were not run\n", a.style.odd("not judged"))
	for _, line := range []struct{ key, text string }{
		{"path", c.Path}, {"setup", c.Setup}, {"program", strings.Join(c.Program, " ")}, {"recover", c.Recover}, {"check", c.Check},
	} {
		if line.text != "" {
			fmt.Fprintf(&a.out, "    %-8s%s\n", line.key, show.Story(line.text))
		}
	}
	a.out.WriteString("    --run-check runs what the file names as check and recovery; --check COMMAND runs a command of yours\n")
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
