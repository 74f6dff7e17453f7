package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/model"
	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner"
	"github.com/crashsim/crashsim/runner/outfile"
	"github.com/crashsim/crashsim/runner/process"
	"github.com/crashsim/crashsim/runner/show"
)

const checkHelp = `The check runs on what each crash can leave, in the directory $CRASHSIM_DIR, with
the marks made before the crash in the file $CRASHSIM_MARKS. Exit status zero says
that the promise was kept; anything else, a signal or a timeout says that it was
broken, and what the check printed is the reason. Or it is one of
  old-or-new:FILE  the file is as a whole what it was at the start, at a mark or at
                   the end, and not older than the last mark
  log:FILE         the lines of the file are the first of those of the run, and
                   none is missing that was there at the last mark
  sqlite:FILE      the sqlite3 command finds the database whole, and in it what was
                   in it at the start, at a mark or at the end`

// programFlags are the flags of commands that record a program.
type programFlags struct {
	name    string
	setup   string
	stdin   string
	at      string
	timeout time.Duration
}

func (f *programFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.setup, "setup", "", "let the shell run this `command` before, on the same directory; what it does is durable")
	cmd.Flags().StringVar(&f.stdin, "stdin", "", "let the program read this `file` as its standard input (default none)")
	cmd.Flags().DurationVar(&f.timeout, "timeout", time.Minute, "end the program after this `time`")
}

// program is the program that is to be recorded.
func (f *programFlags) program(args []string) process.Program {
	p := process.Program{Args: args, Stdin: f.stdin, Timeout: f.timeout, At: f.at}
	if f.setup != "" {
		p.Setup = process.Shell(f.setup)
	}
	return p
}

// record records the program. What it prints goes to standard error.
func (f *programFlags) record(cmd *cobra.Command, a *app, args []string) (*faultfs.Trace, error) {
	if len(args) == 0 {
		return nil, usagef("want a program behind \"--\"")
	}
	output := &foreign{w: a.stderr}
	defer output.end()
	p := f.program(args)
	p.Output = output
	trace, err := process.Record(cmd.Context(), p)
	if output.err != nil && cmd.Context().Err() == nil {
		// The program was told so, too: what it did then it does not do as a rule.
		return nil, a.written(0, fmt.Errorf("what the program prints cannot be shown: %w", output.err))
	}
	return trace, err
}

// atFlag adds the flag that says where programs see their directory.
func atFlag(cmd *cobra.Command, at *string) {
	cmd.Flags().StringVar(at, "at", "", "let setup, program, recovery and check see the directory at this absolute `path`, such as /var/lib/app; nothing that is there is touched (default one that is the same in all runs)")
}

// inPrivate runs the command with its mounts and processes to itself, where that is
// possible, and reports whether all is done then. It starts this process once more,
// so that it is not done where the process is another program, such as a test.
func (a *app) inPrivate(ctx context.Context) bool {
	if !a.process {
		return false
	}
	status, done := inPrivate(ctx, a.stderr)
	if done {
		a.status = status
	}
	return done
}

func (a *app) recordCommand() *cobra.Command {
	var f programFlags
	var out string
	cmd := &cobra.Command{
		Use:   "record -o TRACE [flags] -- PROGRAM [ARG...]",
		Short: "Record what a program does to its files",
		Long: `Record runs a program on a file system of its own, which is mounted at the
program's working directory and named by $CRASHSIM_DIR, and writes down what it
does to it. Nobody but the program sees it there. Each line that it prints on standard output is a mark, in order with
its calls; so is each line that it writes to the file $CRASHSIM_MARK.`,
		Example: `  crashsim record -o t.txt -- sh -c 'echo new >f.tmp && sync f.tmp && mv f.tmp f && echo saved'`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if out == "" {
				return usagef("want -o TRACE")
			}
			if err := outfile.Check(out); err != nil {
				return err
			}
			if a.inPrivate(cmd.Context()) {
				return nil
			}
			trace, err := f.record(cmd, a, args)
			if err != nil {
				return err
			}
			return outfile.Write(out, trace.Text())
		},
	}
	f.add(cmd)
	atFlag(cmd, &f.at)
	cmd.Flags().StringVarP(&out, "output", "o", "", "write the trace to this `file`")
	return cmd
}

// checkFlags are the flags of commands that judge a trace.
type checkFlags struct {
	check, recover string
	at             string
	setup          string   // of the recorded program
	program        []string // the recorded program, if it is known
	again          func(context.Context, faultfs.SyncFailure, faultfs.Fault) (*faultfs.Trace, error)
	unit           int64
	materialise    bool
	slow           time.Duration
	run            runFlags
}

func (f *checkFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.check, "check", "", "let the shell run this `command` on each disk, or use one of old-or-new:FILE, log:FILE, sqlite:FILE")
	flags.StringVar(&f.recover, "recover", "", "let the shell run this `command` on each disk before the check; it is crashed, too")
	flags.Int64Var(&f.unit, "unit", 0, "this many `bytes` persist as a whole (default those of the model)")
	flags.BoolVar(&f.materialise, "materialise", false, "copy each disk into a directory for the check, rather than mount it")
	flags.DurationVar(&f.slow, "check-timeout", 10*time.Second, "a check that takes longer than this `time` has failed")
	atFlag(cmd, &f.at)
	f.run.add(cmd, model.Default().String())
	_ = flags.MarkHidden("workers")
	// There are no faults of a scenario.
	flags.Lookup("faults").Usage = "run the program again for each `fault`, such as \"write /log nth=2 err=ENOSPC short=100\" or \"fsync err=EIO\", on the same setup; may be repeated; \"sweep\" lets each call fail once, with each error that fits (default none)"
}

// judge judges a trace and prints the report.
func (f *checkFlags) judge(cmd *cobra.Command, a *app, name string, trace *faultfs.Trace) (err error) {
	if f.check == "" {
		return usagef("want --check COMMAND")
	}
	flags := flagsOf(cmd)
	if f.run.models == nil {
		f.run.models = []string{model.Default().String()}
	}
	if f.unit != 0 {
		for i := range f.run.models {
			f.run.models[i] += fmt.Sprintf(",unit=%d", f.unit)
		}
	}
	if err := f.run.finish(); err != nil {
		return err
	}
	if f.run.faults != nil && f.run.options.Shards > 1 {
		return usagef("--faults cannot be divided among shards: each of them would run the program again")
	}
	if !f.run.options.Merge {
		k := kept{Command: "check", Flags: flags, Name: name, Setup: f.setup, Program: f.program}
		if err := k.keep(f.run.options.Workdir, trace); err != nil {
			return err
		}
		if err := k.giveOut(cmd.Context(), &f.run.options, trace); err != nil {
			return err
		}
	}
	checker, err := process.NewChecker(process.Options{Timeout: f.slow, Materialise: f.materialise, At: f.at})
	if err != nil {
		return err
	}
	reports, files, err := f.judged(cmd, a, checker, name, trace)
	// What Close finds out about the run comes before anything is said of it.
	if err := ended(err, checker.Close()); err != nil {
		return err
	}
	a.status = statusOf(reports)
	a.note(store(reports, f.run.options.Failures), files.write())
	if f.run.json {
		return a.printJSON(a.runOf(reports, f.run.options.Seed))
	}
	a.printReports(reports, f.run.options)
	return nil
}

// ended is the error of a run, and of the end of its checker. Both tell what kept a
// check from running, of which the first is enough.
func ended(err, closed error) error {
	if errors.Is(err, oracle.ErrNoVerdict) && errors.Is(closed, oracle.ErrNoVerdict) {
		return err
	}
	return errors.Join(err, closed)
}

// judged judges a trace, and returns what is to be written into files.
func (f *checkFlags) judged(cmd *cobra.Command, a *app, checker *process.Checker, name string, trace *faultfs.Trace) ([]trial, outputs, error) {
	s, err := f.scenario(checker, name, trace)
	if err != nil {
		return nil, nil, err
	}
	f.run.options.Timeout = 2*f.slow + 10*time.Second // the check's own timeout comes first
	reports, err := a.runAll(cmd.Context(), []runner.Scenario{s}, f.run.options)
	if err != nil {
		return nil, nil, err
	}
	files, err := f.run.page.texts(cmd.Context(), reports, f.run.options, a.looks(pageProcessRuns))
	return reports, files, err
}

// scenario is a recorded program with its check. It promises to be kept.
func (f *checkFlags) scenario(checker *process.Checker, name string, trace *faultfs.Trace) (runner.Scenario, error) {
	s := runner.Scenario{
		Name: name, Trace: trace, Rerun: f.again, Declared: map[model.Model]runner.Outcome{},
		Command: &runner.Command{Path: f.at, Setup: f.setup, Program: f.program, Check: f.check, Recover: f.recover},
	}
	for _, m := range f.run.options.Models {
		s.Declared[m] = runner.Keeps()
	}
	err := checkedBy(&s, checker, trace)
	return s, err
}

// checkedBy gives a scenario the check and the recovery of its command.
func checkedBy(s *runner.Scenario, checker *process.Checker, trace *faultfs.Trace) (err error) {
	if process.IsBuiltin(s.Command.Check) {
		s.Oracle, err = checker.Builtin(s.Command.Check, trace)
	} else {
		s.Oracle, err = checker.Oracle(process.Shell(s.Command.Check))
	}
	if err == nil && s.Command.Recover != "" {
		s.Recover, err = checker.Recover(process.Shell(s.Command.Recover))
	}
	return err
}

func (a *app) execCommand() *cobra.Command {
	var program programFlags
	var check checkFlags
	cmd := &cobra.Command{
		Use:   "exec --check COMMAND [flags] -- PROGRAM [ARG...]",
		Short: "Record a program, crash it everywhere, and let a command judge what is left",
		Long: `Exec runs an unmodified program on a file system of its own, as "crashsim record"
does, works out every state that a power cut can leave, and runs a check on them.

` + checkHelp + `

By default a check sees a mounted disk on which nothing is decided until it is
read, so that one run stands for many states. With --faults, the program runs again
for each fault: calls of it fail with EIO or ENOSPC, writes are short, and a sync that
fails loses pages as the model says. Exit status: 0 if every model's
verdict is kept, 1 if one is broken, 3 if one is unknown.`,
		Example: `  crashsim exec --check old-or-new:f --setup 'echo old >f' -- sh -c 'echo new >f; echo saved'
  crashsim exec --check sqlite:db -- sqlite3 db 'create table t(x); insert into t values(1); select "done"'`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if check.check == "" {
				return usagef("want --check COMMAND")
			}
			if err := check.run.page.check(); err != nil {
				return err
			}
			if a.inPrivate(cmd.Context()) {
				return nil
			}
			program.at = check.at
			trace, err := program.record(cmd, a, args)
			if err != nil {
				return err
			}
			check.setup, check.program = program.setup, args
			check.again = func(ctx context.Context, how faultfs.SyncFailure, fault faultfs.Fault) (*faultfs.Trace, error) {
				return process.Rerun(ctx, program.program(args), trace, how, fault)
			}
			return check.judge(cmd, a, show.Word(cmp.Or(program.name, filepath.Base(args[0]))), trace)
		},
	}
	program.add(cmd)
	cmd.Flags().StringVar(&program.name, "name", "", "the `name` of the program in what is printed and stored (default that of its file)")
	check.add(cmd)
	return cmd
}

func (a *app) checkCommand() *cobra.Command {
	var check checkFlags
	cmd := &cobra.Command{
		Use:   "check TRACE --check COMMAND [flags]",
		Short: "Judge a recorded trace",
		Long: `Check judges a trace that "crashsim record" has written, without the program.

` + checkHelp,
		Example: `  crashsim check t.txt --check old-or-new:f --model ext4`,
		Args:    wants("trace"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if check.run.faults != nil {
				return usagef("--faults: a trace cannot run again; \"crashsim exec\" runs a program with faults")
			}
			if a.inPrivate(cmd.Context()) {
				return nil
			}
			text, err := outfile.Read(args[0])
			if err != nil {
				return err
			}
			trace, err := faultfs.ParseTrace(args[0], text)
			if err != nil {
				return err
			}
			return check.judge(cmd, a, show.Word(filepath.Base(args[0])), trace)
		},
	}
	check.add(cmd)
	return cmd
}
