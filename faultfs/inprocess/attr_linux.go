//go:build amd64 || arm64

package inprocess

import (
	"syscall"
	"unsafe"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"github.com/crashsim/crashsim/faultfs"
)

// bytesOf returns the memory of a value.
func bytesOf[T any](v *T) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(v)), unsafe.Sizeof(*v))
}

// device is what stat(2) says of the file systems of virtual directories: no device of the
// kernel has such a number.
func (d *Dir) device() uint64 { return unix.Mkdev(0xfff, 0xfff00|uint32(d.slot.number)) }

func (d *Dir) attr(ino faultfs.Ino) (fuse.Attr, syscall.Errno) {
	in, out := fuse.GetAttrIn{InHeader: header(ino)}, fuse.AttrOut{}
	status := d.direct.GetAttr(nil, &in, &out)
	return out.Attr, syscall.Errno(status)
}

// stat fills in a struct stat of the caller.
func (c *call) stat(d *Dir, ino faultfs.Ino, addr uintptr) syscall.Errno {
	a, errno := d.attr(ino)
	if errno != 0 {
		return errno
	}
	st := unix.Stat_t{
		Dev: d.device(), Ino: a.Ino, Mode: a.Mode, Uid: a.Uid, Gid: a.Gid, Size: int64(a.Size), Blocks: int64(a.Blocks),
		Atim: unix.Timespec{Sec: int64(a.Atime), Nsec: int64(a.Atimensec)},
		Mtim: unix.Timespec{Sec: int64(a.Mtime), Nsec: int64(a.Mtimensec)},
		Ctim: unix.Timespec{Sec: int64(a.Ctime), Nsec: int64(a.Ctimensec)},
	}
	setLinks(&st, a.Nlink)
	c.write(addr, bytesOf(&st))
	return 0
}

func (c *call) statx(d *Dir, ino faultfs.Ino, addr uintptr) syscall.Errno {
	a, errno := d.attr(ino)
	if errno != 0 {
		return errno
	}
	dev := d.device()
	st := unix.Statx_t{
		Mask: unix.STATX_BASIC_STATS, Blksize: a.Blksize, Nlink: a.Nlink, Uid: a.Uid, Gid: a.Gid, Mode: uint16(a.Mode), Ino: a.Ino,
		Size: a.Size, Blocks: a.Blocks, Dev_major: unix.Major(dev), Dev_minor: unix.Minor(dev),
		Atime: unix.StatxTimestamp{Sec: int64(a.Atime), Nsec: a.Atimensec},
		Mtime: unix.StatxTimestamp{Sec: int64(a.Mtime), Nsec: a.Mtimensec},
		Ctime: unix.StatxTimestamp{Sec: int64(a.Ctime), Nsec: a.Ctimensec},
	}
	c.write(addr, bytesOf(&st))
	return 0
}

func (c *call) statfs(d *Dir, addr uintptr) syscall.Errno {
	in, out := header(faultfs.Root), fuse.StatfsOut{}
	if status := d.direct.StatFs(nil, &in, &out); status != fuse.OK {
		return syscall.Errno(status)
	}
	st := unix.Statfs_t{
		Type: unix.FUSE_SUPER_MAGIC, Bsize: int64(out.Bsize), Frsize: int64(out.Frsize), Blocks: out.Blocks, Bfree: out.Bfree,
		Bavail: out.Bavail, Files: out.Files, Ffree: out.Ffree, Namelen: int64(out.NameLen),
	}
	c.write(addr, bytesOf(&st))
	return 0
}

func (d *Dir) access(ino faultfs.Ino, mode uint32) syscall.Errno {
	if mode&^uint32(7) != 0 {
		return syscall.EINVAL
	}
	if mode&fuse.X_OK == 0 {
		return 0
	}
	in := fuse.AccessIn{InHeader: header(ino), Mask: mode}
	return syscall.Errno(d.direct.Access(nil, &in))
}

// set changes attributes.
func (d *Dir) set(ino faultfs.Ino, in fuse.SetAttrInCommon) syscall.Errno {
	in.NodeId = uint64(ino)
	var out fuse.AttrOut
	return syscall.Errno(d.direct.SetAttr(nil, &fuse.SetAttrIn{SetAttrInCommon: in}, &out))
}

func (d *Dir) chmod(ino faultfs.Ino, typ faultfs.Type, mode uint32) syscall.Errno {
	if typ == faultfs.Symlink {
		return syscall.EOPNOTSUPP
	}
	return d.set(ino, fuse.SetAttrInCommon{Valid: fuse.FATTR_MODE, Mode: mode & 0o7777})
}

func (d *Dir) chown(ino faultfs.Ino, uid, gid uint32) syscall.Errno {
	const keep = ^uint32(0)
	in := fuse.SetAttrInCommon{Owner: fuse.Owner{Uid: uid, Gid: gid}}
	if uid != keep {
		in.Valid |= fuse.FATTR_UID
	}
	if gid != keep {
		in.Valid |= fuse.FATTR_GID
	}
	return d.set(ino, in)
}

func (d *Dir) truncate(ino faultfs.Ino, typ faultfs.Type, size int64) syscall.Errno {
	switch {
	case size < 0:
		return syscall.EINVAL
	case typ == faultfs.Directory:
		return syscall.EISDIR
	case typ != faultfs.Regular:
		return syscall.EINVAL
	}
	errno := d.set(ino, fuse.SetAttrInCommon{Valid: fuse.FATTR_SIZE, Size: uint64(size)})
	if errno == 0 {
		d.maps.truncated(ino, size)
	}
	return errno
}

func (c *call) utimens(d *Dir, ino faultfs.Ino, addr uintptr) syscall.Errno {
	times, now := c.times(addr)
	in := fuse.SetAttrInCommon{}
	if now {
		times = [2]unix.Timespec{{Nsec: unix.UTIME_NOW}, {Nsec: unix.UTIME_NOW}}
	}
	for i, t := range times {
		set, present := uint32(fuse.FATTR_ATIME), uint32(fuse.FATTR_ATIME_NOW)
		if i == 1 {
			set, present = fuse.FATTR_MTIME, fuse.FATTR_MTIME_NOW
		}
		switch {
		case t.Nsec == unix.UTIME_OMIT:
			continue
		case t.Nsec == unix.UTIME_NOW:
			in.Valid |= set | present
			continue
		case t.Nsec < 0 || t.Nsec > 999_999_999:
			return syscall.EINVAL
		}
		in.Valid |= set
		if i == 0 {
			in.Atime, in.Atimensec = uint64(t.Sec), uint32(t.Nsec)
		} else {
			in.Mtime, in.Mtimensec = uint64(t.Sec), uint32(t.Nsec)
		}
	}
	if in.Valid == 0 {
		return 0
	}
	return d.set(ino, in)
}

func (c *call) readlink(d *Dir, ino faultfs.Ino, typ faultfs.Type) (uintptr, syscall.Errno) {
	if int64(c.a[3]) <= 0 || typ != faultfs.Symlink {
		return 0, syscall.EINVAL
	}
	in := header(ino)
	target, status := d.direct.Readlink(nil, &in)
	if status != fuse.OK {
		return 0, syscall.Errno(status)
	}
	n := min(len(target), int(c.a[3]))
	c.write(c.a[2], target[:n])
	return uintptr(n), 0
}

// xattr answers calls on extended attributes, of a path or of a descriptor.
func (c *call) xattr(d *Dir, ino faultfs.Ino) (uintptr, syscall.Errno) {
	in := header(ino)
	// into fills the caller's room for an answer.
	into := func(addr, size uintptr, get func(dest []byte) (uint32, fuse.Status)) (uintptr, syscall.Errno) {
		dest := make([]byte, min(size, 64<<10))
		n, status := get(dest)
		if status == fuse.OK && len(dest) > 0 {
			c.write(addr, dest[:n])
		}
		return uintptr(n), syscall.Errno(status)
	}
	switch c.trap {
	case unix.SYS_GETXATTR, unix.SYS_LGETXATTR, unix.SYS_FGETXATTR:
		name := c.text(c.a[1])
		return into(c.a[2], c.a[3], func(dest []byte) (uint32, fuse.Status) { return d.direct.GetXAttr(nil, &in, name, dest) })
	case unix.SYS_LISTXATTR, unix.SYS_LLISTXATTR, unix.SYS_FLISTXATTR:
		return into(c.a[1], c.a[2], func(dest []byte) (uint32, fuse.Status) { return d.direct.ListXAttr(nil, &in, dest) })
	case unix.SYS_SETXATTR, unix.SYS_LSETXATTR, unix.SYS_FSETXATTR:
		if c.a[3] > 64<<10 {
			return 0, syscall.E2BIG
		}
		value := make([]byte, c.a[3])
		c.read(value, c.a[2])
		set := fuse.SetXAttrIn{InHeader: in, Flags: uint32(c.a[4])}
		return 0, syscall.Errno(d.direct.SetXAttr(nil, &set, c.text(c.a[1]), value))
	case unix.SYS_REMOVEXATTR, unix.SYS_LREMOVEXATTR, unix.SYS_FREMOVEXATTR:
		return 0, syscall.Errno(d.direct.RemoveXAttr(nil, &in, c.text(c.a[1])))
	}
	return 0, syscall.ENOSYS
}
