package mount

import (
	"slices"
	"strings"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"github.com/crashsim/crashsim/faultfs"
)

// userAttribute begins the names of the extended attributes that there are: those
// of users. The kernel asks for others on its own, and is told that there are none.
const userAttribute = "user."

// The limits of Linux, in bytes.
const (
	maxAttributeName  = 255
	maxAttributeValue = 64 << 10
	maxAttributeList  = 64 << 10
)

// extended returns the extended attributes of an inode, nil if it has none, and
// whether there is such an inode to have any. The lock is held.
func (d *disk) extended(id uint64) (faultfs.Ino, map[string][]byte, fuse.Status) {
	if d.markNode(id) != nil {
		return 0, nil, fuse.Status(unix.EOPNOTSUPP)
	}
	ino := node(id)
	if _, _, errno := d.fs.StatAt(ino); errno != 0 {
		return 0, nil, fuse.Status(errno)
	}
	return ino, d.showing()[ino].extended, fuse.OK
}

// GetXAttr is getxattr(2).
func (d *disk) GetXAttr(_ <-chan struct{}, in *fuse.InHeader, name string, dest []byte) (uint32, fuse.Status) {
	if status := d.admit("extended attribute", in); status != fuse.OK {
		return 0, status
	}
	if !strings.HasPrefix(name, userAttribute) {
		return 0, fuse.ENOATTR
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	_, all, status := d.extended(in.NodeId)
	if status != fuse.OK {
		return 0, status
	}
	value, ok := all[name]
	if !ok {
		return 0, fuse.ENOATTR
	}
	return fill(dest, value)
}

// ListXAttr is listxattr(2).
func (d *disk) ListXAttr(_ <-chan struct{}, in *fuse.InHeader, dest []byte) (uint32, fuse.Status) {
	if status := d.admit("extended attribute", in); status != fuse.OK {
		return 0, status
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	_, all, status := d.extended(in.NodeId)
	if status != fuse.OK {
		return 0, status
	}
	return fill(dest, listOf(all))
}

// listOf is names of attributes as listxattr(2) has them.
func listOf(all map[string][]byte) []byte {
	var names []string
	for name := range all {
		names = append(names, name+"\x00")
	}
	slices.Sort(names)
	return []byte(strings.Join(names, ""))
}

// fill puts an answer where there is room for it. No room at all asks how much is
// needed.
func fill(dest, answer []byte) (uint32, fuse.Status) {
	if len(dest) > 0 && len(dest) < len(answer) {
		return uint32(len(answer)), fuse.ERANGE
	}
	copy(dest, answer)
	return uint32(len(answer)), fuse.OK
}

// SetXAttr is setxattr(2).
func (d *disk) SetXAttr(_ <-chan struct{}, in *fuse.SetXAttrIn, name string, value []byte) fuse.Status {
	if status := d.admit("extended attribute", &in.InHeader); status != fuse.OK {
		return status
	}
	switch {
	case !strings.HasPrefix(name, userAttribute):
		return fuse.Status(unix.EOPNOTSUPP)
	case len(name) > maxAttributeName || name == userAttribute:
		return fuse.ERANGE
	case len(value) > maxAttributeValue:
		return fuse.Status(unix.E2BIG)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	ino, all, status := d.extended(in.NodeId)
	if status != fuse.OK {
		return status
	}
	_, exists := all[name]
	switch {
	case in.Flags&unix.XATTR_CREATE != 0 && exists:
		return fuse.Status(unix.EEXIST)
	case in.Flags&unix.XATTR_REPLACE != 0 && !exists:
		return fuse.ENOATTR
	case !exists && len(listOf(all))+len(name)+1 > maxAttributeList:
		return fuse.Status(unix.ENOSPC)
	}
	s := d.shown[ino]
	if s.extended == nil {
		s.extended = map[string][]byte{}
	}
	s.extended[name] = slices.Clone(value)
	d.shown[ino] = s
	return fuse.OK
}

// RemoveXAttr is removexattr(2).
func (d *disk) RemoveXAttr(_ <-chan struct{}, in *fuse.InHeader, name string) fuse.Status {
	if status := d.admit("extended attribute", in); status != fuse.OK {
		return status
	}
	if !strings.HasPrefix(name, userAttribute) {
		return fuse.Status(unix.EOPNOTSUPP)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	_, all, status := d.extended(in.NodeId)
	if status != fuse.OK {
		return status
	}
	if _, ok := all[name]; !ok {
		return fuse.ENOATTR
	}
	delete(all, name)
	return fuse.OK
}
