// Command crashsim cuts the power on programs, everywhere, and says which
// promises they break.
//
// # Vocabulary
//
// A scenario is a program to crash, with its promise and, for each model, the
// verdict that is known of it. A model says what a file system promises; see
// "crashsim models". A verdict is kept, broken or unknown. A case is what a
// crash can leave, told apart as far as the program looks.
//
// # What it does not do
//
// It holds no logic of crashes: what a crash can leave is package persist's,
// the search package runner's, litmus files are package litmus's. It parses
// arguments, runs, and prints. Results go to standard output, all at once when
// the command has come to its end, so that an error leaves nothing half
// written; they hold no times and are the same bytes each time. Progress and
// errors go to standard error.
//
// The exit status is 0 if there is no finding, 1 if there is one, 2 for an error,
// 3 if a verdict is unknown, 130 if the command was interrupted, and 141 if the
// reader of its output has gone; see exitHelp.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	_ "github.com/crashsim/crashsim/cmd/crashsim/internal/descriptors" // ends the program early
	"github.com/crashsim/crashsim/runner"
	"github.com/crashsim/crashsim/runner/show"
	"github.com/crashsim/crashsim/scenarios"
)

func main() {
	if isVetTool(os.Args[1:]) {
		vetTool()
	}
	os.Exit(newApp(scenarios.All(), os.Stdout, os.Stderr).runProcess())
}

// run runs the command on the scenarios of the project.
func run(args []string, stdout, stderr io.Writer) int {
	return newApp(scenarios.All(), stdout, stderr).run(args)
}

// Exit statuses.
const (
	exitOK           = 0
	exitWrong        = 1 // something is not as declared or expected
	exitUsage        = 2 // bad usage, bad files, or something of our own failed
	exitUnknown      = 3
	exitInterrupted  = 130 // what a shell says of a command that Ctrl-C ended
	exitOutputClosed = 141 // what a shell says of a command that a closed pipe ended
)

// exitHelp says what the exit statuses mean. Commands say in their own help what
// they take for a finding.
const exitHelp = `Exit status:
  0    no finding: everything is as declared, kept or expected
  1    a finding, such as a broken promise
  2    an error: bad usage, a bad file, or something that failed on the way
  3    a verdict is unknown, and nothing else is found
  130  interrupted by Ctrl-C or SIGTERM
  141  the reader of the output has gone, as after "| head -n 1"`

// app is one run of the command.
type app struct {
	scenarios []runner.Scenario
	stdout    io.Writer
	stderr    io.Writer
	out       bytes.Buffer // what goes to stdout at the end
	style     style        // of stdout
	exact     bool         // what is printed is for programs, too: no line is wrapped
	status    int          // of a command that came to its end
	process   bool         // this process was started to run this command, and does nothing else
	// The command was interrupted while it judged: what is known by then is printed.
	interrupted bool
}

func newApp(scenarios []runner.Scenario, stdout, stderr io.Writer) *app {
	a := &app{scenarios: scenarios, stdout: stdout, stderr: stderr}
	if isTerminal(stdout) && os.Getenv("NO_COLOR") == "" {
		a.style = colors()
	}
	return a
}

// runProcess runs the command for which this process was started. It may start the
// process once more, with the same arguments.
func (a *app) runProcess() int {
	a.process = true
	return a.run(os.Args[1:])
}

func (a *app) run(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), endingSignals()...)
	defer stop()
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the process at once
	// A closed pipe is an error of the write and no signal, so that a command cleans
	// up. Programs that are run get the signal as always.
	pipes := make(chan os.Signal, 1)
	signal.Notify(pipes, syscall.SIGPIPE)
	defer signal.Stop(pipes)
	root := a.command()
	root.SetArgs(args)
	root.SetOut(&a.out)
	root.SetErr(&foreign{w: a.stderr})
	cmd, err := root.ExecuteContextC(ctx)
	if err != nil {
		return a.fail(ctx, cmd, err)
	}
	if err := a.print(a.out.String()); err != nil {
		return a.fail(ctx, cmd, err)
	}
	if a.interrupted {
		_, _ = fmt.Fprintln(a.stderr, "crashsim: interrupted; what was judged by then is printed")
		return exitInterrupted
	}
	return a.status
}

// looks returns within how many runs a repair may be looked for: none where the command was
// interrupted.
func (a *app) looks(runs int) int {
	if a.interrupted {
		return -1
	}
	return runs
}

// fail says what is wrong and returns the exit status.
func (a *app) fail(ctx context.Context, cmd *cobra.Command, err error) int {
	switch {
	case errors.Is(err, errOutputClosed), isClosedOutput(err):
		return exitOutputClosed
	case ctx.Err() != nil && errors.Is(err, ctx.Err()):
		_, _ = fmt.Fprintln(a.stderr, "crashsim: interrupted")
		return exitInterrupted
	}
	_, _ = fmt.Fprintf(a.stderr, "crashsim: %s%s\n", show.Text(err.Error()), remedy(err))
	var bad usageError
	if errors.As(err, &bad) || !cmd.HasParent() {
		_, _ = fmt.Fprintf(a.stderr, "See \"%s --help\".\n", cmd.CommandPath())
	}
	return exitUsage
}

// remedy says what to do about an error that is no fault of a file or a program.
func remedy(err error) string {
	if errors.Is(err, syscall.EMFILE) {
		return "; raise the limit, as with \"ulimit -n 1024\""
	}
	return ""
}

// usageError is an error in how the command was called.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// usagef returns a usageError.
func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// wants checks that the arguments are as many as the names given.
func wants(names ...string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		switch {
		case len(args) == len(names):
			return nil
		case len(names) == 0:
			return usagef("want no argument, got %q", args)
		}
		return usagef("want one %s, got %d arguments", strings.Join(names, " and one "), len(args))
	}
}

// atMostOne checks that there is no more than one argument.
func atMostOne(name string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) > 1 {
			return usagef("want at most one %s, got %d arguments", name, len(args))
		}
		return nil
	}
}

func (a *app) command() *cobra.Command {
	root := &cobra.Command{
		Use:   "crashsim",
		Short: "Cut the power on programs, everywhere, and see which promises break",
		Long: `Crashsim runs a program on a file system that records what it asks for, works
out every state that a crash can leave on the disk, lets the program recover
from each of them, and judges what it finds there.

` + exitHelp,
		Example: `  crashsim list                            # the scenarios
  crashsim run                             # all of them, under all presets
  crashsim run seed-atomic-rename --model ext4
  crashsim states --model posix prog.txtar # every state that a crash can leave`,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetFlagErrorFunc(flagError)
	groups := []struct {
		id, title string
		commands  []*cobra.Command
	}{
		{"learn", "Learn what a crash can leave:", []*cobra.Command{a.demoCommand(), a.listCommand(), a.modelsCommand()}},
		{"test", "Test programs:", []*cobra.Command{
			a.testCommand(), a.vetCommand(), a.runCommand(), a.execCommand(), a.recordCommand(), a.checkCommand(), a.importCommand(), a.mergeCommand(), a.workCommand(), a.mutateCommand(),
		}},
		{"explain", "Explain a failure, and repair it:", []*cobra.Command{a.explainCommand(), a.replayCommand(), a.fixCommand(), a.auditCommand()}},
		{"inspect", "Inspect ops, crash states and the tool itself:", []*cobra.Command{
			a.traceCommand(), a.statesCommand(), a.diffCommand(), a.litmusCommand(), a.schemaCommand(), a.versionCommand(),
		}},
	}
	for _, g := range groups {
		root.AddGroup(&cobra.Group{ID: g.id, Title: g.title})
		for _, cmd := range g.commands {
			cmd.GroupID = g.id
			root.AddCommand(cmd)
		}
	}
	cobra.EnableCommandSorting = false
	root.SetHelpCommand(helpCommand(root))
	root.SetHelpCommandGroupID("inspect")
	root.SetCompletionCommandGroupID("inspect")
	return root
}

// flagError says of a bad value of a flag what would be right.
func flagError(_ *cobra.Command, err error) error {
	var bad *pflag.InvalidValueError
	if !errors.As(err, &bad) {
		return usageError{err}
	}
	want := map[string]string{
		"int": "a whole number", "int64": "a whole number", "uint64": "a whole number from 0 on",
		"duration": "a time such as 500ms, 30s or 5m", "bool": "true or false",
	}[bad.GetFlag().Value.Type()]
	if want == "" {
		return usageError{err}
	}
	return usagef("bad value %q of --%s, want %s", bad.GetValue(), bad.GetFlag().Name, want)
}

// helpCommand is cobra's, but for the error where there is no such command.
func helpCommand(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:     "help [COMMAND]",
		Short:   "Explain a command",
		Example: "  crashsim help run",
		RunE: func(_ *cobra.Command, args []string) error {
			cmd, rest, err := root.Find(args)
			if err == nil && len(rest) > 0 {
				err = usagef("no command %q", strings.Join(args, " "))
			}
			if err != nil {
				return err
			}
			cmd.InitDefaultHelpFlag()
			return cmd.Help()
		},
	}
}
