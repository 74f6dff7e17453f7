package mount

import (
	"io/fs"
	"os"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"github.com/crashsim/crashsim/faultfs"
)

// self owns all files that were not given to somebody else.
var self = fuse.Owner{Uid: uint32(os.Geteuid()), Gid: uint32(os.Getegid())}

// permissions are the mode bits as in chmod(2).
func permissions(mode fs.FileMode) uint32 {
	bits := uint32(mode.Perm())
	if mode&fs.ModeSetuid != 0 {
		bits |= unix.S_ISUID
	}
	if mode&fs.ModeSetgid != 0 {
		bits |= unix.S_ISGID
	}
	if mode&fs.ModeSticky != 0 {
		bits |= unix.S_ISVTX
	}
	return bits
}

func typeBits(mode fs.FileMode) uint32 {
	switch mode.Type() {
	case fs.ModeDir:
		return unix.S_IFDIR
	case fs.ModeSymlink:
		return unix.S_IFLNK
	case fs.ModeNamedPipe:
		return unix.S_IFIFO
	case fs.ModeSocket:
		return unix.S_IFSOCK
	}
	return unix.S_IFREG
}

// GetAttr is stat(2).
func (d *disk) GetAttr(_ <-chan struct{}, in *fuse.GetAttrIn, out *fuse.AttrOut) fuse.Status {
	if status := d.admit("stat", &in.InHeader); status != fuse.OK {
		return status
	}
	if in.NodeId == folderNode {
		out.Attr = folderAttributes()
		return fuse.OK
	}
	if m := d.markNode(in.NodeId); m != nil {
		out.Attr = m.attributes()
		return fuse.OK
	}
	return d.attributes(node(in.NodeId), &out.Attr)
}

// SetAttr is chmod(2), truncate(2), chown(2) and utimensat(2).
func (d *disk) SetAttr(_ <-chan struct{}, in *fuse.SetAttrIn, out *fuse.AttrOut) fuse.Status {
	if status := d.admit("change of attributes", &in.InHeader); status != fuse.OK {
		return status
	}
	if m := d.markNode(in.NodeId); m != nil {
		out.Attr = m.attributes()
		return fuse.OK
	}
	ino := node(in.NodeId)
	if mode, ok := in.GetMode(); ok {
		if _, status := d.do(d.op(&in.InHeader, faultfs.Op{Kind: faultfs.OpChmod, Ino: ino, Mode: mode | special(in.Mode)})); status != fuse.OK {
			return status
		}
	}
	if in.Valid&(fuse.FATTR_KILL_SUIDGID|fuse.FATTR_UID|fuse.FATTR_GID) != 0 {
		d.dropPrivileges(&in.InHeader, ino)
	}
	if size, ok := in.GetSize(); ok {
		if _, status := d.do(d.op(&in.InHeader, faultfs.Op{Kind: faultfs.OpTruncate, Ino: ino, Size: int64(size)})); status != fuse.OK {
			return status
		}
	}
	if status := d.show(ino, in); status != fuse.OK {
		return status
	}
	return d.attributes(ino, &out.Attr)
}

// dropPrivileges takes the set-user-ID and set-group-ID bits from a file that
// somebody writes to or gives away: the kernel leaves that to the file system, so
// that it need not ask for attributes at each write.
func (d *disk) dropPrivileges(in *fuse.InHeader, ino faultfs.Ino) {
	info, _, errno := d.fs.StatAt(ino)
	if errno != 0 || !info.Mode().IsRegular() {
		return
	}
	mode := permissions(info.Mode())
	kept := mode &^ unix.S_ISUID
	if mode&unix.S_IXGRP != 0 {
		kept &^= unix.S_ISGID // without it, the bit is for locks
	}
	if kept != mode {
		_, _ = d.do(d.op(in, faultfs.Op{Kind: faultfs.OpChmod, Ino: ino, Mode: kept}))
	}
}

// show keeps what no op says: owner and times.
func (d *disk) show(ino faultfs.Ino, in *fuse.SetAttrIn) fuse.Status {
	uid, hasUID := in.GetUID()
	gid, hasGID := in.GetGID()
	atime, hasAtime := in.GetATime()
	mtime, hasMtime := in.GetMTime()
	if !hasUID && !hasGID && !hasAtime && !hasMtime {
		return fuse.OK
	}
	if in.Valid&fuse.FATTR_MTIME_NOW != 0 {
		if errno := d.fs.TouchAt(ino); errno != 0 {
			return fuse.Status(errno)
		}
	}
	info, _, errno := d.fs.StatAt(ino)
	if errno != 0 {
		return fuse.Status(errno)
	}
	now := info.ModTime()
	if in.Valid&fuse.FATTR_ATIME_NOW != 0 {
		atime = now
	}
	if in.Valid&fuse.FATTR_MTIME_NOW != 0 {
		mtime = now
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.showing()[ino]
	if !s.owned {
		s.uid, s.gid = self.Uid, self.Gid
	}
	if hasUID {
		s.owned, s.uid = true, uid
	}
	if hasGID {
		s.owned, s.gid = true, gid
	}
	if !s.timed || !s.since.Equal(now) {
		s.timed, s.since, s.atime, s.mtime = true, now, now, now
	}
	s.atime, s.mtime = choose(hasAtime, atime, s.atime), choose(hasMtime, mtime, s.mtime)
	d.shown[ino] = s
	return fuse.OK
}

func choose(set bool, t, otherwise time.Time) time.Time {
	if set {
		return t
	}
	return otherwise
}

// Access is access(2). There is one user, who may do everything but run what
// is not made to be run.
func (d *disk) Access(_ <-chan struct{}, in *fuse.AccessIn) fuse.Status {
	if status := d.admit("access", &in.InHeader); status != fuse.OK {
		return status
	}
	if d.markNode(in.NodeId) != nil || in.NodeId == folderNode {
		return fuse.OK
	}
	var attr fuse.Attr
	if status := d.attributes(node(in.NodeId), &attr); status != fuse.OK {
		return status
	}
	if in.Mask&fuse.X_OK != 0 && attr.Mode&unix.S_IFMT == unix.S_IFREG && attr.Mode&0o111 == 0 {
		return fuse.EACCES
	}
	return fuse.OK
}

// StatFs is statfs(2): a large disk of which nothing is used.
func (d *disk) StatFs(_ <-chan struct{}, in *fuse.InHeader, out *fuse.StatfsOut) fuse.Status {
	if status := d.admit("statfs", in); status != fuse.OK {
		return status
	}
	const block, blocks, files = 4096, 1 << 28, 1 << 30
	*out = fuse.StatfsOut{
		Bsize: block, Frsize: block, Blocks: blocks, Bfree: blocks, Bavail: blocks,
		Files: files, Ffree: files, NameLen: 255,
	}
	return fuse.OK
}
