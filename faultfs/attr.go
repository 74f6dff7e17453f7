package faultfs

import (
	"os"
	"path"
	"time"
)

// Chmod sets the mode of what the path leads to.
func (f *FS) Chmod(name string, mode os.FileMode) error {
	return f.change(OpChmod, "chmod", name, func(c *call, ino Ino) {
		c.op.Mode = modeBits(mode)
		f.vol.setMode(ino, c.op.Mode)
	})
}

// Chown succeeds for what exists and changes nothing: there is one user.
func (f *FS) Chown(name string, _, _ int) error {
	return f.change(OpChown, "chown", name, func(*call, Ino) {})
}

// Chtimes sets the modification time, unless it is zero. No crash state shows
// times.
func (f *FS) Chtimes(name string, _, mtime time.Time) error {
	return f.change(OpChtimes, "chtimes", name, func(_ *call, ino Ino) {
		if !mtime.IsZero() {
			f.vol.own(ino).mtime = int64(mtime.Sub(epoch))
		}
	})
}

// change applies a change of attributes to the inode that a path leads to.
func (f *FS) change(kind OpKind, what, name string, apply func(*call, Ino)) error {
	c := f.enter(kind, name)
	var s resolved
	errno := deadErrno
	if !f.dead {
		s, errno = f.vol.lookup(name, linkFollow)
	}
	if errno == 0 {
		c.op.Ino = s.ino
		errno = c.strike()
	}
	if errno == 0 {
		apply(&c, s.ino)
	}
	c.leave(errno)
	return f.failure(what, name, errno)
}

// Stat describes what the path leads to.
func (f *FS) Stat(name string) (os.FileInfo, error) { return f.stat(OpStat, name, linkFollow) }

// LstatIfPossible describes the path itself, also where it is a symbolic link.
// It is always possible.
func (f *FS) LstatIfPossible(name string) (os.FileInfo, bool, error) {
	info, err := f.lstat(name)
	return info, true, err
}

func (f *FS) lstat(name string) (os.FileInfo, error) { return f.stat(OpLstat, name, linkSlash) }

func (f *FS) stat(kind OpKind, name string, follow links) (os.FileInfo, error) {
	c := f.enter(kind, name)
	var s resolved
	errno := deadErrno
	if !f.dead {
		s, errno = f.vol.lookup(name, follow)
	}
	if errno == 0 {
		errno = c.strike()
	}
	if errno != 0 {
		c.leave(errno)
		return nil, f.failure(kind.String(), name, errno)
	}
	c.op.Ino = s.ino
	info := f.info(s.ino, path.Base(name))
	c.leave(0)
	return info, nil
}
