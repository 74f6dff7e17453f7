package mount

import (
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"github.com/crashsim/crashsim/faultfs"
)

// Direct answers the requests of a mount without a kernel that asks them: its caller, in
// the place of the kernel, resolves paths and keeps descriptors. So what a request does,
// and the ops that it records, are those of a mount. Ops have the site of the calling
// goroutine. The methods are those of fuse.RawFileSystem.
type Direct struct{ *disk }

// NewDirect returns what answers for a file system.
func NewDirect(fs *faultfs.FS) Direct {
	d := newDisk(fs, Options{})
	d.inProcess = true
	return Direct{d}
}

// List reads an open directory and returns its entries, those with dots first. The
// caller does not change them.
func (d Direct) List(fh uint64) ([]fuse.DirEntry, fuse.Status) {
	h, status := d.handle(fh)
	if status != fuse.OK {
		return nil, status
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	status = d.list(h, &fuse.InHeader{})
	return h.entries, status
}

// Sync is sync(2), and syncfs(2) of this file system.
func (d Direct) Sync() fuse.Status {
	_, status := d.do(d.op(&fuse.InHeader{}, faultfs.Op{Kind: faultfs.OpSync}))
	return status
}

// KillsPrivileges is the flag of a write by a process that may not keep the set-user-ID
// bit of what it writes to, zero for one that may.
func KillsPrivileges() uint32 {
	if unix.Geteuid() == 0 {
		return 0
	}
	return fuse.WRITE_KILL_SUIDGID
}
