package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/crashsim/crashsim/cmd/crashsim/internal/overlay"
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
		RunE:               aroundGo(a.test),
	}
}

func (a *app) test(ctx context.Context, args []string, only bool) error {
	for _, arg := range args {
		if name := strings.TrimLeft(arg, "-"); strings.HasPrefix(arg, "-") && (name == "overlay" || strings.HasPrefix(name, "overlay=")) {
			return usagef("go test gets its flag -overlay from this command, and can have only one")
		}
	}
	file, err := overlay.Write(ctx, overlay.Build{})
	if err != nil {
		return err
	}
	first, rest := firstC(args)
	args = slices.Concat([]string{"test"}, first, []string{"-overlay=" + file}, rest)
	if only {
		return a.printGo(args)
	}
	cmd := goCommand(ctx, args, a.stdout, a.stderr)
	cmd.Stdin = os.Stdin
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
