package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/crashsim/crashsim/cmd/crashsim/internal/overlay"
	"github.com/crashsim/crashsim/runner/show"
)

// testCommand runs Go tests with a package os whose files can live in memory.
func (a *app) testCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "test [-n] [FLAGS AND PACKAGES OF GO TEST]",
		Short: "Run Go tests of code that uses package os, with its files in memory",
		Long: `Runs "go test" with the flags and packages that it is given. In tests that call
process.CheckDir, the files below the directory of the test live in memory, so that
neither FUSE nor root is needed, and a check takes some microseconds. The code under
test is not changed: the go command reads a few files of package syscall in a patched
form (go test -overlay), made from your own copy of Go and kept in your cache directory.
The first run builds the standard library anew, which takes a minute; later ones find it
in the build cache.

With -n in front, the command is printed that would be run. It can be run by hand.

Exit status: that of go test; 2 for an error before it.`,
		Example: `  crashsim test ./...
  crashsim test -race -run TestSave -v ./store
  crashsim test -n ./...                    # what would be run`,
		DisableFlagParsing: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 && (args[0] == "-h" || args[0] == "--help" || args[0] == "-help") {
				return cmd.Help()
			}
			return a.test(cmd.Context(), args)
		},
	}
}

func (a *app) test(ctx context.Context, args []string) error {
	only := len(args) > 0 && args[0] == "-n"
	if only {
		args = args[1:]
	}
	for _, arg := range args {
		if name := strings.TrimLeft(arg, "-"); strings.HasPrefix(arg, "-") && (name == "overlay" || strings.HasPrefix(name, "overlay=")) {
			return usagef("go test gets its flag -overlay from this command, and can have only one")
		}
	}
	file, err := overlay.Write(ctx, overlay.Build{})
	if err != nil {
		return err
	}
	// The go command wants -C to come first.
	where := 0
	switch {
	case len(args) > 0 && strings.HasPrefix(strings.TrimLeft(args[0], "-"), "C="):
		where = 1
	case len(args) > 1 && (args[0] == "-C" || args[0] == "--C"):
		where = 2
	}
	args = slices.Concat([]string{"test"}, args[:where], []string{"-overlay=" + file}, args[where:])
	if only {
		words := []string{"go"}
		for _, arg := range args {
			words = append(words, show.ShellWord(arg))
		}
		_, err := fmt.Fprintln(&a.out, strings.Join(words, " "))
		a.exact = true
		return err
	}
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, a.stdout, a.stderr
	err = cmd.Run()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &exit) && exit.ExitCode() > 0:
		a.status = exit.ExitCode()
		return nil
	}
	return err
}
