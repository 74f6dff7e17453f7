package faultfs

import (
	"os"
	"syscall"

	"github.com/spf13/afero"
)

// umask is taken from the modes of new inodes.
const umask = 0o022

// Create opens a file for reading and writing, creates it if need be and
// empties it, the same inode, if not.
func (f *FS) Create(name string) (afero.File, error) {
	return f.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o666)
}

// Open opens a file or directory for reading.
func (f *FS) Open(name string) (afero.File, error) {
	return f.OpenFile(name, os.O_RDONLY, 0)
}

// OpenFile is open(2). With os.O_SYNC each write is followed by its fsync
// before it returns, with O_DSYNC (Linux) by its fdatasync.
func (f *FS) OpenFile(name string, flag int, perm os.FileMode) (afero.File, error) {
	c := f.enter(OpOpen, name)
	ino, errno := c.open(name, flag, modeBits(perm)&^umask)
	var h *file
	if errno == 0 {
		h = &file{fs: f, generation: f.generation.Load(), ino: ino, name: name, flag: flag, dir: f.vol.Type(ino) == Directory, told: f.opened(ino)}
	}
	c.leave(errno)
	if errno != 0 {
		return nil, f.failure("open", name, errno)
	}
	return h, nil
}

// open does what OpenFile asks; the op becomes a create or a truncate where
// that is what happens.
func (c *call) open(name string, flag int, mode uint32) (Ino, syscall.Errno) {
	f := c.f
	if f.dead {
		return 0, deadErrno
	}
	creates := flag&os.O_CREATE != 0
	exclusive := creates && flag&os.O_EXCL != 0
	follow := linkFollow
	switch {
	case exclusive:
		follow = linkKeep
	case creates:
		follow = linkBare
	}
	s, errno := f.vol.walk(name, follow)
	if creates && s.ino == 0 {
		c.op.Kind, c.op.Dir, c.op.Name, c.op.Mode = OpCreate, s.dir, s.name, mode
	}
	switch {
	case creates && s.mustDir && !s.dots:
		return 0, syscall.EISDIR
	case errno != 0:
		return 0, errno
	case s.ino != 0 && exclusive:
		return 0, syscall.EEXIST
	case s.ino == 0 && !creates:
		return 0, syscall.ENOENT
	case s.ino == 0:
		if f.trace != nil {
			// A create of the name of a symbolic link would not read back.
			c.op.Path = f.vol.target(c.op.Path)
		}
		if errno := c.strike(); errno != 0 {
			return 0, errno
		}
		return c.create(s, mode), 0
	}
	c.op.Ino = s.ino
	if _, known := f.knownNames[s.ino]; f.trace != nil && !known && !s.dots {
		f.remember(s.ino, knownName{dir: s.dir, name: s.name, path: c.op.Path})
	}
	truncates := flag&os.O_TRUNC != 0
	writes := flag&(os.O_WRONLY|os.O_RDWR) != 0
	switch f.vol.Type(s.ino) {
	case Regular:
		if truncates {
			c.op.Kind = OpTruncate
		}
	case Directory:
		if writes || creates || truncates {
			return 0, syscall.EISDIR
		}
	case Symlink: // only O_EXCL does not follow, and that was answered above
		return 0, syscall.ELOOP
	}
	if errno := c.strike(); errno != 0 {
		return 0, errno
	}
	if c.op.Kind == OpTruncate {
		f.truncate(s.ino, 0)
		f.tick(s.ino)
	}
	return s.ino, 0
}

func (c *call) create(s resolved, mode uint32) Ino {
	ino := c.f.vol.add(Regular, mode)
	c.f.vol.setEntry(s.dir, s.name, ino)
	c.f.tick(ino)
	c.op.Ino = ino
	return ino
}
