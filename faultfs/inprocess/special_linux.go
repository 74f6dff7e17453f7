//go:build amd64 || arm64

package inprocess

import (
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// special answers calls that are about descriptors, but not about the first argument, or
// about the whole system.
func (c *call) special() (r uintptr, errno syscall.Errno, done bool) {
	switch c.trap {
	case unix.SYS_UMASK:
		old, _, err := c.kernel()
		umask.Store(uint32(c.a[0]) & 0o777)
		return old, err, true
	case unix.SYS_SYNC:
		return c.syncAll()
	case unix.SYS_MMAP:
		return c.mapFile()
	case unix.SYS_MUNMAP:
		unmapped(c.a[0])
		return 0, 0, false
	case unix.SYS_EPOLL_CTL:
		if slotOf(int32(c.a[2])) != nil {
			return 0, syscall.EPERM, true
		}
		return 0, 0, false
	case unix.SYS_COPY_FILE_RANGE:
		return c.copyRange()
	case unix.SYS_SENDFILE:
		return c.transfer(int32(c.a[1]), c.a[2], int32(c.a[0]), 0, c.a[3])
	case unix.SYS_SPLICE:
		return c.transfer(int32(c.a[0]), c.a[1], int32(c.a[2]), c.a[3], c.a[4])
	}
	return c.dupTo()
}

// syncAll is sync(2). While a virtual directory stands, the disks of the machine are not
// synced: that takes long, and nothing here is on them.
func (c *call) syncAll() (uintptr, syscall.Errno, bool) {
	if slots.count.Load() == 0 {
		return 0, 0, false
	}
	for i := range slots.at {
		s := slots.at[i].Load()
		if s == nil {
			break
		}
		if d := s.dir.Load(); d != nil {
			d.direct.Sync()
		}
	}
	return 0, 0, true
}

// dupTo is dup2(2) and dup3(2).
func (c *call) dupTo() (uintptr, syscall.Errno, bool) {
	from, to := int32(c.a[0]), int32(c.a[1])
	s, t := slotOf(from), slotOf(to)
	if s == nil && t == nil {
		return 0, 0, false
	}
	if from == to {
		if isDup2(c.trap) {
			_, errno := s.get(from)
			return uintptr(from), errno, true
		}
		return 0, syscall.EINVAL, true
	}
	if s == nil {
		return 0, syscall.EBADF, true // the kernel has no such number
	}
	f, errno := s.get(from)
	if errno != 0 {
		return 0, errno, true
	}
	if s != t {
		return 0, f.dir.refuse("dup2 of an open file of it to a number of the kernel's", syscall.EBADF), true
	}
	was, last, errno := s.put(to, f)
	if errno != 0 {
		return 0, errno, true
	}
	if was != nil {
		was.dir.closed(was, last)
	}
	return uintptr(to), 0, true
}

// copyRange is copy_file_range(2).
func (c *call) copyRange() (uintptr, syscall.Errno, bool) {
	s, t := slotOf(int32(c.a[0])), slotOf(int32(c.a[2]))
	if s == nil && t == nil {
		return 0, 0, false
	}
	if s == nil || t == nil || s != t {
		return 0, syscall.EXDEV, true
	}
	in, errno := s.get(int32(c.a[0]))
	if errno != 0 {
		return 0, errno, true
	}
	out, errno := t.get(int32(c.a[2]))
	if errno != 0 {
		return 0, errno, true
	}
	switch {
	case (in.flags|out.flags)&oPath != 0:
		return 0, syscall.EBADF, true
	case in.isDir || out.isDir:
		return 0, syscall.EISDIR, true
	case !in.readable() || !out.writable() || out.flags&unix.O_APPEND != 0:
		return 0, syscall.EBADF, true
	case c.a[5] != 0:
		return 0, syscall.EINVAL, true
	}
	first, second := in, out
	first.mu.Lock()
	defer first.mu.Unlock()
	if second != first {
		second.mu.Lock()
		defer second.mu.Unlock()
	}
	r, errno := c.copyBetween(in, out)
	return r, errno, true
}

// copyBetween copies between open files that are locked.
func (c *call) copyBetween(in, out *file) (uintptr, syscall.Errno) {
	from, to := in.pos, out.pos
	if c.a[1] != 0 {
		c.read(bytesOf(&from), c.a[1])
	}
	if c.a[3] != 0 {
		c.read(bytesOf(&to), c.a[3])
	}
	if from < 0 || to < 0 {
		return 0, syscall.EINVAL
	}
	info, _, errno := in.dir.fs.StatAt(in.ino)
	if errno != 0 {
		return 0, errno
	}
	length := min(int64(min(c.a[4], maxCount)), max(info.Size()-from, 0))
	if in.ino == out.ino && from < to+length && to < from+length {
		return 0, syscall.EINVAL
	}
	if length == 0 {
		return 0, 0
	}
	n, status := in.dir.direct.CopyFileRange(nil, &fuse.CopyFileRangeIn{
		InHeader: header(in.ino), FhIn: in.fh, OffIn: uint64(from), NodeIdOut: uint64(out.ino), FhOut: out.fh, OffOut: uint64(to), Len: uint64(length),
	})
	if status != fuse.OK {
		return 0, syscall.Errno(status)
	}
	out.dir.maps.changed(out.dir, out.ino)
	from, to = from+int64(n), to+int64(n)
	if c.a[1] != 0 {
		c.write(c.a[1], bytesOf(&from))
	} else {
		in.pos = from
	}
	if c.a[3] != 0 {
		c.write(c.a[3], bytesOf(&to))
	} else {
		out.pos = to
	}
	return uintptr(n), 0
}

// transfer is sendfile(2) and splice(2): from one descriptor to another, of which one is
// virtual, as a read and a write. The offsets are addresses, zero where there is none.
func (c *call) transfer(in int32, inOff uintptr, out int32, outOff uintptr, count uintptr) (uintptr, syscall.Errno, bool) {
	if slotOf(in) == nil && slotOf(out) == nil {
		return 0, 0, false
	}
	const most = 64 << 10 // what a pipe holds
	buf := make([]byte, min(count, most))
	n, errno := c.ioAt(in, inOff, buf, false)
	if errno != 0 || n == 0 {
		return 0, errno, true
	}
	wrote, errno := c.ioAt(out, outOff, buf[:n], true)
	if wrote < n && slotOf(in) != nil {
		c.stepBack(in, inOff, int64(n-wrote))
	}
	if wrote > 0 {
		errno = 0
	}
	return uintptr(wrote), errno, true
}

// ioAt reads from or writes to a descriptor of any kind, at the offset that lies at an
// address, if there is one, which it moves.
func (c *call) ioAt(fd int32, addr uintptr, p []byte, write bool) (int, syscall.Errno) {
	var off int64
	if addr != 0 {
		c.read(bytesOf(&off), addr)
	}
	n, errno := 0, syscall.Errno(0)
	if s := slotOf(fd); s == nil {
		n, errno = kernelIO(fd, p, addr != 0, off, write)
	} else if f, gone := s.get(fd); gone != 0 {
		return 0, gone
	} else {
		if write {
			errno = f.mayWrite(addr != 0, off)
		} else {
			errno = f.mayRead(addr != 0, off)
		}
		if errno != 0 {
			return 0, errno
		}
		f.mu.Lock()
		at := &f.pos
		if addr != 0 {
			at = &off
		}
		if write {
			n, errno = f.write(p, 0, at, f.flags)
		} else {
			n, errno = f.read(p, 0, at)
		}
		f.mu.Unlock()
		if addr != 0 {
			c.write(addr, bytesOf(&off))
		}
		return n, errno
	}
	if addr != 0 && n > 0 {
		off += int64(n)
		c.write(addr, bytesOf(&off))
	}
	return n, errno
}

// stepBack moves the offset of a virtual descriptor back over what was read and not written.
func (c *call) stepBack(fd int32, addr uintptr, n int64) {
	if addr != 0 {
		var off int64
		c.read(bytesOf(&off), addr)
		off -= n
		c.write(addr, bytesOf(&off))
		return
	}
	if f, errno := slotOf(fd).get(fd); errno == 0 {
		f.mu.Lock()
		f.pos -= n
		f.mu.Unlock()
	}
}

// kernelIO reads from or writes to a descriptor of the kernel's.
func kernelIO(fd int32, p []byte, positional bool, off int64, write bool) (int, syscall.Errno) {
	trap := map[[2]bool]uintptr{
		{false, false}: unix.SYS_READ, {false, true}: unix.SYS_PREAD64, {true, false}: unix.SYS_WRITE, {true, true}: unix.SYS_PWRITE64,
	}[[2]bool{write, positional}]
	n, _, errno := kernel(trap, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), uintptr(off), 0, 0)
	runtime.KeepAlive(p)
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}
