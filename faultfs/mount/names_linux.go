package mount

import (
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"github.com/crashsim/crashsim/faultfs"
)

// Lookup finds the inode of a name.
func (d *disk) Lookup(_ <-chan struct{}, in *fuse.InHeader, name string, out *fuse.EntryOut) fuse.Status {
	if status := d.admit("lookup", in); status != fuse.OK {
		return status
	}
	if m := d.markName(in.NodeId, name); m != nil {
		out.NodeId, out.Generation, out.Attr = m.node, 1, m.attributes()
		return fuse.OK
	}
	if status, done := d.lookupFolder(in.NodeId, name, out); done {
		return status
	}
	ino, errno := d.fs.LookAt(node(in.NodeId), name)
	if errno != 0 {
		return fuse.Status(errno)
	}
	return d.entry(ino, out)
}

// make performs an op that makes a name.
func (d *disk) make(in *fuse.InHeader, op faultfs.Op, out *fuse.EntryOut) fuse.Status {
	if d.markName(uint64(op.Dir), op.Name) != nil {
		return fuse.Status(unix.EEXIST)
	}
	done, status := d.do(d.op(in, op))
	if status != fuse.OK {
		return status
	}
	return d.entry(done.Ino, out)
}

// Mkdir is mkdir(2).
func (d *disk) Mkdir(_ <-chan struct{}, in *fuse.MkdirIn, name string, out *fuse.EntryOut) fuse.Status {
	return d.make(&in.InHeader, faultfs.Op{Kind: faultfs.OpMkdir, Dir: node(in.NodeId), Name: name, Mode: in.Mode & 0o7777}, out)
}

// special are the types that mknod(2) makes besides regular files: FIFOs and
// sockets, which are names that lead to nothing on the disk.
func special(mode uint32) uint32 {
	if typ := mode & unix.S_IFMT; typ == unix.S_IFIFO || typ == unix.S_IFSOCK {
		return typ
	}
	return 0
}

// Mknod is mknod(2), of a regular file, a FIFO or a socket.
func (d *disk) Mknod(_ <-chan struct{}, in *fuse.MknodIn, name string, out *fuse.EntryOut) fuse.Status {
	typ := in.Mode & unix.S_IFMT
	if typ != unix.S_IFREG && typ != 0 && special(typ) == 0 {
		return fuse.EPERM
	}
	op := faultfs.Op{Kind: faultfs.OpCreate, Dir: node(in.NodeId), Name: name, Mode: in.Mode&0o7777 | special(typ)}
	status := d.make(&in.InHeader, op, out)
	if status == fuse.OK && special(typ) != 0 {
		d.mu.Lock()
		defer d.mu.Unlock()
		s := d.showing()[faultfs.Ino(out.NodeId)]
		s.special = typ
		d.shown[faultfs.Ino(out.NodeId)] = s
	}
	return status
}

// Symlink is symlink(2).
func (d *disk) Symlink(_ <-chan struct{}, in *fuse.InHeader, target, name string, out *fuse.EntryOut) fuse.Status {
	return d.make(in, faultfs.Op{Kind: faultfs.OpSymlink, Dir: node(in.NodeId), Name: name, Target: target}, out)
}

// Link is link(2).
func (d *disk) Link(_ <-chan struct{}, in *fuse.LinkIn, name string, out *fuse.EntryOut) fuse.Status {
	if d.markNode(in.Oldnodeid) != nil {
		return fuse.EPERM
	}
	return d.make(&in.InHeader, faultfs.Op{Kind: faultfs.OpLink, Ino: node(in.Oldnodeid), Dir: node(in.NodeId), Name: name}, out)
}

// Unlink is unlink(2).
func (d *disk) Unlink(_ <-chan struct{}, in *fuse.InHeader, name string) fuse.Status {
	return d.remove(faultfs.OpUnlink, in, name)
}

// Rmdir is rmdir(2).
func (d *disk) Rmdir(_ <-chan struct{}, in *fuse.InHeader, name string) fuse.Status {
	return d.remove(faultfs.OpRmdir, in, name)
}

func (d *disk) remove(kind faultfs.OpKind, in *fuse.InHeader, name string) fuse.Status {
	if d.markName(in.NodeId, name) != nil {
		return fuse.EPERM
	}
	_, status := d.do(d.op(in, faultfs.Op{Kind: kind, Dir: node(in.NodeId), Name: name}))
	return status
}

// Rename is rename(2), and renameat2(2) with RENAME_NOREPLACE or RENAME_EXCHANGE.
func (d *disk) Rename(_ <-chan struct{}, in *fuse.RenameIn, name, to string) fuse.Status {
	kind := faultfs.OpRename
	if in.Flags == unix.RENAME_EXCHANGE {
		kind = faultfs.OpExchange
	}
	switch {
	case in.Flags != unix.RENAME_EXCHANGE && in.Flags&^unix.RENAME_NOREPLACE != 0:
		return fuse.EINVAL
	case d.markName(in.NodeId, name) != nil || d.markName(in.Newdir, to) != nil:
		return fuse.EPERM
	}
	if in.Flags&unix.RENAME_NOREPLACE != 0 {
		// The kernel holds both directories meanwhile.
		if _, errno := d.fs.LookAt(node(in.Newdir), to); errno != unix.ENOENT {
			if errno == 0 {
				errno = unix.EEXIST
			}
			return fuse.Status(errno)
		}
	}
	_, status := d.do(d.op(&in.InHeader, faultfs.Op{
		Kind: kind, Dir: node(in.NodeId), Name: name, ToDir: node(in.Newdir), ToName: to,
	}))
	return status
}

// Readlink is readlink(2).
func (d *disk) Readlink(_ <-chan struct{}, in *fuse.InHeader) ([]byte, fuse.Status) {
	target, errno := d.fs.TargetAt(node(in.NodeId))
	return []byte(target), fuse.Status(errno)
}
