package mount

import (
	"bytes"
	"io"
	"sync"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"github.com/crashsim/crashsim/faultfs"
)

const (
	firstMarkNode = 1 << 40 // above all inodes
	maxLine       = 64 << 10
)

// markFile is a file whose lines become marks.
type markFile struct {
	fs     *faultfs.FS
	name   string
	node   uint64
	output io.Writer     // may be nil
	says   func() []byte // of a file that is only read, and makes no marks

	mu   sync.Mutex
	line []byte // not complete yet
}

func markFiles(fs *faultfs.FS, o Options) []*markFile {
	var files []*markFile
	if o.Marks != "" {
		files = append(files, &markFile{fs: fs, name: o.Marks, node: firstMarkNode})
	}
	if o.Stdout != "" {
		files = append(files, &markFile{fs: fs, name: o.Stdout, node: firstMarkNode + 1, output: o.Output})
	}
	if o.Text != "" {
		files = append(files, &markFile{name: o.Text, node: firstMarkNode + 2, says: o.Says})
	}
	return files
}

// markNode returns the mark file of a node, nil for any other.
func (d *disk) markNode(node uint64) *markFile {
	if node < firstMarkNode {
		return nil
	}
	for _, m := range d.marks {
		if m.node == node {
			return m
		}
	}
	return nil
}

// markName returns the mark file of a name, nil for any other.
func (d *disk) markName(dir uint64, name string) *markFile {
	if dir != uint64(faultfs.Root) {
		return nil
	}
	for _, m := range d.marks {
		if m.name == name {
			return m
		}
	}
	return nil
}

func (m *markFile) attributes() fuse.Attr {
	a := fuse.Attr{Ino: m.node, Mode: unix.S_IFREG | 0o600, Nlink: 1, Blksize: 4096, Owner: self}
	if m.says != nil {
		a.Mode, a.Size = unix.S_IFREG|0o400, uint64(len(m.says()))
	}
	return a
}

// write passes data on and makes a mark of each line that it completes. They are
// made where from says.
func (m *markFile) write(data []byte, from faultfs.Op) (uint32, fuse.Status) {
	if m.says != nil {
		return 0, fuse.EPERM
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.output != nil {
		if _, err := m.output.Write(data); err != nil {
			return 0, fuse.ToStatus(err)
		}
	}
	m.line = append(m.line, data...)
	for {
		end := bytes.IndexByte(m.line, '\n')
		next := end + 1
		switch {
		case end < 0 && len(m.line) < maxLine:
			return uint32(len(data)), fuse.OK
		case end < 0 || end > maxLine:
			end, next = maxLine, maxLine
		}
		if label := string(bytes.TrimSuffix(m.line[:end], []byte("\r"))); label != "" {
			if _, _, errno := m.fs.DoAt(faultfs.Op{Kind: faultfs.OpMark, Label: label, Site: from.Site, Stack: from.Stack}, nil); errno != 0 {
				return 0, fuse.Status(errno)
			}
		}
		m.line = m.line[next:]
	}
}

// read fills buf with what the file says at an offset.
func (m *markFile) read(buf []byte, off uint64) []byte {
	if m.says == nil {
		return nil
	}
	text := m.says()
	return buf[:copy(buf, text[min(off, uint64(len(text))):])]
}
