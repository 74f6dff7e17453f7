package main

import "os"

// more is in a file of its own, which inlined calls come from.
func more() {
	check(os.Mkdir(here(), 0o700))
	inlined()
}
