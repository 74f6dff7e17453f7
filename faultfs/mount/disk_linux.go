package mount

import (
	"fmt"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"github.com/crashsim/crashsim/faultfs"
)

// disk answers the requests of the kernel. The kernel's node numbers are the
// inode numbers of the file system; those of mark files lie above them all.
type disk struct {
	fuse.RawFileSystem // what is not answered here is not implemented

	fs       *faultfs.FS
	marks    []*markFile
	sites    *sites // nil: they are not asked for
	device   uint64 // of the mount, as in st_dev; zero: it was not looked for
	stores   *stores
	finished atomic.Bool // nothing is to happen any more

	inProcess bool // the program that asks is this one: see Direct

	mu         sync.Mutex
	handles    map[uint64]*handle
	last       uint64                // number of a handle
	shown      map[faultfs.Ino]shown // what chown, utimes and setxattr have set
	generation uint64                // of the file system, in which they did
	panics     error                 // the first one, a bug
}

func newDisk(fs *faultfs.FS, o Options) *disk {
	return &disk{
		RawFileSystem: fuse.NewDefaultRawFileSystem(),
		fs:            fs, marks: markFiles(fs, o), stores: newStores(fs),
		handles: map[uint64]*handle{}, shown: map[faultfs.Ino]shown{},
	}
}

// String names the file system for the protocol's own messages.
func (d *disk) String() string { return fsName }

// panicked keeps a bug for Close to report; the program gets EIO.
func (d *disk) panicked(what any) fuse.Status {
	d.broken(fmt.Errorf("crashsim: bug: %v\n%s", what, debug.Stack()))
	return fuse.EIO
}

// broken keeps the first bug for Close to report.
func (d *disk) broken(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.panics == nil {
		d.panics = err
	}
}

// admit reports whether a request is to be answered. Every use of a file begins
// with a request that is asked here, or needs a handle that one has opened.
//
// A process must never ask a mount that it serves itself. Where the Go runtime
// stands still, or the process is being killed, nobody would answer, and the
// kernel would wait for ever. Such a request is a bug of the process, which Close
// reports; it is refused so that it does no harm meanwhile.
func (d *disk) admit(what string, in *fuse.InHeader) fuse.Status {
	if d.finished.Load() {
		return fuse.Status(unix.ENOTCONN)
	}
	if in.Pid != 0 && unix.Tgkill(serving, int(in.Pid), 0) == nil {
		d.broken(fmt.Errorf("crashsim: bug: the process that serves a mount asked it itself (%s of inode %d), which can hang for ever: let another process ask", what, in.NodeId))
		return fuse.Status(unix.EDEADLK)
	}
	return fuse.OK
}

var serving = os.Getpid()

func (d *disk) bug() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.panics
}

// node returns the inode that a node number stands for. Numbers come from
// answers of this package, so that they fit.
func node(id uint64) faultfs.Ino { return faultfs.Ino(id) }

// handle is an open file or directory.
type handle struct {
	ino        faultfs.Ino
	generation uint64 // of the file system when it was opened
	flags      int
	mark       *markFile // set for a mark file
	helper     bool      // of the process that looks at mapped files

	mu   sync.Mutex
	told int // errors of the file's syncs that this handle was told of

	// owed is the error of a write that a fault cut short at an offset. The
	// program sees a short write first, and this one when it writes on there.
	owed    syscall.Errno
	owedOff int64

	entries []fuse.DirEntry // of a directory, as its listing began
}

func (d *disk) add(h *handle) uint64 {
	h.generation = d.fs.Generation()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.last++
	d.handles[d.last] = h
	return d.last
}

// handle returns the handle of that number. One that was opened before the
// file system was reset is as dead as after a crash.
func (d *disk) handle(fh uint64) (*handle, fuse.Status) {
	d.mu.Lock()
	h := d.handles[fh]
	d.mu.Unlock()
	switch {
	case d.finished.Load():
		return nil, fuse.Status(unix.ENOTCONN)
	case h == nil:
		return nil, fuse.EBADF
	case h.generation != d.fs.Generation():
		return nil, fuse.EIO
	}
	return h, fuse.OK
}

func (d *disk) drop(fh uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.handles, fh)
}

// shown is what stat shows of an inode besides what the file system knows.
type shown struct {
	owned    bool
	uid, gid uint32

	timed        bool
	atime, mtime time.Time
	since        time.Time // the logical time at which they were set: a change ends them

	extended map[string][]byte // extended attributes

	special uint32 // the type of a FIFO or socket that was made here, for lists of directories
}

// attributes fills in what the kernel is told of an inode.
func (d *disk) attributes(ino faultfs.Ino, out *fuse.Attr) fuse.Status {
	info, links, errno := d.fs.StatAt(ino)
	if errno != 0 {
		return fuse.Status(errno)
	}
	mode := info.Mode()
	size := uint64(info.Size())
	*out = fuse.Attr{
		Ino: uint64(ino), Mode: typeBits(mode) | permissions(mode), Nlink: uint32(links),
		Size: size, Blocks: (size + 511) / 512, Blksize: 4096, Owner: self,
	}
	changed := info.ModTime()
	out.SetTimes(&changed, &changed, &changed)
	d.mu.Lock()
	defer d.mu.Unlock()
	s, ok := d.showing()[ino]
	if !ok {
		return fuse.OK
	}
	if s.owned {
		out.Owner = fuse.Owner{Uid: s.uid, Gid: s.gid}
	}
	if s.timed && s.since.Equal(changed) {
		out.SetTimes(&s.atime, &s.mtime, nil)
	}
	return fuse.OK
}

// showing returns what chown and utimes have set in this life of the file system;
// see faultfs.FS.Reset. The lock is held.
func (d *disk) showing() map[faultfs.Ino]shown {
	if life := d.fs.Generation(); life != d.generation {
		clear(d.shown)
		d.generation = life
	}
	return d.shown
}

// entry fills in what the kernel is told of a name.
func (d *disk) entry(ino faultfs.Ino, out *fuse.EntryOut) fuse.Status {
	// Of another life, the kernel takes it for another inode.
	out.NodeId, out.Generation = uint64(ino), 1+d.fs.Generation()
	return d.attributes(ino, &out.Attr)
}

// do performs an op without a handle.
func (d *disk) do(op faultfs.Op) (faultfs.Op, fuse.Status) {
	done, _, errno := d.fs.DoAt(op, nil)
	return done, fuse.Status(errno)
}
