package model_test

import (
	"fmt"

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
