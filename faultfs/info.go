package faultfs

import (
	"os"
	"time"
)

// info describes an inode under a name. What the base has not been asked yet
// stays unasked until somebody looks: a listing of a directory does not read
// the size of every file in it.
func (f *FS) info(ino Ino, name string) os.FileInfo {
	i := &fileInfo{fs: f, ino: ino, generation: f.generation.Load(), name: name, typ: f.vol.Type(ino), time: epoch.Add(time.Duration(f.vol.mtime(ino)))}
	if i.typ != Regular {
		i.hasSize = true
	}
	if i.typ == Symlink {
		i.size = int64(len(f.vol.Target(ino)))
	}
	if n := f.vol.inodes[ino]; n != nil {
		if n.hasSize && i.typ == Regular {
			i.size, i.hasSize = n.size, true
		}
		i.bits, i.hasMode = n.mode, n.hasMode
	}
	return i
}

type fileInfo struct {
	fs         *FS
	ino        Ino
	generation uint64
	name       string
	typ        Type
	time       time.Time
	hasSize    bool
	hasMode    bool
	size       int64
	bits       uint32
}

func (i *fileInfo) Name() string       { return i.name }
func (i *fileInfo) ModTime() time.Time { return i.time }
func (i *fileInfo) IsDir() bool        { return i.typ == Directory }
func (i *fileInfo) Sys() any           { return i.ino }

func (i *fileInfo) Size() int64 {
	i.fs.mu.Lock()
	defer i.fs.mu.Unlock()
	if !i.hasSize && i.asks() {
		i.size, i.hasSize = i.fs.vol.base.Size(i.ino), true
	}
	return i.size
}

func (i *fileInfo) Mode() os.FileMode {
	i.fs.mu.Lock()
	defer i.fs.mu.Unlock()
	if !i.hasMode && i.asks() {
		i.bits, i.hasMode = i.fs.vol.base.Mode(i.ino), true
	}
	return goMode(i.typ, i.bits)
}

// asks reports whether the base may still be asked: a disk on which a run has
// ended answers nothing.
func (i *fileInfo) asks() bool { return !i.fs.dead && i.generation == i.fs.generation.Load() }

// goMode makes a Go mode of a type and of mode bits as in chmod(2).
func goMode(typ Type, bits uint32) os.FileMode {
	mode := os.FileMode(bits & 0o777)
	for _, b := range specialBits {
		if bits&b.bit != 0 {
			mode |= b.mode
		}
	}
	switch typ {
	case Directory:
		mode |= os.ModeDir
	case Symlink:
		mode |= os.ModeSymlink
	default:
		mode |= typeOfMode(bits)
	}
	return mode
}

// The bits of a mode that say what mknod(2) makes.
const (
	typeMask = 0o170000
	fifoBits = 0o010000
	sockBits = 0o140000
)

// typeOfMode returns what a file is besides a regular one: a FIFO or a socket, zero
// if neither.
func typeOfMode(bits uint32) os.FileMode {
	switch bits & typeMask {
	case fifoBits:
		return os.ModeNamedPipe
	case sockBits:
		return os.ModeSocket
	}
	return 0
}

// modeBits turns a Go mode into mode bits as in chmod(2).
func modeBits(mode os.FileMode) uint32 {
	bits := uint32(mode.Perm())
	for _, b := range specialBits {
		if mode&b.mode != 0 {
			bits |= b.bit
		}
	}
	return bits
}

var specialBits = [...]struct {
	bit  uint32
	mode os.FileMode
}{{0o4000, os.ModeSetuid}, {0o2000, os.ModeSetgid}, {0o1000, os.ModeSticky}}
