package persist_test

import (
	"context"
	"fmt"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/model"
	"github.com/crashsim/crashsim/faultfs/persist"
)

// A program writes a file and does not sync it. Reading the disk that a crash
// leaves decides what the crash left.
func Example() {
	fs := faultfs.New()
	f, err := fs.Create("/state")
	if err != nil {
		panic(err)
	}
	if _, err := f.WriteString("new"); err != nil {
		panic(err)
	}

	plan := persist.Lower(fs.Trace(), model.Default())
	disk := plan.NewDisk()
	read := func(subset persist.Subset) {
		disk.Begin(plan.Points()-1, subset)
		name := disk.Entry(faultfs.Root, "state")
		if name == 0 {
			fmt.Println("no file")
			return
		}
		data := make([]byte, disk.Size(name))
		disk.ReadAt(name, data, 0)
		fmt.Printf("%q\n", data)
	}

	read(persist.Subset{})
	// Each choice that this run made could have gone the other way.
	subset := persist.Subset{}
	for _, taken := range append([]persist.Bound{}, disk.Taken()...) {
		read(subset.And(taken.Older()))
		subset = subset.And(taken)
	}
	// Output:
	// "new"
	// no file
	// ""
	// "\x00\x00\x00"
}

// Two files are made, in no order unless the file system promises one.
func ExamplePlan_Count() {
	trace, err := faultfs.ParseTrace("two", []byte("-- ops --\ncreate /a\ncreate /b\n"))
	if err != nil {
		panic(err)
	}
	for _, name := range []string{"posix", "ext4", "kill"} {
		m, err := model.Parse(name)
		if err != nil {
			panic(err)
		}
		cuts, exact := persist.Lower(trace, m).Count(context.Background())
		fmt.Println(name, cuts, exact)
	}
	// Output:
	// posix 4 true
	// ext4 3 true
	// kill 3 true
}
