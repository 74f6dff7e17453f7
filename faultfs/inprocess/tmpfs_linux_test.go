package inprocess_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/inprocess"
)

// needDoor skips a test that is not run by crashsim test.
func needDoor(t *testing.T) {
	t.Helper()
	if !inprocess.Available() {
		t.Skip("package os is the ordinary one: go run ./cmd/crashsim test ./faultfs/inprocess")
	}
}

// tmpfs returns a new directory in a file system that the kernel keeps in memory.
func tmpfs(t *testing.T) string {
	t.Helper()
	const shm = "/dev/shm"
	var st unix.Statfs_t
	if err := unix.Statfs(shm, &st); err != nil || st.Type != unix.TMPFS_MAGIC {
		t.Skipf("%s is no tmpfs: %v", shm, err)
	}
	dir, err := os.MkdirTemp(shm, "crashsim-test-")
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// A machine makes the same calls of package os in two directories, one of them virtual, and
// compares what they return.
type machine struct {
	dirs  [2]string
	files [][2]*os.File
	roots [2]*os.Root
}

// Check is empty: each action compares.
func (*machine) Check(*rapid.T) {}

var names = []string{"a", "b", "d", "d/a", "d/b", "d/e", "d/e/a", "l", "l/a", "a/x", ".", "d/..", "d/../b", "./d/", "b/", "new/", "", "d/./e/../a"}

func name(t *rapid.T) string { return rapid.SampledFrom(names).Draw(t, "name") }

// in returns the path of a name in a directory.
func in(dir, name string) string {
	if name == "" {
		return ""
	}
	return dir + "/" + name
}

// both makes a call in both directories, and compares.
func (m *machine) both(t *rapid.T, call func(i int) (any, error)) {
	t.Helper()
	var got [2]string
	for i := range got {
		value, err := call(i)
		got[i] = m.text(i, value, err)
	}
	if got[0] != got[1] {
		t.Fatalf("tmpfs:   %s\nvirtual: %s", got[0], got[1])
	}
}

// text is a result, without what names the directory.
func (m *machine) text(i int, value any, err error) string {
	text := fmt.Sprint(value)
	if err != nil {
		text += " error " + err.Error()
		var errno syscall.Errno
		if errors.As(err, &errno) {
			text += fmt.Sprintf(" errno %d", int(errno))
		}
	}
	return strings.ReplaceAll(text, m.dirs[i], "DIR")
}

// described is what an info says, but for times and the size of directories.
func described(info fs.FileInfo, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	size, links := info.Size(), uint64(info.Sys().(*syscall.Stat_t).Nlink)
	switch {
	case info.IsDir():
		size, links = 0, 0
	case info.Mode()&fs.ModeSymlink != 0:
		size = 0 // the directories have paths of different length
	}
	return fmt.Sprintf("%s %s %d links %d", info.Name(), info.Mode(), size, links), nil
}

func listed(entries []fs.DirEntry, err error) (any, error) {
	var all []string
	for _, e := range entries {
		all = append(all, e.Name()+" "+e.Type().String())
	}
	slices.Sort(all)
	return all, err
}

func (m *machine) Open(t *rapid.T) {
	flag := rapid.SampledFrom([]int{os.O_RDONLY, os.O_WRONLY, os.O_RDWR}).Draw(t, "access")
	for _, more := range []int{os.O_CREATE, os.O_CREATE, os.O_TRUNC, os.O_APPEND, os.O_EXCL, os.O_SYNC, syscall.O_DSYNC, syscall.O_NOFOLLOW, syscall.O_DIRECTORY, unix.O_PATH} {
		if rapid.IntRange(0, 5).Draw(t, "flag") == 0 {
			flag |= more
		}
	}
	n := name(t)
	var files [2]*os.File
	m.both(t, func(i int) (any, error) {
		var err error
		files[i], err = os.OpenFile(in(m.dirs[i], n), flag, 0o640)
		return nil, err
	})
	if files[0] != nil {
		m.files = append(m.files, files)
	}
}

// file draws an open file.
func (m *machine) file(t *rapid.T) [2]*os.File {
	if len(m.files) == 0 {
		t.Skip("no file is open")
	}
	return m.files[rapid.IntRange(0, len(m.files)-1).Draw(t, "file")]
}

func (m *machine) Write(t *rapid.T) {
	f, data := m.file(t), make([]byte, rapid.SampledFrom([]int{0, 1, 3, 4096, 5000}).Draw(t, "size"))
	for i := range data {
		data[i] = byte('a' + i%7)
	}
	off := int64(rapid.SampledFrom([]int{-1, 0, 2, 4095, 9000}).Draw(t, "off"))
	at := rapid.Bool().Draw(t, "at")
	m.both(t, func(i int) (any, error) {
		if at {
			return f[i].WriteAt(data, off)
		}
		return f[i].Write(data)
	})
}

func (m *machine) Read(t *rapid.T) {
	f, size := m.file(t), rapid.SampledFrom([]int{0, 1, 100, 20000}).Draw(t, "size")
	off := int64(rapid.SampledFrom([]int{-1, 0, 2, 4095}).Draw(t, "off"))
	at := rapid.Bool().Draw(t, "at")
	m.both(t, func(i int) (any, error) {
		buf := make([]byte, size)
		n, err := 0, error(nil)
		if at {
			n, err = f[i].ReadAt(buf, off)
		} else {
			n, err = f[i].Read(buf)
		}
		return string(buf[:n]), err
	})
}

func (m *machine) OnFile(t *rapid.T) {
	f := m.file(t)
	size := int64(rapid.SampledFrom([]int{-1, 0, 1, 4097, 100000}).Draw(t, "size"))
	whence := rapid.IntRange(0, 3).Draw(t, "whence")
	what := rapid.SampledFrom([]string{"stat", "truncate", "sync", "datasync", "chmod", "seek", "close", "dup", "deadline", "flock", "allocate", "readdir", "page", "getfl", "utimes"}).Draw(t, "what")
	m.both(t, func(i int) (any, error) {
		f, fd := f[i], int(f[i].Fd())
		switch what {
		case "stat":
			return described(f.Stat())
		case "truncate":
			return nil, f.Truncate(size)
		case "sync":
			return nil, f.Sync()
		case "datasync":
			return nil, unix.Fdatasync(fd)
		case "chmod":
			return nil, f.Chmod(0o604)
		case "seek":
			if info, err := f.Stat(); err == nil && info.IsDir() && whence > 0 {
				return nil, nil // positions in a directory are up to the file system
			}
			return f.Seek(size, whence)
		case "close":
			return nil, f.Close()
		case "dup":
			other, err := syscall.Dup(fd)
			if err != nil {
				return nil, err
			}
			pos, err := syscall.Seek(other, 0, 1)
			if info, err := f.Stat(); err == nil && info.IsDir() {
				pos = 0
			}
			return pos, errors.Join(err, syscall.Close(other))
		case "deadline":
			return nil, f.SetDeadline(time.Now())
		case "flock":
			return nil, syscall.Flock(fd, syscall.LOCK_NB|[]int{syscall.LOCK_SH, syscall.LOCK_EX, syscall.LOCK_UN}[whence%3])
		case "allocate":
			return nil, unix.Fallocate(fd, 0, 10, size)
		case "readdir":
			return listed(f.ReadDir(-1))
		case "page":
			// Which names come first is up to the file system.
			entries, err := f.ReadDir(2)
			return len(entries), err
		case "utimes":
			return nil, unix.UtimesNanoAt(fd, "", []unix.Timespec{{Sec: 5}, {Sec: 6, Nsec: 7}}, unix.AT_EMPTY_PATH)
		}
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
		return flags, err
	})
}

func (m *machine) Copy(t *rapid.T) {
	from, to := m.file(t), m.file(t)
	m.both(t, func(i int) (any, error) {
		n, err := io.Copy(to[i], io.LimitReader(from[i], 20000)) // a copy to itself need not end
		return n, err
	})
}

func (m *machine) OnName(t *rapid.T) {
	n := name(t)
	what := rapid.SampledFrom([]string{"stat", "lstat", "mkdir", "mkdirall", "remove", "removeall", "readlink", "readdir", "truncate", "chmod",
		"chtimes", "readfile", "writefile", "walk", "unlink", "rmdir", "access", "evalsymlinks", "dirfs", "copyfs", "chown"}).Draw(t, "what")
	if n == "." && what == "removeall" {
		t.Skip("the directory itself stays")
	}
	m.both(t, func(i int) (any, error) { return onName(what, m.dirs[i], in(m.dirs[i], n)) })
}

func onName(what, dir, path string) (any, error) {
	switch what {
	case "stat":
		return described(os.Stat(path))
	case "lstat":
		return described(os.Lstat(path))
	case "mkdir":
		return nil, os.Mkdir(path, 0o750)
	case "mkdirall":
		return nil, os.MkdirAll(path, 0o750)
	case "remove":
		return nil, os.Remove(path)
	case "removeall":
		return nil, os.RemoveAll(path)
	case "readlink":
		return os.Readlink(path)
	case "readdir":
		return listed(os.ReadDir(path))
	case "truncate":
		return nil, os.Truncate(path, 7)
	case "chmod":
		return nil, os.Chmod(path, 0o711|os.ModeSticky)
	case "chtimes":
		err := os.Chtimes(path, time.Unix(1, 2), time.Unix(3, 4))
		if err != nil {
			return nil, err
		}
		info, err := os.Stat(path)
		return info.ModTime().UnixNano(), err
	case "readfile":
		data, err := os.ReadFile(path)
		return string(data), err
	case "writefile":
		return nil, os.WriteFile(path, []byte("text of a file"), 0o600)
	case "unlink":
		return nil, syscall.Unlink(path)
	case "rmdir":
		return nil, syscall.Rmdir(path)
	case "access":
		return nil, unix.Access(path, unix.R_OK|unix.X_OK)
	case "evalsymlinks":
		return filepath.EvalSymlinks(path)
	case "chown":
		return nil, os.Lchown(path, os.Getuid(), -1)
	case "dirfs":
		data, err := fs.ReadFile(os.DirFS(dir), "d/a")
		return string(data), err
	case "copyfs":
		return nil, os.CopyFS(path, os.DirFS(dir+"/d/e"))
	}
	var all []string
	err := filepath.WalkDir(path, func(path string, e fs.DirEntry, err error) error {
		all = append(all, fmt.Sprint(path, e != nil && e.IsDir(), err))
		return nil
	})
	return all, err
}

func (m *machine) TwoNames(t *rapid.T) {
	a, b := name(t), name(t)
	what := rapid.SampledFrom([]string{"rename", "rename", "link", "symlink", "noreplace", "exchange", "same", "absolute"}).Draw(t, "what")
	m.both(t, func(i int) (any, error) {
		dir := m.dirs[i]
		from, to := in(dir, a), in(dir, b)
		switch what {
		case "rename":
			return nil, os.Rename(from, to)
		case "link":
			return nil, os.Link(from, to)
		case "symlink":
			return nil, os.Symlink(a, to)
		case "absolute":
			return nil, os.Symlink(from, to)
		case "noreplace":
			return nil, unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, unix.RENAME_NOREPLACE)
		case "exchange":
			return nil, unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, unix.RENAME_EXCHANGE)
		}
		x, err := os.Stat(from)
		if err != nil {
			return nil, err
		}
		y, err := os.Stat(to)
		if err != nil {
			return nil, err
		}
		return os.SameFile(x, y), nil
	})
}

func (m *machine) InRoot(t *rapid.T) {
	a, b := name(t), name(t)
	what := rapid.SampledFrom([]string{"open", "create", "mkdir", "mkdirall", "remove", "removeall", "rename", "link", "symlink", "stat", "lstat",
		"readlink", "chmod", "writefile", "readfile", "openroot"}).Draw(t, "what")
	m.both(t, func(i int) (any, error) {
		root := m.roots[i]
		switch what {
		case "open":
			f, err := root.Open(a)
			if err != nil {
				return nil, err
			}
			return nil, f.Close()
		case "create":
			f, err := root.Create(a)
			if err != nil {
				return nil, err
			}
			return nil, f.Close()
		case "mkdir":
			return nil, root.Mkdir(a, 0o700)
		case "mkdirall":
			return nil, root.MkdirAll(a, 0o700)
		case "remove":
			return nil, root.Remove(a)
		case "removeall":
			if a == "." || strings.HasPrefix(a, "d/.") {
				return nil, nil
			}
			return nil, root.RemoveAll(a)
		case "rename":
			return nil, root.Rename(a, b)
		case "link":
			return nil, root.Link(a, b)
		case "symlink":
			return nil, root.Symlink(a, b)
		case "stat":
			return described(root.Stat(a))
		case "lstat":
			return described(root.Lstat(a))
		case "readlink":
			return root.Readlink(a)
		case "chmod":
			return nil, root.Chmod(a, 0o705)
		case "writefile":
			return nil, root.WriteFile(a, []byte("in a root"), 0o600)
		case "readfile":
			data, err := root.ReadFile(a)
			return string(data), err
		}
		sub, err := root.OpenRoot(a)
		if err != nil {
			return nil, err
		}
		return nil, sub.Close()
	})
}

func TestPackageOSAnswersAsOnTmpfs(t *testing.T) {
	needDoor(t)
	dir := tmpfs(t)
	run := 0
	rapid.Check(t, func(rt *rapid.T) {
		run++
		virtual, err := inprocess.Open(faultfs.New())
		if err != nil {
			rt.Fatal(err)
		}
		defer virtual.Close()
		m := &machine{dirs: [2]string{fmt.Sprintf("%s/%d", dir, run), virtual.Path()}}
		if err := os.Mkdir(m.dirs[0], 0o755); err != nil {
			rt.Fatal(err)
		}
		for i := range m.roots {
			if m.roots[i], err = os.OpenRoot(m.dirs[i]); err != nil {
				rt.Fatal(err)
			}
		}
		defer func() {
			for i := range m.dirs {
				_ = m.roots[i].Close()
			}
			for _, f := range m.files {
				_, _ = f[0].Close(), f[1].Close()
			}
		}()
		rt.Repeat(rapid.StateMachineActions(m))
	})
}
