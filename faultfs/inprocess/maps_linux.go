//go:build amd64 || arm64

package inprocess

import (
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/crashsim/crashsim/faultfs"
)

// mapping is a map of a file that is only read: anonymous memory that holds what the file
// holds, and is written to when the file is.
type mapping struct {
	dir    *Dir
	ino    faultfs.Ino
	addr   uintptr
	length int
	off    int64
}

// maps are the maps of the files of a directory.
type maps struct {
	mu  sync.Mutex
	all []*mapping
}

// mapFile is mmap(2).
func (c *call) mapFile() (uintptr, syscall.Errno, bool) {
	fd := int32(c.a[4])
	s := slotOf(fd)
	if s == nil || c.a[3]&unix.MAP_ANONYMOUS != 0 {
		return 0, 0, false
	}
	f, errno := s.get(fd)
	if errno != 0 {
		return 0, errno, true
	}
	off, kind := int64(c.a[5]), c.a[3]&unix.MAP_TYPE
	switch {
	case f.flags&oPath != 0:
		return 0, syscall.EBADF, true
	case f.isDir:
		return 0, syscall.ENODEV, true
	case !f.readable():
		return 0, syscall.EACCES, true
	case off < 0 || off%pageSize != 0 || c.a[1] == 0:
		return 0, syscall.EINVAL, true
	case kind != unix.MAP_PRIVATE && c.a[2]&unix.PROT_WRITE != 0 && !f.writable():
		return 0, syscall.EACCES, true
	case kind != unix.MAP_PRIVATE && c.a[2]&unix.PROT_WRITE != 0:
		return 0, f.dir.refuse("a shared map of a file that can be written to (mmap)", syscall.ENODEV), true
	}
	flags := c.a[3]&^unix.MAP_TYPE | unix.MAP_PRIVATE | unix.MAP_ANONYMOUS
	addr, _, errno := kernel(unix.SYS_MMAP, c.a[0], c.a[1], unix.PROT_READ|unix.PROT_WRITE, flags, ^uintptr(0), 0)
	if errno != 0 {
		return 0, errno, true
	}
	m := &mapping{f.dir, f.ino, addr, int(c.a[1]), off}
	l := &f.dir.maps
	l.mu.Lock()
	defer l.mu.Unlock()
	if errno := m.fill(); errno != 0 {
		_, _, _ = kernel(unix.SYS_MUNMAP, addr, c.a[1], 0, 0, 0, 0)
		return 0, errno, true
	}
	if kind == unix.MAP_PRIVATE { // what is written to the file later need not be seen
		_, _, _ = kernel(unix.SYS_MPROTECT, addr, c.a[1], c.a[2], 0, 0, 0)
		return addr, 0, true
	}
	m.protect()
	l.all = append(l.all, m)
	return addr, 0, true
}

// bytes is the memory of a mapping. It may be written to between open and protect.
func (m *mapping) bytes() []byte { return unsafe.Slice((*byte)(pointer(m.addr)), m.length) }

func (m *mapping) open() {
	_, _, _ = kernel(unix.SYS_MPROTECT, m.addr, uintptr(m.length), unix.PROT_READ|unix.PROT_WRITE, 0, 0, 0)
}

func (m *mapping) protect() {
	_, _, _ = kernel(unix.SYS_MPROTECT, m.addr, uintptr(m.length), unix.PROT_READ, 0, 0, 0)
}

// fill reads the file into the map.
func (m *mapping) fill() syscall.Errno {
	p := m.bytes()
	n, errno := m.dir.fs.PeekAt(m.ino, p, m.off)
	if errno == 0 {
		clear(p[n:])
	}
	return errno
}

// wrote shows maps what was written to a file.
func (l *maps) wrote(ino faultfs.Ino, data []byte, off int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, m := range l.all {
		if m.ino != ino {
			continue
		}
		from, to := max(off, m.off), min(off+int64(len(data)), m.off+int64(m.length))
		if from < to {
			m.open()
			copy(m.bytes()[from-m.off:], data[from-off:to-off])
			m.protect()
		}
	}
}

// truncated shows maps that a file has another size.
func (l *maps) truncated(ino faultfs.Ino, size int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, m := range l.all {
		if m.ino == ino && size < m.off+int64(m.length) {
			m.open()
			clear(m.bytes()[max(size-m.off, 0):])
			m.protect()
		}
	}
}

// changed shows maps what a file holds now.
func (l *maps) changed(_ *Dir, ino faultfs.Ino) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, m := range l.all {
		if m.ino == ino {
			m.open()
			m.fill()
			m.protect()
		}
	}
}

// reset leaves the maps as they are: they belong to the process.
func (l *maps) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = nil
}

// unmapped forgets a map that the process gives back.
func unmapped(addr uintptr) {
	for i := range slots.at {
		s := slots.at[i].Load()
		if s == nil {
			return
		}
		d := s.dir.Load()
		if d == nil {
			continue
		}
		d.maps.mu.Lock()
		for j, m := range d.maps.all {
			if m.addr == addr {
				d.maps.all = append(d.maps.all[:j:j], d.maps.all[j+1:]...)
				break
			}
		}
		d.maps.mu.Unlock()
	}
}
