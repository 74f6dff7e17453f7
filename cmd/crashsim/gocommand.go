package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/crashsim/crashsim/runner/show"
)

// aroundGo is the RunE of a command that hands its arguments to the go command: it shows its
// help itself, and takes -n off, with which the go command is only printed.
func aroundGo(run func(ctx context.Context, args []string, only bool) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 && (args[0] == "-h" || args[0] == "--help" || args[0] == "-help") {
			return cmd.Help()
		}
		only := len(args) > 0 && args[0] == "-n"
		if only {
			args = args[1:]
		}
		return run(cmd.Context(), args, only)
	}
}

// firstC divides arguments behind a flag -C, which the go command wants to come first.
func firstC(args []string) (first, rest []string) {
	where := 0
	switch {
	case len(args) > 0 && strings.HasPrefix(strings.TrimLeft(args[0], "-"), "C="):
		where = 1
	case len(args) > 1 && (args[0] == "-C" || args[0] == "--C"):
		where = 2
	}
	return slices.Clone(args[:where]), slices.Clone(args[where:])
}

// goCommand is the go command with some arguments. When the context ends, it is interrupted.
func goCommand(ctx context.Context, args []string, stdout, stderr io.Writer) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.Stdout, cmd.Stderr = stdout, stderr
	return cmd
}

// printGo prints the go command with some arguments, ready to paste.
func (a *app) printGo(args []string) error {
	a.exact = true
	words := []string{"go"}
	for _, arg := range args {
		words = append(words, show.ShellWord(arg))
	}
	_, err := fmt.Fprintln(&a.out, strings.Join(words, " "))
	return err
}
