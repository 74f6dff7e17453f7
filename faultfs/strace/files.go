package strace

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/crashsim/crashsim/faultfs"
)

// open opens a path, whose place among the arguments is given.
func (im *importer) open(c *call, dir, path int, flags, bits string) error {
	if !strings.HasPrefix(flags, "O_") {
		return fmt.Errorf("flags %s are not in words: run strace without -X raw", clip(flags))
	}
	result, ok := parseDescriptor(c.result)
	if !ok {
		return errNoPath
	}
	creates := hasFlag(flags, "O_CREAT")
	last := follow
	if hasFlag(flags, "O_NOFOLLOW") || creates && hasFlag(flags, "O_EXCL") {
		last = keep
	}
	at, err := im.path(c, dir, path, last)
	if err != nil {
		return err
	}
	f := &file{}
	switch {
	case at.inside && !hasFlag(flags, "O_TMPFILE"):
		if f, err = im.openInside(c, at, flags, bits); err != nil {
			return err
		}
	case at.inside:
		return errors.New("a file without a name (O_TMPFILE) is no op")
	case im.isInside(result.path):
		return fmt.Errorf("%s leads below the root by a symbolic link outside, or by /proc: the log does not show it", clip(at.path))
	case at.path == "/dev/stdout" || at.path == "/dev/fd/1" || at.path == "/proc/self/fd/1":
		if s, ok := (*c.proc.files)[1]; ok {
			f = s.file
		}
	}
	(*c.proc.files)[result.number] = slot{file: f, cloexec: hasFlag(flags, "O_CLOEXEC")}
	return nil
}

func (im *importer) openInside(c *call, at resolved, flags, bits string) (*file, error) {
	im.touched = true
	f := &file{ino: at.ino, appends: hasFlag(flags, "O_APPEND")}
	switch {
	case hasFlag(flags, "O_SYNC"):
		f.sync = faultfs.OpFsync
	case hasFlag(flags, "O_DSYNC"):
		f.sync = faultfs.OpFdatasync
	}
	creates := hasFlag(flags, "O_CREAT")
	switch {
	case at.ino == 0 && !creates:
		return nil, missing(at.path)
	case at.ino == 0:
		m, err := mode(bits)
		if err != nil {
			return nil, err
		}
		op, err := im.do(c, faultfs.Op{Kind: faultfs.OpCreate, Dir: at.dir, Name: at.name, Mode: m &^ c.proc.fs.umask})
		f.ino = op.Ino
		return f, err
	case creates && hasFlag(flags, "O_EXCL"):
		return nil, conflict{fmt.Errorf("it made %s, which by the calls above is there", at.path)}
	case hasFlag(flags, "O_TRUNC") && !im.isDir(at.ino):
		_, err := im.do(c, faultfs.Op{Kind: faultfs.OpTruncate, Ino: at.ino})
		return f, err
	}
	return f, nil
}

func (im *importer) openat2(c *call) error {
	how := c.arg(2)
	if resolve := field(how, "resolve"); resolve != "" && resolve != "0" {
		if at, err := im.path(c, 0, 1, follow); err != nil || at.inside {
			return fmt.Errorf("what resolve=%s finds the log does not show", resolve)
		}
	}
	return im.open(c, 0, 1, field(how, "flags"), field(how, "mode"))
}

// dup gives the open file of the first argument a further descriptor, which is
// the result.
func (c *call) dup(cloexec bool) error {
	f := c.files[0]
	if f == nil {
		return errNoPath
	}
	if d, ok := parseDescriptor(c.arg(0)); ok && int64(d.number) == c.ret {
		return nil // dup2 to itself
	}
	(*c.proc.files)[int(c.ret)] = slot{file: f, cloexec: cloexec}
	return nil
}

func (im *importer) fcntl(c *call) error {
	switch c.arg(1) {
	case "F_DUPFD":
		return c.dup(false)
	case "F_DUPFD_CLOEXEC":
		return c.dup(true)
	case "F_SETFD":
		if d, ok := parseDescriptor(c.arg(0)); ok {
			if s, known := (*c.proc.files)[d.number]; known {
				s.cloexec = hasFlag(c.arg(2), "FD_CLOEXEC")
				(*c.proc.files)[d.number] = s
			}
		}
	case "F_SETFL":
		if f := c.files[0]; f != nil {
			f.appends = hasFlag(c.arg(2), "O_APPEND")
		}
	}
	return nil
}

func (im *importer) closeRange(c *call) error {
	first, err := strconv.ParseInt(strings.TrimRight(strings.SplitN(c.arg(0), "<", 2)[0], " "), 10, 64)
	if err != nil {
		return fmt.Errorf("%s is no descriptor", clip(c.arg(0)))
	}
	last, err := strconv.ParseInt(strings.SplitN(c.arg(1), "<", 2)[0], 0, 64)
	if err != nil || last < 0 {
		last = math.MaxInt64 // as UINT_MAX, or in words
	}
	if hasFlag(c.arg(2), "CLOSE_RANGE_UNSHARE") {
		t := c.proc.files.clone()
		c.proc.files = &t
	}
	for n, s := range *c.proc.files {
		switch {
		case int64(n) < first || int64(n) > last:
		case hasFlag(c.arg(2), "CLOSE_RANGE_CLOEXEC"):
			s.cloexec = true
			(*c.proc.files)[n] = s
		default:
			delete(*c.proc.files, n)
		}
	}
	return nil
}

func (im *importer) unshare(c *call) error {
	if hasFlag(c.arg(0), "CLONE_FILES") {
		t := c.proc.files.clone()
		c.proc.files = &t
	}
	if hasFlag(c.arg(0), "CLONE_FS") {
		fs := *c.proc.fs
		c.proc.fs = &fs
	}
	return nil
}

func (im *importer) chdir(c *call) error {
	at, err := im.path(c, noDir, 0, follow)
	if err != nil {
		return err
	}
	c.proc.fs.cwd = at.path
	return nil
}

func (im *importer) fchdir(c *call) error {
	d, ok := parseDescriptor(c.arg(0))
	if !ok {
		return errNoPath
	}
	c.proc.fs.cwd = d.path
	return nil
}

func (im *importer) setUmask(c *call) error {
	m, err := mode(c.arg(0))
	c.proc.fs.umask = m & 0o777
	return err
}

// subject returns the inode that the first argument leads to, which is a
// descriptor or a path; zero: it is not below the root.
func (im *importer) subject(c *call, descriptor bool) (faultfs.Ino, error) {
	if descriptor {
		f, err := c.file(0)
		if err != nil {
			return 0, err
		}
		return f.ino, nil
	}
	at, err := im.path(c, noDir, 0, follow)
	if err == nil && at.inside && at.ino == 0 {
		err = missing(at.path)
	}
	return at.ino, err
}

func (im *importer) truncate(c *call) error {
	size, err := c.number(1)
	if err != nil {
		return err
	}
	ino, err := im.subject(c, c.name == "ftruncate")
	if err != nil || ino == 0 {
		return err
	}
	_, err = im.do(c, faultfs.Op{Kind: faultfs.OpTruncate, Ino: ino, Size: size})
	return err
}

// allocate is fallocate, as package mount does it.
func (im *importer) allocate(c *call) error {
	f, err := c.file(0)
	if err != nil || f.ino == 0 {
		return err
	}
	off, err := c.number(2)
	if err != nil {
		return err
	}
	length, err := c.number(3)
	if err != nil || off < 0 || length < 0 || off > math.MaxInt64-length {
		return fmt.Errorf("bad range: %s at %s", clip(c.arg(3)), clip(c.arg(2)))
	}
	keepSize, zero := false, false
	for flag := range strings.SplitSeq(c.arg(1), "|") {
		switch flag {
		case "0", "FALLOC_FL_UNSHARE_RANGE":
		case "FALLOC_FL_KEEP_SIZE":
			keepSize = true
		case "FALLOC_FL_PUNCH_HOLE", "FALLOC_FL_ZERO_RANGE":
			zero = true
		default:
			return fmt.Errorf("%s is no op", clip(flag))
		}
	}
	size, end := im.size(f.ino), off+length
	if zero {
		from, to, _ := im.fs.DataAt(f.ino, off, min(end, size))
		if to-from > maxData {
			return fmt.Errorf("more than %d bytes are zeroed", int64(maxData))
		}
		if from < to {
			if _, err := im.do(c, faultfs.Op{Kind: faultfs.OpWrite, Ino: f.ino, Off: from, Data: make([]byte, to-from)}); err != nil {
				return err
			}
		}
	}
	if !keepSize && end > size {
		_, err = im.do(c, faultfs.Op{Kind: faultfs.OpTruncate, Ino: f.ino, Size: end})
	}
	return err
}

func (im *importer) sync(c *call) error {
	if c.name == "sync" {
		touched := im.touched
		_, err := im.do(c, faultfs.Op{Kind: faultfs.OpSync})
		im.touched = touched
		return err
	}
	f, err := c.file(0)
	if err != nil || f.ino == 0 {
		return err
	}
	op := faultfs.Op{Kind: faultfs.OpFsync, Ino: f.ino}
	switch c.name {
	case "fdatasync":
		op.Kind = faultfs.OpFdatasync
	case "syncfs":
		op = faultfs.Op{Kind: faultfs.OpSync}
	}
	if !c.failed {
		_, err = im.do(c, op)
		return err
	}
	im.touched = true
	op.Errno, op.Site = syncErrors[c.errno], im.siteOf(c)
	if d, _ := parseDescriptor(c.arg(0)); !d.gone {
		op.Path = "/" + strings.TrimPrefix(strings.TrimPrefix(d.path, im.root), "/")
	}
	_, err = im.fs.Do(op)
	im.note(c, true)
	return err
}

func (im *importer) mmap(c *call) error {
	if !hasFlag(c.arg(2), "PROT_WRITE") || !hasFlag(c.arg(3), "MAP_SHARED") && !hasFlag(c.arg(3), "MAP_SHARED_VALIDATE") {
		return nil
	}
	if f := c.files[4]; f != nil && (f.ino != 0 || f.unknown != "") {
		return errors.New("stores through a writable shared map are not in the log")
	}
	return nil
}

// submit is io_submit, of which only the descriptors matter.
func (im *importer) submit(c *call) error {
	rest := strings.Join(c.args, ", ")
	for {
		_, after, ok := strings.Cut(rest, "aio_fildes=")
		if !ok {
			return nil
		}
		if d, ok := parseDescriptor(after); !ok || im.isInside(d.path) {
			return errors.New("when it takes effect the log does not show")
		}
		rest = after
	}
}

// ioctl is that of a file being cloned; the others change nothing.
func (im *importer) ioctl(c *call) error {
	if !strings.Contains(c.arg(1), "FICLONE") {
		return nil
	}
	to, err := c.file(0)
	if err != nil || to.ino == 0 {
		return err
	}
	from, err := c.file(2)
	switch {
	case strings.Contains(c.arg(1), "FICLONERANGE"):
		return errors.New("FICLONERANGE is no op")
	case err != nil:
		return err
	case from.ino == 0:
		return errors.New("it clones a file outside the root: the log does not show what")
	}
	size := im.size(from.ino)
	if size == 0 {
		return nil
	}
	data, err := im.contents(c, from.ino, 0, size)
	if err != nil {
		return err
	}
	_, err = im.do(c, faultfs.Op{Kind: faultfs.OpWrite, Ino: to.ino, Data: data})
	return err
}
