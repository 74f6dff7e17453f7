package inprocess

import "golang.org/x/sys/unix"

// The calls of amd64 that newer architectures do not have, and what they are there.

const sysFstatat = unix.SYS_NEWFSTATAT

func legacyKind(trap uintptr) callKind {
	switch trap {
	case unix.SYS_OPEN, unix.SYS_CREAT, unix.SYS_STAT, unix.SYS_LSTAT, unix.SYS_ACCESS, unix.SYS_MKDIR, unix.SYS_MKNOD, unix.SYS_RMDIR,
		unix.SYS_UNLINK, unix.SYS_SYMLINK, unix.SYS_READLINK, unix.SYS_CHMOD, unix.SYS_CHOWN, unix.SYS_LCHOWN,
		unix.SYS_UTIME, unix.SYS_UTIMES, unix.SYS_FUTIMESAT:
		return onPath
	case unix.SYS_RENAME, unix.SYS_LINK:
		return onTwoPaths
	case unix.SYS_DUP2:
		return special
	}
	return unknown
}

var cwd uintptr = uintptr(uint32(0xffffff9c)) // AT_FDCWD

// legacyPath returns the modern form of a call with a path.
func legacyPath(c *call) call {
	m := *c
	set := func(trap uintptr, a ...uintptr) {
		m.trap = trap
		m.a = [6]uintptr{}
		copy(m.a[:], a)
	}
	switch c.trap {
	case unix.SYS_OPEN:
		set(unix.SYS_OPENAT, cwd, c.a[0], c.a[1], c.a[2])
	case unix.SYS_CREAT:
		set(unix.SYS_OPENAT, cwd, c.a[0], unix.O_CREAT|unix.O_WRONLY|unix.O_TRUNC, c.a[1])
	case unix.SYS_STAT:
		set(sysFstatat, cwd, c.a[0], c.a[1], 0)
	case unix.SYS_LSTAT:
		set(sysFstatat, cwd, c.a[0], c.a[1], unix.AT_SYMLINK_NOFOLLOW)
	case unix.SYS_ACCESS:
		set(unix.SYS_FACCESSAT, cwd, c.a[0], c.a[1])
	case unix.SYS_MKDIR:
		set(unix.SYS_MKDIRAT, cwd, c.a[0], c.a[1])
	case unix.SYS_MKNOD:
		set(unix.SYS_MKNODAT, cwd, c.a[0], c.a[1], c.a[2])
	case unix.SYS_RMDIR:
		set(unix.SYS_UNLINKAT, cwd, c.a[0], unix.AT_REMOVEDIR)
	case unix.SYS_UNLINK:
		set(unix.SYS_UNLINKAT, cwd, c.a[0], 0)
	case unix.SYS_SYMLINK:
		set(unix.SYS_SYMLINKAT, c.a[0], cwd, c.a[1])
	case unix.SYS_READLINK:
		set(unix.SYS_READLINKAT, cwd, c.a[0], c.a[1], c.a[2])
	case unix.SYS_CHMOD:
		set(unix.SYS_FCHMODAT, cwd, c.a[0], c.a[1])
	case unix.SYS_CHOWN:
		set(unix.SYS_FCHOWNAT, cwd, c.a[0], c.a[1], c.a[2], 0)
	case unix.SYS_LCHOWN:
		set(unix.SYS_FCHOWNAT, cwd, c.a[0], c.a[1], c.a[2], unix.AT_SYMLINK_NOFOLLOW)
	case unix.SYS_UTIME, unix.SYS_UTIMES:
		set(unix.SYS_UTIMENSAT, cwd, c.a[0], c.a[1], 0)
		m.oldTimes = c.trap
	case unix.SYS_FUTIMESAT:
		set(unix.SYS_UTIMENSAT, c.a[0], c.a[1], c.a[2], 0)
		m.oldTimes = c.trap
	}
	return m
}

// legacyTwoPaths returns the modern form of a rename or a link.
func legacyTwoPaths(c *call) call {
	m := *c
	switch c.trap {
	case unix.SYS_RENAME:
		m.trap, m.a = unix.SYS_RENAMEAT2, [6]uintptr{cwd, c.a[0], cwd, c.a[1]}
	case unix.SYS_RENAMEAT:
		m.trap, m.a[4] = unix.SYS_RENAMEAT2, 0
	case unix.SYS_LINK:
		m.trap, m.a = unix.SYS_LINKAT, [6]uintptr{cwd, c.a[0], cwd, c.a[1]}
	}
	return m
}

// times reads the argument with the times of utime, utimes or utimensat: of the last access
// and of the last change. now says that there is none.
func (c *call) times(addr uintptr) (times [2]unix.Timespec, now bool) {
	if addr == 0 {
		return times, true
	}
	if c.oldTimes == unix.SYS_UTIME {
		var old unix.Utimbuf
		c.read(bytesOf(&old), addr)
		times[0].Sec, times[1].Sec = old.Actime, old.Modtime
		return times, false
	}
	c.read(bytesOf(&times), addr)
	if c.oldTimes != 0 {
		times[0].Nsec *= 1000
		times[1].Nsec *= 1000
	}
	return times, false
}

func isDup2(trap uintptr) bool { return trap == unix.SYS_DUP2 }

func setLinks(st *unix.Stat_t, links uint32) { st.Nlink, st.Blksize = uint64(links), 4096 }
