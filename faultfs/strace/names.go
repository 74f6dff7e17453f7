package strace

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/crashsim/crashsim/faultfs"
)

func (im *importer) mkdir(c *call, dir, path int) error {
	at, err := im.path(c, dir, path, keep)
	if err != nil || !at.inside || at.isRoot() {
		return err // the root itself is there in any case
	}
	m, err := mode(c.arg(path + 1))
	if err != nil {
		return err
	}
	_, err = im.do(c, faultfs.Op{Kind: faultfs.OpMkdir, Dir: at.dir, Name: at.name, Mode: m & 0o1777 &^ c.proc.fs.umask})
	return err
}

func (im *importer) mknod(c *call, dir, path int) error {
	at, err := im.path(c, dir, path, keep)
	if err != nil || !at.inside {
		return err
	}
	bits, regular := strings.CutPrefix(c.arg(path+1), "S_IFREG|")
	if !regular && strings.HasPrefix(bits, "S_") {
		return fmt.Errorf("%s is no regular file", clip(at.path))
	}
	m, err := mode(bits)
	if err != nil {
		return err
	}
	_, err = im.do(c, faultfs.Op{Kind: faultfs.OpCreate, Dir: at.dir, Name: at.name, Mode: m &^ c.proc.fs.umask})
	return err
}

var errRoot = errors.New("the root itself is moved or removed")

func (im *importer) remove(c *call, dir, path int, kind faultfs.OpKind) error {
	at, err := im.path(c, dir, path, keep)
	switch {
	case err != nil || !at.inside:
		return err
	case at.isRoot():
		return errRoot
	case at.ino == 0:
		return missing(at.path)
	}
	_, err = im.do(c, faultfs.Op{Kind: kind, Dir: at.dir, Name: at.name})
	return err
}

func (im *importer) unlinkat(c *call) error {
	kind := faultfs.OpUnlink
	if hasFlag(c.arg(2), "AT_REMOVEDIR") {
		kind = faultfs.OpRmdir
	}
	return im.remove(c, 0, 1, kind)
}

func (im *importer) rename(c *call, fromDir, from, toDir, to int, flags string) error {
	a, err := im.path(c, fromDir, from, keep)
	if err != nil {
		return err
	}
	exchange := hasFlag(flags, "RENAME_EXCHANGE")
	b, err := im.path(c, toDir, to, keep)
	switch {
	case err != nil:
		return err
	case a.isRoot() || b.isRoot() || strings.HasPrefix(im.root+"/", a.path+"/"),
		exchange && strings.HasPrefix(im.root+"/", b.path+"/"):
		return errRoot
	case !a.inside && !b.inside && exchange:
		im.exchanged(a.path, b.path)
		return nil
	case !a.inside && !b.inside:
		im.moved(a.path, b.path)
		return nil
	case hasFlag(flags, "RENAME_WHITEOUT"):
		return fmt.Errorf("%s is no op", flags)
	case !a.inside:
		return fmt.Errorf("%s comes from outside the root: what it holds the log does not show", clip(b.path))
	case !b.inside:
		return fmt.Errorf("%s goes out of the root, which is no op", clip(a.path))
	case a.ino == 0:
		return missing(a.path)
	case exchange && b.ino == 0:
		return missing(b.path)
	case exchange:
		_, err = im.do(c, faultfs.Op{Kind: faultfs.OpExchange, Dir: a.dir, Name: a.name, ToDir: b.dir, ToName: b.name})
		if err == nil {
			im.exchanged(a.path, b.path)
		}
		return err
	}
	_, err = im.do(c, faultfs.Op{Kind: faultfs.OpRename, Dir: a.dir, Name: a.name, ToDir: b.dir, ToName: b.name})
	if err == nil && im.isDir(a.ino) {
		im.moved(a.path, b.path)
	}
	return err
}

func (im *importer) link(c *call, fromDir, from, toDir, to int, flags string) error {
	b, err := im.path(c, toDir, to, keep)
	if err != nil || !b.inside {
		return err
	}
	ino := faultfs.Ino(0)
	if text, _, err := unquote(c.arg(from)); err == nil && text == "" && hasFlag(flags, "AT_EMPTY_PATH") {
		f, err := c.file(fromDir)
		if err != nil {
			return err
		}
		ino = f.ino
	} else {
		last := keep
		if hasFlag(flags, "AT_SYMLINK_FOLLOW") {
			last = follow
		}
		a, err := im.path(c, fromDir, from, last)
		if err != nil {
			return err
		}
		if a.inside && a.ino == 0 {
			return missing(a.path)
		}
		ino = a.ino
	}
	if ino == 0 {
		return fmt.Errorf("%s comes from outside the root: what it holds the log does not show", clip(b.path))
	}
	_, err = im.do(c, faultfs.Op{Kind: faultfs.OpLink, Ino: ino, Dir: b.dir, Name: b.name})
	return err
}

// symlink has the target in front.
func (im *importer) symlink(c *call, dir, path int) error {
	at, err := im.path(c, dir, path, keep)
	if err != nil || !at.inside {
		return err
	}
	target, _, err := unquote(c.arg(0))
	if err != nil {
		return err
	}
	_, err = im.do(c, faultfs.Op{Kind: faultfs.OpSymlink, Dir: at.dir, Name: at.name, Target: target})
	return err
}

func (im *importer) chmod(c *call, dir, path int, flags string) error {
	last := follow
	if hasFlag(flags, "AT_SYMLINK_NOFOLLOW") {
		last = keep
	}
	at, err := im.path(c, dir, path, last)
	switch {
	case err != nil || !at.inside:
		return err
	case at.ino == 0:
		return missing(at.path)
	}
	return im.setMode(c, at.ino, c.arg(path+1))
}

func (im *importer) fchmod(c *call) error {
	f, err := c.file(0)
	if err != nil || f.ino == 0 {
		return err
	}
	return im.setMode(c, f.ino, c.arg(1))
}

func (im *importer) setMode(c *call, ino faultfs.Ino, bits string) error {
	m, err := mode(bits)
	if err != nil {
		return err
	}
	_, err = im.do(c, faultfs.Op{Kind: faultfs.OpChmod, Ino: ino, Mode: m})
	return err
}

// setACL is the one extended attribute that changes the mode, as sed -i and cp
// set it: "system.posix_acl_access". The rest of it no op says.
func (im *importer) setACL(c *call) error {
	if name, _, err := unquote(c.arg(1)); err != nil || name != "system.posix_acl_access" {
		return nil // a name that was cut is longer
	}
	ino, err := im.subject(c, c.name == "fsetxattr")
	if err != nil || ino == 0 {
		return err
	}
	value, _, err := unquote(c.arg(2))
	if err != nil {
		return err
	}
	info, _, errno := im.fs.StatAt(ino)
	if errno != 0 {
		return conflict{errno}
	}
	was := modeBits(info.Mode())
	bits := aclMode(was, []byte(value))
	if bits == was {
		return nil
	}
	_, err = im.do(c, faultfs.Op{Kind: faultfs.OpChmod, Ino: ino, Mode: bits})
	return err
}

// aclMode returns the mode of a file with an access control list, in the form
// of the kernel: a version of four bytes, then entries of eight, each a tag and
// permissions of two bytes. The mask stands for the group where there is one.
func aclMode(bits uint32, acl []byte) uint32 {
	const owner, group, mask, other = 0x01, 0x04, 0x10, 0x20
	masked := false
	for i := 4; i+8 <= len(acl); i += 8 {
		tag := binary.LittleEndian.Uint16(acl[i:])
		perm := uint32(binary.LittleEndian.Uint16(acl[i+2:])) & 7
		switch {
		case tag == owner:
			bits = bits&^0o700 | perm<<6
		case tag == mask, tag == group && !masked:
			bits = bits&^0o070 | perm<<3
			masked = tag == mask
		case tag == other:
			bits = bits&^0o007 | perm
		}
	}
	return bits
}
