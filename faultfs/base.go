package faultfs

// Type is what an inode is. It never changes.
type Type uint8

// The types of inodes. The zero Type is no inode.
const (
	NoType Type = iota
	Regular
	Directory
	Symlink
)

// Base is a disk below a file system: what was there before the program wrote
// anything. An FS asks it only for what it has not replaced itself, so a base
// may decide what it holds as late as it is asked. Inodes and their types are
// fixed; everything else may be undetermined until it is read.
//
// An FS calls its base with its lock held, one call at a time.
type Base interface {
	// Type returns what ino is, NoType if the base has no such inode.
	Type(ino Ino) Type
	// Entry returns the inode that the name in the directory leads to, or zero.
	Entry(dir Ino, name string) Ino
	// Names returns, sorted, every name that the directory may hold; Entry
	// tells which of them it does hold. The caller does not change the slice.
	Names(dir Ino) []string
	// Size returns the size of a regular file in bytes.
	Size(ino Ino) int64
	// Mode returns the mode bits, as in chmod(2).
	Mode(ino Ino) uint32
	// Target returns where a symbolic link points.
	Target(ino Ino) string
	// ReadAt fills p with the bytes at off, zeros where nothing was written.
	// It does not look at the size.
	ReadAt(ino Ino, p []byte, off int64)
	// Data returns, rising, the offsets of the 4096-byte pages of a file that
	// may hold anything but zeros and do not end before from.
	Data(ino Ino, from int64) []int64
	// Inodes returns the highest inode number in use.
	Inodes() Ino
}

// empty is the base of a new file system: a root directory and nothing in it.
type empty struct{}

func (empty) Type(ino Ino) Type {
	if ino == Root {
		return Directory
	}
	return NoType
}
func (empty) Entry(Ino, string) Ino   { return 0 }
func (empty) Names(Ino) []string      { return nil }
func (empty) Size(Ino) int64          { return 0 }
func (empty) Mode(Ino) uint32         { return defaultDirMode }
func (empty) Target(Ino) string       { return "" }
func (empty) Inodes() Ino             { return Root }
func (empty) Data(Ino, int64) []int64 { return nil }

func (empty) ReadAt(_ Ino, p []byte, _ int64) { clear(p) }
