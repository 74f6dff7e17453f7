// Command deferred is the second program of the notes, word for word: it shows when
// deferred calls are made, and touches no file.
package main

import (
	"fmt"
)

func P(i int) int {
	fmt.Println(i)
	return i
}

func testDefer() int {
	_ = P(0)
	defer func() { P(1) }()
	defer func() { P(2) }()

	return P(3)
}

func main() {
	_ = testDefer()
}
