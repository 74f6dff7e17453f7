//go:build amd64 || arm64

package inprocess

import (
	"encoding/binary"
	"syscall"
	"unsafe"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"github.com/crashsim/crashsim/faultfs/mount"
)

// onDescriptor answers a call on a virtual descriptor.
func (c *call) onDescriptor(s *slot) (uintptr, syscall.Errno) {
	fd := int32(c.a[0])
	if c.trap == unix.SYS_CLOSE {
		f, last, errno := s.take(fd)
		if errno != 0 {
			if errno == syscall.EIO {
				errno = 0 // its process has ended: nobody else is to be told
			}
			return 0, errno
		}
		return 0, f.dir.closed(f, last)
	}
	f, errno := s.get(fd)
	if errno != 0 {
		return 0, errno
	}
	switch { // the kernel looks at these before it looks at the descriptor
	case c.trap == unix.SYS_FTRUNCATE && int64(c.a[1]) < 0,
		(c.trap == unix.SYS_PREAD64 || c.trap == unix.SYS_PWRITE64) && int64(c.a[3]) < 0:
		return 0, syscall.EINVAL
	}
	if f.flags&oPath != 0 {
		switch c.trap {
		case unix.SYS_FSTAT, unix.SYS_FSTATFS, unix.SYS_DUP, unix.SYS_FCHDIR, unix.SYS_FCNTL:
		default:
			return 0, syscall.EBADF
		}
	}
	switch c.trap {
	case unix.SYS_READ, unix.SYS_PREAD64:
		return c.readCall(f)
	case unix.SYS_WRITE, unix.SYS_PWRITE64:
		return c.writeCall(f)
	case unix.SYS_READV, unix.SYS_PREADV, unix.SYS_PREADV2, unix.SYS_WRITEV, unix.SYS_PWRITEV, unix.SYS_PWRITEV2:
		return c.vectors(f)
	case unix.SYS_LSEEK:
		return f.seek(int64(c.a[1]), int(int32(c.a[2])))
	case unix.SYS_GETDENTS64:
		return c.entries(f)
	case unix.SYS_FCNTL:
		return c.fcntl(s, f)
	case unix.SYS_DUP:
		return f.dup(s)
	}
	return c.onFile(f)
}

// closed is the close of a descriptor.
func (d *Dir) closed(f *file, last bool) syscall.Errno {
	status := fuse.OK
	if f.flushes() {
		status = d.direct.Flush(nil, &fuse.FlushIn{Fh: f.fh})
	}
	if last {
		d.release(f)
	}
	return syscall.Errno(status)
}

// flushes reports whether the kernel tells a file system of the close of a descriptor.
func (f *file) flushes() bool { return f.flags&oPath == 0 && !f.isDir }

func (f *file) dup(s *slot) (uintptr, syscall.Errno) {
	fd, errno := s.add(f)
	return uintptr(fd), errno
}

// onFile answers calls on an open file that neither read nor write nor make descriptors.
func (c *call) onFile(f *file) (uintptr, syscall.Errno) {
	d := f.dir
	typ := d.fs.TypeAt(f.ino)
	switch c.trap {
	case unix.SYS_FSTAT:
		return 0, c.stat(d, f.ino, c.a[1])
	case unix.SYS_FSYNC:
		return 0, f.sync(0)
	case unix.SYS_FDATASYNC:
		return 0, f.sync(1)
	case unix.SYS_SYNCFS:
		return 0, syscall.Errno(d.direct.Sync())
	case unix.SYS_SYNC_FILE_RANGE, unix.SYS_FADVISE64, unix.SYS_READAHEAD:
		return 0, 0
	case unix.SYS_FTRUNCATE:
		if f.isDir || !f.writable() || int64(c.a[1]) < 0 {
			return 0, syscall.EINVAL
		}
		return 0, d.truncate(f.ino, typ, int64(c.a[1]))
	case unix.SYS_FCHMOD:
		return 0, d.chmod(f.ino, typ, uint32(c.a[1]))
	case unix.SYS_FCHOWN:
		return 0, d.chown(f.ino, uint32(c.a[1]), uint32(c.a[2]))
	case unix.SYS_FLOCK:
		return 0, d.locks.flock(f, int(c.a[1]))
	case unix.SYS_FALLOCATE:
		return 0, f.allocate(uint32(c.a[1]), int64(c.a[2]), int64(c.a[3]))
	case unix.SYS_FCHDIR:
		if !f.isDir {
			return 0, syscall.ENOTDIR
		}
		return 0, d.refuse("a change of the working directory of the process to it (os.Chdir)", syscall.ENOTSUP)
	case unix.SYS_FSTATFS:
		return 0, c.statfs(d, c.a[1])
	case unix.SYS_IOCTL:
		if c.a[1] == unix.FICLONE || c.a[1] == unix.FICLONERANGE {
			return 0, syscall.EOPNOTSUPP
		}
		return 0, syscall.ENOTTY
	}
	return c.xattr(d, f.ino)
}

func (f *file) readable() bool {
	return f.flags&unix.O_ACCMODE == unix.O_RDONLY || f.flags&unix.O_ACCMODE == unix.O_RDWR
}

func (f *file) writable() bool {
	return f.flags&unix.O_ACCMODE == unix.O_WRONLY || f.flags&unix.O_ACCMODE == unix.O_RDWR
}

func (f *file) sync(flags uint32) syscall.Errno {
	in := fuse.FsyncIn{InHeader: header(f.ino), Fh: f.fh, FsyncFlags: flags}
	if f.isDir {
		return syscall.Errno(f.dir.direct.FsyncDir(nil, &in))
	}
	return syscall.Errno(f.dir.direct.Fsync(nil, &in))
}

func (f *file) allocate(mode uint32, off, length int64) syscall.Errno {
	switch {
	case off < 0 || length <= 0:
		return syscall.EINVAL
	case mode&unix.FALLOC_FL_PUNCH_HOLE != 0 && mode&unix.FALLOC_FL_KEEP_SIZE == 0:
		return syscall.EOPNOTSUPP
	case !f.writable():
		return syscall.EBADF
	case f.isDir:
		return syscall.EISDIR
	case off+length < 0:
		return syscall.EFBIG
	}
	in := fuse.FallocateIn{InHeader: header(f.ino), Fh: f.fh, Offset: uint64(off), Length: uint64(length), Mode: mode}
	errno := syscall.Errno(f.dir.direct.Fallocate(nil, &in))
	f.dir.maps.changed(f.dir, f.ino)
	return errno
}

// maxRequest is how many bytes the kernel asks for at once; it counts by pages, so that a
// first part ends at a page of the caller's memory.
const (
	maxRequest = 1 << 20
	pageSize   = 4096
)

// firstPart returns how much of a long read or write the kernel does first.
func firstPart(addr uintptr, n int) int { return min(n, maxRequest-int(addr%pageSize)) }

// maxCount is how many bytes a call reads or writes at most.
const maxCount = 0x7ffff000

func (c *call) readCall(f *file) (uintptr, syscall.Errno) {
	off, positional := int64(c.a[3]), c.trap == unix.SYS_PREAD64
	if errno := f.mayRead(positional, off); errno != 0 {
		return 0, errno
	}
	p, back := c.view(c.a[1], int(min(c.a[2], maxCount)))
	at, release := f.at(positional, off)
	defer release()
	done, errno := f.read(p, int(c.a[1]%pageSize), at)
	back(done)
	return uintptr(done), errno
}

// at locks a file, and returns where a call begins, which the call moves: at an offset of
// its own, or where the calls before have come to.
func (f *file) at(positional bool, off int64) (at *int64, release func()) {
	f.mu.Lock()
	if positional {
		return &off, f.mu.Unlock
	}
	return &f.pos, f.mu.Unlock
}

func (f *file) mayRead(positional bool, off int64) syscall.Errno {
	switch {
	case positional && off < 0:
		return syscall.EINVAL
	case !f.readable():
		return syscall.EBADF
	case f.isDir:
		return syscall.EISDIR
	}
	return 0
}

// read reads at an offset, which it moves. in is where in a page the caller's memory begins.
func (f *file) read(p []byte, in int, at *int64) (done int, errno syscall.Errno) {
	for len(p) > 0 {
		part := p[:firstPart(uintptr(in), len(p))]
		request := fuse.ReadIn{InHeader: header(f.ino), Fh: f.fh, Offset: uint64(*at), Size: uint32(len(part)), ReadFlags: fuse.READ_LOCKOWNER, Flags: uint32(f.flags)}
		result, status := f.dir.direct.Read(nil, &request, part)
		if status != fuse.OK {
			if done > 0 {
				return done, 0
			}
			return 0, syscall.Errno(status)
		}
		n := result.Size()
		done += n
		*at += int64(n)
		if n < len(part) {
			return done, 0
		}
		p, in = p[n:], 0
	}
	return done, 0
}

func (c *call) writeCall(f *file) (uintptr, syscall.Errno) {
	off, positional := int64(c.a[3]), c.trap == unix.SYS_PWRITE64
	if errno := f.mayWrite(positional, off); errno != 0 {
		return 0, errno
	}
	p, _ := c.view(c.a[1], int(min(c.a[2], maxCount)))
	at, release := f.at(positional, off)
	defer release()
	done, errno := f.write(p, int(c.a[1]%pageSize), at, f.flags)
	return uintptr(done), errno
}

func (f *file) mayWrite(positional bool, off int64) syscall.Errno {
	switch {
	case positional && off < 0:
		return syscall.EINVAL
	case !f.writable():
		return syscall.EBADF
	}
	return 0
}

// write writes at an offset, which it moves, or to the end of the file, by the flags.
func (f *file) write(p []byte, in int, at *int64, flags int) (done int, errno syscall.Errno) {
	if len(p) > 0 && flags&unix.O_APPEND != 0 {
		info, _, errno := f.dir.fs.StatAt(f.ino)
		if errno != 0 {
			return 0, errno
		}
		*at = info.Size()
	}
	for len(p) > 0 {
		part := p[:firstPart(uintptr(in), len(p))]
		request := fuse.WriteIn{InHeader: header(f.ino), Fh: f.fh, Offset: uint64(*at), Size: uint32(len(part)), Flags: uint32(flags), WriteFlags: mount.KillsPrivileges()}
		n, status := f.dir.direct.Writev(nil, &request, [][]byte{part})
		if status != fuse.OK {
			if done > 0 {
				return done, 0
			}
			return 0, syscall.Errno(status)
		}
		f.dir.maps.wrote(f.ino, part[:n], *at)
		done += int(n)
		*at += int64(n)
		if int(n) < len(part) {
			return done, 0
		}
		p, in = p[n:], 0
	}
	return done, 0
}

// vectors answers reads and writes of several parts.
func (c *call) vectors(f *file) (uintptr, syscall.Errno) {
	parts := make([]unix.Iovec, min(c.a[2], 1024))
	if len(parts) > 0 {
		c.read(unsafe.Slice((*byte)(unsafe.Pointer(&parts[0])), len(parts)*int(unsafe.Sizeof(parts[0]))), c.a[1])
	}
	total := 0
	for _, part := range parts {
		total += int(part.Len)
	}
	total = min(total, maxCount)
	off := int64(c.a[3])
	positional := c.trap != unix.SYS_READV && c.trap != unix.SYS_WRITEV
	if (c.trap == unix.SYS_PREADV2 || c.trap == unix.SYS_PWRITEV2) && off == -1 {
		positional = false
	}
	all := make([]byte, total)
	switch c.trap {
	case unix.SYS_READV, unix.SYS_PREADV, unix.SYS_PREADV2:
		if errno := f.mayRead(positional, off); errno != 0 {
			return 0, errno
		}
	default:
		if errno := f.mayWrite(positional, off); errno != 0 {
			return 0, errno
		}
		at := 0
		for _, part := range parts {
			n := min(int(part.Len), total-at)
			c.read(all[at:at+n], uintptr(unsafe.Pointer(part.Base)))
			at += n
		}
	}
	at, release := f.at(positional, off)
	defer release()
	switch c.trap {
	case unix.SYS_READV, unix.SYS_PREADV, unix.SYS_PREADV2:
		done, errno := f.read(all, 0, at)
		from := 0
		for _, part := range parts {
			n := min(int(part.Len), done-from)
			c.write(uintptr(unsafe.Pointer(part.Base)), all[from:from+n])
			from += n
		}
		return uintptr(done), errno
	}
	flags := f.flags
	if c.trap == unix.SYS_PWRITEV2 {
		how := int(c.a[5])
		if how&unix.RWF_APPEND != 0 {
			flags |= unix.O_APPEND
		}
		if how&unix.RWF_DSYNC != 0 {
			flags |= unix.O_DSYNC
		}
		if how&unix.RWF_SYNC != 0 {
			flags |= unix.O_SYNC
		}
	}
	done, errno := f.write(all, 0, at, flags)
	return uintptr(done), errno
}

// seek is lseek(2). There are no holes to be found.
func (f *file) seek(off int64, whence int) (uintptr, syscall.Errno) {
	f.mu.Lock()
	defer f.mu.Unlock()
	size := int64(0)
	if whence >= unix.SEEK_END && !f.isDir {
		info, _, errno := f.dir.fs.StatAt(f.ino)
		if errno != 0 {
			return 0, errno
		}
		size = info.Size()
	}
	switch whence {
	case unix.SEEK_SET:
	case unix.SEEK_CUR:
		off += f.pos
	case unix.SEEK_END:
		off += size
	case unix.SEEK_DATA, unix.SEEK_HOLE:
		if f.isDir {
			return 0, syscall.EINVAL
		}
		if off < 0 || off >= size {
			return 0, syscall.ENXIO
		}
		if whence == unix.SEEK_HOLE {
			off = size
		}
	default:
		return 0, syscall.EINVAL
	}
	if off < 0 {
		return 0, syscall.EINVAL
	}
	f.pos = off
	return uintptr(off), 0
}

// entries is getdents64(2).
func (c *call) entries(f *file) (uintptr, syscall.Errno) {
	if !f.isDir {
		return 0, syscall.ENOTDIR
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, links, errno := f.dir.fs.StatAt(f.ino); errno != 0 || links == 0 {
		return 0, syscall.ENOENT // it was removed
	}
	if f.pos == 0 {
		list, status := f.dir.direct.List(f.fh)
		if status != fuse.OK {
			return 0, syscall.Errno(status)
		}
		f.entries = list
	}
	const fixed = 19 // ino, offset, length and type
	space, out := int(min(c.a[2], 1<<20)), []byte(nil)
	for int(f.pos) < len(f.entries) {
		e := &f.entries[f.pos]
		length := (fixed + len(e.Name) + 1 + 7) &^ 7
		if len(out)+length > space {
			if len(out) == 0 {
				return 0, syscall.EINVAL
			}
			break
		}
		f.pos++
		entry := make([]byte, length)
		binary.NativeEndian.PutUint64(entry, e.Ino)
		binary.NativeEndian.PutUint64(entry[8:], uint64(f.pos))
		binary.NativeEndian.PutUint16(entry[16:], uint16(length))
		entry[18] = byte(e.Mode >> 12)
		copy(entry[fixed:], e.Name)
		out = append(out, entry...)
	}
	c.write(c.a[1], out)
	return uintptr(len(out)), 0
}
