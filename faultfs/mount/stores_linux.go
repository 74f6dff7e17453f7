package mount

import (
	"cmp"
	"crypto/rand"
	"fmt"
	"maps"
	"os/exec"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/internal/mapped"
)

// stores sees what programs store into mapped files. The kernel says so only when
// it writes pages back, which is later than the calls that came after the stores.
// So each op is preceded by a look at the dirty pages of all files that may be
// mapped, and what has changed in them is recorded first, as writes.
//
// A file may be mapped, so that its pages can become dirty, once the kernel has
// asked for pages of it to put them into its cache, and a program has opened it for
// reading and writing. Both are needed for a shared map that can be written to.
type stores struct {
	fs     *faultfs.FS
	folder string      // the name in the root by which the helper finds files
	active atomic.Bool // there is a helper

	begin  sync.Mutex // held while a file begins to be looked at
	helper *mapped.Helper
	dir    string                // of the mount
	start  func(*exec.Cmd) error // starts a command that finds it there

	look sync.Mutex // held while the helper looks

	mu         sync.Mutex // guards what follows; never held while anything is waited for
	generation uint64     // of the file system, in which the files are these
	filled     map[faultfs.Ino]bool
	writable   map[faultfs.Ino]bool
	watched    map[faultfs.Ino]bool
	// written are pages that the kernel has written back since the last look. They
	// are recorded at the next one, so that a trace does not depend on when the
	// kernel writes back.
	written map[mappedPage][]byte
	blind   error // why nothing can be seen
	ended   bool  // the helper has
	unclear error // why a sync is recorded as more than it may have been
}

type mappedPage struct {
	ino    faultfs.Ino
	offset int64
}

// folderNode is the directory in which the helper finds files.
const folderNode = firstMarkNode + 10

func newStores(fs *faultfs.FS) *stores {
	s := &stores{fs: fs, folder: ".crashsim-" + rand.Text()}
	s.reset()
	return s
}

func (s *stores) reset() {
	s.filled, s.writable, s.watched = map[faultfs.Ino]bool{}, map[faultfs.Ino]bool{}, map[faultfs.Ino]bool{}
	s.written = map[mappedPage][]byte{}
}

// lookup answers for the folder and for what is in it, and reports whether it did.
func (d *disk) lookupFolder(dir uint64, name string, out *fuse.EntryOut) (status fuse.Status, done bool) {
	switch {
	case dir == folderNode:
		number, err := strconv.ParseUint(name, 10, 31)
		if err != nil {
			return fuse.ENOENT, true
		}
		return d.entry(faultfs.Ino(number), out), true
	case dir == uint64(faultfs.Root) && name == d.stores.folder:
		out.NodeId, out.Generation, out.Attr = folderNode, 1, folderAttributes()
		return fuse.OK, true
	}
	return fuse.OK, false
}

func folderAttributes() fuse.Attr {
	return fuse.Attr{Ino: folderNode, Mode: unix.S_IFDIR | 0o700, Nlink: 1, Blksize: 4096, Owner: self}
}

// openForHelper opens a file for the helper, and reports whether it is the helper
// that asks.
func (d *disk) openForHelper(in *fuse.OpenIn, out *fuse.OpenOut) bool {
	if !d.stores.isHelper(&in.InHeader) {
		return false
	}
	// With the cache, and without dropping what is there.
	out.OpenFlags = fuse.FOPEN_KEEP_CACHE
	out.Fh = d.add(&handle{ino: node(in.NodeId), helper: true})
	return true
}

func (s *stores) isHelper(in *fuse.InHeader) bool {
	return s.active.Load() && s.helper.Is(int(in.Pid))
}

// opened notes that a program opens a file.
func (d *disk) opened(ino faultfs.Ino, flags uint32) {
	if flags&unix.O_ACCMODE == unix.O_RDWR {
		d.mayBeMapped(ino, func(s *stores) { s.writable[ino] = true })
	}
}

// fills notes that the kernel asks for pages for its cache. What it has written back
// is to be in them. The program that asks waits for the answer, so that it can store
// nothing before the file is looked at.
func (d *disk) fills(ino faultfs.Ino) {
	d.mayBeMapped(ino, func(s *stores) { s.filled[ino] = true })
	d.stores.recordWritten(func(p mappedPage) bool { return p.ino == ino })
}

// mayBeMapped begins to look at a file if it may be mapped, by what is noted now.
func (d *disk) mayBeMapped(ino faultfs.Ino, note func(*stores)) {
	s := d.stores
	if !s.fs.Records() {
		return // only the order of ops is at stake
	}
	s.mu.Lock()
	s.renew()
	note(s)
	begins := s.filled[ino] && s.writable[ino] && !s.watched[ino] && s.blind == nil && !s.ended
	s.mu.Unlock()
	if !begins {
		return
	}
	err := s.watch(ino)
	switch {
	case Exhausted(err): // what is not seen now would have been seen otherwise
		d.broken(err)
	case err != nil:
		s.mu.Lock()
		defer s.mu.Unlock()
		s.blind = err
	}
}

// renew forgets the files of an earlier life of the file system. The lock is held.
func (s *stores) renew() {
	if life := s.fs.Generation(); life != s.generation {
		s.generation = life
		s.reset()
	}
}

func (s *stores) watch(ino faultfs.Ino) error {
	s.begin.Lock()
	defer s.begin.Unlock()
	s.mu.Lock()
	already := s.watched[ino]
	s.mu.Unlock()
	if already {
		return nil
	}
	if s.helper == nil {
		helper, err := mapped.Start(s.dir, s.folder, s.start)
		if err != nil {
			return err
		}
		s.helper = helper
		s.active.Store(true)
	}
	if err := s.helper.Open(uint64(ino)); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watched[ino] = true
	return nil
}

// watches reports whether a file is looked at.
func (s *stores) watches(ino faultfs.Ino) bool {
	if !s.active.Load() {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.watched[ino]
}

// cannotTell keeps the first reason why a sync is recorded as more than it may be.
func (s *stores) cannotTell(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.unclear == nil {
		s.unclear = err
	}
}

// writeBack takes pages that the kernel writes back of a map.
func (d *disk) writeBack(ino faultfs.Ino, data []byte, offset int64) fuse.Status {
	s := d.stores
	s.mu.Lock()
	s.renew()
	watched := s.watched[ino]
	if watched {
		for at := int64(0); at < int64(len(data)); {
			n := min(mapped.PageSize-(offset+at)%mapped.PageSize, int64(len(data))-at)
			s.written[mappedPage{ino, offset + at}] = data[at : at+n]
			at += n
		}
	}
	s.mu.Unlock()
	if watched {
		return fuse.OK
	}
	return fuse.Status(s.fs.Store(faultfs.Op{Ino: ino, Data: data, Off: offset}))
}

// recordStores records what was stored since the last op.
func (d *disk) recordStores() {
	s := d.stores
	if !s.active.Load() {
		return
	}
	s.look.Lock()
	defer s.look.Unlock()
	s.mu.Lock()
	s.renew()
	quiet := len(s.watched) == 0 || s.blind != nil || s.ended
	var also []mapped.Page
	taken := maps.Clone(s.written)
	for p := range taken {
		also = append(also, mapped.Page{File: uint64(p.ino), Offset: p.offset})
	}
	s.mu.Unlock()
	if quiet {
		s.recordWritten(func(mappedPage) bool { return true })
		return
	}
	pages, err := s.helper.Changed(also)
	if err != nil {
		d.broken(err)
		return
	}
	// A page that has left the cache holds what was written back last.
	pages = append(pages, s.takeWritten(taken, pages)...)
	slices.SortStableFunc(pages, func(a, b mapped.Page) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Offset, b.Offset))
	})
	stores := make([]faultfs.Op, len(pages))
	for i, p := range pages {
		stores[i] = faultfs.Op{Ino: faultfs.Ino(p.File), Data: p.Data, Off: p.Offset}
	}
	s.fs.Store(stores...)
}

// takeWritten forgets pages that were written back, and returns those of them that
// are not among others which were just looked at.
func (s *stores) takeWritten(taken map[mappedPage][]byte, looked []mapped.Page) []mapped.Page {
	seen := map[mappedPage]bool{}
	for _, p := range looked {
		seen[mappedPage{faultfs.Ino(p.File), p.Offset}] = true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var left []mapped.Page
	for at, data := range taken {
		if now, ok := s.written[at]; !ok || &now[0] != &data[0] {
			continue // it was recorded, or written back once more
		}
		if !seen[at] {
			left = append(left, mapped.Page{File: uint64(at.ino), Offset: at.offset, Data: data})
		}
		delete(s.written, at)
	}
	return left
}

// recordWritten records pages that were written back, in order.
func (s *stores) recordWritten(which func(mappedPage) bool) {
	s.mu.Lock()
	var pages []mappedPage
	for p := range s.written {
		if which(p) {
			pages = append(pages, p)
		}
	}
	slices.SortFunc(pages, func(a, b mappedPage) int {
		return cmp.Or(cmp.Compare(a.ino, b.ino), cmp.Compare(a.offset, b.offset))
	})
	stores := make([]faultfs.Op, len(pages))
	for i, p := range pages {
		stores[i] = faultfs.Op{Ino: p.ino, Data: s.written[p], Off: p.offset}
		delete(s.written, p)
	}
	s.mu.Unlock()
	s.fs.Store(stores...)
}

// endStores records what was stored until now, and ends the helper, which would
// keep the mount in use.
func (d *disk) endStores() error {
	d.recordStores()
	s := d.stores
	s.begin.Lock()
	defer s.begin.Unlock()
	if s.helper == nil {
		return nil
	}
	s.mu.Lock()
	s.ended = true
	s.mu.Unlock()
	return s.helper.Close()
}

// note says what could not be seen, "" if everything could.
func (s *stores) note() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.blind == nil {
		if s.unclear != nil {
			return s.unclear.Error() + ": it is recorded as if it forced all of it, so that a verdict of kept is not certain"
		}
		return ""
	}
	return fmt.Sprintf("%v: they are dated when the kernel writes them back, which can be too late, so that a verdict of kept is not certain", s.blind)
}
