package faultfs

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/spf13/afero"
)

// ErrCrashed is the error of every call on a file system, or on a handle of
// it, after the power was cut or the run that it belonged to had ended. It is
// EIO to programs that look at errno.
var ErrCrashed error = crashedError{}

type crashedError struct{}

func (crashedError) Error() string        { return "the power was cut: this file system is gone" }
func (crashedError) Unwrap() error        { return syscall.EIO }
func (crashedError) Is(target error) bool { return target == syscall.EIO }

// closedError is both what package os says of a closed file and what the
// system call says.
type closedError struct{}

func (closedError) Error() string   { return "file already closed" }
func (closedError) Unwrap() []error { return []error{fs.ErrClosed, syscall.EBADF} }

// FS is a file system in memory, with inodes, open handles, hard links and
// symbolic links, that behaves as POSIX asks. It implements afero.Fs,
// afero.Symlinker and afero.Lstater, and offers LinkIfPossible for hard links
// and SyncAll for sync(2). Handles have, besides afero.File, a method
// Datasync() error for fdatasync(2); Sync on a handle of a directory is the
// directory sync.
//
// There is one user, who may do everything: modes are kept, never checked.
// Modes of new inodes lose the bits of the umask 022. Relative paths count
// from the root. Times are logical, so that two runs see the same.
//
// An FS is safe for concurrent use. Errors are *fs.PathError or *os.LinkError
// around a syscall.Errno.
type FS struct {
	mu    sync.Mutex
	vol   volume
	trace *Trace // nil: nothing is recorded
	edge  atomic.Int64
	life  uint64 // handles of an earlier life are dead
	dead  bool
	clock int64
}

var (
	_ afero.Fs        = (*FS)(nil)
	_ afero.Symlinker = (*FS)(nil)
)

// New returns an empty file system that records its trace.
func New() *FS { return Over(empty{}) }

// Over returns a file system that starts as base holds it and records what
// changes from there on in a trace of its own. The base must not change.
func Over(base Base) *FS {
	return &FS{vol: newVolume(base), trace: &Trace{base: base}}
}

// Unrecorded returns a file system over base that records nothing, for runs
// whose ops nobody asks for. It can be Reset.
func Unrecorded(base Base) *FS { return &FS{vol: newVolume(base)} }

// Checkpoint makes everything that the file system holds durable and returns a
// file system that goes on from there, with a trace that begins there. The
// receiver is dead afterwards.
func (f *FS) Checkpoint() *FS {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.dead = true
	frozen := f.vol
	next := Over(&frozen)
	if f.trace != nil {
		next.trace.Setup = slices.Concat(f.trace.Setup, f.trace.Ops)
	}
	return next
}

// Crash cuts the power for the program that uses the file system: every later
// call, also through handles that are still open, returns ErrCrashed and
// changes nothing.
func (f *FS) Crash() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.dead = true
}

// Reset brings an unrecorded file system back to what its base holds. Handles
// opened before return ErrCrashed from then on.
func (f *FS) Reset() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.life++
	f.dead = false
	f.vol.reset()
}

// Trace returns what was recorded so far, nil for an unrecorded file system.
// Ops that come later do not change it.
func (f *FS) Trace() *Trace {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.trace == nil {
		return nil
	}
	t := *f.trace
	t.Ops = slices.Clip(t.Ops)
	return &t
}

// Name returns "faultfs".
func (f *FS) Name() string { return "faultfs" }

// call is an op under way. It holds the file system's lock.
type call struct {
	f  *FS
	op Op
}

// enter begins a call: it takes the lock and, where the file system records,
// notes the moment and the place.
func (f *FS) enter(kind OpKind, path string) call {
	c := call{f: f, op: Op{Kind: kind}}
	if f.trace != nil {
		c.op.Path = absolute(path)
		c.op.Site = callSite()
		c.op.Begin = Edge(f.edge.Add(1))
	}
	f.mu.Lock()
	return c
}

// absolute makes a relative path count from the root, as walk does.
func absolute(path string) string {
	if path == "" || path[0] == '/' {
		return path
	}
	return "/" + path
}

// leave ends a call: the op goes into the trace, and the lock is given back.
func (c *call) leave(errno syscall.Errno) {
	if c.f.trace != nil && !c.f.dead {
		c.op.Errno = errno
		c.op.End = Edge(c.f.edge.Add(1))
		c.f.trace.Ops = append(c.f.trace.Ops, c.op)
	}
	c.f.mu.Unlock()
}

// failure makes the error of a call.
func (f *FS) failure(what, path string, errno syscall.Errno) error {
	if errno == 0 {
		return nil
	}
	if errno == deadErrno {
		return &fs.PathError{Op: what, Path: path, Err: ErrCrashed}
	}
	return &fs.PathError{Op: what, Path: path, Err: errno}
}

// deadErrno stands for ErrCrashed inside the package. No system call returns it.
const deadErrno = ^syscall.Errno(0)

// tick advances the logical clock and stamps an inode with it.
func (f *FS) tick(ino Ino) {
	f.clock++
	f.vol.over(ino).mtime = f.clock
}

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
		h = &file{fs: f, life: f.life, ino: ino, name: name, flag: flag, dir: f.vol.Type(ino) == Directory}
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
	s, errno := f.vol.walk(name, !exclusive)
	if creates && s.ino == 0 {
		c.op.Kind, c.op.Dir, c.op.Name, c.op.Mode = OpCreate, s.dir, s.name, mode
	}
	switch {
	case errno != 0:
		return 0, errno
	case s.ino != 0 && exclusive:
		return 0, syscall.EEXIST
	case s.ino == 0 && !creates:
		return 0, syscall.ENOENT
	case s.ino == 0 && s.mustDir:
		return 0, syscall.EISDIR
	case s.ino == 0:
		return c.create(s, mode), 0
	}
	c.op.Ino = s.ino
	truncates := flag&os.O_TRUNC != 0
	writes := flag&(os.O_WRONLY|os.O_RDWR) != 0
	switch f.vol.Type(s.ino) {
	case Directory:
		if writes || creates || truncates {
			return 0, syscall.EISDIR
		}
	case Symlink: // only O_EXCL does not follow, and that was answered above
		return 0, syscall.ELOOP
	case Regular:
		if truncates {
			c.op.Kind = OpTruncate
			f.vol.truncate(s.ino, 0)
			f.tick(s.ino)
		}
	}
	return s.ino, 0
}

func (c *call) create(s spot, mode uint32) Ino {
	ino := c.f.vol.add(Regular, mode)
	c.f.vol.setEntry(s.dir, s.name, ino)
	c.f.tick(ino)
	c.op.Ino = ino
	return ino
}

// Mkdir makes a directory whose parent exists.
func (f *FS) Mkdir(name string, perm os.FileMode) error {
	c := f.enter(OpMkdir, name)
	errno := c.mkdir(name, modeBits(perm)&^umask)
	c.leave(errno)
	return f.failure("mkdir", name, errno)
}

func (c *call) mkdir(name string, mode uint32) syscall.Errno {
	f := c.f
	if f.dead {
		return deadErrno
	}
	s, errno := f.vol.walk(name, false)
	c.op.Dir, c.op.Name, c.op.Mode = s.dir, s.name, mode
	switch {
	case s.ino != 0 && (errno == 0 || errno == syscall.ENOTDIR && s.mustDir):
		return syscall.EEXIST
	case errno != 0:
		return errno
	}
	c.op.Ino = f.vol.add(Directory, mode)
	f.vol.setEntry(s.dir, s.name, c.op.Ino)
	f.tick(c.op.Ino)
	return 0
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
	s, errno := f.vol.walk(name, false)
	if errno == 0 && s.ino == 0 {
		errno = syscall.ENOENT
	}
	if errno != 0 {
		return errno
	}
	c.op.Ino, c.op.Dir, c.op.Name = s.ino, s.dir, s.name
	if f.vol.Type(s.ino) == Directory {
		c.op.Kind = OpRmdir
		switch {
		case s.ino == Root:
			return syscall.EBUSY
		case s.dots:
			return syscall.EINVAL
		case !f.vol.isEmpty(s.ino):
			return syscall.ENOTEMPTY
		}
	}
	f.vol.setEntry(s.dir, s.name, 0)
	return 0
}

// RemoveAll removes a path and what lies below it, an op for each, names in
// order. A path that does not exist is no error.
func (f *FS) RemoveAll(name string) error {
	info, err := f.lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.IsDir():
		dir, err := f.Open(name)
		if err != nil {
			return err
		}
		names, err := dir.Readdirnames(-1)
		if err := errors.Join(err, dir.Close()); err != nil {
			return err
		}
		for _, below := range names {
			if err := f.RemoveAll(name + "/" + below); err != nil {
				return err
			}
		}
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
	from, fromDirs, errno := f.vol.walkDirs(oldname)
	if errno != 0 && (errno != syscall.ENOTDIR || from.ino == 0) {
		return errno
	}
	to, toDirs, toErrno := f.vol.walkDirs(newname)
	if toErrno != 0 && (toErrno != syscall.ENOTDIR || to.ino == 0 || !to.mustDir) {
		return toErrno
	}
	switch {
	case from.dots || to.dots:
		return syscall.EBUSY
	case errno != 0:
		return errno
	case from.ino == 0:
		return syscall.ENOENT
	}
	c.op.Ino, c.op.Dir, c.op.Name = from.ino, from.dir, from.name
	c.op.ToDir, c.op.ToName, c.op.Over = to.dir, to.name, to.ino
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
	f.vol.setEntry(to.dir, to.name, from.ino)
	f.vol.setEntry(from.dir, from.name, 0)
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
	from, errno := f.vol.lookup(oldname, false)
	if errno != 0 {
		return errno
	}
	to, errno := f.vol.walk(newname, false)
	c.op.Ino, c.op.Dir, c.op.Name = from.ino, to.dir, to.name
	switch {
	case to.ino != 0 && (errno == 0 || errno == syscall.ENOTDIR && to.mustDir):
		return syscall.EEXIST
	case errno != 0:
		return errno
	case to.mustDir:
		return syscall.ENOENT
	case f.vol.Type(from.ino) == Directory:
		return syscall.EPERM
	}
	f.vol.setEntry(to.dir, to.name, from.ino)
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
	if target == "" {
		return syscall.ENOENT
	}
	if len(target) > maxPath {
		return syscall.ENAMETOOLONG
	}
	s, errno := f.vol.walk(name, false)
	c.op.Dir, c.op.Name = s.dir, s.name
	switch {
	case s.ino != 0 && (errno == 0 || errno == syscall.ENOTDIR && s.mustDir):
		return syscall.EEXIST
	case errno != 0:
		return errno
	case s.mustDir:
		return syscall.ENOENT
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
	s, errno := c.f.vol.lookup(name, false)
	if errno != 0 {
		return "", errno
	}
	c.op.Ino = s.ino
	if c.f.vol.Type(s.ino) != Symlink {
		return "", syscall.EINVAL
	}
	return c.f.vol.Target(s.ino), 0
}

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

// Chtimes sets the modification time. No crash state shows times.
func (f *FS) Chtimes(name string, _, mtime time.Time) error {
	return f.change(OpChtimes, "chtimes", name, func(_ *call, ino Ino) {
		f.vol.over(ino).mtime = mtime.UnixNano() - epoch.UnixNano()
	})
}

// change applies a change of attributes to the inode that a path leads to.
func (f *FS) change(kind OpKind, what, name string, apply func(*call, Ino)) error {
	c := f.enter(kind, name)
	var s spot
	errno := deadErrno
	if !f.dead {
		s, errno = f.vol.lookup(name, true)
	}
	if errno == 0 {
		c.op.Ino = s.ino
		apply(&c, s.ino)
	}
	c.leave(errno)
	return f.failure(what, name, errno)
}

// Stat describes what the path leads to.
func (f *FS) Stat(name string) (os.FileInfo, error) { return f.stat("stat", name, true) }

// LstatIfPossible describes the path itself, also where it is a symbolic link.
// It is always possible.
func (f *FS) LstatIfPossible(name string) (os.FileInfo, bool, error) {
	info, err := f.lstat(name)
	return info, true, err
}

func (f *FS) lstat(name string) (os.FileInfo, error) { return f.stat("lstat", name, false) }

func (f *FS) stat(what, name string, follow bool) (os.FileInfo, error) {
	c := f.enter(OpStat, name)
	var s spot
	errno := deadErrno
	if !f.dead {
		s, errno = f.vol.lookup(name, follow)
	}
	if errno != 0 {
		c.leave(errno)
		return nil, f.failure(what, name, errno)
	}
	c.op.Ino = s.ino
	info := f.info(s.ino, s.name)
	c.leave(0)
	return info, nil
}

// SyncAll is sync(2): everything becomes durable.
func (f *FS) SyncAll() error {
	c := f.enter(OpSync, "")
	errno := deadErrno
	if !f.dead {
		errno = 0
	}
	c.leave(errno)
	return f.failure("sync", "/", errno)
}

// Mark records that the world outside was told something: from here on, the
// program has acknowledged what the label stands for. A dead file system
// records no mark.
func (f *FS) Mark(label string) {
	c := f.enter(OpMark, "")
	c.op.Label = label
	c.leave(0)
}
