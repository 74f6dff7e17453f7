package workdir

import "fmt"

// Numbered lets the directory call its new files by numbers, so that it does the same
// each time.
func (d *Dir) Numbered() *Dir {
	n := 0
	d.unique = func() string {
		n++
		return fmt.Sprint(n)
	}
	return d
}
