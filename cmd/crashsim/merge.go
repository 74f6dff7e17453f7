package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/crashsim/crashsim/runner/show"
)

func (a *app) mergeCommand() *cobra.Command {
	var asked runFlags
	cmd := &cobra.Command{
		Use:   "merge DIR...",
		Short: "Put the results of shards together, and give the report that one machine would have given",
		Long: `Merge reads the directories in which shards have kept their results (see --workdir
and --shard of "crashsim run", "exec" and "check"), and gives the report that the
command would have given without shards, the same bytes. If a shard has not come
to its end, or a file is torn or missing, it says so, and there is no report.

That nothing is missing is proved by counting: the cuts of the parts that were
judged add up to the legal cuts, which are counted without the search. Merge runs
the check itself where a failure has to be explained, and for what only all results
together can tell. What it has counted goes to standard error.

Exit status: that of the command.`,
		Example: `  crashsim run seed-defer-close --workdir one --shard 1/2
  crashsim run seed-defer-close --workdir two --shard 2/2
  crashsim merge one two`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("want the directories of results")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return a.merge(cmd, &asked, args) },
	}
	flags := cmd.Flags()
	flags.IntVar(&asked.options.Workers, "workers", 0, "run this `number` of checkers at once; the output does not depend on it (default one for each CPU)")
	flags.StringVar(&asked.options.Failures, "failures", "", "store failures in this `directory`, for \"crashsim replay\"")
	asked.page.add(cmd)
	jsonFlag(cmd, &asked.json)
	return cmd
}

// merge gives the report of the command whose results are in the directories.
func (a *app) merge(cmd *cobra.Command, asked *runFlags, dirs []string) (err error) {
	k, trace, err := readKept(dirs)
	if err != nil {
		return err
	}
	if k.Command != "run" && a.inPrivate(cmd.Context()) {
		return nil
	}
	own, err := os.MkdirTemp("", "crashsim-merge-") // nothing is written to what others have made
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(own)) }()
	set := func(f *runFlags) {
		f.json, f.page = asked.json, asked.page
		f.options.Workers, f.options.Failures = asked.options.Workers, asked.options.Failures
		f.options.Workdir, f.options.Merge, f.options.Shards, f.options.Queue = append([]string{own}, dirs...), true, 1, nil
	}
	if err := asked.page.check(); err != nil {
		return err
	}
	var run runFlags
	var check checkFlags
	again := &cobra.Command{Use: k.Command}
	if k.Command == "run" {
		run.add(again, "")
	} else {
		check.add(again)
	}
	if err := again.ParseFlags(k.Flags); err != nil {
		return fmt.Errorf("the results are of another version of crashsim: %w", err)
	}
	if k.Command == "run" {
		set(&run)
		return a.judgeScenarios(cmd, &run, k.Args)
	}
	if check.run.faults != nil {
		return usagef("the program was run again for each fault, and a trace cannot run again: these results cannot be merged")
	}
	set(&check.run)
	check.setup, check.program = k.Setup, k.Program
	return check.judge(cmd, a, k.Name, trace)
}

// printKept says on standard error what directories of results did for a run.
func (a *app) printKept(reports []trial, merged bool) {
	known, made, given := 0, 0, 0
	say := func(format string, args ...any) {
		_, _ = fmt.Fprintf(a.stderr, "crashsim: %s\n", show.Text(fmt.Sprintf(format, args...)))
	}
	for i := range reports {
		for k := range reports[i].results {
			r := &reports[i].results[k]
			more, new := r.Kept()
			known, made, given = known+more, made+new, given+r.Given()
			for _, file := range r.Torn() {
				say("%s is torn: what it held was judged again", file)
			}
			if text := r.Proof(); merged && text != "" {
				say("%s under %s: %s", r.Scenario, r.Model, text)
			}
		}
	}
	if given > 0 {
		say("%s of the check %s given out", show.Count(given, "run"), map[bool]string{true: "was", false: "were"}[given == 1])
	}
	if known > 0 || merged {
		say("%s of the check %s known, %d made", show.Count(known, "run"), map[bool]string{true: "was", false: "were"}[known == 1], made)
	}
}
