package faultfs

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"unicode"

	"github.com/crashsim/crashsim/runner/show"
)

// Ino is the number of an inode. Numbers are given in order of creation,
// starting at Root, and are never used twice within a trace.
type Ino int32

// Root is the inode of the directory "/". No inode has the number zero, so a
// zero Ino says "there is none".
const Root Ino = 1

// OpNum is the position of an op in Trace.Ops, counted from zero.
type OpNum int32

// Edge is a moment in a trace: each op has one at which it began and a later
// one at which it returned. Two ops overlap where neither returned before the
// other began.
type Edge int64

// OpKind says which call an op stands for.
type OpKind uint8

// The kinds of ops. The text form of each is the word that litmus files use,
// or, for those that a litmus file has no use for, the name of the system call.
const (
	OpNone      OpKind = iota
	OpMkdir            // make a directory: Dir, Name, Ino, Mode
	OpCreate           // make an empty file: Dir, Name, Ino, Mode
	OpWrite            // write Data at Off into Ino
	OpTruncate         // set the size of Ino to Size
	OpRename           // move the name Dir/Name to ToDir/ToName, the name of Replaced
	OpLink             // give Ino the further name Dir/Name
	OpSymlink          // make a symbolic link to Target: Dir, Name, Ino
	OpUnlink           // remove the name Dir/Name of Ino
	OpRmdir            // remove the empty directory Ino, named Dir/Name
	OpFsync            // fsync Ino, a file or a directory
	OpFdatasync        // fdatasync Ino
	OpSync             // sync the whole file system
	OpMark             // the world outside was told Label
	OpChmod            // set the mode of Ino to Mode
	OpOpen             // open Ino, without creating or truncating it
	OpClose            // close a handle of Ino
	OpRead             // read Size bytes at Off from Ino
	OpReaddir          // list the directory Ino
	OpStat             // look at the attributes of Ino
	OpReadlink         // read the target of the symbolic link Ino
	OpChown            // change the owner of Ino, which no crash state shows
	OpChtimes          // change the times of Ino, which no crash state shows
	OpLstat            // look at the attributes of Ino, a symbolic link not followed
	OpExchange         // let Dir/Name, of Ino, and ToDir/ToName, of Replaced, lead to each other's inode
)

var opWords = [...]string{
	OpNone: "none", OpMkdir: "mkdir", OpCreate: "create", OpWrite: "write", OpTruncate: "truncate",
	OpRename: "rename", OpLink: "link", OpSymlink: "symlink", OpUnlink: "unlink", OpRmdir: "rmdir",
	OpFsync: "fsync", OpFdatasync: "fdatasync", OpSync: "sync", OpMark: "mark", OpChmod: "chmod",
	OpOpen: "open", OpClose: "close", OpRead: "read", OpReaddir: "readdir", OpStat: "stat",
	OpReadlink: "readlink", OpChown: "chown", OpChtimes: "chtimes",
	OpLstat: "lstat", OpExchange: "exchange",
}

// String returns the word for k in the text form of a trace.
func (k OpKind) String() string {
	if int(k) < len(opWords) {
		return opWords[k]
	}
	return "op" + strconv.Itoa(int(k))
}

// Changes reports whether an op of this kind, when it succeeds, can change
// what the file system holds.
func (k OpKind) Changes() bool {
	switch k {
	case OpMkdir, OpCreate, OpWrite, OpTruncate, OpRename, OpLink, OpSymlink, OpUnlink, OpRmdir, OpChmod, OpExchange:
		return true
	}
	return false
}

// Syncs reports whether an op of this kind forces effects to the disk.
func (k OpKind) Syncs() bool {
	return k == OpFsync || k == OpFdatasync || k == OpSync
}

// CallSite is the place in the program's source from which an op was called: the
// last two elements of the file's path, the line, and the function where that is
// known, as "save.Write". Where no source is known, File is the base name of the
// program or library that has the function, and Line is zero. The zero CallSite is
// unknown.
type CallSite struct {
	File string
	Line int
	Func string
}

// String returns "dir/file.go:line"; without a line "function in library"; and ""
// for the zero Site.
func (s CallSite) String() string {
	switch {
	case s.File == "":
		return ""
	case s.Line == 0 && s.Func != "":
		return s.Function() + " in " + s.File
	}
	return s.text()
}

// Function returns the function as people write it, as "lumberjack.v2.chown": the symbols
// of a Go program have characters of an import path in another form, "lumberjack%2ev2.chown".
func (s CallSite) Function() string {
	plain, err := url.PathUnescape(s.Func)
	if err != nil || strings.ContainsFunc(plain, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return s.Func
	}
	return plain
}

// text is the site in the text form of a trace, without the function.
func (s CallSite) text() string { return s.File + ":" + strconv.Itoa(s.Line) }

// Op is one call of the program, as the trace holds it. Which fields are set
// depends on Kind; see the constants.
type Op struct {
	Kind  OpKind
	Begin Edge // when the call began
	End   Edge // when it returned

	Ino      Ino    // the inode that the call is about
	Dir      Ino    // the directory whose name is made, removed or moved away
	Name     string // that name
	ToDir    Ino    // rename, exchange: the directory moved to
	ToName   string // rename, exchange: the new name
	Replaced Ino    // rename, exchange: the inode that the new name led to before, if any

	Off    int64  // write, read: offset in bytes
	Size   int64  // truncate: the new size in bytes; read: how many bytes
	Mode   uint32 // mode bits, as in chmod(2); of FIFOs and sockets those of mknod(2), which are files that nobody can write to
	Data   []byte // write: the bytes that were accepted; never changed afterwards
	Target string // symlink: where it points
	Label  string // mark: what the world was told

	// Path and To are the paths that the program used. Where the path of a
	// handle no longer leads to its inode, Path is one that does, as far as the
	// trace knows; else it is empty, and only Ino tells. A create by way of a
	// symbolic link has the path that the link points to.
	Path, To string

	Errno syscall.Errno // why the call failed, zero if it did not
	Site  CallSite
	// Stack are the calls that led to the op, the innermost first, down from the
	// system call itself, where the recorder knows them. Ops share them; they must not
	// be changed. The text form of a trace has none.
	Stack []CallSite

	// Only, if it is not empty, are the bytes that an fdatasync is limited to: it forces
	// no data outside them. An msync of a part of a file is such a call.
	Only Span

	// Look, if it is not zero, says that a write is what a program stored into a map of
	// the file, and the number of the look that saw it. What came in which order between
	// two looks is not known: see Trace.SeenWithNext.
	Look int

	// Injected says that a Fault had a hand in what the call returned, or in
	// what it did.
	Injected bool
	// Lost are the bytes of the file that a sync found dirty, or could have, and
	// failed to write, whatever it returned; Evicted says that the pages they
	// lie on have left the page cache, so that the program reads from then on
	// what the disk holds. What becomes of such pages is a matter of
	// SyncFailure.
	Lost    Span
	Evicted bool
}

// Failed reports whether the call returned an error. A failed op has no
// effects, unless it is a sync that lost data.
func (op *Op) Failed() bool { return op.Errno != 0 }

// Loses reports whether the op is a sync that failed to write data.
func (op *Op) Loses() bool { return op.Kind.Syncs() && !op.Lost.Empty() }

// Idle reports whether the op succeeded in doing nothing: a rename of a name
// to another name of the same inode, or the exchange of two such names.
func (op *Op) Idle() bool {
	return (op.Kind == OpRename || op.Kind == OpExchange) && op.Replaced == op.Ino
}

// Call returns the summary of an op with the place in the program that asked for
// it, where that is known.
func (op *Op) Call() string {
	if op.Site == (CallSite{}) {
		return op.Summary()
	}
	return fmt.Sprintf("%s (%s)", op.Summary(), op.Site)
}

// Summary returns a short text for reports: the op without its data, such as
// "write /log [512,1024)" or "rename /f.tmp /f". It is one line: characters that
// cannot be seen are written out, and long names and marks are shortened.
func (op *Op) Summary() string {
	path := op.subject()
	switch op.Kind {
	case OpWrite:
		return fmt.Sprintf("write %s [%d,%d)", path, op.Off, op.Off+int64(len(op.Data)))
	case OpTruncate:
		return fmt.Sprintf("truncate %s to %d", path, op.Size)
	case OpRename, OpExchange, OpLink:
		return fmt.Sprintf("%s %s %s", op.Kind, path, show.Word(op.To))
	case OpSymlink:
		return fmt.Sprintf("symlink %s %s", show.Word(op.Target), path)
	case OpChmod:
		return fmt.Sprintf("chmod %s %04o", path, op.Mode)
	case OpMark:
		return "mark " + show.Word(op.Label)
	case OpSync:
		return "sync"
	case OpFdatasync:
		if !op.Only.Empty() {
			return fmt.Sprintf("fdatasync %s [%d,%d)", path, op.Only.From, op.Only.To)
		}
	}
	return op.Kind.String() + " " + path
}

// subject returns the op's path, or its inode number where no path leads there.
func (op *Op) subject() string {
	if op.Path == "" {
		return "#" + strconv.Itoa(int(op.Ino))
	}
	return show.Word(op.Path)
}

// errnoNames are the errors that the text form of a trace can hold by name.
var errnoNames = map[syscall.Errno]string{
	syscall.EACCES: "EACCES", syscall.EBADF: "EBADF", syscall.EBUSY: "EBUSY", syscall.EDQUOT: "EDQUOT",
	syscall.EEXIST: "EEXIST", syscall.EFBIG: "EFBIG", syscall.EINTR: "EINTR", syscall.EINVAL: "EINVAL",
	syscall.EIO: "EIO", syscall.EISDIR: "EISDIR", syscall.ELOOP: "ELOOP", syscall.ENAMETOOLONG: "ENAMETOOLONG",
	syscall.ENOENT: "ENOENT", syscall.ENOSPC: "ENOSPC", syscall.ENOTDIR: "ENOTDIR", syscall.ENOTEMPTY: "ENOTEMPTY",
	syscall.EPERM: "EPERM", syscall.EROFS: "EROFS", syscall.EXDEV: "EXDEV",
}

func errnoName(e syscall.Errno) string {
	if name, ok := errnoNames[e]; ok {
		return name
	}
	return "errno" + strconv.Itoa(int(e))
}

func parseErrno(s string) (syscall.Errno, bool) {
	for e, name := range errnoNames {
		if name == s {
			return e, true
		}
	}
	if digits, ok := strings.CutPrefix(s, "errno"); ok {
		n, err := strconv.ParseUint(digits, 10, 16)
		return syscall.Errno(n), err == nil && n > 0
	}
	return 0, false
}
