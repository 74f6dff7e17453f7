package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/crashsim/crashsim/faultfs/mount"
	"github.com/crashsim/crashsim/runner/process"
)

var update = flag.Bool("update", false, "rewrite the expected output in the scripts")

// The scripts call "crashsim", and "toysim" and "halfway", which are the same command with
// the scenarios of toys, or with one that ends the command halfway.
func TestMain(m *testing.M) {
	if isVetTool(os.Args[1:]) { // go vet starts the command that "crashsim vet" is
		vetTool()
	}
	testscript.Main(m, map[string]func(){
		"crashsim": main,
		"halfway":  func() { os.Exit(newApp(halfway(), os.Stdout, os.Stderr).runProcess()) },
		"toysim":   func() { os.Exit(newApp(toys(), os.Stdout, os.Stderr).runProcess()) },
	})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "../../testdata/script",
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Condition:           condition,
		Cmds:                map[string]func(*testscript.TestScript, bool, []string){"exits": exits},
	})
}

// condition knows "fuse": whether a FUSE file system can be mounted.
func condition(name string) (bool, error) {
	if name != "fuse" {
		return false, fmt.Errorf("unknown condition %q", name)
	}
	c, err := process.NewChecker(process.Options{})
	if errors.Is(err, mount.ErrUnavailable) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, c.Close()
}

// exits is the script command "exits N PROGRAM ARG...": it runs the program,
// which must end with that status.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits N PROGRAM ARG...")
	}
	status := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var ended *exec.ExitError
		if !errors.As(err, &ended) {
			ts.Fatalf("%v", err)
		}
		status = ended.ExitCode()
	}
	if strconv.Itoa(status) != args[0] {
		ts.Fatalf("%s ended with status %d, want %s", args[1], status, args[0])
	}
}
