package faultfs

import (
	"os"
	"slices"
	"strings"
	"syscall"
)

// The methods of this file are the file system as a kernel sees it: inodes go
// by number, and names by the directory that they stand in, as in openat(2).
// Package mount serves them. Their errors are plain errno, EIO after a crash.

// DoAt performs and records an op that is given by numbers: Dir and Name for
// the kinds that make or remove a name, ToDir and ToName for what a rename
// makes or an exchange takes, Ino for all others and for the file of a link. It finds the paths. A
// write at a negative offset appends; a create fails where the name exists, and
// a read only makes the op: ReadAt reads. An op has the Site and the Stack that the
// caller gives it.
//
// told is where a handle keeps how many errors of syncs it was told of, nil
// without a handle: below zero while it is being opened.
//
// DoAt returns the op as it was recorded, and for a write how many bytes were
// accepted, which a fault can make fewer than there were, with an error and
// without.
func (f *FS) DoAt(op Op, told *int) (done Op, accepted int, errno syscall.Errno) {
	c := call{f: f, op: op}
	c.begin()
	defer c.end()
	errno = c.at(told)
	if errno == 0 {
		c.stamp()
		if told != nil && *told < 0 {
			*told = f.opened(c.op.Ino)
		}
		if f.trace == nil {
			f.rememberOp(&c.op) // as leave does for a trace
		}
	}
	c.leave(errno)
	accepted = len(c.op.Data)
	if errno != 0 {
		accepted = int(c.accepted)
	}
	return c.op, accepted, systemErrno(errno)
}

// begin notes the moment and takes the lock.
func (c *call) begin() {
	c.op.Begin = Edge(c.f.edge.Add(1))
	c.f.mu.Lock()
}

// end gives the lock back if leave did not: where a base panics, who serves
// the file system goes on.
func (c *call) end() {
	if !c.left {
		c.f.mu.Unlock()
	}
}

// Generation counts how often the file system was reset. Numbers of inodes mean
// something else after that. It waits for no call.
func (f *FS) Generation() uint64 { return f.generation.Load() }

// at does what DoAt asks.
func (c *call) at(told *int) (errno syscall.Errno) {
	f := c.f
	if f.dead {
		return deadErrno
	}
	switch c.op.Kind {
	case OpMark, OpSync:
		return c.do()
	case OpLink:
		if c.op.Path = f.pathOf(c.op.Ino); c.op.Path == "" {
			return syscall.ENOENT
		}
		c.op.To, errno = f.pathAt(c.op.Dir, c.op.Name)
	case OpRename, OpExchange:
		if c.op.Path, errno = f.pathAt(c.op.Dir, c.op.Name); errno == 0 {
			c.op.To, errno = f.pathAt(c.op.ToDir, c.op.ToName)
		}
	case OpCreate, OpMkdir, OpSymlink, OpUnlink, OpRmdir:
		c.op.Path, errno = f.pathAt(c.op.Dir, c.op.Name)
	default:
		c.op.Path = f.pathOf(c.op.Ino)
		if c.op.Kind == OpWrite && c.op.Off < 0 {
			c.op.Off = f.vol.Size(c.op.Ino)
		}
		return c.onInode(told)
	}
	if errno != 0 {
		return errno
	}
	return c.do()
}

// stamp advances the times of what an op that succeeded has changed, those of
// directories too: programs look there for new names.
func (c *call) stamp() {
	switch c.op.Kind {
	case OpWrite, OpTruncate:
		c.f.tick(c.op.Ino)
	case OpRename, OpExchange:
		c.f.tick(c.op.Dir)
		c.f.tick(c.op.ToDir)
	case OpCreate, OpMkdir, OpSymlink, OpLink, OpUnlink, OpRmdir:
		c.f.tick(c.op.Dir)
	}
}

// pathAt returns the path of a name in a directory.
func (f *FS) pathAt(dir Ino, name string) (string, syscall.Errno) {
	up := f.pathOf(dir)
	switch {
	case up == "" && (f.vol.Type(dir) != Directory || f.vol.isGone(dir)):
		return "", syscall.ENOENT
	case up == "" || len(up)+1+len(name) > maxPath:
		return "", syscall.ENAMETOOLONG
	}
	return strings.TrimSuffix(up, "/") + "/" + name, 0
}

// LookAt returns the inode that a name in a directory leads to. It is no op,
// but the name is the one by which later ops on the inode are told.
func (f *FS) LookAt(dir Ino, name string) (Ino, syscall.Errno) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.dead:
		return 0, syscall.EIO
	case f.vol.Type(dir) != Directory:
		return 0, syscall.ENOTDIR
	case len(name) > maxName:
		return 0, syscall.ENAMETOOLONG
	}
	ino := f.vol.Entry(dir, name)
	if ino == 0 {
		return 0, syscall.ENOENT
	}
	if p := f.knownNames[ino]; p.dir != dir || p.name != name {
		if path, errno := f.pathAt(dir, name); errno == 0 {
			// The name may be looked at only to be removed.
			f.remember(ino, knownName{dir: dir, name: name, path: path, other: f.standing(ino)})
		}
	}
	return ino, 0
}

// StatAt describes an inode, and says how many names it has: see the limits of
// this package, a directory and a file of a base that does not count have one.
// It is no op.
func (f *FS) StatAt(ino Ino) (os.FileInfo, int, syscall.Errno) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.dead:
		return nil, 0, syscall.EIO
	case f.vol.Type(ino) == NoType:
		return nil, 0, syscall.ENOENT
	}
	return f.info(ino, ""), f.vol.Links(ino), 0
}

// ReadAt reads the file Ino of op at its offset Off, and records that. It returns
// fewer bytes than p can hold only at the end of the file.
func (f *FS) ReadAt(op Op, p []byte) (int, syscall.Errno) {
	op.Kind, op.Size = OpRead, int64(len(p))
	ino, off := op.Ino, op.Off
	c := call{f: f, op: op}
	c.begin()
	defer c.end()
	n, errno := 0, c.at(nil)
	if errno == 0 {
		if size := f.vol.Size(ino); off >= 0 && off < size {
			n = int(min(int64(len(p)), size-off))
			f.vol.ReadAt(ino, p[:n], off)
		}
	}
	c.leave(errno)
	return n, systemErrno(errno)
}

// Records reports whether the file system records a trace.
func (f *FS) Records() bool { return f.trace != nil }

// Store records what programs have stored into mapped files and one look has seen:
// writes, each of Data at Off into Ino. Of each, what has changed is recorded, with the
// number of the look and without a site, and nothing comes between them. What lies beyond
// the end of a file is lost, as it is of a map. No fault strikes a store. The error is ENOENT where one of the inodes is no file, and EIO where
// power is lost.
func (f *FS) Store(writes ...Op) (errno syscall.Errno) {
	f.mu.Lock()
	defer f.mu.Unlock()
	look := f.looks + 1
	for i := range writes {
		if e := f.store(&writes[i], look); e != 0 {
			errno = e
		}
	}
	return errno
}

func (f *FS) store(w *Op, look int) syscall.Errno {
	ino, p, off := w.Ino, w.Data, w.Off
	switch {
	case f.dead:
		return syscall.EIO
	case f.vol.Type(ino) != Regular:
		return syscall.ENOENT
	}
	p = p[:max(0, min(int64(len(p)), f.vol.Size(ino)-off))]
	held := make([]byte, len(p))
	f.vol.ReadAt(ino, held, off)
	from, to := 0, len(p)
	for from < to && p[from] == held[from] {
		from++
	}
	for to > from && p[to-1] == held[to-1] {
		to--
	}
	if from == to {
		return 0
	}
	c := call{f: f, op: Op{Kind: OpWrite, Ino: ino, Look: look}}
	c.op.Begin = Edge(f.edge.Add(1))
	c.op.Path, c.op.Off, c.op.Data = f.pathOf(ino), off+int64(from), slices.Clone(p[from:to])
	f.write(ino, c.op.Data, c.op.Off)
	c.stamp()
	c.record(0)
	return 0
}

// PeekAt reads a file at an offset. It is no op.
func (f *FS) PeekAt(ino Ino, p []byte, off int64) (int, syscall.Errno) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.dead:
		return 0, syscall.EIO
	case f.vol.Type(ino) != Regular:
		return 0, syscall.ENOENT
	}
	n := max(0, min(int64(len(p)), f.vol.Size(ino)-off))
	f.vol.ReadAt(ino, p[:n], off)
	return int(n), 0
}

// ListAt calls each for every name in the directory Ino of op, in order, and
// records that the directory was listed. The file system cannot be used inside each.
func (f *FS) ListAt(op Op, each func(name string, ino Ino, typ Type)) syscall.Errno {
	op.Kind = OpReaddir
	dir := op.Ino
	c := call{f: f, op: op}
	c.begin()
	defer c.end()
	errno := c.at(nil)
	if errno == 0 {
		for _, name := range f.vol.Names(dir) {
			ino := f.vol.Entry(dir, name)
			each(name, ino, f.vol.Type(ino))
		}
	}
	c.leave(errno)
	return systemErrno(errno)
}

// systemErrno is what a system call returns for an error of a call.
func systemErrno(errno syscall.Errno) syscall.Errno {
	if errno == deadErrno {
		return syscall.EIO
	}
	return errno
}

// TargetAt returns where a symbolic link points. It is no op.
func (f *FS) TargetAt(ino Ino) (string, syscall.Errno) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.dead:
		return "", syscall.EIO
	case f.vol.Type(ino) != Symlink:
		return "", syscall.EINVAL
	}
	return f.vol.Target(ino), 0
}

// DataAt narrows a range of a file to the pages in it that may hold anything
// but zeros; to is not above from where none does. It is no op.
func (f *FS) DataAt(ino Ino, off, end int64) (from, to int64, errno syscall.Errno) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.dead {
		return 0, 0, syscall.EIO
	}
	if off >= end {
		return off, off, 0
	}
	from, to = end, off
	for _, page := range f.vol.Data(ino, off) {
		if page < end {
			from, to = min(from, max(page, off)), max(to, min(page+pageSize, end))
		}
	}
	return from, to, 0
}

// TouchAt sets the time of an inode to the present. It is no op.
func (f *FS) TouchAt(ino Ino) syscall.Errno {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.dead:
		return syscall.EIO
	case f.vol.Type(ino) == NoType:
		return syscall.ENOENT
	}
	f.tick(ino)
	return 0
}

// TypeAt returns what an inode is. It is no op, and decides nothing of a disk that is
// not determined yet.
func (f *FS) TypeAt(ino Ino) Type {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.dead {
		return NoType
	}
	return f.vol.Type(ino)
}
