package main

import (
	"fmt"
	"os"
	"sync/atomic"
	"syscall"

	"github.com/spf13/afero"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner"
)

// halfway is a program with many cases, some of them wrong, whose check interrupts the
// command like Ctrl-C does when it runs for the 300th time, and then never ends.
func halfway() []runner.Scenario {
	var runs atomic.Int64
	return []runner.Scenario{{
		Name: "halfway",
		Workload: func(fs *faultfs.FS) error {
			for i := range 12 {
				if err := afero.WriteFile(fs, fmt.Sprintf("/f%d", i), []byte("some text"), 0o644); err != nil {
					return err
				}
			}
			fs.Mark("done")
			return nil
		},
		Oracle: oracle.Func(func(disk afero.Fs, marks oracle.Marks) []oracle.Violation {
			if runs.Add(1) == 300 {
				_ = syscall.Kill(os.Getpid(), syscall.SIGINT)
				select {}
			}
			lost := false
			for i := range 12 {
				_, err := disk.Stat(fmt.Sprintf("/f%d", i))
				lost = lost || err != nil
			}
			if lost && marks.Has("done") {
				return []oracle.Violation{{Kind: oracle.Lost, Path: "/f0", Detail: "gone"}}
			}
			return nil
		}),
	}}
}
