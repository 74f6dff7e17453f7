package runner_test

import (
	"context"
	"errors"
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
func ExampleScenario_Mutate() {
	mutants, err := inPlace(nil).Mutate(context.Background(), runner.Options{})
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

// overwrite is the program of ExampleRun.
func overwrite() runner.Scenario {
	write := func(text string) func(*faultfs.FS) error {
		return func(fs *faultfs.FS) error { return afero.WriteFile(fs, "/config", []byte(text), 0o644) }
	}
	return runner.Scenario{
		Name: "overwrite", Setup: write("old"), Workload: write("new"),
		Oracle: oracle.OldOrNew{Path: "/config", Versions: []oracle.Content{oracle.Data("old"), oracle.Data("new")}},
	}
}

// printer is what Check needs of a test. In a test it is the t of the test.
type printer struct{ runner.TB }

func (printer) Helper()                         {}
func (printer) Logf(format string, args ...any) { fmt.Printf("passes: "+format+"\n", args...) }
func (printer) Errorf(format string, args ...any) {
	first, _, _ := strings.Cut(fmt.Sprintf(format, args...), "\n")
	fmt.Println("fails:", first)
}

// A program that is known to be broken declares it: the test fails when it is repaired,
// or broken in another way.
func ExampleCheck() {
	s := overwrite()
	s.Declared = map[model.Model]runner.Outcome{
		model.MustParse("kill"):   runner.Breaks(oracle.Torn),
		model.MustParse("strict"): runner.Keeps(),
	}
	runner.Check(printer{}, s, runner.Options{Depth: runner.Times(0)})
	// Output:
	// passes: overwrite under kill: broken(torn); cuts 3, cases judged 3, runs 3, exhaustive
	// fails: overwrite under strict: broken(torn), declared kept
}

// A failure is stored as a text file, which shows it again by itself.
func ExampleParseFailure() {
	results, err := runner.Run(context.Background(), overwrite(), runner.Options{})
	if err != nil || results[0].Outcome.Verdict != runner.Broken {
		fmt.Println("not broken:", err)
		return
	}
	text := results[0].Stored(results[0].Failures[0]).Text()
	stored, err := runner.ParseFailure("failure.txt", text)
	if err != nil {
		fmt.Println(err)
		return
	}
	violations, err := stored.Judge(overwrite(), runner.Options{})
	fmt.Println(violations, err)
	_, err = runner.ParseFailure("failure.txt", []byte("crashsim failure 9\n"))
	fmt.Println(err)
	// Output:
	// [torn /config: is empty; no version of the file is empty] <nil>
	// failure.txt:1: failure version "9" is not known, only 1
}

// Record shows what a program does to its files.
func ExampleScenario_Record() {
	trace, err := overwrite().Record()
	if err != nil {
		fmt.Println(err)
		return
	}
	for i := range trace.Ops {
		fmt.Println(trace.Ops[i].Summary())
	}
	// Output:
	// truncate /config to 0
	// write /config [0,3)
	// close /config
}

// A result says how much was tried, and each failure where the power was cut, what was lost
// there, and what it looks like.
func ExampleResult() {
	results, err := runner.Run(context.Background(), overwrite(), runner.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	r := &results[0]
	fmt.Println(r.Outcome, r.Coverage.Points, r.Coverage.Exhaustive, r.Recovery == nil)
	for _, f := range r.Failures {
		fmt.Println(f.Kind, f.Crash.After, len(f.Crash.Lost), f.Violations)
	}
	// Output:
	// broken(torn) 4 true true
	// torn 0 0 [torn /config: is empty; no version of the file is empty]
}

// The program is repaired since: its stored failure no longer occurs.
func ExampleStored_Explain() {
	results, err := runner.Run(context.Background(), overwrite(), runner.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	stored := results[0].Stored(results[0].Failures[0])
	repaired := overwrite()
	repaired.Recover = func(disk afero.Fs) error { return afero.WriteFile(disk, "/config", []byte("old"), 0o644) }
	_, _, err = stored.Explain(repaired, runner.Options{})
	fmt.Println(errors.Is(err, runner.ErrNoFailure))
	// Output:
	// true
}

// A State is a case: the tree of files that a program finds, and the marks made before.
func ExampleState() {
	s := runner.State{Marks: []string{"saved"}, Tree: map[string]runner.Entry{"/f": {Data: []byte("hi"), Mode: "0644"}}}
	fmt.Println(s.Line())
	// Output:
	// {"marks":["saved"],"tree":{"/f":{"data":"aGk=","mode":"0644"}}} <nil>
}

// What was judged, and not only how long it took, is a value with a text form.
func ExampleParseClaim() {
	c, err := runner.ParseClaim("all cases with at most 2 losses")
	fmt.Println(c == runner.Claim{FewerLosses: 3}, err)
	// Output:
	// true <nil>
}

// Nothing is written down of what the files hold: what a mark has acknowledged is there. The
// program writes a file and syncs it, but not the directory that holds its name.
func ExampleRun_durable() {
	s := runner.Scenario{
		Name: "note",
		Workload: func(fs *faultfs.FS) error {
			f, err := fs.Create("/note")
			if err != nil {
				return err
			}
			_, err = f.WriteString("milk")
			if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
				return err
			}
			fs.Mark("noted")
			return nil
		},
		Oracle: oracle.Durable{},
	}
	results, err := runner.Run(context.Background(), s, runner.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(results[0].Line())
	fmt.Println(results[0].Failures[0].Violations)
	// Output:
	// note under posix: broken(lost); cuts 10, cases judged 6, runs 3, exhaustive
	// [lost /note: is missing, though mark 1, noted, acknowledged it]
}

// Programs that begin alike need not be judged from the beginning each time.
func ExampleRun_known() {
	known := map[string]bool{}
	for _, letters := range []string{"abab", "ababa", "ababb"} {
		results, err := runner.Run(context.Background(), logged(letters, false), runner.Options{Known: known})
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(letters, results[0].Outcome, results[0].Coverage.Cases, "cases")
	}
	// Output:
	// abab kept 17 cases
	// ababa kept 4 cases
	// ababb kept 4 cases
}

// Two blows at once: the sync of recovery fails after the power cut, and recovery removes its log
// all the same. Neither blow alone does any harm.
func ExampleRun_pairs() {
	s := replayer()
	for _, pairs := range []int{0, 1000} {
		results, err := runner.Run(context.Background(), s, runner.Options{Pairs: pairs})
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(results[0].Outcome, results[0].Coverage.Claim)
	}
	// Output:
	// kept exhaustive
	// broken(lost,torn) exhaustive; the first 1,000 of each kind of pairs of blows
}

// replayer writes a log, which recovery turns into the data. It does not look at the error
// of its sync.
func replayer() runner.Scenario {
	put := func(disk afero.Fs, name string) error {
		f, err := disk.Create(name)
		if err != nil {
			return err
		}
		_, err = f.WriteString("text")
		return errors.Join(err, f.Sync(), f.Close(), syncRoot(disk))
	}
	return runner.Scenario{
		Name: "replayer",
		Workload: func(disk *faultfs.FS) error {
			err := put(disk, "/log")
			if err == nil {
				disk.Mark("saved")
			}
			return err
		},
		Recover: func(disk afero.Fs) error {
			log, err := disk.Open("/log")
			if err != nil {
				return nil // there is none
			}
			text := make([]byte, 5)
			n, _ := log.Read(text)
			if err := errors.Join(log.Sync(), log.Close(), syncRoot(disk)); err != nil || string(text[:n]) != "text" {
				return err
			}
			_ = put(disk, "/data")
			return errors.Join(disk.Remove("/log"), syncRoot(disk))
		},
		Oracle: oracle.OldOrNew{Path: "/data", Mark: "saved", Versions: []oracle.Content{oracle.Absent, oracle.Data("text")}},
	}
}

// syncRoot syncs the root directory, which holds the names.
func syncRoot(disk afero.Fs) error {
	d, err := disk.Open("/")
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
