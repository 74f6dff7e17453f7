//go:build !linux

package process

import (
	"io/fs"
	"os"
)

// makeSpecial makes a file in the place of a FIFO or a socket.
func makeSpecial(root *os.Root, name string, mode fs.FileMode) error {
	return root.WriteFile(name, nil, mode.Perm())
}
