package oracle

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"sync"

	"github.com/spf13/afero"
)

// Content is what a file holds. The zero Content is that of a file that does
// not exist.
type Content struct {
	data   string
	exists bool
}

// Absent is the Content of a file that does not exist.
var Absent Content

// Data returns the Content of a file that holds data, and exists even if data
// is empty.
func Data[T ~string | ~[]byte](data T) Content {
	return Content{data: string(data), exists: true}
}

// found is what was read of one file.
type found struct {
	data   []byte
	exists bool
}

func (f found) is(c Content) bool {
	return f.exists == c.exists && string(f.data) == c.data
}

// scratch is the memory of one judgement.
type scratch struct {
	data  []byte
	files []found
}

const (
	firstBuffer  = 32 << 10
	largestReuse = 1 << 20
	longestFile  = 256 << 20
)

// errTooLong keeps a sparse file of absurd size from filling the memory.
var errTooLong = fmt.Errorf("longer than %d bytes", longestFile)

var scratches = sync.Pool{New: func() any { return &scratch{data: make([]byte, 0, firstBuffer)} }}

func borrow() *scratch { return scratches.Get().(*scratch) }

func (s *scratch) giveBack() {
	if cap(s.data) > largestReuse {
		return
	}
	clear(s.files)
	s.data, s.files = s.data[:0], s.files[:0]
	scratches.Put(s)
}

// read reads a whole file without asking for its size. What it returns is
// valid until the scratch is given back.
func (s *scratch) read(disk afero.Fs, path string) (found, error) {
	f, err := disk.Open(path)
	if err != nil {
		return contentRead(nil, err)
	}
	defer f.Close() // it was only read: closing it cannot lose anything
	start := len(s.data)
	for {
		if len(s.data) == cap(s.data) {
			s.data = append(s.data, 0)[:len(s.data)]
		}
		n, err := f.Read(s.data[len(s.data):cap(s.data)])
		s.data = s.data[:len(s.data)+n]
		switch {
		case err == io.EOF:
			return found{data: s.data[start:len(s.data):len(s.data)], exists: true}, nil
		case err != nil:
			return found{}, err
		case len(s.data)-start > longestFile:
			return found{}, errTooLong
		}
	}
}

// contentRead turns the answer of a reader into what was found. That a file does
// not exist is not an error.
func contentRead(data []byte, err error) (found, error) {
	if err == nil {
		return found{data: data, exists: true}, nil
	}
	if errors.Is(err, fs.ErrNotExist) {
		return found{}, nil
	}
	return found{}, err
}

// exceeds reports whether more than n marks with the label were made. No label
// acknowledges nothing.
func exceeds(marks Marks, label string, n int) bool {
	switch {
	case label == "":
		return false
	case n == 0:
		return marks.Has(label)
	}
	return marks.Count(label) > n
}

// count returns how many marks with the label were made, none without a label.
func count(marks Marks, label string) int {
	if label == "" {
		return 0
	}
	return marks.Count(label)
}

func refused(path string, err error) []Violation {
	return []Violation{{Kind: Refused, Path: path, Detail: fmt.Sprintf("cannot be read: %v", err)}}
}

// misfit says what is wrong with an existing file that is none of the versions
// as a whole. What is the word for a version.
func misfit(data []byte, versions []Content, what string) (Kind, string) {
	at := firstAlien(data, versions)
	switch {
	case !anyExists(versions):
		return Alien, fmt.Sprintf("exists and has %s, but it should not exist", length(data))
	case at >= 0:
		return Alien, fmt.Sprintf("holds %[2]s, which are no %[1]s of the file: none has the byte 0x%02[3]x at offset %[4]d", what, length(data), data[at], at)
	case len(data) == 0:
		return Torn, fmt.Sprintf("is empty; no %s of the file is empty", what)
	}
	return Torn, fmt.Sprintf("holds no whole %s; it has %s: %s", what, length(data), pieces(data, versions, what))
}

func anyExists(versions []Content) bool {
	for _, v := range versions {
		if v.exists {
			return true
		}
	}
	return false
}

// firstAlien returns the offset of the first byte that is neither NUL nor, at
// this offset, in any version; -1 if there is none.
func firstAlien(data []byte, versions []Content) int {
next:
	for at, b := range data {
		if b == 0 {
			continue
		}
		for _, v := range versions {
			if at < len(v.data) && v.data[at] == b {
				continue next
			}
		}
		return at
	}
	return -1
}

// pieces tells where the bytes of a torn file come from, the longest pieces
// first that begin where the last one ended, newer versions before older ones.
func pieces(data []byte, versions []Content, what string) string {
	const most = 3
	var text strings.Builder
	for at, n := 0, 0; at < len(data); n++ {
		if n == most {
			text.WriteString(" and so on")
			break
		}
		source, long := -1, nuls(data[at:])
		for v := len(versions) - 1; v >= 0; v-- {
			c := versions[v].data
			if at < len(c) {
				if m := common(data[at:], c[at:]); m > long || m == long && source < 0 {
					source, long = v, m
				}
			}
		}
		if n > 0 {
			text.WriteString(", ")
		}
		if long == 1 {
			fmt.Fprintf(&text, "offset %d is ", at)
		} else {
			fmt.Fprintf(&text, "offsets %d to %d are ", at, at+long-1)
		}
		at += long
		if source < 0 {
			text.WriteString("NUL")
			continue
		}
		fmt.Fprintf(&text, "as in %s %d", what, source)
		if at == len(data) && at < len(versions[source].data) {
			fmt.Fprintf(&text, ", which has %s", length(versions[source].data))
		}
	}
	return text.String()
}

// length gives the length of data in words.
func length[T ~string | ~[]byte](data T) string {
	if len(data) == 1 {
		return "1 byte"
	}
	return fmt.Sprintf("%d bytes", len(data))
}

// common returns the length of the longest common prefix.
func common[S, T ~string | ~[]byte](a S, b T) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

// nuls returns how many NULs data begins with.
func nuls[T ~string | ~[]byte](data T) int {
	for i := range len(data) {
		if data[i] != 0 {
			return i
		}
	}
	return len(data)
}
