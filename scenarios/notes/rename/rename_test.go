package rename

import (
	"testing"

	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner"
	"github.com/crashsim/crashsim/runner/process"

	"your_module_name/promise"
)

// A rename is atomic and not durable: nothing syncs the directory.
func TestASaveThatWasReportedIsUndone(t *testing.T) {
	texts := []string{"first", "the second one"}
	process.CheckDir(t, process.Dir{
		Name: "notes-rename",
		Workload: func(dir string, mark func(string)) error {
			for _, text := range texts {
				if err := Atomnic_Renaming(dir+"/", []byte(text)); err != nil {
					return err
				}
				mark("saved")
			}
			return nil
		},
		Check:    promise.Versions("test_Atomnic_Renaming.txt", texts...),
		Declared: promise.Breaks(oracle.Lost, oracle.Stale),
	}, runner.Options{})
}
