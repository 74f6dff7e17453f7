package mapped

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
)

// What is said between the helper and its parent is frames: a header, and pages.
// A request to open a file names it in its only page; one to read gives pages
// without data, which are read whether they are dirty or not, if they are cached.
type frame struct {
	id    uint32
	kind  uint32 // of a request
	errno uint32 // of an answer
	pages []Page
}

const (
	kindOpen uint32 = 1
	kindRead uint32 = 2
)

const (
	headerSize = 16
	pageHeader = 20
)

func (f *frame) write(w *bufio.Writer) error {
	var head [pageHeader]byte
	le := binary.LittleEndian
	le.PutUint32(head[0:], f.id)
	le.PutUint32(head[4:], f.kind)
	le.PutUint32(head[8:], f.errno)
	le.PutUint32(head[12:], uint32(len(f.pages)))
	if _, err := w.Write(head[:headerSize]); err != nil {
		return err
	}
	for i := range f.pages {
		p := &f.pages[i]
		le.PutUint64(head[0:], p.File)
		le.PutUint64(head[8:], uint64(p.Offset))
		le.PutUint32(head[16:], uint32(len(p.Data)))
		if _, err := w.Write(head[:]); err != nil {
			return err
		}
		if _, err := w.Write(p.Data); err != nil {
			return err
		}
	}
	return w.Flush()
}

func readFrame(r *bufio.Reader) (*frame, error) {
	var head [pageHeader]byte
	le := binary.LittleEndian
	if _, err := io.ReadFull(r, head[:headerSize]); err != nil {
		return nil, err
	}
	f := &frame{id: le.Uint32(head[0:]), kind: le.Uint32(head[4:]), errno: le.Uint32(head[8:])}
	for range le.Uint32(head[12:]) {
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return nil, err
		}
		p := Page{File: le.Uint64(head[0:]), Offset: int64(le.Uint64(head[8:]))}
		n := le.Uint32(head[16:])
		if n > PageSize {
			return nil, fmt.Errorf("a page of %d bytes", n)
		}
		p.Data = make([]byte, n)
		if _, err := io.ReadFull(r, p.Data); err != nil {
			return nil, err
		}
		f.pages = append(f.pages, p)
	}
	return f, nil
}
