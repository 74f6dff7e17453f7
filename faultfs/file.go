package faultfs

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"syscall"
	"time"

	"github.com/spf13/afero"
)

// epoch is when logical time begins.
var epoch = time.Date(2000, time.January, 1, 0, 0, 0, 0, time.UTC)

// file is an open handle.
type file struct {
	fs         *FS
	name       string
	ino        Ino
	flag       int
	generation uint64 // of the file system when the handle was opened
	dir        bool
	closed     bool
	told       int // errors of the file's syncs that this handle was told of
	off        int64
	listed     bool
	unlisted   []string // names that Readdir has still to return
}

var _ afero.File = (*file)(nil)

// begin starts a call on the handle; errno is set where the handle cannot be
// used any more.
func (h *file) begin(kind OpKind) (call, syscall.Errno) {
	c := h.fs.enter(kind, h.name)
	c.op.Ino = h.ino
	errno := h.state()
	if errno == 0 && h.fs.trace != nil {
		// The path may lead elsewhere by now.
		if s, errno := h.fs.vol.walk(h.name, linkFollow); errno != 0 || s.ino != h.ino {
			c.op.Path = h.fs.pathOf(h.ino)
		}
	}
	return c, errno
}

// state returns why the handle cannot be used any more, zero if it can. The
// caller holds the lock.
func (h *file) state() syscall.Errno {
	switch {
	case h.fs.dead || h.generation != h.fs.generation.Load():
		return deadErrno
	case h.closed:
		return closedErrno
	}
	return 0
}

// refuse returns the error of a call that package os answers without asking
// the system, not even whether the handle is closed: err, except after a crash.
func (h *file) refuse(what string, err error) error {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	if h.state() == deadErrno {
		return h.failure(what, deadErrno)
	}
	if err != nil {
		return &fs.PathError{Op: what, Path: h.name, Err: err}
	}
	return nil
}

// failure makes the error of a call on the handle.
func (h *file) failure(what string, errno syscall.Errno) error {
	return h.fs.failure(what, h.name, errno)
}

// access is the part of the flags that says what the handle may do. On Linux
// both bits at once allow nothing.
const access = os.O_WRONLY | os.O_RDWR

func (h *file) readable() bool { return h.flag&access == os.O_RDONLY || h.flag&access == os.O_RDWR }
func (h *file) writable() bool { return h.flag&access == os.O_WRONLY || h.flag&access == os.O_RDWR }

// Name returns the path that the file was opened with.
func (h *file) Name() string { return h.name }

// Close ends the handle. It forces nothing to the disk.
func (h *file) Close() error {
	c, errno := h.begin(OpClose)
	if errno == 0 {
		h.closed = true // also where it returns an error, as on Linux
		errno = c.strike()
	}
	c.leave(errno)
	return h.failure("close", errno)
}

// Sync is fsync(2), of a file or of a directory.
func (h *file) Sync() error { return h.sync(OpFsync, "sync") }

// Datasync is fdatasync(2).
func (h *file) Datasync() error { return h.sync(OpFdatasync, "fdatasync") }

func (h *file) sync(kind OpKind, what string) error {
	c, errno := h.begin(kind)
	if errno == 0 && h.fs.inject != nil {
		errno = c.sync(h.ino, &h.told)
	}
	c.leave(errno)
	return h.failure(what, errno)
}

// Truncate sets the size of the file.
func (h *file) Truncate(size int64) error {
	c, errno := h.begin(OpTruncate)
	c.op.Size = size
	switch {
	case errno != 0:
	case size < 0 || !h.writable() || h.dir:
		errno = syscall.EINVAL
	case size > maxFileSize:
		errno = syscall.EFBIG
	default:
		if errno = c.strike(); errno == 0 {
			h.fs.truncate(h.ino, size)
			h.fs.tick(h.ino)
		}
	}
	c.leave(errno)
	return h.failure("truncate", errno)
}

// Write writes at the handle's offset, or at the end of the file, wherever
// that is at the moment, with os.O_APPEND.
func (h *file) Write(p []byte) (int, error) { return h.write("write", p, -1) }

// WriteString is Write of a string.
func (h *file) WriteString(s string) (int, error) { return h.Write([]byte(s)) }

var (
	errAppend   = errors.New("invalid use of WriteAt on a file opened with O_APPEND")
	errNegative = errors.New("negative offset")
)

// WriteAt writes at an offset in bytes. As with package os, it is refused on a
// file opened with os.O_APPEND.
func (h *file) WriteAt(p []byte, off int64) (int, error) {
	switch {
	case h.flag&os.O_APPEND != 0:
		return 0, h.refuse("writeat", errAppend)
	case off < 0:
		return 0, h.refuse("writeat", errNegative)
	case len(p) == 0:
		return 0, h.refuse("writeat", nil)
	}
	return h.write("writeat", p, off)
}

// write writes at off, or at the handle's own offset if off is negative.
func (h *file) write(what string, p []byte, off int64) (int, error) {
	c, errno := h.begin(OpWrite)
	at := off
	if off < 0 {
		at = h.off
	}
	switch {
	case errno != 0:
	case !h.writable() || h.dir:
		errno = syscall.EBADF
	default:
		if h.flag&os.O_APPEND != 0 {
			at = h.fs.vol.Size(h.ino)
		}
		if at > maxFileSize-int64(len(p)) {
			errno = syscall.EFBIG
		}
	}
	if h.fs.trace != nil {
		p = append([]byte(nil), p...)
		c.op.Off, c.op.Data = at, p
	}
	n := 0
	switch {
	case errno != 0:
	case h.fs.inject != nil:
		errno = c.accept()
		n = len(p)
		if errno != 0 {
			n = int(c.accepted)
		} else if c.op.Injected {
			n = len(c.op.Data)
		}
	default:
		h.fs.vol.write(h.ino, p, at)
		n = len(p)
	}
	if n > 0 {
		h.fs.tick(h.ino)
		if off < 0 {
			h.off = at + int64(n)
		}
	}
	c.leave(errno)
	switch {
	case errno != 0:
		return n, h.failure(what, errno)
	case len(p) == 0:
		return 0, nil
	}
	if err := h.syncWrite(); err != nil {
		return 0, err
	}
	if n < len(p) {
		return n, io.ErrShortWrite
	}
	return n, nil
}

// accept writes what the op holds, or as much of it as a fault lets it. A part
// that is accepted before an error is an op of its own, as it is to a program
// that writes on after a short write.
func (c *call) accept() syscall.Errno {
	f := c.f
	if f.inject == nil {
		f.vol.write(c.op.Ino, c.op.Data, c.op.Off)
		return 0
	}
	if errno := f.inject.refusal(&c.op); errno != 0 {
		c.op.Injected = true
		return errno
	}
	fault := c.fault()
	k := int64(0)
	if fault != nil {
		k = min(fault.Short, int64(len(c.op.Data))-1)
	}
	if fault == nil || fault.Errno == 0 && k <= 0 {
		f.write(c.op.Ino, c.op.Data, c.op.Off)
		return 0
	}
	c.op.Injected = true
	if k <= 0 {
		return fault.Errno
	}
	f.write(c.op.Ino, c.op.Data[:k], c.op.Off)
	if fault.Errno == 0 {
		c.op.Data = c.op.Data[:k:k]
		return 0
	}
	c.accepted = k
	part := c.op
	part.Data = part.Data[:k:k]
	part.End = Edge(f.edge.Add(1))
	f.trace.Ops = append(f.trace.Ops, part)
	c.op.Off, c.op.Data = c.op.Off+k, c.op.Data[k:]
	c.op.Begin = Edge(f.edge.Add(1))
	return fault.Errno
}

// syncWrite forces a write where the handle was opened to ask for that.
func (h *file) syncWrite() error {
	switch syncMode(h.flag) {
	case OpFsync:
		return h.sync(OpFsync, "write")
	case OpFdatasync:
		return h.sync(OpFdatasync, "write")
	}
	return nil
}

// Read reads at the handle's offset.
func (h *file) Read(p []byte) (int, error) {
	if len(p) == 0 { // package os makes no system call for it
		h.fs.mu.Lock()
		defer h.fs.mu.Unlock()
		return 0, h.failure("read", h.state())
	}
	n, errno := h.read(p, -1)
	if errno != 0 {
		return 0, h.failure("read", errno)
	}
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// ReadAt reads at an offset in bytes.
func (h *file) ReadAt(p []byte, off int64) (int, error) {
	switch {
	case off < 0:
		return 0, h.refuse("readat", errNegative)
	case len(p) == 0:
		return 0, h.refuse("readat", nil)
	}
	n, errno := h.read(p, off)
	if errno != 0 {
		return 0, h.failure("read", errno)
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// read reads at off, or at the handle's own offset if off is negative.
func (h *file) read(p []byte, off int64) (n int, errno syscall.Errno) {
	c, errno := h.begin(OpRead)
	at := off
	if off < 0 {
		at = h.off
	}
	c.op.Off, c.op.Size = at, int64(len(p))
	switch {
	case errno != 0:
	case !h.readable():
		errno = syscall.EBADF
	case h.dir:
		errno = syscall.EISDIR
	default:
		if errno = c.strike(); errno != 0 {
			break
		}
		if size := h.fs.vol.Size(h.ino); at < size {
			n = int(min(int64(len(p)), size-at))
			h.fs.vol.ReadAt(h.ino, p[:n], at)
		}
		if off < 0 {
			h.off += int64(n)
		}
	}
	c.leave(errno)
	return n, errno
}

// Seek moves the handle's offset. It is no op: nothing but the handle knows.
func (h *file) Seek(offset int64, whence int) (int64, error) {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	if errno := h.state(); errno != 0 {
		return 0, h.failure("seek", errno)
	}
	base := int64(0)
	switch whence {
	case io.SeekStart:
	case io.SeekCurrent:
		base = h.off
	case io.SeekEnd:
		if !h.dir {
			base = h.fs.vol.Size(h.ino)
		}
	default:
		return 0, h.failure("seek", syscall.EINVAL)
	}
	if base+offset < 0 {
		return 0, h.failure("seek", syscall.EINVAL)
	}
	h.off = base + offset
	if h.dir {
		h.listed, h.unlisted = false, nil
	}
	return h.off, nil
}

// Stat describes the open file.
func (h *file) Stat() (os.FileInfo, error) {
	c, errno := h.begin(OpStat)
	if errno == 0 {
		errno = c.strike()
	}
	if errno != 0 {
		c.leave(errno)
		return nil, h.failure("stat", errno)
	}
	info := h.fs.info(h.ino, path.Base(h.name))
	c.leave(0)
	return info, nil
}

// Readdirnames returns the next n names of the directory, or all that are left
// if n is not positive, in order.
func (h *file) Readdirnames(n int) ([]string, error) {
	names, _, err := h.list(n, false)
	return names, err
}

// Readdir returns the next n entries of the directory, or all that are left if
// n is not positive, in the order of their names. An entry removed since the
// first page is left out.
func (h *file) Readdir(n int) ([]os.FileInfo, error) {
	_, infos, err := h.list(n, true)
	return infos, err
}

func (h *file) list(n int, stat bool) ([]string, []os.FileInfo, error) {
	c, errno := h.begin(OpReaddir)
	if errno == 0 && !h.dir {
		errno = syscall.ENOTDIR
	}
	if errno == 0 && len(h.unlisted) == 0 && h.fs.vol.isGone(h.ino) {
		errno = syscall.ENOENT
	}
	if errno == 0 {
		errno = c.strike()
	}
	if errno != 0 {
		c.leave(errno)
		return nil, nil, h.failure("readdirent", errno)
	}
	defer c.leave(0)
	if !h.listed {
		h.listed, h.unlisted = true, h.fs.vol.Names(h.ino)
	}
	names, infos := []string{}, []os.FileInfo{}
	for len(h.unlisted) > 0 && (n <= 0 || len(names) < n) {
		name := h.unlisted[0]
		h.unlisted = h.unlisted[1:]
		if stat {
			ino := h.fs.vol.Entry(h.ino, name)
			if ino == 0 {
				continue
			}
			infos = append(infos, h.fs.info(ino, name))
		}
		names = append(names, name)
	}
	if n > 0 && len(names) == 0 {
		return names, infos, io.EOF
	}
	return names, infos, nil
}
