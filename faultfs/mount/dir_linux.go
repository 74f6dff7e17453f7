package mount

import (
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"github.com/crashsim/crashsim/faultfs"
)

// OpenDir is open(2) of a directory.
func (d *disk) OpenDir(_ <-chan struct{}, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	if status := d.admit("open", &in.InHeader); status != fuse.OK {
		return status
	}
	h := &handle{ino: node(in.NodeId), flags: int(in.Flags), told: opening}
	if _, _, errno := d.fs.DoAt(d.op(&in.InHeader, faultfs.Op{Kind: faultfs.OpOpen, Ino: h.ino}), &h.told); errno != 0 {
		return fuse.Status(errno)
	}
	out.Fh = d.add(h)
	return fuse.OK
}

// ReadDir lists a directory as it was when the listing began, a page at a time.
func (d *disk) ReadDir(_ <-chan struct{}, in *fuse.ReadIn, out *fuse.DirEntryList) fuse.Status {
	h, status := d.handle(in.Fh)
	if status != fuse.OK {
		return status
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if in.Offset == 0 {
		if status := d.list(h, &in.InHeader); status != fuse.OK {
			return status
		}
	}
	for i := in.Offset; i < uint64(len(h.entries)); i++ {
		if !out.AddDirEntry(h.entries[i]) {
			break
		}
	}
	return fuse.OK
}

// list reads a directory. The caller holds the handle's lock.
func (d *disk) list(h *handle, in *fuse.InHeader) fuse.Status {
	h.entries = []fuse.DirEntry{
		{Name: ".", Ino: uint64(h.ino), Mode: unix.S_IFDIR},
		{Name: "..", Ino: uint64(h.ino), Mode: unix.S_IFDIR}, // no program can tell
	}
	errno := d.fs.ListAt(d.op(in, faultfs.Op{Ino: h.ino}), func(name string, ino faultfs.Ino, typ faultfs.Type) {
		h.entries = append(h.entries, fuse.DirEntry{Name: name, Ino: uint64(ino), Mode: dirType(typ)})
	})
	if errno != 0 {
		return fuse.Status(errno)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range h.entries {
		if s, ok := d.showing()[faultfs.Ino(h.entries[i].Ino)]; ok && s.special != 0 {
			h.entries[i].Mode = s.special
		}
	}
	return fuse.OK
}

func dirType(typ faultfs.Type) uint32 {
	switch typ {
	case faultfs.Directory:
		return unix.S_IFDIR
	case faultfs.Symlink:
		return unix.S_IFLNK
	}
	return unix.S_IFREG
}

// ReleaseDir ends a handle of a directory.
func (d *disk) ReleaseDir(in *fuse.ReleaseIn) { d.drop(in.Fh) }
