package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner"
	"github.com/crashsim/crashsim/runner/show"
)

// runFlags are the flags of the command run.
type runFlags struct {
	models  []string
	faults  []string
	depth   int
	json    bool
	page    pageFlags
	shard   string
	queue   string
	options runner.Options
}

func (a *app) runCommand() *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use:   "run [NAME...]",
		Short: "Crash scenarios everywhere and compare the verdicts with the declared ones",
		Long: `Run judges scenarios under models: the program is recorded once, the power is
cut at every moment, and recovery and oracle look at every state that the model
allows. NAME may be a pattern, as 'seed-*'; without names all scenarios are run.

A line for each scenario shows its verdict under each model:
  kept     every case was judged, and none is wrong
  broken   a case is wrong; the stories below tell the smallest one of each cause
  unknown  no failure was found, and not every case was judged
"!" marks a verdict that is not the declared one. Where nothing is declared of a
model, any verdict but unknown will do.

A search ends some time after the first failure, when each kind has its
smallest example; --all goes on. A budget holds for each scenario and model.

Exit status: 0 if each verdict is as declared, 1 if one is not, 3 if the only
ones that are not are unknown.`,
		Example: `  crashsim run
  crashsim run seed-atomic-rename --model ext4 --model posix,unit=512
  crashsim run 'seed-*' --max-losses 2 --json
  crashsim run seed-defer-close --failures testdata/failures
  crashsim run rename-without-fsync --model ext4 --report out.html`,
		ValidArgsFunction: a.completeScenarios(0),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.judgeScenarios(cmd, &f, args)
		},
	}
	f.add(cmd, "all presets")
	return cmd
}

// judgeScenarios judges the scenarios with some names and prints the report.
func (a *app) judgeScenarios(cmd *cobra.Command, f *runFlags, names []string) error {
	chosen, err := a.choose(names)
	if err != nil {
		return err
	}
	if err := f.finish(); err != nil {
		return err
	}
	if !f.options.Merge {
		k := kept{Command: "run", Args: names, Flags: flagsOf(cmd)}
		if err := k.keep(f.options.Workdir, nil); err != nil {
			return err
		}
		if err := k.giveOut(cmd.Context(), &f.options, nil); err != nil {
			return err
		}
	}
	reports, err := a.runAll(cmd.Context(), chosen, f.options)
	if err != nil {
		return err
	}
	files, err := f.page.texts(cmd.Context(), reports, f.options, a.looks(pageRuns))
	if err != nil {
		return err
	}
	a.status = statusOf(reports)
	a.note(store(reports, f.options.Failures), files.write())
	if f.json {
		return a.printJSON(a.runOf(reports, f.options.Seed))
	}
	a.printReports(reports, f.options)
	return nil
}

func (f *runFlags) add(cmd *cobra.Command, defaults string) {
	modelFlag(cmd, &f.models, "judge under this `model`; may be repeated (default "+defaults+")")
	flags, o := cmd.Flags(), &f.options
	flags.BoolVar(&o.All, "all", false, "go on after each kind of failure has its smallest example")
	flags.BoolVar(&o.First, "first", false, "stop at the first failure under each model")
	flags.IntVar(&o.MaxFailures, "max-failures", 0, "stop after this `number` of failures under each model (default no limit)")
	flags.BoolVar(&o.Strict, "strict", false, "a verdict kept becomes unknown where the check was never seen to fail")
	flags.StringArrayVar(&f.faults, "faults", nil, "let calls fail by this `fault`, such as \"write /log nth=2 err=ENOSPC short=100\"; may be repeated, each fault is tried alone; \"sweep\" lets each call fail once, with each error that fits (default the faults of the scenario)")
	flags.IntVar(&o.Pairs, "pairs", 0, "deal two blows at once, at most this `number` of each kind: two calls fail, a call of recovery fails after the power cut, recovery is crashed on a damaged disk (default none)")
	flags.IntVar(&f.depth, "depth", 1, "crash recovery again, up to `n` times; 0: never, and the program is not killed either")
	flags.IntVar(&o.MaxRuns, "budget-runs", 0, "stop after this many `runs` of the checker (default no limit)")
	flags.IntVar(&o.MaxLosses, "max-losses", 0, "judge only cases that lose at most this many `effects` (default no limit)")
	flags.DurationVar(&o.MaxTime, "budget-time", 0, "stop after this `time`, such as 30s or 5m (default no limit)")
	flags.TextVar(&o.Enough, "enough", runner.Claim{}, "a verdict is kept once this `claim` holds, such as \"all cases with at most 2 losses; each file whole or untouched\"; the search goes no further (default all cases)")
	flags.Lookup("enough").DefValue = ""
	flags.IntVar(&o.Samples, "samples", 0, "draw this many random `cuts` where a budget has ended the search (default 1,000)")
	flags.Uint64Var(&o.Seed, "seed", 0, "seed of the random draws, a `number`")
	flags.IntVar(&o.Workers, "workers", 0, "run this `number` of checkers at once; the output does not depend on it (default one for each CPU)")
	flags.StringVar(&o.Failures, "failures", "", "store failures in this `directory`, for \"crashsim replay\"")
	flags.StringArrayVar(&o.Workdir, "workdir", nil, "keep the results in this `directory`: a run that was stopped goes on where it was; may be repeated, the first is written to (default $CRASHSIM_WORKDIR)")
	flags.StringVar(&f.shard, "shard", "", "judge this `part` of the work, such as 2/3, and let \"crashsim merge\" put the parts together (default $CRASHSIM_SHARD)")
	flags.StringVar(&f.queue, "queue", "", "give out the work at the queue with this `URL`, such as nats://127.0.0.1:4222, to all who run \"crashsim work\" (default $CRASHSIM_QUEUE)")
	f.page.add(cmd)
	jsonFlag(cmd, &f.json)
}

// finish checks the flags and completes the options.
func (f *runFlags) finish() error {
	for _, n := range []struct {
		name  string
		value int64
	}{
		{"budget-runs", int64(f.options.MaxRuns)}, {"max-losses", int64(f.options.MaxLosses)},
		{"budget-time", int64(f.options.MaxTime)}, {"samples", int64(f.options.Samples)},
		{"max-failures", int64(f.options.MaxFailures)}, {"workers", int64(f.options.Workers)}, {"depth", int64(f.depth)},
		{"pairs", int64(f.options.Pairs)},
	} {
		if n.value < 0 {
			return usagef("--%s is negative", n.name)
		}
	}
	f.options.Depth = runner.Times(f.depth)
	for _, text := range f.faults {
		if text == "sweep" {
			f.options.Sweep = true
			continue
		}
		fault, err := faultfs.ParseFault(text)
		if err != nil {
			return usageError{err}
		}
		f.options.Faults = append(f.options.Faults, fault)
	}
	if err := f.page.check(); err != nil {
		return err
	}
	if err := f.setShard(); err != nil {
		return usageError{err}
	}
	models, err := parseModels(f.models)
	if err != nil {
		return err
	}
	if models == nil {
		models = presets()
	}
	f.options.Models = models
	if dir := f.options.Failures; dir != "" {
		return canMake(dir)
	}
	return nil
}

// canMake makes a directory, so that an error is said before anything is run, and
// removes what it has made: a failure that is to stand there makes it once more.
func canMake(dir string) error {
	var missing []string
	for at := filepath.Clean(dir); ; at = filepath.Dir(at) {
		if _, err := os.Lstat(at); err == nil || at == filepath.Dir(at) {
			break
		}
		missing = append(missing, at)
	}
	err := os.MkdirAll(dir, 0o777)
	for _, made := range missing {
		_ = os.Remove(made)
	}
	return err
}

// setShard completes the options that say where results are kept, and which part is judged.
func (f *runFlags) setShard() error {
	o := &f.options
	if f.shard != "" {
		if err := o.SetShard("--shard", f.shard); err != nil {
			return err
		}
	}
	if f.queue != "" {
		if err := o.SetQueue(f.queue); err != nil {
			return err
		}
	}
	if err := o.FromEnvironment(); err != nil {
		return err
	}
	o.Work = false // that is another command
	if o.Shards > 1 && o.Queue != nil {
		return errors.New("--queue and --shard are two ways to share one search: choose one")
	}
	if o.Shards > 1 && len(o.Workdir) == 0 {
		return errors.New("a shard needs a --workdir, or the parts cannot be put together")
	}
	return nil
}

// trial is what was found out about a scenario.
type trial struct {
	scenario runner.Scenario
	results  []runner.Result
	err      error // it could not be judged
}

// recorded reports whether the trial is of a program that was recorded: nobody has
// declared a verdict of it, it is asked whether it keeps its promise.
func (t *trial) recorded() bool { return t.scenario.Trace != nil }

// runAll runs scenarios one after the other. It fails only where going on
// would not help.
func (a *app) runAll(ctx context.Context, chosen []runner.Scenario, o runner.Options) ([]trial, error) {
	p := newProgress(a.stderr)
	defer p.clear()
	dir := o.Failures
	o.Failures = "" // store does it
	var reports []trial
	for i, s := range chosen {
		o.Progress = func(now runner.Progress) {
			p.show(time.Now(), func() string {
				return fmt.Sprintf("[%d/%d] %s under %s: %s", i+1, len(chosen), now.Scenario, now.Model, now)
			})
		}
		o.Found = p.found
		o.Progress(runner.Progress{Scenario: s.Name, Model: o.Models[0]})
		results, err := runner.Run(ctx, s, o)
		if errors.Is(err, oracle.ErrNoVerdict) {
			return nil, err
		}
		if ctx.Err() != nil && len(results) == 0 && len(reports) == 0 {
			return nil, ctx.Err()
		}
		if ctx.Err() != nil {
			a.interrupted, err = true, nil
		}
		for i := range results {
			if dir != "" {
				results[i].NameFiles(dir)
			}
		}
		if !a.interrupted || len(results) > 0 {
			reports = append(reports, trial{s, results, err})
		}
		if a.interrupted {
			break
		}
	}
	p.clear()
	if !o.Work && (len(o.Workdir) > 0 || o.Queue != nil) {
		a.printKept(reports, o.Merge)
	}
	return reports, nil
}

// store stores failures in a directory, if one is given, when all else is known.
func store(reports []trial, dir string) error {
	var err error
	for _, rep := range reports {
		for i := range rep.results {
			if dir == "" {
				continue
			}
			if unstored := rep.results[i].Store(dir); unstored != nil {
				err = errors.Join(err, fmt.Errorf("a failure could not be stored: %w", unstored))
			}
		}
	}
	return err
}

// note says that something which was asked for could not be written, beside what is
// known all the same. The exit status says so, unless it says that something is wrong.
func (a *app) note(errs ...error) {
	err := errors.Join(errs...)
	switch {
	case err == nil:
		return
	case isClosedOutput(err):
		a.status = exitOutputClosed
		return
	}
	_, _ = fmt.Fprintf(a.stderr, "crashsim: %s\n", show.Text(err.Error()))
	if a.status != exitWrong {
		a.status = exitUsage
	}
}

// statusOf returns the exit status: 1 where a verdict is not the declared one,
// else 3 where one is unknown or could not be found.
func statusOf(reports []trial) int {
	status := exitOK
	for _, rep := range reports {
		if rep.err != nil {
			status = exitUnknown
		}
		for i := range rep.results {
			switch r := &rep.results[i]; {
			case r.Shard() != "": // nothing is wrong in it
			case r.Outcome.Verdict == runner.Unknown:
				status = exitUnknown
			case !r.AsDeclared():
				return exitWrong
			}
		}
	}
	return status
}

// runOf tells reports.
func (a *app) runOf(reports []trial, seed uint64) runJSON {
	out := runJSON{Schema: runSchema, Seed: seed, Interrupted: a.interrupted, Results: []resultJSON{}, Errors: []errorJSON{}}
	for _, rep := range reports {
		if rep.err != nil {
			out.Errors = append(out.Errors, errorJSON{rep.scenario.Name, rep.err.Error()})
		}
		for i := range rep.results {
			out.Results = append(out.Results, resultOf(&rep.results[i]))
		}
	}
	return out
}
