//go:build amd64 || arm64

package inprocess

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/crashsim/crashsim/faultfs"
)

// trial is a call that must arrive. It fails where it does not: the kernel knows neither the
// paths nor the descriptors of a virtual directory.
type trial struct {
	what string
	call func(dir string, f *os.File) error
}

var trials = []trial{
	{"os.Mkdir", func(dir string, _ *os.File) error { return os.Mkdir(dir+"/d", 0o755) }},
	{"os.WriteFile", func(dir string, _ *os.File) error { return os.WriteFile(dir+"/d/a", []byte("abc"), 0o644) }},
	{"os.ReadFile", func(dir string, _ *os.File) error { return second(os.ReadFile(dir + "/d/a")) }},
	{"os.Link", func(dir string, _ *os.File) error { return os.Link(dir+"/d/a", dir+"/b") }},
	{"os.Symlink", func(dir string, _ *os.File) error { return os.Symlink("b", dir+"/s") }},
	{"os.Readlink", func(dir string, _ *os.File) error { return second(os.Readlink(dir + "/s")) }},
	{"os.Stat", func(dir string, _ *os.File) error { return second(os.Stat(dir + "/s")) }},
	{"os.Lstat", func(dir string, _ *os.File) error { return second(os.Lstat(dir + "/s")) }},
	{"os.Chmod", func(dir string, _ *os.File) error { return os.Chmod(dir+"/b", 0o600) }},
	{"os.Chown", func(dir string, _ *os.File) error { return os.Chown(dir+"/b", os.Getuid(), -1) }},
	{"os.Chtimes", func(dir string, _ *os.File) error { return os.Chtimes(dir+"/b", time.Time{}, time.Unix(1, 0)) }},
	{"os.Truncate", func(dir string, _ *os.File) error { return os.Truncate(dir+"/b", 1) }},
	{"os.Rename", func(dir string, _ *os.File) error { return os.Rename(dir+"/b", dir+"/c") }},
	{"os.ReadDir", func(dir string, _ *os.File) error { return second(os.ReadDir(dir)) }},
	{"os.OpenRoot", func(dir string, _ *os.File) error {
		root, err := os.OpenRoot(dir)
		if err != nil {
			return err
		}
		return errors.Join(root.Mkdir("e", 0o755), root.Remove("e"), root.Close())
	}},
	{"os.Remove", func(dir string, _ *os.File) error { return os.Remove(dir + "/c") }},
	{"os.RemoveAll", func(dir string, _ *os.File) error { return os.RemoveAll(dir + "/d") }},
	{"File.Write", func(_ string, f *os.File) error { return second(f.Write([]byte("text"))) }},
	{"File.WriteAt", func(_ string, f *os.File) error { return second(f.WriteAt([]byte("t"), 9)) }},
	{"File.ReadAt", func(_ string, f *os.File) error { return second(f.ReadAt(make([]byte, 1), 0)) }},
	{"File.Seek", func(_ string, f *os.File) error { return second(f.Seek(0, io.SeekStart)) }},
	{"File.Read", func(_ string, f *os.File) error { return second(f.Read(make([]byte, 1))) }},
	{"File.Truncate", func(_ string, f *os.File) error { return f.Truncate(2) }},
	{"File.Stat", func(_ string, f *os.File) error { return second(f.Stat()) }},
	{"File.Chmod", func(_ string, f *os.File) error { return f.Chmod(0o644) }},
	{"File.Sync", func(_ string, f *os.File) error { return f.Sync() }},
	{"syscall.Flock", func(_ string, f *os.File) error { return syscall.Flock(int(f.Fd()), syscall.LOCK_EX) }},
	{"syscall.Fsync", func(_ string, f *os.File) error { return syscall.Fsync(int(f.Fd())) }},
	{"unix.Fdatasync", func(_ string, f *os.File) error { return unix.Fdatasync(int(f.Fd())) }},
	{"unix.Fallocate", func(_ string, f *os.File) error { return unix.Fallocate(int(f.Fd()), 0, 0, 100) }},
	{"unix.Fstat", func(_ string, f *os.File) error { return unix.Fstat(int(f.Fd()), new(unix.Stat_t)) }},
	{"unix.Renameat2", func(dir string, _ *os.File) error {
		return unix.Renameat2(unix.AT_FDCWD, dir+"/s", unix.AT_FDCWD, dir+"/t", unix.RENAME_NOREPLACE)
	}},
	{"syscall.Dup", func(_ string, f *os.File) error {
		fd, err := syscall.Dup(int(f.Fd()))
		if err != nil {
			return err
		}
		return syscall.Close(fd)
	}},
}

func second[T any](_ T, err error) error { return err }

// trialOps are the ops that the trials must leave.
var trialOps = []faultfs.OpKind{
	faultfs.OpMkdir, faultfs.OpCreate, faultfs.OpWrite, faultfs.OpTruncate, faultfs.OpRename, faultfs.OpLink, faultfs.OpSymlink,
	faultfs.OpUnlink, faultfs.OpRmdir, faultfs.OpFsync, faultfs.OpFdatasync, faultfs.OpChmod, faultfs.OpOpen, faultfs.OpClose,
	faultfs.OpRead, faultfs.OpReaddir,
}

// arrives sees, once in a process and before anything is judged, that calls arrive. The
// error names the first that does not.
var arrives = sync.OnceValue(func() error {
	fs := faultfs.New()
	d, err := open(fs)
	if err != nil {
		return err
	}
	defer d.Close()
	f, err := os.Create(d.Path() + "/f")
	if err != nil {
		return fmt.Errorf("package os in memory does not work here: os.Create does not arrive: %w", err)
	}
	for _, t := range trials {
		if err := t.call(d.Path(), f); err != nil {
			return fmt.Errorf("package os in memory does not work here: %s does not arrive: %w", t.what, errors.Join(err, f.Close()))
		}
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("package os in memory does not work here: File.Close does not arrive: %w", err)
	}
	for _, kind := range trialOps {
		if !slices.ContainsFunc(fs.Trace().Ops, func(op faultfs.Op) bool { return op.Kind == kind }) {
			return fmt.Errorf("package os in memory does not work here: no %s was recorded", kind)
		}
	}
	return nil
})
