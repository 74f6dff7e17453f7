package main

import (
	"testing"

	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner"
	"github.com/crashsim/crashsim/runner/process"

	"your_module_name/promise"
)

// Nobody reads the log, and the data file is emptied in place.
func TestALogThatNobodyReadsProtectsNothing(t *testing.T) {
	texts := []string{"Write-ahead logging example data", "Something else."}
	process.CheckDir(t, process.Dir{
		Name: "notes-write-ahead",
		Workload: func(dir string, mark func(string)) error {
			for _, text := range texts {
				if err := WriteAheadLog(dir+"/", []byte(text)); err != nil {
					return err
				}
				mark("saved")
			}
			return nil
		},
		Check:    promise.Versions("datafile.txt", texts...),
		Declared: promise.Breaks(oracle.Torn),
	}, runner.Options{})
}
