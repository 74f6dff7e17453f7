package process_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/crashsim/crashsim/runner"
	"github.com/crashsim/crashsim/runner/process"
)

// A program is recorded once; a command then judges every disk that a crash could leave.
func Example() {
	checker, err := process.NewChecker(process.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = checker.Close() }()
	trace, err := process.Record(context.Background(), process.Program{
		Setup: process.Shell("echo old >config"), Args: process.Shell("echo new >config; echo saved"),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	s := runner.Scenario{Name: "config", Trace: trace}
	if s.Oracle, err = checker.Oracle(process.Shell(`test -s config || { echo "torn: config is empty"; exit 1; }`)); err != nil {
		fmt.Println(err)
		return
	}
	results, err := runner.Run(context.Background(), s, runner.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Print(results[0].Report())
}

// CheckDir is called from a test: here of code that uses package os.
func ExampleCheckDir() {
	var t *testing.T // of the test
	process.CheckDir(t, process.Dir{
		Name: "config",
		Workload: func(dir string, mark func(string)) error {
			err := os.WriteFile(filepath.Join(dir, "config"), []byte("new"), 0o644)
			mark("saved")
			return err
		},
		Check: func(dir string, marks []string) error {
			_, err := os.Stat(filepath.Join(dir, "config"))
			if err != nil && len(marks) > 0 {
				return fmt.Errorf("lost: %w", err)
			}
			return nil
		},
	}, runner.Options{})
}
