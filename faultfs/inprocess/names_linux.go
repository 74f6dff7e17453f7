//go:build amd64 || arm64

package inprocess

import (
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"github.com/crashsim/crashsim/faultfs"
)

// Calls that make, remove and move names, and what the kernel answers to them by itself.

// header is that of a request about an inode.
func header(ino faultfs.Ino) fuse.InHeader { return fuse.InHeader{NodeId: uint64(ino)} }

// mayMake reports why a name cannot be made: slash is the error where a slash stands behind
// one that is not there, zero if it may stand there.
func mayMake(s *resolved, slash syscall.Errno) syscall.Errno {
	switch {
	case !s.plain() || s.ino != 0:
		return syscall.EEXIST
	case s.slash:
		return slash
	}
	return 0
}

func (d *Dir) mkdir(s *resolved, mode uint32) syscall.Errno {
	if errno := mayMake(s, 0); errno != 0 {
		return errno
	}
	var out fuse.EntryOut
	in := fuse.MkdirIn{InHeader: header(s.dir), Mode: mode & 0o1777 &^ umask.Load()}
	return syscall.Errno(d.direct.Mkdir(nil, &in, s.name, &out))
}

func (d *Dir) mknod(s *resolved, mode uint32) syscall.Errno {
	typ := mode & unix.S_IFMT
	switch {
	case typ == unix.S_IFDIR:
		return syscall.EPERM
	case typ != unix.S_IFREG && typ != 0:
		return d.refuse("a FIFO, a socket or a device in it", syscall.EPERM)
	}
	if errno := mayMake(s, syscall.ENOENT); errno != 0 {
		return errno
	}
	var out fuse.EntryOut
	in := fuse.MknodIn{InHeader: header(s.dir), Mode: mode &^ umask.Load()}
	return syscall.Errno(d.direct.Mknod(nil, &in, s.name, &out))
}

func (d *Dir) symlink(s *resolved, target string) syscall.Errno {
	switch {
	case target == "":
		return syscall.ENOENT
	case len(target) > maxPath:
		return syscall.ENAMETOOLONG
	}
	if errno := mayMake(s, syscall.ENOENT); errno != 0 {
		return errno
	}
	in, out := header(s.dir), fuse.EntryOut{}
	return syscall.Errno(d.direct.Symlink(nil, &in, target, s.name, &out))
}

func (d *Dir) link(from, to *resolved) syscall.Errno {
	if from.ino == 0 {
		return syscall.ENOENT
	}
	if errno := mayMake(to, syscall.ENOENT); errno != 0 {
		return errno
	}
	if from.typ == faultfs.Directory {
		return syscall.EPERM
	}
	if _, links, errno := d.fs.StatAt(from.ino); errno != 0 || links == 0 {
		return syscall.ENOENT
	}
	var out fuse.EntryOut
	in := fuse.LinkIn{InHeader: header(to.dir), Oldnodeid: uint64(from.ino)}
	return syscall.Errno(d.direct.Link(nil, &in, to.name, &out))
}

// unlink is unlink(2), and rmdir(2) of a directory.
func (d *Dir) unlink(s *resolved, dir bool) syscall.Errno {
	in := header(s.dir)
	if dir {
		switch {
		case !s.plain() && s.name == "..":
			return syscall.ENOTEMPTY
		case !s.plain() && s.name == ".":
			return syscall.EINVAL
		case !s.plain():
			return syscall.EBUSY
		case s.ino == 0:
			return syscall.ENOENT
		case s.typ != faultfs.Directory:
			return syscall.ENOTDIR
		}
		return syscall.Errno(d.direct.Rmdir(nil, &in, s.name))
	}
	switch {
	case !s.plain():
		return syscall.EISDIR
	case s.ino == 0:
		return syscall.ENOENT
	case s.typ == faultfs.Directory:
		return syscall.EISDIR
	case s.slash:
		return syscall.ENOTDIR
	}
	return syscall.Errno(d.direct.Unlink(nil, &in, s.name))
}

func (d *Dir) rename(from, to *resolved, flags uint32) syscall.Errno {
	exchange := flags&unix.RENAME_EXCHANGE != 0
	keeps := flags&unix.RENAME_NOREPLACE != 0
	switch {
	case flags&^uint32(unix.RENAME_NOREPLACE|unix.RENAME_EXCHANGE|unix.RENAME_WHITEOUT) != 0 || exchange && flags != unix.RENAME_EXCHANGE:
		return syscall.EINVAL
	case !from.plain():
		return syscall.EBUSY
	case !to.plain() && keeps:
		return syscall.EEXIST
	case !to.plain():
		return syscall.EBUSY
	case from.ino == 0:
		return syscall.ENOENT
	case keeps && to.ino != 0:
		return syscall.EEXIST
	case exchange && to.ino == 0:
		return syscall.ENOENT
	case exchange && to.typ != faultfs.Directory && to.slash:
		return syscall.ENOTDIR
	case from.typ != faultfs.Directory && (from.slash || !exchange && to.slash):
		return syscall.ENOTDIR
	case from.typ == faultfs.Directory && d.above(from.ino, to.dir):
		return syscall.EINVAL
	case to.typ == faultfs.Directory && d.above(to.ino, from.dir):
		if exchange {
			return syscall.EINVAL
		}
		return syscall.ENOTEMPTY
	case from.ino == to.ino:
		return 0
	case to.ino != 0 && !exchange && from.typ == faultfs.Directory && to.typ != faultfs.Directory:
		return syscall.ENOTDIR
	case to.ino != 0 && !exchange && from.typ != faultfs.Directory && to.typ == faultfs.Directory:
		return syscall.EISDIR
	}
	in := fuse.RenameIn{InHeader: header(from.dir), Newdir: uint64(to.dir), Flags: flags}
	status := d.direct.Rename(nil, &in, from.name, to.name)
	if status == fuse.OK {
		if from.typ == faultfs.Directory {
			d.leads(to.dir, from.ino)
		}
		if exchange && to.typ == faultfs.Directory {
			d.leads(from.dir, to.ino)
		}
	}
	return syscall.Errno(status)
}

// open is openat(2).
func (d *Dir) open(s *resolved, flags, mode uint32) (uintptr, syscall.Errno) {
	creates := flags&unix.O_CREAT != 0
	switch {
	case flags&unix.O_TMPFILE == unix.O_TMPFILE:
		switch {
		case s.ino == 0:
			return 0, syscall.ENOENT
		case s.typ != faultfs.Directory:
			return 0, syscall.ENOTDIR
		}
		return 0, syscall.EOPNOTSUPP
	case creates && s.slash:
		return 0, syscall.EISDIR
	case creates && flags&unix.O_EXCL != 0 && s.ino != 0:
		return 0, syscall.EEXIST
	case s.ino == 0 && !creates:
		return 0, syscall.ENOENT
	case s.ino == 0:
		return d.create(s, flags, mode)
	}
	if flags&oPath != 0 {
		if flags&unix.O_DIRECTORY != 0 && s.typ != faultfs.Directory {
			return 0, syscall.ENOTDIR
		}
		return d.opened(&file{dir: d, ino: s.ino, isDir: s.typ == faultfs.Directory, flags: int(flags)})
	}
	writes := flags&unix.O_ACCMODE != unix.O_RDONLY || flags&unix.O_TRUNC != 0
	switch {
	case s.typ == faultfs.Symlink && flags&unix.O_DIRECTORY != 0:
		return 0, syscall.ENOTDIR
	case s.typ == faultfs.Symlink:
		return 0, syscall.ELOOP
	case s.typ == faultfs.Directory && (creates || writes):
		return 0, syscall.EISDIR
	case s.typ != faultfs.Directory && flags&unix.O_DIRECTORY != 0:
		return 0, syscall.ENOTDIR
	}
	in, out := fuse.OpenIn{InHeader: header(s.ino), Flags: flags &^ (unix.O_CREAT | unix.O_EXCL)}, fuse.OpenOut{}
	status := fuse.OK
	if s.typ == faultfs.Directory {
		status = d.direct.OpenDir(nil, &in, &out)
	} else {
		status = d.direct.Open(nil, &in, &out)
	}
	if status != fuse.OK {
		return 0, syscall.Errno(status)
	}
	if flags&unix.O_TRUNC != 0 {
		d.maps.truncated(s.ino, 0)
	}
	return d.opened(&file{dir: d, ino: s.ino, isDir: s.typ == faultfs.Directory, flags: int(flags), fh: out.Fh})
}

// create opens a file that is not there yet.
func (d *Dir) create(s *resolved, flags, mode uint32) (uintptr, syscall.Errno) {
	in, out := fuse.CreateIn{InHeader: header(s.dir), Flags: flags, Mode: mode & 0o7777 &^ umask.Load()}, fuse.CreateOut{}
	if status := d.direct.Create(nil, &in, s.name, &out); status != fuse.OK {
		return 0, syscall.Errno(status)
	}
	return d.opened(&file{dir: d, ino: faultfs.Ino(out.NodeId), flags: int(flags), fh: out.Fh})
}

// opened gives an open file a descriptor. The flags that only say how to open are forgotten.
func (d *Dir) opened(f *file) (uintptr, syscall.Errno) {
	f.flags &^= unix.O_CREAT | unix.O_EXCL | unix.O_NOCTTY | unix.O_TRUNC | unix.O_CLOEXEC
	fd, errno := d.slot.add(f)
	if errno != 0 {
		d.release(f)
	}
	return uintptr(fd), errno
}

// openFlags returns the flags and the mode of an open.
func (p *pathCall) openFlags() (flags, mode uint32) {
	flags, mode = uint32(p.a[2]), uint32(p.a[3])
	if p.trap == unix.SYS_OPENAT2 {
		var how unix.OpenHow
		p.read(bytesOf(&how), p.a[2])
		flags, mode = uint32(how.Flags), uint32(how.Mode)
	}
	if flags&oPath != 0 {
		return flags & (oPath | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC), 0
	}
	return flags | largeFile, mode
}
