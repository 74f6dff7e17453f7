//go:build amd64 || arm64

package inprocess

import (
	"runtime"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/crashsim/crashsim/faultfs"
)

const (
	oPath   = unix.O_PATH
	atFdCwd = unix.AT_FDCWD
)

// call is a system call.
type call struct {
	memory
	trap uintptr
	a    [6]uintptr

	oldTimes uintptr // the call that this is the modern form of, where it has other times
}

// umask is that of the process.
var umask atomic.Uint32

func init() {
	if !Available() {
		return
	}
	old, _, _ := kernel(unix.SYS_UMASK, 0, 0, 0, 0, 0, 0)
	_, _, _ = kernel(unix.SYS_UMASK, old, 0, 0, 0, 0, 0)
	umask.Store(uint32(old))
}

// answer is the hook.
func answer(trap, a1, a2, a3, a4, a5, a6, lo, hi uintptr) (r1, r2 uintptr, err syscall.Errno, done bool) {
	c := call{memory: memory{lo, hi}, trap: trap, a: [6]uintptr{a1, a2, a3, a4, a5, a6}}
	switch kindOf(trap) {
	case onDescriptor:
		if s := slotOf(int32(a1)); s != nil {
			r1, err = c.onDescriptor(s)
			return failed(r1, err)
		}
	case onPath:
		if slots.count.Load() > 0 {
			return c.onPath()
		}
	case onTwoPaths:
		if slots.count.Load() > 0 {
			return c.onTwoPaths()
		}
	case special:
		if r1, err, done = c.special(); done {
			return failed(r1, err)
		}
	}
	return 0, 0, 0, false
}

// failed is what a call returns.
func failed(r uintptr, errno syscall.Errno) (r1, r2 uintptr, err syscall.Errno, done bool) {
	if errno != 0 {
		return ^uintptr(0), 0, errno, true
	}
	return r, 0, 0, true
}

// The kinds of calls, by what their arguments lead to.
type callKind uint8

const (
	unknown      callKind = iota // the kernel answers
	onDescriptor                 // the first argument is a descriptor
	onPath
	onTwoPaths
	special
)

// kindOf returns the kind of a call. Those that only some architectures have are in legacy.
func kindOf(trap uintptr) callKind {
	switch trap {
	case unix.SYS_READ, unix.SYS_WRITE, unix.SYS_PREAD64, unix.SYS_PWRITE64, unix.SYS_CLOSE, unix.SYS_FCNTL, unix.SYS_LSEEK, unix.SYS_FSTAT,
		unix.SYS_READV, unix.SYS_WRITEV, unix.SYS_PREADV, unix.SYS_PWRITEV, unix.SYS_PREADV2, unix.SYS_PWRITEV2,
		unix.SYS_FSYNC, unix.SYS_FDATASYNC, unix.SYS_SYNC_FILE_RANGE, unix.SYS_FTRUNCATE, unix.SYS_FCHMOD, unix.SYS_FCHOWN,
		unix.SYS_GETDENTS64, unix.SYS_FLOCK, unix.SYS_DUP, unix.SYS_FALLOCATE, unix.SYS_FADVISE64, unix.SYS_READAHEAD, unix.SYS_FCHDIR,
		unix.SYS_FSTATFS, unix.SYS_IOCTL, unix.SYS_SYNCFS,
		unix.SYS_FGETXATTR, unix.SYS_FSETXATTR, unix.SYS_FLISTXATTR, unix.SYS_FREMOVEXATTR:
		return onDescriptor
	case unix.SYS_OPENAT, unix.SYS_OPENAT2, sysFstatat, unix.SYS_STATX, unix.SYS_FACCESSAT, unix.SYS_FACCESSAT2, unix.SYS_MKDIRAT,
		unix.SYS_MKNODAT, unix.SYS_UNLINKAT, unix.SYS_SYMLINKAT, unix.SYS_READLINKAT, unix.SYS_FCHMODAT, unix.SYS_FCHMODAT2,
		unix.SYS_FCHOWNAT, unix.SYS_UTIMENSAT, unix.SYS_TRUNCATE, unix.SYS_CHDIR, unix.SYS_CHROOT, unix.SYS_STATFS,
		unix.SYS_GETXATTR, unix.SYS_LGETXATTR, unix.SYS_SETXATTR, unix.SYS_LSETXATTR,
		unix.SYS_LISTXATTR, unix.SYS_LLISTXATTR, unix.SYS_REMOVEXATTR, unix.SYS_LREMOVEXATTR, unix.SYS_INOTIFY_ADD_WATCH, unix.SYS_NAME_TO_HANDLE_AT:
		return onPath
	case unix.SYS_RENAMEAT, unix.SYS_RENAMEAT2, unix.SYS_LINKAT:
		return onTwoPaths
	case unix.SYS_MMAP, unix.SYS_MUNMAP, unix.SYS_COPY_FILE_RANGE, unix.SYS_SENDFILE, unix.SYS_SPLICE, unix.SYS_DUP3, unix.SYS_UMASK,
		unix.SYS_SYNC, unix.SYS_EPOLL_CTL:
		return special
	}
	return legacyKind(trap)
}

// pathCall is a call with a path, as a modern kernel has it.
type pathCall struct {
	call
	dirfd int32
	addr  uintptr // of the path
	flags uint32  // AT_...

	pathArg, dirArg int // which arguments of the call these are; dirArg -1: it has none
}

// modern returns a call with a path in its modern form.
func (c *call) modern() pathCall {
	m := legacyPath(c)
	p := pathCall{call: m, dirfd: int32(m.a[0]), addr: m.a[1], pathArg: 1, dirArg: 0}
	switch m.trap {
	case sysFstatat, unix.SYS_FACCESSAT2, unix.SYS_FCHMODAT2, unix.SYS_UTIMENSAT:
		p.flags = uint32(m.a[3])
	case unix.SYS_STATX, unix.SYS_UNLINKAT:
		p.flags = uint32(m.a[2])
	case unix.SYS_FCHOWNAT, unix.SYS_NAME_TO_HANDLE_AT:
		p.flags = uint32(m.a[4])
	case unix.SYS_SYMLINKAT:
		p.dirfd, p.addr, p.pathArg, p.dirArg = int32(m.a[1]), m.a[2], 2, 1
	case unix.SYS_TRUNCATE, unix.SYS_CHDIR, unix.SYS_CHROOT, unix.SYS_STATFS, unix.SYS_GETXATTR, unix.SYS_SETXATTR,
		unix.SYS_LISTXATTR, unix.SYS_REMOVEXATTR:
		p.dirfd, p.addr, p.pathArg, p.dirArg = atFdCwd, m.a[0], 0, -1
	case unix.SYS_LGETXATTR, unix.SYS_LSETXATTR, unix.SYS_LLISTXATTR, unix.SYS_LREMOVEXATTR:
		p.dirfd, p.addr, p.pathArg, p.dirArg = atFdCwd, m.a[0], 0, -1
		p.flags = unix.AT_SYMLINK_NOFOLLOW
	case unix.SYS_INOTIFY_ADD_WATCH:
		p.dirfd, p.dirArg = atFdCwd, -1
	}
	return p
}

// mine reports whether a path is to be resolved here from the start.
func (c *call) mine(dirfd int32, addr uintptr) bool {
	return addr == 0 && slotOf(dirfd) != nil || addr != 0 && (c.starts(addr) || slotOf(dirfd) != nil && c.length(addr) >= 0 && !c.absolute(addr))
}

func (c *call) absolute(addr uintptr) bool {
	var first [1]byte
	c.read(first[:], addr)
	return first[0] == '/'
}

// onPath answers a call with a path. One that is not known to lead into a virtual directory
// goes to the kernel first, and comes back if nothing was found there.
func (c *call) onPath() (r1, r2 uintptr, err syscall.Errno, done bool) {
	p := c.modern()
	mine := c.mine(p.dirfd, p.addr)
	if !mine {
		if r1, r2, err = c.kernel(); err != syscall.ENOENT || p.addr == 0 {
			return r1, r2, err, true
		}
	}
	path := ""
	if p.addr != 0 {
		path = c.text(p.addr)
	}
	if path == "" && (p.flags&unix.AT_EMPTY_PATH != 0 || p.trap == unix.SYS_UTIMENSAT && p.addr == 0 || p.trap == unix.SYS_READLINKAT) && mine {
		r, errno := p.onOpen()
		return failed(r, errno)
	}
	at, errno := callTarget{}, p.invalid()
	if errno == 0 {
		at, errno = c.lookup(p.dirfd, path, p.mode())
	}
	switch {
	case errno != 0 && mine:
		return failed(0, errno)
	case errno != 0:
		return r1, r2, err, true
	case at.d == nil && !mine:
		return r1, r2, err, true
	case at.d == nil:
		text := append([]byte(at.path), 0)
		p.a[p.pathArg] = uintptr(unsafe.Pointer(&text[0]))
		if p.dirArg >= 0 {
			p.a[p.dirArg] = cwd
		}
		r1, r2, err = p.kernel()
		runtime.KeepAlive(text)
		return r1, r2, err, true
	}
	r, errno := p.do(at)
	return failed(r, errno)
}

// invalid is the error of arguments that are wrong whatever the path leads to.
func (p *pathCall) invalid() syscall.Errno {
	if p.trap == unix.SYS_OPENAT || p.trap == unix.SYS_OPENAT2 {
		if flags, _ := p.openFlags(); flags&unix.O_CREAT != 0 && flags&unix.O_DIRECTORY != 0 {
			return syscall.EINVAL
		}
	}
	return 0
}

// mode says how the last element of the path is looked at.
func (p *pathCall) mode() lookMode {
	switch p.trap {
	case unix.SYS_MKDIRAT, unix.SYS_MKNODAT, unix.SYS_UNLINKAT, unix.SYS_SYMLINKAT:
		return lookParent
	case unix.SYS_READLINKAT:
		return lookKeep
	case unix.SYS_OPENAT, unix.SYS_OPENAT2:
		flags, _ := p.openFlags()
		switch {
		case flags&(unix.O_CREAT|unix.O_EXCL) == unix.O_CREAT|unix.O_EXCL:
			return lookParent
		case flags&unix.O_NOFOLLOW != 0 && flags&unix.O_CREAT != 0:
			return lookParent
		case flags&unix.O_NOFOLLOW != 0:
			return lookKeep
		case flags&unix.O_CREAT != 0:
			return lookCreate
		}
		return lookFollow
	case sysFstatat, unix.SYS_STATX, unix.SYS_FACCESSAT2, unix.SYS_FCHOWNAT, unix.SYS_FCHMODAT2, unix.SYS_UTIMENSAT,
		unix.SYS_LGETXATTR, unix.SYS_LSETXATTR, unix.SYS_LLISTXATTR, unix.SYS_LREMOVEXATTR:
		if p.flags&unix.AT_SYMLINK_NOFOLLOW != 0 {
			return lookKeep
		}
	case unix.SYS_NAME_TO_HANDLE_AT:
		return lookKeep
	}
	return lookFollow
}

// do answers a call whose path leads into a virtual directory.
func (p *pathCall) do(at callTarget) (uintptr, syscall.Errno) {
	d := at.d
	switch p.trap {
	case unix.SYS_OPENAT, unix.SYS_OPENAT2:
		flags, mode := p.openFlags()
		return d.open(&at.resolved, flags, mode)
	case unix.SYS_MKDIRAT:
		return 0, d.mkdir(&at.resolved, uint32(p.a[2]))
	case unix.SYS_MKNODAT:
		return 0, d.mknod(&at.resolved, uint32(p.a[2]))
	case unix.SYS_UNLINKAT:
		return 0, d.unlink(&at.resolved, p.flags&unix.AT_REMOVEDIR != 0)
	case unix.SYS_SYMLINKAT:
		return 0, d.symlink(&at.resolved, p.text(p.a[0]))
	case unix.SYS_CHDIR, unix.SYS_CHROOT:
		return 0, d.refuse("a change of the working directory of the process to it (os.Chdir)", syscall.ENOTSUP)
	case unix.SYS_INOTIFY_ADD_WATCH:
		return 0, d.refuse("a watch of it (inotify)", syscall.ENOTSUP)
	case unix.SYS_NAME_TO_HANDLE_AT:
		return 0, syscall.EOPNOTSUPP
	}
	if at.ino == 0 {
		return 0, syscall.ENOENT
	}
	return p.onInode(d, at.ino, at.typ, nil)
}

// onOpen answers a call with an empty path, which is about the descriptor.
func (p *pathCall) onOpen() (uintptr, syscall.Errno) {
	f, errno := slotOf(p.dirfd).get(p.dirfd)
	if errno != 0 {
		return 0, errno
	}
	return p.onInode(f.dir, f.ino, f.dir.fs.TypeAt(f.ino), f)
}

// onInode answers a call on what a path or a descriptor leads to.
func (p *pathCall) onInode(d *Dir, ino faultfs.Ino, typ faultfs.Type, f *file) (uintptr, syscall.Errno) {
	switch p.trap {
	case sysFstatat:
		return 0, p.stat(d, ino, p.a[2])
	case unix.SYS_STATX:
		return 0, p.statx(d, ino, p.a[4])
	case unix.SYS_FACCESSAT, unix.SYS_FACCESSAT2:
		return 0, d.access(ino, uint32(p.a[2]))
	case unix.SYS_READLINKAT:
		return p.readlink(d, ino, typ)
	case unix.SYS_FCHMODAT, unix.SYS_FCHMODAT2:
		return 0, d.chmod(ino, typ, uint32(p.a[2]))
	case unix.SYS_FCHOWNAT:
		return 0, d.chown(ino, uint32(p.a[2]), uint32(p.a[3]))
	case unix.SYS_UTIMENSAT:
		return 0, p.utimens(d, ino, p.a[2])
	case unix.SYS_TRUNCATE:
		return 0, d.truncate(ino, typ, int64(p.a[1]))
	case unix.SYS_STATFS:
		return 0, p.statfs(d, p.a[1])
	}
	return p.xattr(d, ino)
}

// onTwoPaths answers a rename or a link.
func (c *call) onTwoPaths() (r1, r2 uintptr, err syscall.Errno, done bool) {
	m := legacyTwoPaths(c)
	mine := c.mine(int32(m.a[0]), m.a[1]) || c.mine(int32(m.a[2]), m.a[3])
	if !mine {
		if r1, r2, err = c.kernel(); err != syscall.ENOENT {
			return r1, r2, err, true
		}
	}
	mode := lookParent
	if m.trap == unix.SYS_LINKAT {
		mode = lookKeep
		if m.a[4]&unix.AT_SYMLINK_FOLLOW != 0 {
			mode = lookFollow
		}
	}
	from, errno := callTarget{}, syscall.Errno(0)
	if path := c.text(m.a[1]); path == "" && m.trap == unix.SYS_LINKAT && m.a[4]&unix.AT_EMPTY_PATH != 0 && slotOf(int32(m.a[0])) != nil {
		var f *file
		if f, errno = slotOf(int32(m.a[0])).get(int32(m.a[0])); errno == 0 {
			from = callTarget{d: f.dir, resolved: resolved{ino: f.ino, typ: f.dir.fs.TypeAt(f.ino)}}
		}
	} else {
		from, errno = c.lookup(int32(m.a[0]), path, mode)
	}
	if errno == 0 && from.d != nil && from.ino == 0 && m.trap == unix.SYS_LINKAT {
		errno = syscall.ENOENT
	}
	to := callTarget{}
	if errno == 0 {
		to, errno = c.lookup(int32(m.a[2]), c.text(m.a[3]), lookParent)
	}
	switch {
	case !mine && (errno != 0 || from.d == nil && to.d == nil):
		return r1, r2, err, true
	case errno != 0:
		return failed(0, errno)
	case from.d == nil && to.d == nil:
		a, b := append([]byte(from.path), 0), append([]byte(to.path), 0)
		m.a[0], m.a[1], m.a[2], m.a[3] = cwd, uintptr(unsafe.Pointer(&a[0])), cwd, uintptr(unsafe.Pointer(&b[0]))
		r1, r2, err = m.kernel()
		runtime.KeepAlive(a)
		runtime.KeepAlive(b)
		return r1, r2, err, true
	case from.d != to.d:
		return failed(0, syscall.EXDEV)
	case m.trap == unix.SYS_LINKAT:
		return failed(0, from.d.link(&from.resolved, &to.resolved))
	}
	return failed(0, from.d.rename(&from.resolved, &to.resolved, uint32(m.a[4])))
}

// readlink asks the kernel where a symbolic link points.
func readlink(path string) (string, syscall.Errno) {
	name := append([]byte(path), 0)
	buf := make([]byte, tooLong)
	n, _, errno := kernel(unix.SYS_READLINKAT, cwd, uintptr(unsafe.Pointer(&name[0])), uintptr(unsafe.Pointer(&buf[0])), tooLong, 0, 0)
	runtime.KeepAlive(name)
	if errno != 0 {
		return "", errno
	}
	return string(buf[:n]), 0
}
