package faultfs

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"
)

// setID are the mode bits that mkdir(2) does not set on Linux.
const setID = 0o6000

// Mkdir makes a directory whose parent exists.
func (f *FS) Mkdir(name string, perm os.FileMode) error {
	c := f.enter(OpMkdir, name)
	errno := c.mkdir(name, modeBits(perm)&^umask&^setID)
	c.leave(errno)
	return f.failure("mkdir", name, errno)
}

func (c *call) mkdir(name string, mode uint32) syscall.Errno {
	f := c.f
	if f.dead {
		return deadErrno
	}
	c.op.Mode = mode
	s, errno := c.vacant(name, 0)
	if errno == 0 {
		errno = c.strike()
	}
	if errno != 0 {
		return errno
	}
	c.op.Ino = f.vol.add(Directory, mode)
	f.vol.setEntry(s.dir, s.name, c.op.Ino)
	f.tick(c.op.Ino)
	return 0
}

// vacant resolves the path of a name that is to be made, and notes it in the
// op. A slash at its end is the given error, zero where it may be there.
func (c *call) vacant(name string, slash syscall.Errno) (resolved, syscall.Errno) {
	s, errno := c.f.vol.walk(name, linkKeep)
	c.op.Dir, c.op.Name = s.dir, s.name
	switch {
	case errno != 0:
		return s, errno
	case s.ino != 0:
		return s, syscall.EEXIST
	case s.mustDir:
		return s, slash
	}
	return s, 0
}

// MkdirAll makes a directory and its missing parents, an op for each.
func (f *FS) MkdirAll(name string, perm os.FileMode) error {
	info, err := f.Stat(name)
	if err == nil {
		if info.IsDir() {
			return nil
		}
		return f.failure("mkdir", name, syscall.ENOTDIR)
	}
	if parent := parentOf(name); parent != "" {
		if err := f.MkdirAll(parent, perm); err != nil {
			return err
		}
	}
	if err := f.Mkdir(name, perm); err != nil {
		if info, statErr := f.lstat(name); statErr == nil && info.IsDir() {
			return nil
		}
		return err
	}
	return nil
}

// parentOf returns the path above the last element, "" if there is none.
func parentOf(name string) string {
	end := len(name)
	for end > 0 && name[end-1] == '/' {
		end--
	}
	for end > 0 && name[end-1] != '/' {
		end--
	}
	if end <= 1 {
		return ""
	}
	return name[:end-1]
}

// Remove removes a file, a symbolic link or an empty directory.
func (f *FS) Remove(name string) error {
	c := f.enter(OpUnlink, name)
	errno := c.remove(name)
	c.leave(errno)
	return f.failure("remove", name, errno)
}

func (c *call) remove(name string) syscall.Errno {
	f := c.f
	if f.dead {
		return deadErrno
	}
	s, errno := f.vol.lookup(name, linkKeep)
	if errno != 0 {
		return errno
	}
	c.op.Ino, c.op.Dir, c.op.Name = s.ino, s.dir, s.name
	if f.vol.Type(s.ino) != Directory {
		if s.mustDir {
			return syscall.ENOTDIR
		}
		if errno := c.strike(); errno != 0 {
			return errno
		}
		f.vol.setEntry(s.dir, s.name, 0)
		f.vol.own(s.ino).links--
		return 0
	}
	c.op.Kind = OpRmdir
	switch {
	case s.dots && s.name == "/":
		return syscall.EBUSY
	case s.dots && s.name == ".":
		return syscall.EINVAL
	case s.dots || !f.vol.isEmpty(s.ino):
		return syscall.ENOTEMPTY
	}
	if errno := c.strike(); errno != 0 {
		return errno
	}
	f.vol.setEntry(s.dir, s.name, 0)
	f.vol.own(s.ino).gone = true
	return 0
}

// RemoveAll removes a path and what lies below it, an op for each, names in
// order. A path that does not exist is no error. As with package os, a slash at
// the end makes no difference, and a path that ends in "." is refused.
func (f *FS) RemoveAll(name string) error {
	if name == "." || strings.HasSuffix(name, "/.") {
		return f.failure("RemoveAll", name, syscall.EINVAL)
	}
	for len(name) > 1 && name[len(name)-1] == '/' {
		name = name[:len(name)-1]
	}
	info, err := f.lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.IsDir():
		// What is removed may be a link on the way to what is still there.
		base, dotted := f.withoutLinks(name)
		dir, err := f.Open(base)
		if err != nil {
			return err
		}
		names, err := dir.Readdirnames(-1)
		if err := errors.Join(err, dir.Close()); err != nil {
			return err
		}
		for _, below := range names {
			if err := f.RemoveAll(base + "/" + below); err != nil {
				return err
			}
		}
		if dotted {
			return f.failure("unlinkat", name, syscall.ENOTEMPTY)
		}
		name = base
	}
	if err := f.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Rename is rename(2): it replaces a file by a file and an empty directory by
// a directory, and does nothing if both names lead to the same inode.
func (f *FS) Rename(oldname, newname string) error {
	c := f.enter(OpRename, oldname)
	c.op.To = absolute(newname)
	errno := c.rename(oldname, newname)
	c.leave(errno)
	return f.linkFailure("rename", oldname, newname, errno)
}

func (f *FS) linkFailure(what, oldname, newname string, errno syscall.Errno) error {
	if errno == 0 {
		return nil
	}
	if errno == deadErrno {
		return &os.LinkError{Op: what, Old: oldname, New: newname, Err: ErrCrashed}
	}
	return &os.LinkError{Op: what, Old: oldname, New: newname, Err: errno}
}

func (c *call) rename(oldname, newname string) syscall.Errno {
	f := c.f
	if f.dead {
		return deadErrno
	}
	from, to, fromDirs, toDirs, errno := c.twoNames(oldname, newname)
	if errno != 0 {
		return errno
	}
	c.op.Ino, c.op.Dir, c.op.Name = from.ino, from.dir, from.name
	c.op.ToDir, c.op.ToName, c.op.Replaced = to.dir, to.name, to.ino
	moved := f.vol.Type(from.ino)
	switch {
	case moved != Directory && (from.mustDir || to.mustDir):
		return syscall.ENOTDIR
	case slices.Contains(toDirs, from.ino):
		return syscall.EINVAL
	case to.ino != 0 && slices.Contains(fromDirs, to.ino):
		return syscall.ENOTEMPTY
	case to.ino == from.ino:
		return 0
	case to.ino != 0:
		if errno := f.mayReplace(moved, to.ino); errno != 0 {
			return errno
		}
	}
	if errno := c.strike(); errno != 0 {
		return errno
	}
	f.vol.setEntry(to.dir, to.name, from.ino)
	f.vol.setEntry(from.dir, from.name, 0)
	switch {
	case to.ino == 0:
	case moved == Directory:
		f.vol.own(to.ino).gone = true
	default:
		f.vol.own(to.ino).links--
	}
	return 0
}

// twoNames resolves the paths of a rename or an exchange, with the directories
// on the way to each. The first must exist.
func (c *call) twoNames(oldname, newname string) (from, to resolved, fromDirs, toDirs []Ino, errno syscall.Errno) {
	vol := &c.f.vol
	if hasNUL(oldname) || hasNUL(newname) {
		return from, to, nil, nil, syscall.EINVAL
	}
	if from, fromDirs, errno = vol.walkDirs(oldname); errno != 0 && from.dir == 0 {
		return from, to, nil, nil, errno
	}
	to, toDirs, toErrno := vol.walkDirs(newname)
	switch {
	case toErrno != 0 && to.dir == 0:
		errno = toErrno
	case from.dots || to.dots:
		errno = syscall.EBUSY
	case errno != 0:
	case from.ino == 0:
		errno = syscall.ENOENT
	default:
		errno = toErrno
	}
	return from, to, fromDirs, toDirs, errno
}

// Exchange is renameat2(2) with RENAME_EXCHANGE: both names must exist, of
// whatever type, and each then leads to what the other led to. It does nothing
// if both lead to the same inode.
func (f *FS) Exchange(oldname, newname string) error {
	c := f.enter(OpExchange, oldname)
	c.op.To = absolute(newname)
	errno := c.exchange(oldname, newname)
	c.leave(errno)
	return f.linkFailure("exchange", oldname, newname, errno)
}

func (c *call) exchange(oldname, newname string) syscall.Errno {
	f := c.f
	if f.dead {
		return deadErrno
	}
	from, to, fromDirs, toDirs, errno := c.twoNames(oldname, newname)
	switch {
	case errno != 0:
		return errno
	case to.ino == 0:
		return syscall.ENOENT
	}
	c.op.Ino, c.op.Dir, c.op.Name = from.ino, from.dir, from.name
	c.op.ToDir, c.op.ToName, c.op.Replaced = to.dir, to.name, to.ino
	switch {
	// A slash behind a name asks that the name itself leads to a directory.
	case to.mustDir && f.vol.Type(to.ino) != Directory, from.mustDir && f.vol.Type(from.ino) != Directory:
		return syscall.ENOTDIR
	case slices.Contains(toDirs, from.ino), slices.Contains(fromDirs, to.ino):
		return syscall.EINVAL
	case to.ino == from.ino:
		return 0
	}
	if errno := c.strike(); errno != 0 {
		return errno
	}
	f.vol.setEntry(to.dir, to.name, from.ino)
	f.vol.setEntry(from.dir, from.name, to.ino)
	return 0
}

func (f *FS) mayReplace(moved Type, target Ino) syscall.Errno {
	over := f.vol.Type(target)
	switch {
	case moved == Directory && over != Directory:
		return syscall.ENOTDIR
	case moved != Directory && over == Directory:
		return syscall.EISDIR
	case over == Directory && !f.vol.isEmpty(target):
		return syscall.ENOTEMPTY
	}
	return 0
}

// LinkIfPossible gives a file a further name, as link(2); a symbolic link is
// not followed. The name follows afero's for the optional methods.
func (f *FS) LinkIfPossible(oldname, newname string) error {
	c := f.enter(OpLink, oldname)
	c.op.To = absolute(newname)
	errno := c.link(oldname, newname)
	c.leave(errno)
	return f.linkFailure("link", oldname, newname, errno)
}

func (c *call) link(oldname, newname string) syscall.Errno {
	f := c.f
	if f.dead {
		return deadErrno
	}
	if hasNUL(oldname) || hasNUL(newname) {
		return syscall.EINVAL
	}
	from, errno := f.vol.lookup(oldname, linkSlash)
	if errno != 0 {
		return errno
	}
	c.op.Ino = from.ino
	to, errno := c.vacant(newname, syscall.ENOENT)
	switch {
	case errno != 0:
		return errno
	case f.vol.Type(from.ino) == Directory:
		return syscall.EPERM
	}
	if errno := c.strike(); errno != 0 {
		return errno
	}
	f.vol.setEntry(to.dir, to.name, from.ino)
	f.vol.own(from.ino).links++
	return 0
}

// SymlinkIfPossible makes newname a symbolic link that points to oldname.
func (f *FS) SymlinkIfPossible(oldname, newname string) error {
	c := f.enter(OpSymlink, newname)
	c.op.Target = oldname
	errno := c.symlink(oldname, newname)
	c.leave(errno)
	return f.linkFailure("symlink", oldname, newname, errno)
}

func (c *call) symlink(target, name string) syscall.Errno {
	f := c.f
	if f.dead {
		return deadErrno
	}
	if hasNUL(target) || hasNUL(name) {
		return syscall.EINVAL
	}
	if target == "" {
		return syscall.ENOENT
	}
	if len(target) > maxPath {
		return syscall.ENAMETOOLONG
	}
	s, errno := c.vacant(name, syscall.ENOENT)
	if errno == 0 {
		errno = c.strike()
	}
	if errno != 0 {
		return errno
	}
	c.op.Ino = f.vol.add(Symlink, 0o777)
	f.vol.inodes[c.op.Ino].target = target
	f.vol.setEntry(s.dir, s.name, c.op.Ino)
	return 0
}

// ReadlinkIfPossible returns where a symbolic link points.
func (f *FS) ReadlinkIfPossible(name string) (string, error) {
	c := f.enter(OpReadlink, name)
	target, errno := c.readlink(name)
	c.leave(errno)
	return target, f.failure("readlink", name, errno)
}

func (c *call) readlink(name string) (string, syscall.Errno) {
	if c.f.dead {
		return "", deadErrno
	}
	s, errno := c.f.vol.lookup(name, linkSlash)
	if errno != 0 {
		return "", errno
	}
	c.op.Ino = s.ino
	if c.f.vol.Type(s.ino) != Symlink {
		return "", syscall.EINVAL
	}
	if errno := c.strike(); errno != 0 {
		return "", errno
	}
	return c.f.vol.Target(s.ino), 0
}
