package model_test

import (
	"fmt"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/model"
)

func ExampleParse() {
	m, err := model.Parse("xfs,unit=512,journal=readonly,truncate=tail-ordered,replace=size")
	fmt.Println(m, err)
	fmt.Println(m == model.Default())

	_, err = model.Parse("posix,sync=directory")
	fmt.Println(err)
	// Output:
	// ext4,unit=512 <nil>
	// false
	// model "posix,sync=directory": sync=directory: unknown value, want one of none, name, own, inode, journal
}

// A model is changed by its fields, promise by promise.
func ExampleModel() {
	m := model.MustParse("ext4")
	m.Unit = 512
	m.Append = model.AppendAll
	m.Truncate = model.TruncateAtomic
	m.Names = model.NamesDirectory
	m.Rename = model.RenameSplit
	m.Replace = model.ReplaceData
	m.Sync = model.SyncName
	m.Order = model.OrderNone
	m.Cache = model.CacheLost
	m.Failure = faultfs.SyncFailure{Page: faultfs.PageDirty, Report: faultfs.ReportNext, Journal: faultfs.JournalOpen}
	fmt.Println(m)
	// Output:
	// strict,unit=512,names=directory,rename=split,sync=name,order=none,report=next
}

func ExamplePresets() {
	for _, p := range model.Presets() {
		fmt.Printf("%-7s %s\n", p.Name, p.About)
	}
	// Output:
	// kill    the process dies, the machine lives: kill -9, not a power cut
	// strict  everything persists in the order in which it was done
	// ext4    Linux ext4, default mount options
	// xfs     Linux XFS, default mount options
	// btrfs   Linux btrfs, default mount options
	// posix   what a portable program may count on (the default)
}
