package main

import (
	"testing"

	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner"
	"github.com/crashsim/crashsim/runner/process"

	"your_module_name/logger"
	"your_module_name/promise"
)

// Nothing syncs an entry, nor the name of the log.
func TestALogWithoutSyncsLosesEntries(t *testing.T) {
	texts := []string{"started", "This is a test log entry."}
	process.CheckDir(t, process.Dir{
		Name: "notes-checksum-log",
		Workload: func(dir string, mark func(string)) error {
			for _, text := range texts {
				if err := logger.WriteLogWithChecksum(dir+"/log.txt", text); err != nil {
					return err
				}
				mark("logged")
			}
			return nil
		},
		Check:    promise.Entries("log.txt", texts...),
		Declared: promise.Breaks(oracle.Lost, oracle.Torn),
	}, runner.Options{})
}
