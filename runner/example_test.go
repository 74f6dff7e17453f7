package runner_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/afero"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/model"
	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner"
)

// A program that overwrites a file in place promises what no file system
// keeps: the file is emptied first.
func ExampleRun() {
	s := runner.Scenario{
		Name: "overwrite",
		Setup: func(fs *faultfs.FS) error {
			return afero.WriteFile(fs, "/config", []byte("old"), 0o644)
		},
		Workload: func(fs *faultfs.FS) error {
			return afero.WriteFile(fs, "/config", []byte("new"), 0o644)
		},
		Oracle: oracle.OldOrNew{Path: "/config",
			Versions: []oracle.Content{oracle.Data("old"), oracle.Data("new")}},
	}
	results, err := runner.Run(context.Background(), s, runner.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, r := range results {
		fmt.Println(r.Line())
		fmt.Println(len(r.Failures), "kind of failure, with", len(r.Failures[0].Lost), "effects lost")
	}
	// Output:
	// overwrite under posix: broken(torn); cuts 5, cases judged 5, runs 4, exhaustive
	// 1 kind of failure, with 0 effects lost
}

// States lists every case of a trace: here of a file that was made and never
// synced.
func ExampleStates() {
	trace, err := faultfs.ParseTrace("two.txtar", []byte("-- ops --\nwrite /f 0 \"hi\"\nmark told\n"))
	if err != nil {
		fmt.Println(err)
		return
	}
	m, err := model.Parse("ext4,append=all")
	if err != nil {
		fmt.Println(err)
		return
	}
	states, err := runner.States(context.Background(), trace, m)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, s := range states {
		line, _ := s.Line()
		fmt.Println(line)
	}
	// Output:
	// {"marks":["told"],"tree":{"/f":{"data":"","mode":"0644"}}}
	// {"marks":["told"],"tree":{"/f":{"data":"aGk=","mode":"0644"}}}
	// {"marks":["told"],"tree":{}}
	// {"marks":[],"tree":{"/f":{"data":"","mode":"0644"}}}
	// {"marks":[],"tree":{"/f":{"data":"aGk=","mode":"0644"}}}
	// {"marks":[],"tree":{}}
}

// A program that tries a failed fsync again, and takes the second answer for
// the truth: the page was marked clean, and nothing was written.
func ExampleRun_fault() {
	s := retrying()
	fault, err := faultfs.ParseFault("fsync /f err=EIO")
	if err != nil {
		fmt.Println(err)
		return
	}
	s.Faults = []faultfs.Fault{fault}
	results, err := runner.Run(context.Background(), s, runner.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, r := range results {
		fmt.Println(r.Line())
		how, _, _ := strings.Cut(r.Failures[0].How, " at ") // the call, and its line
		fmt.Println(how)
	}
	// Output:
	// retrying under posix: broken(stale); cuts 3, faults 1, cases judged 7, runs 5, exhaustive
	// with the fault "fsync /f err=EIO"
}

// Mutate leaves out one sync of a program at a time: here the only one that it
// has. That the oracle notices is what makes it a test.
func ExampleMutate() {
	mutants, err := runner.Mutate(context.Background(), inPlace(nil), runner.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, m := range mutants {
		fmt.Printf("without the %s: %s by %s under %s\n", m.Lacks, m.Fate, m.Kind, m.Model)
	}
	// Output:
	// without the sync: killed by stale under strict
}
