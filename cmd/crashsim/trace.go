package main

import (
	"github.com/spf13/cobra"
)

func (a *app) traceCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "trace NAME",
		Short: "Print what a scenario asks of its file system",
		Long: `Trace records a scenario and prints the trace: a line for each op, in the order
in which they took effect, with the place in the program that asked for it. The
text is read by "crashsim states" and "crashsim litmus", and can be edited into
a litmus file.`,
		Example: `  crashsim trace seed-atomic-rename
  crashsim trace seed-atomic-rename >t.txtar && crashsim states --model ext4 t.txtar`,
		Args:              wants("NAME"),
		ValidArgsFunction: a.completeScenarios(1),
		RunE: func(_ *cobra.Command, args []string) error {
			s, err := a.find(args[0])
			if err != nil {
				return err
			}
			trace, err := s.Record()
			if err != nil {
				return err
			}
			a.exact = true
			a.out.Write(trace.Text())
			return nil
		},
	}
}
