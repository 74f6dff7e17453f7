package main

import (
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/crashsim/crashsim/faultfs/strace"
	"github.com/crashsim/crashsim/runner/outfile"
)

func (a *app) importCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "import",
		Short:   "Make a trace from the log of another tool",
		Example: "  crashsim import strace LOG -o t.txt",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("no kind of log %q, want strace", args[0])
			}
			return cmd.Help()
		},
	}
	cmd.AddCommand(a.importStraceCommand())
	return cmd
}

func (a *app) importStraceCommand() *cobra.Command {
	var o strace.Options
	var before, out string
	cmd := &cobra.Command{
		Use:   "strace LOG",
		Short: "Make a trace of a log of strace",
		Long: `Import reads what strace wrote down of a program and its children, and makes a
trace of it, as "crashsim record" would have. It needs nothing to be mounted. The
log is made by
  ` + strace.Command + ` \
    PROGRAM [ARG...]
What the program did below the root counts. Each line that it printed on its
standard output is a mark. Without --before the root was empty before.

What the log does not show is refused with its line: contents that strace has
cut, writable shared maps, io_uring, files that were there before.`,
		Example: `  crashsim import strace LOG -o t.txt && crashsim check t.txt --check old-or-new:f
  crashsim import strace LOG --root /var/lib/app --before /backup/app -o t.txt`,
		Args: wants("log"),
		RunE: func(_ *cobra.Command, args []string) error {
			text, err := outfile.Read(args[0])
			if err != nil {
				return err
			}
			if o.Root != "" {
				if o.Root, err = filepath.Abs(o.Root); err != nil {
					return err
				}
			}
			if before != "" {
				if o.Before, err = strace.Load(before); err != nil {
					return err
				}
			}
			trace, err := strace.Import(args[0], text, o)
			if err != nil {
				return err
			}
			if out == "" {
				a.exact = true
				a.out.Write(trace.Text())
				return nil
			}
			return outfile.Write(out, trace.Text())
		},
	}
	cmd.Flags().StringVar(&o.Root, "root", "", "the `directory` that counts (default the one in which the program was started)")
	cmd.Flags().StringVar(&before, "before", "", "a copy of the root as it was before, in this `directory`")
	cmd.Flags().StringVarP(&out, "output", "o", "", "write the trace to this `file` (default standard output)")
	return cmd
}
