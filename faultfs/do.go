package faultfs

import (
	"io"
	"io/fs"
	"syscall"
)

// Do performs an op that is given as data, the way litmus files, stored traces
// and mutants of a trace are run, and returns it as it was recorded: with the
// inodes that its paths lead to. It looks at Kind and at the fields that a
// program chooses (Path, To, Off, Size, Mode, Data, Target, Label; Ino where
// Path is empty). Unlike OpenFile, a create fails where the name exists, and
// no umask is applied.
//
// An op with an Errno failed when it was recorded; it is recorded as it is and
// not tried, and so is a sync that lost data. The error of any other is an
// *fs.PathError.
func (f *FS) Do(op Op) (Op, error) {
	if op.Site == (CallSite{}) && f.trace != nil {
		op.Site = callSite()
	}
	return f.perform(op)
}

// perform is Do of an op that stays without a call site if it has none.
func (f *FS) perform(op Op) (Op, error) { return f.performOn(op, false) }

// performOn is perform. With byInode, an op on a file is about the inode that it
// gives, whatever its path leads to.
func (f *FS) performOn(op Op, byInode bool) (Op, error) {
	c := call{f: f, op: op, byInode: byInode}
	c.op.Path, c.op.To = absolute(op.Path), absolute(op.To)
	c.op.Begin, c.op.End = 0, 0
	if f.trace != nil {
		c.op.Begin = Edge(f.edge.Add(1))
	}
	f.mu.Lock()
	errno := op.Errno
	switch {
	case op.Loses():
		errno = c.doLoss()
	case errno == 0:
		errno = c.do()
	}
	c.leave(errno)
	if errno != op.Errno {
		return c.op, f.failure(op.Kind.String(), op.subject(), errno)
	}
	if len(c.op.Data) < len(op.Data) { // by a fault, without an errno
		return c.op, &fs.PathError{Op: op.Kind.String(), Path: op.subject(), Err: io.ErrShortWrite}
	}
	return c.op, nil
}

func (c *call) do() syscall.Errno {
	if c.f.dead {
		return deadErrno
	}
	switch c.op.Kind {
	case OpMkdir:
		return c.mkdir(c.op.Path, c.op.Mode)
	case OpCreate:
		return c.doCreate()
	case OpRename:
		return c.rename(c.op.Path, c.op.To)
	case OpExchange:
		return c.exchange(c.op.Path, c.op.To)
	case OpLink:
		return c.link(c.op.Path, c.op.To)
	case OpSymlink:
		return c.symlink(c.op.Target, c.op.Path)
	case OpUnlink, OpRmdir:
		return c.doRemove()
	case OpMark:
		return 0
	case OpSync:
		if c.f.inject != nil {
			return c.sync(0, new(int))
		}
		return 0
	}
	return c.doInode()
}

// doLoss finds the file of a sync that lost data. Whatever it returned, there
// must be one.
func (c *call) doLoss() syscall.Errno {
	if c.op.Path != "" && c.op.Kind != OpSync && !c.byInode {
		s, errno := c.f.vol.lookup(c.op.Path, linkFollow)
		if errno != 0 {
			return errno
		}
		c.op.Ino = s.ino
	}
	return c.op.Errno
}

func (c *call) doCreate() syscall.Errno {
	s, errno := c.vacant(c.op.Path, syscall.EISDIR)
	if errno == 0 {
		errno = c.strike()
	}
	if errno == 0 {
		c.create(s, c.op.Mode)
	}
	return errno
}

func (c *call) doRemove() syscall.Errno {
	s, errno := c.f.vol.lookup(c.op.Path, linkKeep)
	if errno != 0 {
		return errno
	}
	isDir := c.f.vol.Type(s.ino) == Directory
	switch {
	case isDir && c.op.Kind == OpUnlink:
		return syscall.EISDIR
	case !isDir && c.op.Kind == OpRmdir:
		return syscall.ENOTDIR
	}
	return c.remove(c.op.Path)
}

// doInode performs the ops that are about an inode rather than a name.
func (c *call) doInode() syscall.Errno {
	vol := &c.f.vol
	if c.op.Path != "" && !c.byInode {
		follow := linkFollow
		if c.op.Kind == OpReadlink || c.op.Kind == OpLstat {
			follow = linkSlash
		}
		s, errno := vol.lookup(c.op.Path, follow)
		if errno != 0 {
			return errno
		}
		c.op.Ino = s.ino
	}
	return c.onInode(nil)
}

// onInode performs an op on the inode that it names by number; told is how
// many errors of its syncs the handle was told of, nil without a handle.
func (c *call) onInode(told *int) syscall.Errno {
	vol := &c.f.vol
	typ := vol.Type(c.op.Ino)
	switch {
	case typ == NoType:
		return syscall.ENOENT
	case typ == Directory && (c.op.Kind == OpWrite || c.op.Kind == OpTruncate || c.op.Kind == OpRead):
		return syscall.EISDIR
	case typ != Regular && (c.op.Kind == OpWrite || c.op.Kind == OpTruncate):
		return syscall.EINVAL
	case typ != Directory && c.op.Kind == OpReaddir:
		return syscall.ENOTDIR
	case typ != Symlink && c.op.Kind == OpReadlink:
		return syscall.EINVAL
	}
	if c.f.inject != nil {
		if c.op.Kind.Syncs() {
			if told == nil {
				told = &c.f.written(c.op.Ino).standing
			}
			return c.sync(c.op.Ino, told)
		}
		if c.op.Kind != OpWrite {
			if errno := c.strike(); errno != 0 {
				return errno
			}
		}
	}
	switch c.op.Kind {
	case OpWrite:
		if c.op.Off < 0 || c.op.Off > maxFileSize-int64(len(c.op.Data)) {
			return syscall.EFBIG
		}
		return c.accept()
	case OpTruncate:
		if c.op.Size < 0 {
			return syscall.EINVAL
		}
		if c.op.Size > maxFileSize {
			return syscall.EFBIG
		}
		c.f.truncate(c.op.Ino, c.op.Size)
	case OpChmod:
		vol.setMode(c.op.Ino, c.op.Mode)
	}
	return 0
}
