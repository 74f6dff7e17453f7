package outfile

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// longest is how many bytes a file may have that a command reads: no trace, with each
// byte of its data written out, is longer.
const longest = 5 << 28

// Read returns what a file holds, as os.ReadFile does. A file, or a device that goes
// on and on, of which a command could not make sense anyway is an error before there
// is no memory left.
func Read(name string) ([]byte, error) { return readUpTo(name, longest) }

func readUpTo(name string, most int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	tooLong := &fs.PathError{Op: "read", Path: name, Err: fmt.Errorf("more than %d bytes", most)}
	if info.Mode().IsRegular() && info.Size() > most {
		return nil, tooLong
	}
	var text bytes.Buffer
	if info.Mode().IsRegular() {
		text.Grow(int(info.Size()) + bytes.MinRead) // so that the end is seen without growing
	}
	if _, err := text.ReadFrom(io.LimitReader(f, most+1)); err != nil {
		return nil, err
	}
	if int64(text.Len()) > most {
		return nil, tooLong
	}
	return text.Bytes(), nil
}
