//go:build linux

package mount_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"github.com/crashsim/crashsim/faultfs/mount"
)

// twins are two directories, one in the mount and one on a file system of the
// kernel's own, in which the same calls are made.
type twins struct {
	roots [2]string
	files [][2]int // descriptors that are open
	flags []int
}

// each makes a call in both directories and requires the same answer.
func (w *twins) each(t *rapid.T, what string, do func(at func(string) string, side int) string) {
	var got [2]string
	for side, root := range w.roots {
		got[side] = do(func(name string) string { return filepath.Join(root, name) }, side)
	}
	require.Equal(t, got[1], got[0], what)
}

// answer tells what a call returned.
func answer(err error, results ...any) string {
	var errno unix.Errno
	if errors.As(err, &errno) {
		return "errno " + errno.Error()
	}
	if err != nil {
		return "error"
	}
	return fmt.Sprint(results...)
}

var (
	names = rapid.SampledFrom([]string{"a", "b", "c", "d", "d/a", "d/b", "e", "e/a", "e/e", "d/../a", "e/s", "s", "s/a"})
	small = rapid.Int64Range(0, 9000)
	datas = rapid.Custom(func(t *rapid.T) []byte {
		c := rapid.ByteRange('a', 'z').Draw(t, "letter")
		return []byte(strings.Repeat(string(c), rapid.IntRange(1, 6000).Draw(t, "length")))
	})
)

func (w *twins) open(t *rapid.T) {
	name := names.Draw(t, "name")
	flags := rapid.SampledFrom([]int{unix.O_RDWR, unix.O_RDONLY, unix.O_WRONLY}).Draw(t, "access")
	for _, flag := range []int{unix.O_CREAT, unix.O_APPEND, unix.O_TRUNC, unix.O_EXCL, unix.O_DSYNC} {
		if rapid.IntRange(0, 2).Draw(t, "flag") == 0 {
			flags |= flag
		}
	}
	if flags&unix.O_CREAT == 0 {
		flags &^= unix.O_EXCL // means nothing without it
	}
	var fds [2]int
	opened := false
	w.each(t, "open", func(at func(string) string, side int) string {
		fd, err := unix.Open(at(name), flags|unix.O_CLOEXEC, 0o640)
		fds[side], opened = fd, err == nil
		return answer(err)
	})
	if opened {
		w.files, w.flags = append(w.files, fds), append(w.flags, flags)
	}
}

// pick returns an open file, or skips the step.
func (w *twins) pick(t *rapid.T) int {
	if len(w.files) == 0 {
		t.Skip("nothing is open")
	}
	return rapid.IntRange(0, len(w.files)-1).Draw(t, "file")
}

func (w *twins) close(t *rapid.T) {
	i := w.pick(t)
	w.each(t, "close", func(_ func(string) string, side int) string { return answer(unix.Close(w.files[i][side])) })
	w.files = append(w.files[:i], w.files[i+1:]...)
}

// onFile makes a call on a descriptor.
func (w *twins) onFile(what string, draw func(t *rapid.T) func(fd int) string) func(*rapid.T) {
	return func(t *rapid.T) {
		i := w.pick(t)
		do := draw(t)
		w.each(t, what, func(_ func(string) string, side int) string { return do(w.files[i][side]) })
	}
}

// onName makes a call on a name.
func (w *twins) onName(what string, do func(name string) string) func(*rapid.T) {
	return func(t *rapid.T) {
		name := names.Draw(t, "name")
		w.each(t, what, func(at func(string) string, _ int) string { return do(at(name)) })
	}
}

// onNames makes a call on two names.
func (w *twins) onNames(what string, do func(from, to string) error) func(*rapid.T) {
	return func(t *rapid.T) {
		from, to := names.Draw(t, "from"), names.Draw(t, "to")
		w.each(t, what, func(at func(string) string, _ int) string { return answer(do(at(from), at(to))) })
	}
}

// look tells what stat(2) and its kin show of a file that crashes can change.
func look(name string, stat func(string, *unix.Stat_t) error) string {
	var st unix.Stat_t
	if err := stat(name, &st); err != nil {
		return answer(err)
	}
	if st.Mode&unix.S_IFMT == unix.S_IFDIR {
		return fmt.Sprintf("%o", st.Mode) // sizes and links of directories differ
	}
	return fmt.Sprintf("%o %d links %d", st.Mode, st.Size, st.Nlink)
}

func (w *twins) actions() map[string]func(*rapid.T) {
	actions := map[string]func(*rapid.T){"open": w.open, "close": w.close}
	w.addNames(actions)
	w.addFiles(actions)
	// Random names are mostly refused; what has an effect is tried more often.
	for _, often := range []string{"open", "write", "pwrite", "fallocate", "mkdir", "link"} {
		for i := range 3 {
			actions[fmt.Sprintf("%s %d", often, i)] = actions[often]
		}
	}
	return actions
}

func (w *twins) addNames(actions map[string]func(*rapid.T)) {
	actions["mkdir"] = w.onName("mkdir", func(name string) string { return answer(unix.Mkdir(name, 0o750)) })
	actions["rmdir"] = w.onName("rmdir", func(name string) string { return answer(unix.Rmdir(name)) })
	actions["unlink"] = w.onName("unlink", func(name string) string { return answer(unix.Unlink(name)) })
	actions["chmod"] = w.onName("chmod", func(name string) string { return answer(unix.Chmod(name, 0o705)) })
	actions["truncate"] = w.onName("truncate", func(name string) string { return answer(unix.Truncate(name, 5000)) })
	actions["stat"] = w.onName("stat", func(name string) string { return look(name, unix.Stat) })
	actions["lstat"] = w.onName("lstat", func(name string) string { return look(name, unix.Lstat) })
	actions["readlink"] = w.onName("readlink", func(name string) string {
		buf := make([]byte, 100)
		n, err := unix.Readlink(name, buf)
		return answer(err, string(buf[:max(n, 0)]))
	})
	actions["list"] = w.onName("list", func(name string) string {
		entries, err := os.ReadDir(name)
		out := ""
		for _, e := range entries {
			out += e.Name() + " " + e.Type().String() + "\n"
		}
		return answer(err, out)
	})
	actions["directory sync"] = w.onName("directory sync", func(name string) string {
		fd, err := unix.Open(name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			return answer(err)
		}
		return answer(errors.Join(unix.Fsync(fd), unix.Close(fd)))
	})
	actions["rename"] = w.onNames("rename", unix.Rename)
	actions["rename once"] = w.onNames("rename once", func(from, to string) error {
		return unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, unix.RENAME_NOREPLACE)
	})
	actions["exchange"] = w.onNames("exchange", func(from, to string) error {
		return unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, unix.RENAME_EXCHANGE)
	})
	actions["link"] = w.onNames("link", unix.Link)
	actions["symlink"] = func(t *rapid.T) {
		target, name := names.Draw(t, "target"), names.Draw(t, "name")
		w.each(t, "symlink", func(at func(string) string, _ int) string { return answer(unix.Symlink(target, at(name))) })
	}
}

func (w *twins) addFiles(actions map[string]func(*rapid.T)) {
	actions["write"] = w.onFile("write", func(t *rapid.T) func(int) string {
		data := datas.Draw(t, "data")
		return func(fd int) string { n, err := unix.Write(fd, data); return answer(err, n) }
	})
	actions["pwrite"] = w.onFile("pwrite", func(t *rapid.T) func(int) string {
		data, off := datas.Draw(t, "data"), small.Draw(t, "offset")
		return func(fd int) string { n, err := unix.Pwrite(fd, data, off); return answer(err, n) }
	})
	actions["pread"] = w.onFile("pread", func(t *rapid.T) func(int) string {
		off := small.Draw(t, "offset")
		return func(fd int) string {
			buf := make([]byte, 5000)
			n, err := unix.Pread(fd, buf, off)
			return answer(err, n, string(buf[:max(n, 0)]))
		}
	})
	actions["seek"] = w.onFile("seek", func(t *rapid.T) func(int) string {
		off, whence := small.Draw(t, "offset"), rapid.SampledFrom([]int{0, 2}).Draw(t, "whence")
		return func(fd int) string {
			var st unix.Stat_t
			if err := unix.Fstat(fd, &st); err != nil || st.Mode&unix.S_IFMT == unix.S_IFDIR {
				return answer(err) // what a directory's offset means is its file system's matter
			}
			n, err := unix.Seek(fd, off, whence)
			return answer(err, n)
		}
	})
	actions["ftruncate"] = w.onFile("ftruncate", func(t *rapid.T) func(int) string {
		size := small.Draw(t, "size")
		return func(fd int) string { return answer(unix.Ftruncate(fd, size)) }
	})
	actions["fallocate"] = w.onFile("fallocate", func(t *rapid.T) func(int) string {
		mode := rapid.SampledFrom([]uint32{0, unix.FALLOC_FL_KEEP_SIZE, unix.FALLOC_FL_KEEP_SIZE | unix.FALLOC_FL_PUNCH_HOLE}).Draw(t, "mode")
		off, length := small.Draw(t, "offset"), small.Draw(t, "length")
		return func(fd int) string { return answer(unix.Fallocate(fd, mode, off, length)) }
	})
	actions["fsync"] = w.onFile("fsync", func(*rapid.T) func(int) string {
		return func(fd int) string { return answer(unix.Fsync(fd)) }
	})
	actions["fdatasync"] = w.onFile("fdatasync", func(*rapid.T) func(int) string {
		return func(fd int) string { return answer(unix.Fdatasync(fd)) }
	})
	actions["fstat"] = w.onFile("fstat", func(*rapid.T) func(int) string {
		return func(fd int) string {
			return look("", func(_ string, st *unix.Stat_t) error { return unix.Fstat(fd, st) })
		}
	})
}

// tree tells everything that is below a directory.
func tree(t require.TestingT, root string) string {
	var b strings.Builder
	require.NoError(t, filepath.WalkDir(root, func(name string, e fs.DirEntry, err error) error {
		if err != nil || name == root {
			return err
		}
		rel, _ := filepath.Rel(root, name)
		fmt.Fprintf(&b, "%s %s", rel, look(name, unix.Lstat))
		if e.Type().IsRegular() {
			data, err := os.ReadFile(name)
			fmt.Fprintf(&b, " %q %v", data, err)
		}
		b.WriteByte('\n')
		return nil
	}))
	return b.String()
}

// TestAMountAnswersAsTheKernelDoes compares with the file system of the
// temporary directory, call by call, and the trace with what stands there.
func TestAMountAnswersAsTheKernelDoes(t *testing.T) {
	unix.Umask(0o022)
	server := newServer(t)
	rapid.Check(t, func(r *rapid.T) {
		at, plain := t.TempDir(), t.TempDir()
		fs := &served{t: r, disk: "empty", server: server}
		fs.mount(t, at, mount.Options{}) // skips t where nothing can be mounted
		defer func() { require.Empty(r, fs.close()) }()
		w := &twins{roots: [2]string{at, plain}}
		defer func() {
			for _, fds := range w.files {
				unix.Close(fds[0])
				unix.Close(fds[1])
			}
		}()
		r.Repeat(w.actions())
		require.Equal(r, tree(r, plain), tree(r, at))
		require.Empty(r, fs.readsBack())
	})
}
