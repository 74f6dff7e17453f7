//go:build amd64 || arm64

package inprocess

import (
	"math"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/crashsim/crashsim/faultfs"
)

// fcntl answers fcntl(2).
func (c *call) fcntl(s *slot, f *file) (uintptr, syscall.Errno) {
	command := int(int32(c.a[1]))
	switch command {
	case unix.F_DUPFD, unix.F_DUPFD_CLOEXEC:
		if int32(c.a[2]) > s.first() {
			return 0, syscall.EINVAL
		}
		return f.dup(s)
	case unix.F_GETFD:
		return unix.FD_CLOEXEC, 0 // no program that is started gets it
	case unix.F_SETFD:
		return 0, 0
	case unix.F_GETFL:
		f.mu.Lock()
		defer f.mu.Unlock()
		return uintptr(f.flags), 0
	}
	if f.flags&oPath != 0 {
		return 0, syscall.EBADF
	}
	switch command {
	case unix.F_SETFL:
		const may = unix.O_APPEND | unix.O_NONBLOCK | unix.O_NOATIME | unix.O_DIRECT
		f.mu.Lock()
		defer f.mu.Unlock()
		f.flags = f.flags&^may | int(c.a[2])&may
		return 0, 0
	case unix.F_SETLK, unix.F_SETLKW, unix.F_OFD_SETLK, unix.F_OFD_SETLKW:
		return 0, c.setLock(f, command)
	case unix.F_GETLK, unix.F_OFD_GETLK:
		return 0, c.getLock(f, command)
	case unix.F_SET_RW_HINT, unix.F_GET_RW_HINT, unix.F_SETOWN, unix.F_SETSIG:
		return 0, 0
	}
	return 0, syscall.EINVAL
}

// largeFile is O_LARGEFILE of amd64, which the kernel adds to what it says of a file.
const largeFile = 0x8000

// span is a part of a file that is locked, to the byte before end.
type span struct {
	owner     *file
	exclusive bool
	from, end int64
}

// locks are those of the files of a directory, of flock(2) and of open file descriptions.
// Those that belong to a process conflict with nothing here.
type locks struct {
	mu     sync.Mutex
	change chan struct{}          // closed when a lock was given back
	whole  map[faultfs.Ino][]span // of flock
	parts  map[faultfs.Ino][]span // of open file descriptions
	epoch  int
}

// conflict returns a lock that keeps another one from being taken, nil if none does.
func conflict(held []span, want span) *span {
	for i := range held {
		h := &held[i]
		if h.owner != want.owner && (h.exclusive || want.exclusive) && h.from < want.end && want.from < h.end {
			return h
		}
	}
	return nil
}

// without returns the locks that are left when an owner has given a part back.
func without(held []span, owner *file, from, end int64) []span {
	var left []span
	for _, h := range held {
		if h.owner != owner || h.from >= end || from >= h.end {
			left = append(left, h)
			continue
		}
		if h.from < from {
			left = append(left, span{owner, h.exclusive, h.from, from})
		}
		if end < h.end {
			left = append(left, span{owner, h.exclusive, end, h.end})
		}
	}
	return left
}

// lock takes a lock in a table, or gives it back.
func (l *locks) lock(table *map[faultfs.Ino][]span, ino faultfs.Ino, want span, unlock, wait bool) syscall.Errno {
	l.mu.Lock()
	defer l.mu.Unlock()
	if *table == nil {
		*table = map[faultfs.Ino][]span{}
	}
	for epoch := l.epoch; ; {
		if l.epoch != epoch {
			return syscall.EIO // the directory has ended meanwhile
		}
		held := (*table)[ino]
		if unlock || conflict(held, want) == nil {
			held = without(held, want.owner, want.from, want.end)
			if !unlock {
				held = append(held, want)
			}
			(*table)[ino] = held
			l.changed()
			return 0
		}
		if !wait {
			return syscall.EAGAIN
		}
		if l.change == nil {
			l.change = make(chan struct{})
		}
		change := l.change
		l.mu.Unlock()
		<-change
		l.mu.Lock()
	}
}

// changed wakes those who wait. The lock is held.
func (l *locks) changed() {
	if l.change != nil {
		close(l.change)
		l.change = nil
	}
}

// flock is flock(2).
func (l *locks) flock(f *file, how int) syscall.Errno {
	want := span{f, how&unix.LOCK_EX != 0, 0, math.MaxInt64}
	switch how &^ unix.LOCK_NB {
	case unix.LOCK_SH, unix.LOCK_EX:
		return l.lock(&l.whole, f.ino, want, false, how&unix.LOCK_NB == 0)
	case unix.LOCK_UN:
		return l.lock(&l.whole, f.ino, want, true, false)
	}
	return syscall.EINVAL
}

// drop gives back what an open file has locked.
func (l *locks) drop(f *file) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, table := range []map[faultfs.Ino][]span{l.whole, l.parts} {
		if held := table[f.ino]; len(held) > 0 {
			table[f.ino] = without(held, f, 0, math.MaxInt64)
			l.changed()
		}
	}
}

// reset gives everything back.
func (l *locks) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.epoch++
	clear(l.whole)
	clear(l.parts)
	l.changed()
}

// wanted reads the lock that a call is about.
func (c *call) wanted(f *file) (lock unix.Flock_t, want span, errno syscall.Errno) {
	c.read(bytesOf(&lock), c.a[2])
	from := lock.Start
	switch lock.Whence {
	case unix.SEEK_SET:
	case unix.SEEK_CUR:
		f.mu.Lock()
		from += f.pos
		f.mu.Unlock()
	case unix.SEEK_END:
		info, _, errno := f.dir.fs.StatAt(f.ino)
		if errno != 0 {
			return lock, want, errno
		}
		from += info.Size()
	default:
		return lock, want, syscall.EINVAL
	}
	end := from + lock.Len
	switch {
	case lock.Len == 0:
		end = math.MaxInt64
	case lock.Len < 0:
		from, end = end, from
	}
	if from < 0 {
		return lock, want, syscall.EINVAL
	}
	return lock, span{f, lock.Type == unix.F_WRLCK, from, end}, 0
}

func (c *call) setLock(f *file, command int) syscall.Errno {
	lock, want, errno := c.wanted(f)
	ofd := command == unix.F_OFD_SETLK || command == unix.F_OFD_SETLKW
	switch {
	case errno != 0:
		return errno
	case lock.Type == unix.F_RDLCK && !f.readable(), lock.Type == unix.F_WRLCK && !f.writable():
		return syscall.EBADF
	case lock.Type != unix.F_RDLCK && lock.Type != unix.F_WRLCK && lock.Type != unix.F_UNLCK, ofd && lock.Pid != 0:
		return syscall.EINVAL
	case !ofd:
		return 0
	}
	l := &f.dir.locks
	return l.lock(&l.parts, f.ino, want, lock.Type == unix.F_UNLCK, command == unix.F_OFD_SETLKW)
}

func (c *call) getLock(f *file, command int) syscall.Errno {
	lock, want, errno := c.wanted(f)
	if errno != 0 {
		return errno
	}
	l := &f.dir.locks
	l.mu.Lock()
	other := conflict(l.parts[f.ino], want)
	l.mu.Unlock()
	if other == nil || command != unix.F_OFD_GETLK {
		lock.Type = unix.F_UNLCK
	} else {
		lock.Type, lock.Whence, lock.Start, lock.Pid = unix.F_RDLCK, unix.SEEK_SET, other.from, -1
		if other.exclusive {
			lock.Type = unix.F_WRLCK
		}
		if lock.Len = other.end - other.from; other.end == math.MaxInt64 {
			lock.Len = 0
		}
	}
	c.write(c.a[2], bytesOf(&lock))
	return 0
}
