//go:build linux

package mount_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/mount"
)

// opened opens a file of the mount while t runs.
func opened(t *testing.T, name string, flag int) *os.File {
	t.Helper()
	f, err := os.OpenFile(name, flag, 0o666)
	require.NoError(t, err)
	t.Cleanup(func() { f.Close() })
	return f
}

// fill writes a file without going through a mount.
func fill(fs *faultfs.FS, name, data string) {
	f := must(fs.Create(name))
	must(f.WriteString(data))
	if err := f.Close(); err != nil {
		panic(err)
	}
}

func newFixture() *faultfs.FS {
	fs := faultfs.New()
	fill(fs, "/f", "0123456789")
	if err := fs.Mkdir("/d", 0o755); err != nil {
		panic(err)
	}
	fill(fs, "/d/g", "g")
	return fs.Checkpoint()
}

// call is a call of a program in the mount, and the ops that it is recorded as.
type call struct {
	name string
	do   func(t *testing.T, at func(string) string)
	want []string
}

func runCalls(t *testing.T, table []call) {
	for _, c := range table {
		t.Run(c.name, func(t *testing.T) {
			fs := fixture(t)
			dir := serve(t, fs, mount.Options{})
			c.do(t, func(name string) string { return filepath.Join(dir, name) })
			require.Equal(t, c.want, changes(fs))
			requireReadsBack(t, fs)
			for _, op := range fs.ops() {
				require.Zero(t, op.Site, "a program has no site")
			}
		})
	}
}

func TestNamesBecomeOps(t *testing.T) {
	unix.Umask(0o022)
	runCalls(t, []call{
		{"create", func(t *testing.T, at func(string) string) {
			require.NoError(t, os.WriteFile(at("new"), nil, 0o600))
		}, []string{"create /new 0600"}},
		{"create takes the umask", func(t *testing.T, at func(string) string) {
			opened(t, at("new"), os.O_CREATE|os.O_WRONLY|os.O_EXCL)
		}, []string{"create /new 0644"}},
		{"mknod", func(t *testing.T, at func(string) string) {
			require.NoError(t, unix.Mknod(at("new"), unix.S_IFREG|0o640, 0))
		}, []string{"create /new 0640"}},
		{"mkdir", func(t *testing.T, at func(string) string) {
			require.NoError(t, os.Mkdir(at("d/e"), 0o777))
		}, []string{"mkdir /d/e 0755"}},
		{"symlink", func(t *testing.T, at func(string) string) {
			require.NoError(t, os.Symlink("d/g", at("s")))
			target, err := os.Readlink(at("s"))
			require.NoError(t, err)
			require.Equal(t, "d/g", target)
			data, err := os.ReadFile(at("s"))
			require.NoError(t, err)
			require.Equal(t, "g", string(data))
		}, []string{"symlink d/g /s"}},
		{"link", func(t *testing.T, at func(string) string) {
			require.NoError(t, os.Link(at("d/g"), at("h")))
			var st unix.Stat_t
			require.NoError(t, unix.Stat(at("d/g"), &st))
			require.EqualValues(t, 2, st.Nlink)
		}, []string{"link /d/g /h"}},
		{"unlink", func(t *testing.T, at func(string) string) {
			require.NoError(t, os.Remove(at("d/g")))
		}, []string{"unlink /d/g"}},
		{"rmdir", func(t *testing.T, at func(string) string) {
			require.NoError(t, unix.Unlink(at("d/g")))
			require.NoError(t, unix.Rmdir(at("d")))
		}, []string{"unlink /d/g", "rmdir /d"}},
		{"rename", func(t *testing.T, at func(string) string) {
			require.NoError(t, os.Rename(at("f"), at("d/g")))
		}, []string{"rename /f /d/g"}},
		{"rename without replacing", func(t *testing.T, at func(string) string) {
			require.ErrorIs(t, unix.Renameat2(unix.AT_FDCWD, at("f"), unix.AT_FDCWD, at("d/g"), unix.RENAME_NOREPLACE), unix.EEXIST)
			require.NoError(t, unix.Renameat2(unix.AT_FDCWD, at("f"), unix.AT_FDCWD, at("d/h"), unix.RENAME_NOREPLACE))
		}, []string{"rename /f /d/h"}},
		{"paths below a directory that was moved", func(t *testing.T, at func(string) string) {
			g := opened(t, at("d/g"), os.O_WRONLY)
			require.NoError(t, os.Rename(at("d"), at("e")))
			_, err := g.WriteString("x")
			require.NoError(t, err)
			require.NoError(t, os.Mkdir(at("e/sub"), 0o700))
		}, []string{"rename /d /e", "write /e/g 0 \"x\"", "mkdir /e/sub 0700"}},
		{"names relative to a directory", func(t *testing.T, at func(string) string) {
			d := opened(t, at("d"), os.O_RDONLY)
			fd := int(d.Fd())
			require.NoError(t, unix.Mkdirat(fd, "e", 0o700))
			require.NoError(t, unix.Renameat(fd, "g", fd, "e/../h"))
			require.NoError(t, unix.Symlinkat("h", fd, "s"))
			require.NoError(t, unix.Linkat(fd, "h", fd, "k", 0))
			require.NoError(t, unix.Unlinkat(fd, "e", unix.AT_REMOVEDIR))
			require.NoError(t, unix.Fsync(fd))
		}, []string{"mkdir /d/e 0700", "rename /d/g /d/h", "symlink h /d/s", "link /d/h /d/k", "rmdir /d/e", "fsync /d"}},
		{"chmod", func(t *testing.T, at func(string) string) {
			require.NoError(t, unix.Chmod(at("f"), 0o4711))
			require.NoError(t, opened(t, at("d"), os.O_RDONLY).Chmod(0o700))
		}, []string{"chmod /f 4711", "chmod /d 0700"}},
	})
}

func TestExchangeBecomesAnOp(t *testing.T) {
	unix.Umask(0o022)
	runCalls(t, []call{
		{"exchange", func(t *testing.T, at func(string) string) {
			exchange := func(one, other string) error {
				return unix.Renameat2(unix.AT_FDCWD, at(one), unix.AT_FDCWD, at(other), unix.RENAME_EXCHANGE)
			}
			require.NoError(t, exchange("f", "d/g"))
			require.NoError(t, os.WriteFile(at("h"), nil, 0o644))
			require.NoError(t, exchange("h", "d"))
			require.ErrorIs(t, exchange("h", "gone"), unix.ENOENT)
			require.ErrorIs(t, exchange("h", "h/g"), unix.EINVAL)
			require.NoError(t, os.Truncate(at("h/g"), 1))
		}, []string{"exchange /f /d/g", "create /h 0644", "exchange /h /d", "truncate /h/g 1"}},
	})
}

func TestFIFOsAndSocketsBecomeOps(t *testing.T) {
	unix.Umask(0o022)
	runCalls(t, []call{
		{"fifo", func(t *testing.T, at func(string) string) {
			require.NoError(t, unix.Mkfifo(at("p"), 0o600))
			entries, err := os.ReadDir(at("."))
			require.NoError(t, err)
			require.Equal(t, os.ModeNamedPipe, entries[2].Type())
			require.NoError(t, os.Chmod(at("p"), 0o640))
			info, err := os.Lstat(at("p"))
			require.NoError(t, err)
			require.Equal(t, os.ModeNamedPipe|0o640, info.Mode())
			p := opened(t, at("p"), os.O_RDWR)
			_, err = p.WriteString("through")
			require.NoError(t, err)
			got := make([]byte, 7)
			_, err = p.Read(got)
			require.NoError(t, err)
			require.Equal(t, "through", string(got))
			require.NoError(t, os.Rename(at("p"), at("d/p")))
		}, []string{"create /p 10600", "chmod /p 10640", "rename /p /d/p"}},
		{"socket", func(t *testing.T, at func(string) string) {
			l, err := net.Listen("unix", at("s"))
			require.NoError(t, err)
			info, err := os.Lstat(at("s"))
			require.NoError(t, err)
			require.Equal(t, os.ModeSocket, info.Mode().Type())
			c, err := net.Dial("unix", at("s"))
			require.NoError(t, err)
			require.NoError(t, c.Close())
			require.NoError(t, l.Close())
		}, []string{"create /s 140755", "unlink /s"}},
	})
}

func TestDataBecomesOps(t *testing.T) {
	runCalls(t, []call{
		{"write and pwrite", func(t *testing.T, at func(string) string) {
			f := opened(t, at("f"), os.O_RDWR)
			for range 2 {
				_, err := f.WriteString("ab")
				require.NoError(t, err)
			}
			_, err := f.WriteAt([]byte("z"), 4094)
			require.NoError(t, err)
		}, []string{`write /f 0 "ab"`, `write /f 2 "ab"`, `write /f 4094 "z"`}},
		{"writev is one write", func(t *testing.T, at func(string) string) {
			f := opened(t, at("f"), os.O_WRONLY)
			n, err := unix.Writev(int(f.Fd()), [][]byte{[]byte("ab"), []byte("cde")})
			require.NoError(t, err)
			require.Equal(t, 5, n)
		}, []string{`write /f 0 "abcde"`}},
		{"append", func(t *testing.T, at func(string) string) {
			f, g := opened(t, at("f"), os.O_WRONLY|os.O_APPEND), opened(t, at("f"), os.O_WRONLY|os.O_APPEND)
			for _, h := range []*os.File{f, g, f} {
				_, err := h.WriteString("ab")
				require.NoError(t, err)
			}
		}, []string{`write /f 10 "ab"`, `write /f 12 "ab"`, `write /f 14 "ab"`}},
		{"append that was asked for later", func(t *testing.T, at func(string) string) {
			f := opened(t, at("f"), os.O_WRONLY)
			_, err := unix.FcntlInt(f.Fd(), unix.F_SETFL, unix.O_APPEND)
			require.NoError(t, err)
			_, err = unix.Write(int(f.Fd()), []byte("ab"))
			require.NoError(t, err)
		}, []string{`write /f 10 "ab"`}},
		{"an empty write asks the kernel only", func(t *testing.T, at func(string) string) {
			_, err := opened(t, at("f"), os.O_WRONLY).Write(nil)
			require.NoError(t, err)
		}, []string{}},
		{"O_SYNC", func(t *testing.T, at func(string) string) {
			_, err := opened(t, at("f"), os.O_WRONLY|os.O_SYNC).WriteString("ab")
			require.NoError(t, err)
		}, []string{`write /f 0 "ab"`, "fsync /f"}},
		{"O_DSYNC", func(t *testing.T, at func(string) string) {
			_, err := opened(t, at("f"), os.O_WRONLY|unix.O_DSYNC).WriteString("ab")
			require.NoError(t, err)
		}, []string{`write /f 0 "ab"`, "fdatasync /f"}},
		{"pwritev2 with RWF_DSYNC, RWF_SYNC and RWF_APPEND", func(t *testing.T, at func(string) string) {
			f := opened(t, at("f"), os.O_WRONLY)
			for _, flags := range []int{unix.RWF_DSYNC, unix.RWF_SYNC, unix.RWF_APPEND, unix.RWF_APPEND | unix.RWF_DSYNC, 0} {
				_, err := unix.Pwritev2(int(f.Fd()), [][]byte{[]byte("a"), []byte("b")}, 1, flags)
				require.NoError(t, err)
			}
		}, []string{
			`write /f 1 "ab"`, "fdatasync /f", `write /f 1 "ab"`, "fsync /f", `write /f 10 "ab"`,
			`write /f 12 "ab"`, "fdatasync /f", `write /f 1 "ab"`,
		}},
	})
}

func TestSyncsAndSizesBecomeOps(t *testing.T) {
	runCalls(t, []call{
		{"fsync and fdatasync", func(t *testing.T, at func(string) string) {
			f := opened(t, at("f"), os.O_WRONLY)
			require.NoError(t, unix.Fsync(int(f.Fd())))
			require.NoError(t, unix.Fdatasync(int(f.Fd())))
		}, []string{"fsync /f", "fdatasync /f"}},
		{"sync of a directory", func(t *testing.T, at func(string) string) {
			d := opened(t, at("d"), os.O_RDONLY)
			require.NoError(t, d.Sync())
			require.NoError(t, unix.Fdatasync(int(d.Fd())))
			require.NoError(t, opened(t, at("."), os.O_RDONLY).Sync())
		}, []string{"fsync /d", "fdatasync /d", "fsync /"}},
		{"truncate", func(t *testing.T, at func(string) string) {
			require.NoError(t, os.Truncate(at("f"), 3))
			require.NoError(t, opened(t, at("f"), os.O_WRONLY).Truncate(5000))
		}, []string{"truncate /f 3", "truncate /f 5000"}},
		{"open with O_TRUNC", func(t *testing.T, at func(string) string) {
			opened(t, at("f"), os.O_WRONLY|os.O_TRUNC|os.O_CREATE)
		}, []string{"truncate /f 0"}},
		{"a file without a name", func(t *testing.T, at func(string) string) {
			f := opened(t, at("f"), os.O_RDWR)
			require.NoError(t, os.Remove(at("f")))
			_, err := f.WriteAt([]byte("ab"), 9)
			require.NoError(t, err)
			require.NoError(t, f.Sync())
			require.NoError(t, f.Truncate(4))
			var st unix.Stat_t
			require.NoError(t, unix.Fstat(int(f.Fd()), &st))
			require.EqualValues(t, 4, st.Size)
			require.Zero(t, st.Nlink)
		}, []string{"unlink /f", `write #2 9 "ab"`, "fsync #2", "truncate #2 4"}},
		{"a file without a name that is opened again", func(t *testing.T, at func(string) string) {
			f := opened(t, at("f"), os.O_RDWR)
			require.NoError(t, os.Remove(at("f")))
			again := opened(t, fmt.Sprintf("/proc/self/fd/%d", f.Fd()), os.O_RDWR)
			_, err := again.WriteString("ab")
			require.NoError(t, err)
		}, []string{"unlink /f", `write #2 0 "ab"`}},
		{"a file whose other name is left", func(t *testing.T, at func(string) string) {
			require.NoError(t, os.Link(at("f"), at("h")))
			f := opened(t, at("h"), os.O_RDWR)
			require.NoError(t, os.Remove(at("f")))
			_, err := f.WriteString("ab")
			require.NoError(t, err)
		}, []string{"link /f /h", "unlink /f", `write /h 0 "ab"`}},
		{"copy_file_range", func(t *testing.T, at func(string) string) {
			from, to := opened(t, at("f"), os.O_RDONLY), opened(t, at("d/g"), os.O_WRONLY)
			off, toOff := int64(3), int64(7)
			n, err := unix.CopyFileRange(int(from.Fd()), &off, int(to.Fd()), &toOff, 100, 0)
			require.NoError(t, err)
			require.Equal(t, 7, n)
		}, []string{`write /d/g 7 "3456789"`}},
		{"sendfile", func(t *testing.T, at func(string) string) {
			from, to := opened(t, at("f"), os.O_RDONLY), opened(t, at("d/g"), os.O_WRONLY)
			_, err := unix.Sendfile(int(to.Fd()), int(from.Fd()), nil, 100)
			require.NoError(t, err)
		}, []string{`write /d/g 0 "0123456789"`}},
	})
}

func TestFallocateBecomesWritesAndTruncates(t *testing.T) {
	const keep, punch, zero = unix.FALLOC_FL_KEEP_SIZE, unix.FALLOC_FL_PUNCH_HOLE, unix.FALLOC_FL_ZERO_RANGE
	table := []call{}
	for _, c := range []struct {
		name     string
		mode     uint32
		off, len int64
		want     []string
	}{
		{"within the file", 0, 2, 4, []string{}},
		{"beyond the end", 0, 5, 100, []string{"truncate /f 105"}},
		{"keeping the size", keep, 5, 100, []string{}},
		{"hole", punch | keep, 2, 3, []string{`write /f 2 "\x00\x00\x00"`}},
		{"hole over the end", punch | keep, 8, 300, []string{`write /f 8 "\x00\x00"`}},
		{"hole beyond the end", punch | keep, 100, 300, []string{}},
		{"zeros keeping the size", zero | keep, 8, 300, []string{`write /f 8 "\x00\x00"`}},
		{"zeros", zero, 8, 300, []string{`write /f 8 "\x00\x00"`, "truncate /f 308"}},
	} {
		table = append(table, call{c.name, func(t *testing.T, at func(string) string) {
			f := opened(t, at("f"), os.O_RDWR)
			require.NoError(t, unix.Fallocate(int(f.Fd()), c.mode, c.off, c.len))
		}, c.want})
	}
	table = append(table, call{"holes are not filled", func(t *testing.T, at func(string) string) {
		f := opened(t, at("sparse"), os.O_RDWR|os.O_CREATE)
		require.NoError(t, f.Truncate(1<<40))
		_, err := f.WriteAt([]byte("x"), 1<<39)
		require.NoError(t, err)
		require.NoError(t, unix.Fallocate(int(f.Fd()), punch|keep, 0, 1<<40))
	}, []string{"create /sparse 0644", "truncate /sparse 1099511627776", `write /sparse 549755813888 "x"`, `write /sparse 549755813888 "\x00"*4096`}})
	runCalls(t, table)
}

func TestWhatNoOpSaysIsRefused(t *testing.T) {
	fs := fixture(t)
	dir := serve(t, fs, mount.Options{})
	at := func(name string) string { return filepath.Join(dir, name) }
	f := opened(t, at("f"), os.O_RDWR)
	fd := int(f.Fd())
	for _, c := range []struct {
		name string
		err  error
		want error
	}{
		{"whiteout", unix.Renameat2(unix.AT_FDCWD, at("f"), unix.AT_FDCWD, at("w"), unix.RENAME_WHITEOUT), unix.EINVAL},
		{"tmpfile", second(unix.Open(dir, unix.O_TMPFILE|unix.O_RDWR, 0o600)), unix.EOPNOTSUPP},
		{"trusted xattr", unix.Setxattr(at("f"), "trusted.a", []byte("b"), 0), unix.EOPNOTSUPP},
		{"device", unix.Mknod(at("null"), unix.S_IFCHR|0o600, 0x103), unix.EPERM},
		{"collapse", unix.Fallocate(fd, unix.FALLOC_FL_COLLAPSE_RANGE, 0, 4096), unix.EOPNOTSUPP},
		{"insert", unix.Fallocate(fd, unix.FALLOC_FL_INSERT_RANGE, 0, 4096), unix.EOPNOTSUPP},
		{"run", unix.Access(at("f"), unix.X_OK), unix.EACCES},
		{"long name", os.Mkdir(at(strings.Repeat("n", 256)), 0o700), unix.ENAMETOOLONG},
	} {
		require.ErrorIs(t, c.err, c.want, c.name)
	}
	require.Empty(t, changes(fs))
}

func second[T any](_ T, err error) error { return err }

func TestExtendedAttributes(t *testing.T) {
	fs := fixture(t)
	dir := serve(t, fs, mount.Options{Marks: "marks"})
	name := filepath.Join(dir, "f")
	get := func(attr string, size int) (string, error) {
		buf := make([]byte, size)
		n, err := unix.Getxattr(name, attr, buf)
		if err != nil || size == 0 {
			return strconv.Itoa(n), err
		}
		return string(buf[:n]), nil
	}
	list := func() string {
		buf := make([]byte, 1000)
		n, err := unix.Listxattr(name, buf)
		require.NoError(t, err)
		return string(buf[:n])
	}
	require.Empty(t, list())
	require.ErrorIs(t, second(get("user.a", 10)), unix.ENODATA)
	require.NoError(t, unix.Setxattr(name, "user.b", []byte("two\x00"), unix.XATTR_CREATE))
	require.NoError(t, unix.Setxattr(name, "user.a", []byte("one"), 0))
	require.NoError(t, unix.Setxattr(name, "user.a", nil, unix.XATTR_REPLACE))
	require.ErrorIs(t, unix.Setxattr(name, "user.a", nil, unix.XATTR_CREATE), unix.EEXIST)
	require.ErrorIs(t, unix.Setxattr(name, "user.c", nil, unix.XATTR_REPLACE), unix.ENODATA)
	require.ErrorIs(t, second(get("security.capability", 10)), unix.ENODATA)
	require.ErrorIs(t, unix.Setxattr(filepath.Join(dir, "marks"), "user.a", nil, 0), unix.EOPNOTSUPP)
	require.Equal(t, "user.a\x00user.b\x00", list())
	value, err := get("user.b", 10)
	require.NoError(t, err)
	require.Equal(t, "two\x00", value)
	value, err = get("user.b", 0)
	require.NoError(t, err)
	require.Equal(t, "4", value)
	require.ErrorIs(t, second(get("user.b", 3)), unix.ERANGE)

	// They are those of the file, whatever it is called.
	require.NoError(t, os.Rename(name, filepath.Join(dir, "g")))
	name = filepath.Join(dir, "g")
	require.Equal(t, "user.a\x00user.b\x00", list())
	require.NoError(t, unix.Removexattr(name, "user.a"))
	require.ErrorIs(t, unix.Removexattr(name, "user.a"), unix.ENODATA)
	require.Equal(t, "user.b\x00", list())

	// No op says them: what a crash leaves has none.
	require.Len(t, changes(fs), 1, "the rename")
}

// Who writes to a program that runs as somebody else, or gives it away, takes that
// from it.
func TestWritesDropPrivileges(t *testing.T) {
	fs := fixture(t)
	dir := serve(t, fs, mount.Options{})
	name := filepath.Join(dir, "f")
	mode := func() os.FileMode {
		info, err := os.Stat(name)
		require.NoError(t, err)
		return info.Mode()
	}
	require.NoError(t, os.Chmod(name, 0o755|os.ModeSetuid|os.ModeSetgid))
	require.Equal(t, 0o755|os.ModeSetuid|os.ModeSetgid, mode())
	require.NoError(t, os.Lchown(name, os.Getuid(), os.Getgid()))
	require.Equal(t, os.FileMode(0o755), mode())
}

func TestAttributesThatNoOpSaysAreShown(t *testing.T) {
	fs := fixture(t)
	dir := serve(t, fs, mount.Options{})
	name := filepath.Join(dir, "f")
	require.NoError(t, os.Lchown(name, 7, 8))
	when := time.Unix(1234567890, 123456789)
	require.NoError(t, os.Chtimes(name, when.Add(time.Second), when))
	var st unix.Stat_t
	require.NoError(t, unix.Stat(name, &st))
	require.EqualValues(t, []uint32{7, 8}, []uint32{st.Uid, st.Gid})
	require.Equal(t, []int64{when.UnixNano() + 1e9, when.UnixNano()}, []int64{st.Atim.Nano(), st.Mtim.Nano()})
	require.Empty(t, changes(fs))

	require.NoError(t, os.WriteFile(name, []byte("x"), 0o600))
	require.NoError(t, unix.Stat(name, &st))
	require.NotEqual(t, when.UnixNano(), st.Mtim.Nano(), "a write sets the time")
	before := st.Mtim.Nano()
	require.NoError(t, os.Chtimes(name, time.Time{}, time.Time{}))
	require.NoError(t, unix.Utimes(name, nil))
	require.NoError(t, unix.Stat(name, &st))
	require.Greater(t, st.Mtim.Nano(), before, "touch sets the time")

	var disk unix.Statfs_t
	require.NoError(t, unix.Statfs(dir, &disk))
	require.NotZero(t, disk.Bavail)
	require.EqualValues(t, 255, disk.Namelen)
}

func TestLocksAreKept(t *testing.T) {
	dir := serve(t, fixture(t), mount.Options{})
	f, g := opened(t, filepath.Join(dir, "f"), os.O_RDWR), opened(t, filepath.Join(dir, "f"), os.O_RDWR)
	require.NoError(t, unix.Flock(int(f.Fd()), unix.LOCK_EX))
	require.ErrorIs(t, unix.Flock(int(g.Fd()), unix.LOCK_EX|unix.LOCK_NB), unix.EWOULDBLOCK)
	lock := unix.Flock_t{Type: unix.F_WRLCK, Len: 10}
	require.NoError(t, unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &lock))
	require.ErrorIs(t, unix.FcntlFlock(g.Fd(), unix.F_OFD_SETLK, &lock), unix.EAGAIN)
}

func largeDirectory() (names []string) {
	for i := range 3000 {
		names = append(names, fmt.Sprintf("%04d-%s", i, strings.Repeat("n", i%100)))
	}
	return names
}

func TestLargeDirectoriesAreListed(t *testing.T) {
	dir, want := serve(t, &served{t: t, disk: "large directory"}, mount.Options{}), largeDirectory()
	d := opened(t, dir, os.O_RDONLY)
	for range 2 { // and again from the start
		got, err := d.Readdirnames(-1)
		require.NoError(t, err)
		require.Equal(t, want, got)
		_, err = d.Seek(0, 0)
		require.NoError(t, err)
	}
}

func TestLongWritesBecomeSeveral(t *testing.T) {
	fs := empty(t)
	dir := serve(t, fs, mount.Options{})
	data := make([]byte, 5<<20)
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(data), func(i, j int) { data[i], data[j] = byte(j), byte(i) })
	require.NoError(t, os.WriteFile(filepath.Join(dir, "f"), data, 0o600))
	got, err := os.ReadFile(filepath.Join(dir, "f"))
	require.NoError(t, err)
	require.True(t, bytes.Equal(data, got))
	for _, op := range fs.ops() {
		require.LessOrEqual(t, len(op.Data), 1<<20)
	}
	require.LessOrEqual(t, len(changes(fs)), 8)
}

func TestAppendsFindTheEndThatTheKernelDoesNotKnow(t *testing.T) {
	fs := fixture(t)
	dir := serve(t, fs, mount.Options{})
	f := opened(t, filepath.Join(dir, "f"), os.O_WRONLY|os.O_APPEND)
	fs.fill("/f", "shorter")
	_, err := f.WriteString("!")
	require.NoError(t, err)
	require.Contains(t, changes(fs), `write /f 7 "!"`)
}

func TestReadsBecomeOps(t *testing.T) {
	fs := fixture(t)
	dir := serve(t, fs, mount.Options{})
	f := opened(t, filepath.Join(dir, "f"), os.O_RDONLY)
	buf := make([]byte, 4)
	_, err := f.ReadAt(buf, 5)
	require.NoError(t, err)
	require.Equal(t, "5678", string(buf))
	require.NoError(t, f.Close())
	_, err = os.ReadDir(filepath.Join(dir, "d"))
	require.NoError(t, err)
	opened(t, filepath.Join(dir, "f"), os.O_WRONLY|os.O_TRUNC)
	require.Equal(t, []string{"open /f", "read /f 5 4", "close /f", "open /d", "readdir /d", "truncate /f 0"}, calls(fs))
}
