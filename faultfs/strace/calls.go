package strace

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"syscall"

	"github.com/crashsim/crashsim/faultfs"
)

// handlers let calls that succeeded take effect. Calls without one have none.
var handlers map[string]func(*importer, *call) error

func init() {
	handlers = map[string]func(*importer, *call) error{
		"open":     func(im *importer, c *call) error { return im.open(c, noDir, 0, c.arg(1), c.arg(2)) },
		"creat":    func(im *importer, c *call) error { return im.open(c, noDir, 0, "O_WRONLY|O_CREAT|O_TRUNC", c.arg(1)) },
		"openat":   func(im *importer, c *call) error { return im.open(c, 0, 1, c.arg(2), c.arg(3)) },
		"openat2":  (*importer).openat2,
		"dup":      func(im *importer, c *call) error { return c.dup(false) },
		"dup2":     func(im *importer, c *call) error { return c.dup(false) },
		"dup3":     func(im *importer, c *call) error { return c.dup(hasFlag(c.arg(2), "O_CLOEXEC")) },
		"fcntl":    (*importer).fcntl,
		"execve":   func(_ *importer, c *call) error { c.proc.execute(); return nil },
		"execveat": func(_ *importer, c *call) error { c.proc.execute(); return nil },
		"unshare":  (*importer).unshare,
		"chdir":    (*importer).chdir, "fchdir": (*importer).fchdir, "umask": (*importer).setUmask,
		"close_range": (*importer).closeRange,
		"lseek":       (*importer).seek,
		"read":        (*importer).read, "readv": (*importer).read, "preadv2": (*importer).read,
		"write": (*importer).write, "writev": (*importer).write,
		"pwrite64": (*importer).write, "pwritev": (*importer).write, "pwritev2": (*importer).write,
		"copy_file_range": func(im *importer, c *call) error { return im.transfer(c, 0, 1, 2, 3) },
		"sendfile":        func(im *importer, c *call) error { return im.transfer(c, 1, 2, 0, -1) },
		"splice":          (*importer).splice, "tee": (*importer).splice,
		"ioctl":    (*importer).ioctl,
		"truncate": (*importer).truncate, "ftruncate": (*importer).truncate, "fallocate": (*importer).allocate,
		"fsync": (*importer).sync, "fdatasync": (*importer).sync, "sync": (*importer).sync, "syncfs": (*importer).sync,
		"mmap": (*importer).mmap, "mmap2": (*importer).mmap,
		"io_uring_setup": refuseAll, "io_uring_enter": refuseAll, "chroot": refuseAll, "pivot_root": refuseAll,
		"io_submit": (*importer).submit,

		"mkdir":    func(im *importer, c *call) error { return im.mkdir(c, noDir, 0) },
		"mkdirat":  func(im *importer, c *call) error { return im.mkdir(c, 0, 1) },
		"mknod":    func(im *importer, c *call) error { return im.mknod(c, noDir, 0) },
		"mknodat":  func(im *importer, c *call) error { return im.mknod(c, 0, 1) },
		"unlink":   func(im *importer, c *call) error { return im.remove(c, noDir, 0, faultfs.OpUnlink) },
		"rmdir":    func(im *importer, c *call) error { return im.remove(c, noDir, 0, faultfs.OpRmdir) },
		"unlinkat": (*importer).unlinkat,
		"rename":   func(im *importer, c *call) error { return im.rename(c, noDir, 0, noDir, 1, "") },
		"renameat": func(im *importer, c *call) error { return im.rename(c, 0, 1, 2, 3, "") },
		"renameat2": func(im *importer, c *call) error {
			return im.rename(c, 0, 1, 2, 3, c.arg(4))
		},
		"link":      func(im *importer, c *call) error { return im.link(c, noDir, 0, noDir, 1, "") },
		"linkat":    func(im *importer, c *call) error { return im.link(c, 0, 1, 2, 3, c.arg(4)) },
		"symlink":   func(im *importer, c *call) error { return im.symlink(c, noDir, 1) },
		"symlinkat": func(im *importer, c *call) error { return im.symlink(c, 1, 2) },
		"chmod":     func(im *importer, c *call) error { return im.chmod(c, noDir, 0, "") },
		"fchmodat":  func(im *importer, c *call) error { return im.chmod(c, 0, 1, c.arg(3)) },
		"fchmodat2": func(im *importer, c *call) error { return im.chmod(c, 0, 1, c.arg(3)) },
		"fchmod":    (*importer).fchmod,
		"setxattr":  (*importer).setACL, "lsetxattr": (*importer).setACL, "fsetxattr": (*importer).setACL,
	}
}

// makesNames are calls that a call which overlaps them may need.
var makesNames = map[string]bool{
	"open": true, "openat": true, "openat2": true, "creat": true, "mkdir": true, "mkdirat": true,
	"mknod": true, "mknodat": true, "rename": true, "renameat": true, "renameat2": true,
	"link": true, "linkat": true, "symlink": true, "symlinkat": true,
	"unlink": true, "unlinkat": true, "rmdir": true,
}

// changesFiles are calls of which one that never returned is refused.
var changesFiles = map[string]bool{
	"write": true, "writev": true, "pwrite64": true, "pwritev": true, "pwritev2": true,
	"copy_file_range": true, "sendfile": true, "splice": true, "truncate": true, "ftruncate": true,
	"fallocate": true, "chmod": true, "fchmod": true, "fchmodat": true, "fchmodat2": true,
}

func init() {
	for name := range makesNames {
		changesFiles[name] = true
	}
}

// failsAsOp reports whether a call that failed is an op all the same.
func failsAsOp(c *call) bool {
	return (c.name == "fsync" || c.name == "fdatasync") && syncErrors[c.errno] != 0
}

var syncErrors = map[string]syscall.Errno{"EIO": syscall.EIO, "ENOSPC": syscall.ENOSPC, "EDQUOT": syscall.EDQUOT}

func refuseAll(_ *importer, c *call) error {
	return errors.New("what it does to files the log does not show")
}

// number reads an argument that is a decimal number.
func (c *call) number(i int) (int64, error) {
	n, err := strconv.ParseInt(c.arg(i), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s is no number", clip(c.arg(i)))
	}
	return n, nil
}

// mode reads permission bits, in octal as strace writes them.
func mode(s string) (uint32, error) {
	n, err := strconv.ParseUint(s, 8, 32)
	if err != nil {
		return 0, fmt.Errorf("mode %s is not octal", clip(s))
	}
	return uint32(n) & 0o7777, nil
}

// file returns the open file of an argument. One outside the root has no inode.
func (c *call) file(i int) (*file, error) {
	f := c.files[i]
	if f == nil {
		return nil, errNoPath
	}
	if f.unknown != "" {
		return nil, errors.New(f.unknown)
	}
	return f, nil
}

// seek moves an offset, to where the log says.
func (im *importer) seek(c *call) error {
	if f := c.files[0]; f != nil {
		f.off = c.ret
	}
	return nil
}

// read moves the offset of a file.
func (im *importer) read(c *call) error {
	f := c.files[0]
	if f != nil && (c.name != "preadv2" || c.arg(3) == "-1") {
		f.off += c.ret
	}
	return nil
}

// write is each of the calls that write from memory.
func (im *importer) write(c *call) error {
	f, err := c.file(0)
	if err != nil || f.ino == 0 && !f.stdout || c.ret <= 0 {
		return err
	}
	var data string
	if strings.Contains(c.name, "v") {
		data, err = vector(c.arg(1))
	} else {
		data, _, err = unquote(c.arg(1))
	}
	if err != nil {
		return err
	}
	if int64(len(data)) < c.ret {
		return errCut
	}
	data = data[:c.ret]
	off, flags := int64(-1), ""
	if c.name[0] == 'p' {
		if off, err = c.number(3); err != nil {
			return err
		}
		if c.name == "pwritev2" {
			flags = c.arg(4)
		}
	}
	return im.output(c, f, []byte(data), off, flags)
}

// vector joins what the buffers of a vector hold.
func vector(s string) (string, error) {
	var all strings.Builder
	for {
		_, rest, ok := strings.Cut(s, `iov_base="`)
		if !ok {
			return all.String(), nil
		}
		text, rest, err := unquote(`"` + rest)
		if err != nil {
			return "", err
		}
		all.WriteString(text)
		s = rest
	}
}

// output writes to a file, at its own offset if off is negative, or makes marks
// of what goes to the standard output.
func (im *importer) output(c *call, f *file, data []byte, off int64, flags string) error {
	if f.stdout {
		return im.print(c, f, data)
	}
	own := off < 0
	switch {
	case f.appends || hasFlag(flags, "RWF_APPEND"):
		off = im.size(f.ino)
	case own:
		off = f.off
	}
	if off < 0 || off > math.MaxInt64-int64(len(data)) {
		return fmt.Errorf("bad offset %d", off)
	}
	if _, err := im.do(c, faultfs.Op{Kind: faultfs.OpWrite, Ino: f.ino, Off: off, Data: data}); err != nil {
		return err
	}
	if own {
		f.off = off + int64(len(data))
	}
	kind := f.sync
	switch {
	case hasFlag(flags, "RWF_SYNC"):
		kind = faultfs.OpFsync
	case hasFlag(flags, "RWF_DSYNC") && kind == faultfs.OpNone:
		kind = faultfs.OpFdatasync
	}
	if kind == faultfs.OpNone {
		return nil
	}
	_, err := im.do(c, faultfs.Op{Kind: kind, Ino: f.ino})
	return err
}

// longestLine is how many bytes of a line a mark has, as in package mount.
const longestLine = 64 << 10

// print makes a mark of each line that is complete.
func (im *importer) print(c *call, f *file, data []byte) error {
	touched := im.touched // marks alone are not about the root
	defer func() { im.touched = touched }()
	f.text = append(f.text, data...)
	for {
		end := bytes.IndexByte(f.text, '\n')
		next := end + 1
		switch {
		case end < 0 && len(f.text) < longestLine:
			return nil
		case end < 0 || end > longestLine:
			end, next = longestLine, longestLine
		}
		label := string(bytes.TrimSuffix(f.text[:end], []byte("\r")))
		f.text = f.text[next:]
		if label != "" {
			if _, err := im.do(c, faultfs.Op{Kind: faultfs.OpMark, Label: label}); err != nil {
				return err
			}
		}
	}
}

// transfer is copy_file_range and sendfile, with the arguments of the source,
// its offset, the destination and its offset (-1 if it has none).
func (im *importer) transfer(c *call, in, inOff, out, outOff int) error {
	to, err := c.file(out)
	if err != nil {
		return err
	}
	from, err := c.file(in)
	writes := to.ino != 0 || to.stdout
	switch {
	case err != nil:
		return err
	case c.ret <= 0:
		return nil
	case writes && from.ino == 0:
		return errors.New("it copies from a file outside the root: the log does not show what")
	}
	at, own, err := c.offset(inOff)
	if err != nil {
		return err
	}
	if own {
		at = from.off
	}
	if writes {
		data, err := im.contents(c, from.ino, at, c.ret)
		if err != nil {
			return err
		}
		off := int64(-1)
		if outOff >= 0 {
			if o, own, err := c.offset(outOff); err != nil {
				return err
			} else if !own {
				off = o
			}
		}
		if err := im.output(c, to, data, off, ""); err != nil {
			return err
		}
	}
	if own {
		from.off += c.ret
	}
	return nil
}

// contents reads what the trace knows of a file.
func (im *importer) contents(c *call, ino faultfs.Ino, off, n int64) ([]byte, error) {
	if n > maxData || off < 0 {
		return nil, fmt.Errorf("it copies %d bytes at %d: more than %d, or no bytes of a file", n, off, int64(maxData))
	}
	data := make([]byte, n)
	k, errno := im.fs.ReadAt(faultfs.Op{Ino: ino, Off: off}, data)
	im.note(c, false)
	if errno != 0 || int64(k) < n {
		return nil, conflict{fmt.Errorf("it copied %d bytes, and by the calls above there are %d", n, k)}
	}
	return data, nil
}

// offset reads a pointer to an offset, such as "[512]"; own says that there is
// none, so that the offset of the file counts.
func (c *call) offset(i int) (off int64, own bool, err error) {
	s := c.arg(i)
	if s == "NULL" {
		return 0, true, nil
	}
	digits, ok := strings.CutPrefix(s, "[")
	if end := strings.IndexAny(digits, "] "); ok && end > 0 {
		off, err = strconv.ParseInt(digits[:end], 10, 64)
	} else {
		ok = false
	}
	if !ok || err != nil {
		return 0, false, fmt.Errorf("%s is no offset", clip(s))
	}
	return off, false, nil
}

// splice moves bytes between a pipe and a file.
func (im *importer) splice(c *call) error {
	if c.name == "splice" {
		to, err := c.file(2)
		if err != nil {
			return err
		}
		if to.ino != 0 || to.stdout {
			return errors.New("it writes what came through a pipe: the log does not show what")
		}
		if f := c.files[0]; f != nil && c.arg(1) == "NULL" {
			f.off += c.ret
		}
		return nil
	}
	to, err := c.file(1)
	if err == nil && to.stdout {
		err = errors.New("it prints what came through a pipe: the log does not show what")
	}
	return err
}
