//go:build amd64 || arm64

package inprocess

import (
	"sync"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"

	"github.com/crashsim/crashsim/faultfs"
)

// file is an open file description: what open(2) makes, and dup(2) shares.
type file struct {
	dir   *Dir
	fh    uint64 // of package mount
	ino   faultfs.Ino
	isDir bool

	mu      sync.Mutex
	flags   int
	pos     int64
	entries []fuse.DirEntry // of a directory, as they were when it was last read from its beginning

	refs int  // descriptors; guarded by the table
	dead bool // its process has ended; guarded by the table
}

// table holds the descriptors of a slot. A number is used again only after its owner has
// closed it, even if that is long after the end of the directory.
type table struct {
	mu    sync.RWMutex
	files []*file
	free  []int32
}

// add gives a file a number.
func (s *slot) add(f *file) (int32, syscall.Errno) {
	t := &s.table
	t.mu.Lock()
	defer t.mu.Unlock()
	f.refs++
	if n := len(t.free); n > 0 {
		i := t.free[n-1]
		t.free = t.free[:n-1]
		t.files[i] = f
		return s.first() + i, 0
	}
	if len(t.files) == perDirectory {
		f.refs--
		return 0, syscall.EMFILE
	}
	t.files = append(t.files, f)
	return s.first() + int32(len(t.files)) - 1, 0
}

func (s *slot) first() int32 { return int32(firstDescriptor + s.number*perDirectory) }

// get returns the file of a descriptor.
func (s *slot) get(fd int32) (*file, syscall.Errno) {
	t := &s.table
	t.mu.RLock()
	defer t.mu.RUnlock()
	f, _, errno := s.find(fd)
	if errno == 0 && f.dead {
		return nil, syscall.EIO
	}
	return f, errno
}

// find returns the file of a descriptor, dead or not, and its place in the table, which
// the caller has locked.
func (s *slot) find(fd int32) (f *file, i int32, errno syscall.Errno) {
	i = fd - s.first()
	if files := s.table.files; int(i) < len(files) && files[i] != nil {
		return files[i], i, 0
	}
	return nil, 0, syscall.EBADF
}

// take ends a descriptor. last says that its file has no other.
func (s *slot) take(fd int32) (f *file, last bool, errno syscall.Errno) {
	t := &s.table
	t.mu.Lock()
	defer t.mu.Unlock()
	f, i, errno := s.find(fd)
	if errno != 0 {
		return nil, false, errno
	}
	t.files[i] = nil
	t.free = append(t.free, i)
	f.refs--
	if f.dead {
		return nil, false, syscall.EIO
	}
	return f, f.refs == 0, 0
}

// put lets a descriptor that exists lead to another file, and returns the one it led to.
func (s *slot) put(fd int32, f *file) (was *file, last bool, errno syscall.Errno) {
	t := &s.table
	t.mu.Lock()
	defer t.mu.Unlock()
	was, i, errno := s.find(fd)
	if errno != 0 {
		return nil, false, errno
	}
	f.refs++
	t.files[i] = f
	was.refs--
	if was.dead {
		return nil, false, 0
	}
	return was, was.refs == 0, 0
}

// kill ends the use of all descriptors, and returns the files of those that were open, by
// number.
func (t *table) kill() []*file {
	t.mu.Lock()
	defer t.mu.Unlock()
	var open []*file
	for _, f := range t.files {
		if f != nil && !f.dead {
			open = append(open, f)
		}
	}
	for _, f := range open {
		f.dead = true
	}
	return open
}

// release forgets an open file.
func (d *Dir) release(f *file) {
	d.locks.drop(f)
	if f.flags&oPath == 0 {
		d.direct.Release(nil, &fuse.ReleaseIn{Fh: f.fh})
	}
}
