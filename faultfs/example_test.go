package faultfs_test

import (
	"errors"
	"fmt"
	"log"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/spf13/afero"
)

// printOps prints the ops that change something, sync or mark.
func printOps(ops []faultfs.Op) {
	for i := range ops {
		op := &ops[i]
		if op.Kind.Changes() || op.Kind.Syncs() || op.Kind == faultfs.OpMark {
			fmt.Println(op.Summary())
		}
	}
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// A program that uses afero runs on an FS as it is; the trace tells what it did.
func Example() {
	fsys := faultfs.New()
	must(fsys.MkdirAll("/var/app", 0o755))
	must(afero.WriteFile(fsys, "/var/app/config.tmp", []byte("color = red\n"), 0o644))
	must(fsys.Rename("/var/app/config.tmp", "/var/app/config"))
	printOps(fsys.Trace().Ops)
	// Output:
	// mkdir /var
	// mkdir /var/app
	// create /var/app/config.tmp
	// write /var/app/config.tmp [0,12)
	// rename /var/app/config.tmp /var/app/config
}

// A mark says what the program had promised by then.
func ExampleFS_Mark() {
	fsys := faultfs.New()
	file, err := fsys.Create("/log")
	must(err)
	_, err = file.WriteString("paid 5\n")
	must(err)
	must(file.Sync())
	fsys.Mark("paid")
	printOps(fsys.Trace().Ops)
	fmt.Println(fsys.Trace().Marks())
	// Output:
	// create /log
	// write /log [0,7)
	// fsync /log
	// mark paid
	// [paid]
}

// What is done before a checkpoint is durable: the trace to crash begins there.
func ExampleFS_Checkpoint() {
	fsys := faultfs.New()
	must(afero.WriteFile(fsys, "/config", []byte("old"), 0o644))
	fsys = fsys.Checkpoint()
	must(afero.WriteFile(fsys, "/config", []byte("new"), 0o644))
	fmt.Println("setup:")
	printOps(fsys.Trace().Setup)
	fmt.Println("ops:")
	printOps(fsys.Trace().Ops)
	// Output:
	// setup:
	// create /config
	// write /config [0,3)
	// ops:
	// truncate /config to 0
	// write /config [0,3)
}

// A program that goes on after the crash cannot touch the disk any more.
func ExampleFS_Crash() {
	fsys := faultfs.New()
	file, err := fsys.Create("/log")
	must(err)
	fsys.Crash()
	_, err = file.WriteString("too late")
	fmt.Println(err)
	fmt.Println(errors.Is(err, faultfs.ErrCrashed))
	// Output:
	// write /log: the power was cut: this file system is gone
	// true
}

// A litmus file is a trace written by hand.
func ExampleParseTrace() {
	trace, err := faultfs.ParseTrace("replace.txtar", []byte(`
Replace a file.
-- setup --
write /f 0 "old"
-- ops --
write /f.tmp 0 "new"
fsync /f.tmp
rename /f.tmp /f
mark saved
`))
	must(err)
	fmt.Printf("%s", trace.Text())

	_, err = faultfs.ParseTrace("bad.txtar", []byte("-- ops --\nrename /a /b\n"))
	fmt.Println(err)
	// Output:
	// crashsim trace 1
	//
	// -- setup --
	// create /f 0644
	// write /f 0 "old"
	// -- ops --
	// create /f.tmp 0644
	// write /f.tmp 0 "new"
	// fsync /f.tmp
	// rename /f.tmp /f
	// mark saved
	// bad.txtar:2: rename /a: no such file or directory
}

// Calls fail as faults say. Here a file system that marks pages clean when it
// could not write them says so once, and then no more.
func ExampleFS_Inject() {
	disk := faultfs.New()
	fault, err := faultfs.ParseFault("fsync /log err=EIO")
	must(err)
	disk.Inject(faultfs.SyncFailure{Page: faultfs.PageClean, Report: faultfs.ReportNow}, fault)
	file, err := disk.Create("/log")
	must(err)
	_, err = file.WriteString("first")
	must(err)
	fmt.Println(file.Sync())
	fmt.Println(file.Sync())
	for _, op := range disk.Trace().Ops {
		if op.Kind == faultfs.OpFsync {
			fmt.Println(op.Summary(), "failed to write:", op.Loses())
		}
	}
	// Output:
	// sync /log: input/output error
	// <nil>
	// fsync /log failed to write: true
	// fsync /log failed to write: false
}
