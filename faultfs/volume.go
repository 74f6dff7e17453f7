package faultfs

import (
	"maps"
	"math"
	"slices"

	"github.com/crashsim/crashsim/faultfs/internal/pagecache"
)

const (
	pageSize        = pagecache.PageSize
	defaultDirMode  = 0o755
	defaultFileMode = 0o644
)

// volume holds inodes, their names and their contents, over a base that it
// never changes. It knows inode numbers and no paths, checks nothing, and is
// not safe for concurrent use: FS is both.
type volume struct {
	base   Base
	inodes map[Ino]*inode // what differs from the base
	last   Ino            // the highest inode number in use
	pages  int            // pages held over the base
	keeps  bool           // what is written never changes: pages are kept, not copied
	stack  []Ino          // room for walk, which would allocate it each time
}

// inode is what the volume holds over the base for one inode.
type inode struct {
	typ     Type // NoType: as the base has it
	gone    bool // a directory that was removed; handles of it may live on
	hasMode bool
	hasSize bool
	mode    uint32
	size    int64
	mtime   int64 // logical time of the last change, zero for that of the base
	// limit is the offset below which the base's bytes show through where no
	// page lies over them.
	limit  int64
	pages  map[int64]page
	names  map[string]Ino // zero: removed
	target string
	links  int // names of a file given and taken, over those of the base
}

// page is a page of a file. One that is lent belongs to what was written, and
// must not be changed.
type page struct {
	array *[pageSize]byte
	lent  bool
}

// maxFileSize is the largest size of a file in bytes, as that of ext4: 16 TiB. A
// call that asks for more fails with EFBIG.
const maxFileSize = 1 << 44

const noLimit = math.MaxInt64

func newVolume(base Base) volume {
	return volume{base: base, inodes: map[Ino]*inode{}, last: base.Inodes()}
}

// reset forgets everything that was put over the base.
func (v *volume) reset() {
	if len(v.inodes) > 0 {
		clear(v.inodes)
	}
	v.last, v.pages = v.base.Inodes(), 0
}

// own returns the volume's own part of an inode, making it if need be.
func (v *volume) own(ino Ino) *inode {
	n := v.inodes[ino]
	if n == nil {
		n = &inode{limit: noLimit}
		v.inodes[ino] = n
	}
	return n
}

func (v *volume) add(typ Type, mode uint32) Ino {
	v.last++
	v.inodes[v.last] = &inode{typ: typ, hasMode: true, hasSize: true, mode: mode}
	return v.last
}

// fresh reports whether the base knows nothing of the inode.
func (n *inode) fresh() bool { return n != nil && n.typ != NoType }

// Type returns what ino is.
func (v *volume) Type(ino Ino) Type {
	if n := v.inodes[ino]; n.fresh() {
		return n.typ
	}
	return v.base.Type(ino)
}

// Mode returns the mode bits of ino.
func (v *volume) Mode(ino Ino) uint32 {
	if n := v.inodes[ino]; n != nil && n.hasMode {
		return n.mode
	}
	return v.base.Mode(ino)
}

// Size returns the size of a regular file.
func (v *volume) Size(ino Ino) int64 {
	if n := v.inodes[ino]; n != nil && n.hasSize {
		return n.size
	}
	return v.base.Size(ino)
}

// Target returns where a symbolic link points.
func (v *volume) Target(ino Ino) string {
	if n := v.inodes[ino]; n.fresh() {
		return n.target
	}
	return v.base.Target(ino)
}

// mtime returns the logical time of the last change of ino, zero if there was
// none that is known.
func (v *volume) mtime(ino Ino) int64 {
	for v != nil {
		if n := v.inodes[ino]; n != nil && n.mtime != 0 {
			return n.mtime
		}
		v, _ = v.base.(*volume)
	}
	return 0
}

// Links returns how many names lead to a file or a symbolic link, and one for
// a directory that was not removed. Of a base that does not count, each file
// is taken to have one name.
func (v *volume) Links(ino Ino) int {
	n := v.inodes[ino]
	switch {
	case n == nil:
	case n.gone:
		return 0
	case n.fresh():
		return 1 + n.links
	}
	links := 1
	if base, ok := v.base.(*volume); ok {
		links = base.Links(ino)
	}
	if n != nil {
		links += n.links
	}
	return links
}

// isGone reports whether ino is a directory that was removed.
func (v *volume) isGone(ino Ino) bool {
	n := v.inodes[ino]
	return n != nil && n.gone
}

// Inodes returns the highest inode number in use.
func (v *volume) Inodes() Ino { return v.last }

// Entry returns the inode that a name leads to, zero if there is none.
func (v *volume) Entry(dir Ino, name string) Ino {
	n := v.inodes[dir]
	if n != nil {
		if ino, ok := n.names[name]; ok || n.fresh() {
			return ino
		}
	}
	return v.base.Entry(dir, name)
}

// Names returns, sorted, every name that the directory holds.
func (v *volume) Names(dir Ino) []string {
	var names []string
	v.eachName(dir, func(name string) bool {
		names = append(names, name)
		return true
	})
	slices.Sort(names)
	return names
}

// isEmpty reports whether the directory holds no name. It looks at no more
// names than it needs.
func (v *volume) isEmpty(dir Ino) bool {
	if n := v.inodes[dir]; n != nil {
		for _, ino := range n.names {
			if ino != 0 {
				return false
			}
		}
	}
	none := true
	v.eachName(dir, func(string) bool {
		none = false
		return false
	})
	return none
}

// eachName calls f for the names that the directory holds, own ones sorted
// before the base's, until f returns false.
func (v *volume) eachName(dir Ino, f func(string) bool) {
	n := v.inodes[dir]
	if n != nil {
		for _, name := range slices.Sorted(maps.Keys(n.names)) {
			if n.names[name] != 0 && !f(name) {
				return
			}
		}
		if n.fresh() {
			return
		}
	}
	for _, name := range v.base.Names(dir) {
		if n != nil {
			if _, mine := n.names[name]; mine {
				continue
			}
		}
		if v.base.Entry(dir, name) != 0 && !f(name) {
			return
		}
	}
}

func (v *volume) setEntry(dir Ino, name string, ino Ino) {
	n := v.own(dir)
	if ino == 0 && n.fresh() {
		delete(n.names, name)
		return
	}
	if n.names == nil {
		n.names = map[string]Ino{}
	}
	n.names[name] = ino
}

func (v *volume) setMode(ino Ino, mode uint32) {
	n := v.own(ino)
	n.mode, n.hasMode = mode, true
}

// ReadAt fills p with the bytes of a file at off, whatever its size.
func (v *volume) ReadAt(ino Ino, p []byte, off int64) {
	n := v.inodes[ino]
	if n == nil {
		v.base.ReadAt(ino, p, off)
		return
	}
	for len(p) > 0 {
		index, from := off/pageSize, off%pageSize
		k := min(int64(len(p)), pageSize-from)
		if page, ok := n.pages[index]; ok {
			copy(p[:k], page.array[from:])
		} else {
			v.readBase(n, ino, p[:k], off)
		}
		p, off = p[k:], off+k
	}
}

// Data returns the offsets of the pages that may hold anything but zeros.
func (v *volume) Data(ino Ino, from int64) []int64 {
	n := v.inodes[ino]
	if n == nil {
		return v.base.Data(ino, from)
	}
	var pages []int64
	for index := range n.pages {
		if off := index * pageSize; off+pageSize > from {
			pages = append(pages, off)
		}
	}
	if !n.fresh() {
		for _, off := range v.base.Data(ino, from) {
			if _, over := n.pages[off/pageSize]; off < n.limit && !over {
				pages = append(pages, off)
			}
		}
	}
	slices.Sort(pages)
	return pages
}

// holdsData reports whether a range of a file, of up to a page, is anything
// but zeros.
func (v *volume) holdsData(ino Ino, from, to int64) bool {
	var page [pageSize]byte
	v.ReadAt(ino, page[:to-from], from)
	return page != [pageSize]byte{}
}

// readBase fills p with what shows through of the base.
func (v *volume) readBase(n *inode, ino Ino, p []byte, off int64) {
	seen := int64(0)
	if !n.fresh() {
		seen = min(max(n.limit-off, 0), int64(len(p)))
	}
	if seen > 0 {
		v.base.ReadAt(ino, p[:seen], off)
	}
	clear(p[seen:])
}

// write puts data at off and lets the file grow to hold it.
func (v *volume) write(ino Ino, data []byte, off int64) {
	if len(data) == 0 {
		return
	}
	n := v.own(ino)
	if n.pages == nil {
		n.pages = map[int64]page{}
	}
	size := v.Size(ino)
	n.limit = min(n.limit, size) // what a crash left beyond the end is never seen
	if end := off + int64(len(data)); end > size {
		n.size, n.hasSize = end, true
	}
	for len(data) > 0 {
		index, from := off/pageSize, off%pageSize
		k := int(min(int64(len(data)), pageSize-from))
		if v.keeps && k == pageSize {
			if _, held := n.pages[index]; !held {
				v.pages++
			}
			n.pages[index] = page{(*[pageSize]byte)(data), true}
		} else {
			copy(v.pageFor(n, ino, index, k)[from:], data)
		}
		data, off = data[k:], off+int64(k)
	}
}

// pageFor returns the page to write so many bytes to, with what it held before
// unless they cover it whole.
func (v *volume) pageFor(n *inode, ino Ino, index int64, length int) *[pageSize]byte {
	old, held := n.pages[index]
	if held && !old.lent {
		return old.array
	}
	fresh := new([pageSize]byte)
	n.pages[index] = page{fresh, false}
	switch {
	case held:
		*fresh = *old.array
	case length < pageSize:
		v.readBase(n, ino, fresh[:], index*pageSize)
	}
	if !held {
		v.pages++
	}
	return fresh
}

// truncate sets the size. Bytes beyond a smaller size are zeros if the file
// grows again.
func (v *volume) truncate(ino Ino, size int64) {
	n := v.own(ino)
	old := v.Size(ino)
	n.size, n.hasSize = size, true
	n.limit = min(n.limit, old, size)
	if size >= old {
		return
	}
	for index := range n.pages {
		start := index * pageSize
		if start >= size {
			delete(n.pages, index)
			v.pages--
		} else if start+pageSize > size {
			clear(v.pageFor(n, ino, index, 0)[size-start:])
		}
	}
}
