package mount

import (
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"github.com/crashsim/crashsim/faultfs"
)

// opening is what handle.told holds while a file is being opened.
const opening = -1

// Open is open(2) of a file that exists; with O_TRUNC it is a truncate.
func (d *disk) Open(_ <-chan struct{}, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	if status := d.admit("open", &in.InHeader); status != fuse.OK {
		return status
	}
	if d.openForHelper(in, out) {
		return fuse.OK
	}
	out.OpenFlags = fuse.FOPEN_DIRECT_IO
	h := &handle{ino: node(in.NodeId), flags: int(in.Flags), told: opening}
	if h.mark = d.markNode(in.NodeId); h.mark == nil {
		op := d.op(&in.InHeader, faultfs.Op{Kind: faultfs.OpOpen, Ino: h.ino})
		if in.Flags&unix.O_TRUNC != 0 {
			op.Kind = faultfs.OpTruncate
		}
		if _, _, errno := d.fs.DoAt(op, &h.told); errno != 0 {
			return fuse.Status(errno)
		}
		d.opened(h.ino, in.Flags)
	}
	out.Fh = d.add(h)
	return fuse.OK
}

// Create is open(2) with O_CREAT of a name that was not there when the kernel
// looked.
func (d *disk) Create(cancel <-chan struct{}, in *fuse.CreateIn, name string, out *fuse.CreateOut) fuse.Status {
	h := &handle{flags: int(in.Flags), told: opening}
	op := d.op(&in.InHeader, faultfs.Op{Kind: faultfs.OpCreate, Dir: node(in.NodeId), Name: name, Mode: in.Mode & 0o7777})
	done, _, errno := d.fs.DoAt(op, &h.told)
	if errno == unix.EEXIST && in.Flags&unix.O_EXCL == 0 {
		if status := d.Lookup(cancel, &in.InHeader, name, &out.EntryOut); status != fuse.OK {
			return status
		}
		return d.Open(cancel, &fuse.OpenIn{InHeader: fuse.InHeader{NodeId: out.NodeId, Caller: in.Caller}, Flags: in.Flags}, &out.OpenOut)
	}
	if errno != 0 {
		return fuse.Status(errno)
	}
	h.ino = done.Ino
	d.opened(h.ino, in.Flags)
	out.Fh, out.OpenFlags = d.add(h), fuse.FOPEN_DIRECT_IO
	return d.entry(done.Ino, &out.EntryOut)
}

// Tmpfile is open(2) with O_TMPFILE: no op makes a file without a name.
func (d *disk) Tmpfile(<-chan struct{}, *fuse.CreateIn, *fuse.CreateOut) fuse.Status {
	return fuse.Status(unix.EOPNOTSUPP)
}

// Read is read(2) and pread(2).
func (d *disk) Read(_ <-chan struct{}, in *fuse.ReadIn, buf []byte) (fuse.ReadResult, fuse.Status) {
	h, status := d.handle(in.Fh)
	if status != fuse.OK {
		return nil, status
	}
	if h.mark != nil {
		return fuse.ReadResultData(h.mark.read(buf, in.Offset)), fuse.OK
	}
	op := faultfs.Op{Ino: h.ino, Off: int64(in.Offset)}
	switch {
	case h.helper:
		n, errno := d.fs.PeekAt(h.ino, buf, op.Off)
		return fuse.ReadResultData(buf[:n]), fuse.Status(errno)
	case in.ReadFlags&fuse.READ_LOCKOWNER != 0:
		op = d.op(&in.InHeader, op) // of a call
	default:
		d.fills(h.ino)
	}
	n, errno := d.fs.ReadAt(op, buf)
	return fuse.ReadResultData(buf[:n]), fuse.Status(errno)
}

// Writev is write(2) and pwrite(2), and what the kernel writes back of maps.
func (d *disk) Writev(_ <-chan struct{}, in *fuse.WriteIn, data [][]byte) (uint32, fuse.Status) {
	h, status := d.handle(in.Fh)
	if status != fuse.OK {
		return 0, status
	}
	// The buffers are used again when this returns; the trace keeps the bytes.
	// There is one, but for long writes. Concat would clear the room first.
	bytes := append([]byte(nil), data[0]...)
	for _, more := range data[1:] {
		bytes = append(bytes, more...)
	}
	if h.mark != nil {
		return h.mark.write(bytes, d.op(&in.InHeader, faultfs.Op{}))
	}
	if in.WriteFlags&fuse.WRITE_KILL_SUIDGID != 0 {
		d.dropPrivileges(&in.InHeader, node(in.NodeId))
	}
	op := faultfs.Op{Kind: faultfs.OpWrite, Ino: node(in.NodeId), Off: int64(in.Offset), Data: bytes}
	if in.WriteFlags&fuse.WRITE_CACHE != 0 {
		// Of a map; the handle is any that the kernel found.
		return uint32(len(bytes)), d.writeBack(op.Ino, bytes, op.Off)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.owed != 0 {
		errno, off := h.owed, h.owedOff
		h.owed = 0
		if in.Flags&unix.O_APPEND != 0 || off == op.Off {
			return 0, fuse.Status(errno)
		}
	}
	if in.Flags&unix.O_APPEND != 0 {
		op.Off = -1
	}
	return h.write(d.fs, d.op(&in.InHeader, op), int(in.Flags))
}

// write performs a write of a program. The caller holds the handle's lock.
//
// The flags are those of the call, as in open(2): O_SYNC and O_DSYNC are those of
// the file, or asked for by pwritev2 or io_uring for this write alone.
func (h *handle) write(fs *faultfs.FS, op faultfs.Op, flags int) (uint32, fuse.Status) {
	done, n, errno := fs.DoAt(op, nil)
	if errno != 0 && n == 0 {
		return 0, fuse.Status(errno)
	}
	if errno != 0 {
		h.owed, h.owedOff = errno, done.Off
	}
	if kind := syncOf(flags); kind != faultfs.OpNone && n > 0 {
		if _, _, errno := fs.DoAt(faultfs.Op{Kind: kind, Ino: op.Ino, Site: op.Site, Stack: op.Stack}, &h.told); errno != 0 {
			return 0, fuse.Status(errno)
		}
	}
	return uint32(n), fuse.OK
}

// syncOf returns the sync that follows each write, OpNone if there is none.
func syncOf(flags int) faultfs.OpKind {
	switch {
	case flags&unix.O_SYNC == unix.O_SYNC:
		return faultfs.OpFsync
	case flags&unix.O_DSYNC != 0:
		return faultfs.OpFdatasync
	}
	return faultfs.OpNone
}

// fsyncData is the bit of a request that tells fdatasync from fsync.
const fsyncData = 1

// Fsync is fsync(2) and fdatasync(2) of a file.
func (d *disk) Fsync(_ <-chan struct{}, in *fuse.FsyncIn) fuse.Status {
	h, status := d.handle(in.Fh)
	switch {
	case status != fuse.OK:
		return status
	case h.mark != nil:
		return fuse.OK
	}
	op := d.op(&in.InHeader, faultfs.Op{Kind: faultfs.OpFsync, Ino: h.ino})
	if in.FsyncFlags&fsyncData != 0 {
		op.Kind, op.Only = faultfs.OpFdatasync, d.limits(&in.InHeader, h.ino)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	_, _, errno := d.fs.DoAt(op, &h.told)
	return fuse.Status(errno)
}

// FsyncDir is fsync(2) and fdatasync(2) of a directory.
func (d *disk) FsyncDir(cancel <-chan struct{}, in *fuse.FsyncIn) fuse.Status {
	return d.Fsync(cancel, in)
}

// Flush is close(2), of each descriptor of a file.
func (d *disk) Flush(_ <-chan struct{}, in *fuse.FlushIn) fuse.Status {
	h, status := d.handle(in.Fh)
	if status != fuse.OK || h.mark != nil || h.helper {
		return status
	}
	_, status = d.do(d.op(&in.InHeader, faultfs.Op{Kind: faultfs.OpClose, Ino: h.ino}))
	return status
}

// Release ends a handle. The kernel does not wait for it, so it is no op.
func (d *disk) Release(_ <-chan struct{}, in *fuse.ReleaseIn) { d.drop(in.Fh) }

// mostZeros is how many zeros may be written for one punched hole.
const mostZeros = 64 << 20

// Fallocate is fallocate(2). The kernel holds the inode meanwhile.
func (d *disk) Fallocate(_ <-chan struct{}, in *fuse.FallocateIn) fuse.Status {
	const keep, punch, zero = unix.FALLOC_FL_KEEP_SIZE, unix.FALLOC_FL_PUNCH_HOLE, unix.FALLOC_FL_ZERO_RANGE
	h, status := d.handle(in.Fh)
	if status != fuse.OK {
		return status
	}
	if in.Mode&^uint32(keep|punch|zero) != 0 || h.mark != nil {
		return fuse.Status(unix.EOPNOTSUPP)
	}
	info, _, errno := d.fs.StatAt(h.ino)
	if errno != 0 {
		return fuse.Status(errno)
	}
	size, off, end := info.Size(), int64(in.Offset), int64(in.Offset+in.Length)
	h.mu.Lock()
	defer h.mu.Unlock()
	if in.Mode&(punch|zero) != 0 {
		if status := d.zero(&in.InHeader, h, off, min(end, size)); status != fuse.OK {
			return status
		}
	}
	if in.Mode&keep == 0 && end > size {
		_, status := d.do(d.op(&in.InHeader, faultfs.Op{Kind: faultfs.OpTruncate, Ino: h.ino, Size: end}))
		return status
	}
	return fuse.OK
}

// zero writes zeros over the part of a range that is no hole yet.
func (d *disk) zero(in *fuse.InHeader, h *handle, off, end int64) fuse.Status {
	from, to, errno := d.fs.DataAt(h.ino, off, end)
	switch {
	case errno != 0:
		return fuse.Status(errno)
	case from >= to:
		return fuse.OK
	case to-from > mostZeros:
		return fuse.Status(unix.EOPNOTSUPP)
	}
	_, status := d.do(d.op(in, faultfs.Op{Kind: faultfs.OpWrite, Ino: h.ino, Off: from, Data: make([]byte, to-from)}))
	return status
}

// CopyFileRange is copy_file_range(2), up to the bytes of a request.
func (d *disk) CopyFileRange(_ <-chan struct{}, in *fuse.CopyFileRangeIn) (uint32, fuse.Status) {
	from, status := d.handle(in.FhIn)
	if status != fuse.OK {
		return 0, status
	}
	to, status := d.handle(in.FhOut)
	switch {
	case status != fuse.OK:
		return 0, status
	case from.mark != nil || to.mark != nil:
		return 0, fuse.Status(syscall.EXDEV)
	}
	data := make([]byte, min(in.Len, maxRequest))
	n, errno := d.fs.ReadAt(d.op(&in.InHeader, faultfs.Op{Ino: from.ino, Off: int64(in.OffIn)}), data)
	if errno != 0 || n == 0 {
		return 0, fuse.Status(errno)
	}
	to.mu.Lock()
	defer to.mu.Unlock()
	return to.write(d.fs, d.op(&in.InHeader, faultfs.Op{Kind: faultfs.OpWrite, Ino: to.ino, Off: int64(in.OffOut), Data: data[:n:n]}), to.flags)
}
