package faultfs_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sort"
	"strings"
	"syscall"
	"time"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/spf13/afero"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// subject is a file system that the machine drives.
type subject interface {
	afero.Fs
	afero.Symlinker
	LinkIfPossible(oldname, newname string) error
}

// machine makes random calls, the same ones on each of its subjects, and
// compares what they answer.
type machine struct {
	subjects []subject
	root     string           // all paths lie below it
	handles  [][2]afero.File  // open and closed ones, one for each subject
	replay   func(*rapid.T)   // called between steps at random, if set
	modes    func(uint32) int // makes a mode that this user may have
	names    *rapid.Generator[string]
}

// newMachine returns a machine over one subject or two.
func newMachine(root string, subjects ...subject) *machine {
	long := strings.Repeat("n", 255)
	return &machine{
		subjects: subjects,
		root:     root,
		modes:    func(bits uint32) int { return int(bits) },
		names: rapid.SampledFrom([]string{
			"a", "a", "a", "b", "b", "b", "c", "c", "ü x", ".", "..", "", long, long + "n", "nul\x00",
		}),
	}
}

// run makes steps until rapid has had enough, then compares the whole trees.
func (m *machine) run(t *rapid.T) {
	actions := map[string]func(*rapid.T){
		"open": m.open, "open again": m.open, "create": m.create, "write": m.write, "write again": m.write,
		"writeat": m.writeAt, "read": m.read, "readat": m.readAt, "seek": m.seek, "truncate": m.truncate,
		"sync": m.sync, "close": m.close, "drop": m.drop, "handle stat": m.handleStat, "handle readdir": m.handleReaddir,
		"mkdir": m.mkdir, "mkdir again": m.mkdir, "mkdirall": m.mkdirAll, "remove": m.remove, "removeall": m.removeAll,
		"rename": m.rename, "rename again": m.rename, "exchange": m.exchange, "link": m.link, "symlink": m.symlink, "readlink": m.readlink,
		"stat": m.stat, "lstat": m.lstat, "chmod": m.chmod, "chown": m.chown, "chtimes": m.chtimes, "readdir": m.readdir,
	}
	if m.replay != nil {
		actions["replay"] = m.replay
	}
	for range 8 {
		t.Repeat(actions)
	}
	m.closeAll(t)
	m.same(t, "tree", func(i int) []any { return []any{tree(m.subjects[i], m.root)} })
}

// same makes one call on each subject and compares the answers, errors by
// what a program can tell of them.
func (m *machine) same(t *rapid.T, what string, call func(i int) []any) {
	t.Helper()
	var want []any
	for i := range m.subjects {
		got := call(i)
		for k := range got {
			if err, ok := got[k].(error); ok {
				got[k] = describe(err)
			}
		}
		if i == 0 {
			want = got
			continue
		}
		require.Equal(t, want, got, what)
	}
}

// describe says what a program can tell of an error.
func describe(err error) string {
	var (
		path  *os.PathError
		link  *os.LinkError
		errno syscall.Errno
		kind  string
	)
	switch {
	case errors.As(err, &path):
		kind = "path error: "
	case errors.As(err, &link):
		kind = "link error: "
	}
	switch {
	case err == nil:
		return "no error"
	case errors.Is(err, io.EOF):
		return "end of file"
	case errors.Is(err, os.ErrClosed), strings.HasSuffix(err.Error(), "use of closed file"): // the latter from os.File.Readdir
		return kind + "closed"
	case errors.As(err, &errno):
		return kind + fmt.Sprintf("%d (%v)", int(errno), errno)
	}
	return "refused"
}

// rel draws a path below the root, with at most ups elements "..".
func (m *machine) rel(t *rapid.T, label string, ups int) string {
	elements := rapid.SliceOfN(m.names, 1, 4).Draw(t, label)
	for i, e := range elements {
		if e == ".." {
			if ups--; ups < 0 {
				elements[i] = "."
			}
		}
	}
	path := strings.TrimLeft(strings.Join(elements, "/"), "/")
	if path == "" {
		path = "a"
	}
	if rapid.IntRange(0, 9).Draw(t, label+" slash") == 9 {
		path += "/"
	}
	return path
}

// path draws a path.
func (m *machine) path(t *rapid.T, label string) string {
	rel := m.rel(t, label, 2)
	if rapid.IntRange(0, 99).Draw(t, label+" empty") == 99 {
		return ""
	}
	return m.root + "/" + rel
}

func (m *machine) perm(t *rapid.T) os.FileMode {
	perm := rapid.SampledFrom([]os.FileMode{0o777, 0o666, 0o644, 0o600, 0o000, 0o751, 0o1777}).Draw(t, "perm")
	mode := os.FileMode(m.modes(uint32(perm.Perm())))
	if perm&0o1000 != 0 {
		mode |= os.ModeSticky
	}
	return mode
}

func (m *machine) data(t *rapid.T) []byte {
	n := rapid.SampledFrom([]int{0, 1, 3, 100, 4095, 4096, 4097, 9000}).Draw(t, "length")
	b := rapid.Byte().Draw(t, "fill")
	p := make([]byte, n)
	for i := range p {
		p[i] = b + byte(i%7)
	}
	return p
}

func (m *machine) offset(t *rapid.T) int64 {
	return rapid.OneOf(rapid.Int64Range(-2, 20), rapid.Int64Range(4090, 4100), rapid.Int64Range(0, 20000)).Draw(t, "offset")
}

// flags draws every combination of the flags that package os and Linux offer.
func flags(t *rapid.T) int {
	flag := rapid.SampledFrom([]int{os.O_RDONLY, os.O_RDWR, os.O_WRONLY, os.O_RDWR, os.O_WRONLY | os.O_RDWR}).Draw(t, "access")
	for _, bit := range []int{os.O_CREATE, os.O_EXCL, os.O_TRUNC, os.O_APPEND, os.O_SYNC, dsync} {
		if rapid.Bool().Draw(t, "flag") {
			flag |= bit
		}
	}
	return flag
}

func (m *machine) opened(t *rapid.T, what string, open func(s subject) (afero.File, error)) {
	var pair [2]afero.File
	failed := false
	m.same(t, what, func(i int) []any {
		h, err := open(m.subjects[i])
		pair[i], failed = h, err != nil
		return []any{err}
	})
	if failed {
		return
	}
	m.handles = append(m.handles, pair)
	if len(m.handles) > 6 {
		m.forget(t, 0)
	}
}

func (m *machine) open(t *rapid.T) {
	path, flag, perm := m.path(t, "path"), flags(t), m.perm(t)
	m.opened(t, "open", func(s subject) (afero.File, error) { return s.OpenFile(path, flag, perm) })
}

func (m *machine) create(t *rapid.T) {
	path := m.path(t, "path")
	m.opened(t, "create", func(s subject) (afero.File, error) { return s.Create(path) })
}

// forget closes a handle and takes it out of the list.
func (m *machine) forget(t *rapid.T, index int) {
	pair := m.handles[index]
	m.handles = append(m.handles[:index:index], m.handles[index+1:]...)
	m.same(t, "close", func(i int) []any { return []any{pair[i].Close()} })
}

func (m *machine) closeAll(t *rapid.T) {
	for len(m.handles) > 0 {
		m.forget(t, 0)
	}
}

// onHandle makes a call on a handle, if there is one.
func (m *machine) onHandle(t *rapid.T, what string, call func(h afero.File) []any) {
	if len(m.handles) == 0 {
		t.Skip("no handle")
	}
	pair := rapid.SampledFrom(m.handles).Draw(t, "handle")
	m.same(t, what, func(i int) []any { return call(pair[i]) })
}

func (m *machine) write(t *rapid.T) {
	p := m.data(t)
	m.onHandle(t, "write", func(h afero.File) []any {
		n, err := h.Write(p)
		return []any{n, err}
	})
}

func (m *machine) writeAt(t *rapid.T) {
	p, off := m.data(t), m.offset(t)
	m.onHandle(t, "writeat", func(h afero.File) []any {
		n, err := h.WriteAt(p, off)
		return []any{n, err}
	})
}

func (m *machine) read(t *rapid.T) {
	length := len(m.data(t))
	m.onHandle(t, "read", func(h afero.File) []any {
		p := make([]byte, length)
		n, err := h.Read(p)
		return []any{n, string(p), err}
	})
}

func (m *machine) readAt(t *rapid.T) {
	length, off := len(m.data(t)), m.offset(t)
	m.onHandle(t, "readat", func(h afero.File) []any {
		p := make([]byte, length)
		n, err := h.ReadAt(p, off)
		return []any{n, string(p), err}
	})
}

func (m *machine) seek(t *rapid.T) {
	off, whence := m.offset(t), rapid.IntRange(-1, 2).Draw(t, "whence")
	m.onHandle(t, "seek", func(h afero.File) []any {
		if info, err := h.Stat(); err == nil && info.IsDir() {
			off, whence = 0, io.SeekStart // others mean something else on each file system
		}
		n, err := h.Seek(off, whence)
		return []any{n, err}
	})
}

func (m *machine) truncate(t *rapid.T) {
	size := m.offset(t)
	if rapid.IntRange(0, 19).Draw(t, "huge") == 19 {
		size = 1 << 33
	}
	m.onHandle(t, "truncate", func(h afero.File) []any { return []any{h.Truncate(size)} })
}

func (m *machine) sync(t *rapid.T) {
	m.onHandle(t, "sync", func(h afero.File) []any { return []any{h.Sync()} })
}

// close leaves the closed handle in the list, for further calls on it.
func (m *machine) close(t *rapid.T) {
	m.onHandle(t, "close", func(h afero.File) []any { return []any{h.Close()} })
}

func (m *machine) drop(t *rapid.T) {
	if len(m.handles) == 0 {
		t.Skip("no handle")
	}
	m.forget(t, rapid.IntRange(0, len(m.handles)-1).Draw(t, "index"))
}

func (m *machine) handleStat(t *rapid.T) {
	m.onHandle(t, "stat of a handle", func(h afero.File) []any {
		info, err := h.Stat()
		return []any{infoText(info), err, h.Name()}
	})
}

// handleReaddir lists a directory as a whole: what the pages of a listing hold
// when the directory changes between them is nobody's promise.
func (m *machine) handleReaddir(t *rapid.T) {
	m.onHandle(t, "readdir of a handle", func(h afero.File) []any {
		if info, err := h.Stat(); err == nil && info.IsDir() {
			if _, err := h.Seek(0, io.SeekStart); err != nil {
				return []any{err}
			}
		}
		infos, err := h.Readdir(-1)
		return []any{infoTexts(infos), err}
	})
}

func (m *machine) mkdir(t *rapid.T) {
	path, perm := m.path(t, "path"), m.perm(t)
	m.same(t, "mkdir", func(i int) []any { return []any{m.subjects[i].Mkdir(path, perm)} })
}

func (m *machine) mkdirAll(t *rapid.T) {
	path, perm := m.path(t, "path"), m.perm(t)
	m.same(t, "mkdirall", func(i int) []any { return []any{m.subjects[i].MkdirAll(path, perm)} })
}

func (m *machine) remove(t *rapid.T) {
	path := m.path(t, "path")
	m.same(t, "remove", func(i int) []any { return []any{m.subjects[i].Remove(path)} })
}

// removeAll never ends in dots: by way of links they could lead above the root.
func (m *machine) removeAll(t *rapid.T) {
	path := strings.ReplaceAll(m.path(t, "path"), "\x00", "") // os.RemoveAll takes some for missing
	for strings.HasSuffix(strings.TrimRight(path, "/"), "/.") || strings.HasSuffix(strings.TrimRight(path, "/"), "/..") {
		path = strings.TrimRight(path, "./") + "/a"
	}
	m.same(t, "removeall", func(i int) []any { return []any{m.subjects[i].RemoveAll(path)} })
}

func (m *machine) rename(t *rapid.T) {
	from, to := m.path(t, "from"), m.path(t, "to")
	m.same(t, "rename", func(i int) []any { return []any{m.subjects[i].Rename(from, to)} })
}

func (m *machine) exchange(t *rapid.T) {
	from, to := m.path(t, "from"), m.path(t, "to")
	m.same(t, "exchange", func(i int) []any {
		s, ok := m.subjects[i].(interface{ Exchange(from, to string) error })
		require.True(t, ok)
		return []any{s.Exchange(from, to)}
	})
}

func (m *machine) link(t *rapid.T) {
	from, to := m.path(t, "from"), m.path(t, "to")
	m.same(t, "link", func(i int) []any { return []any{m.subjects[i].LinkIfPossible(from, to)} })
}

func (m *machine) symlink(t *rapid.T) {
	target, path := m.rel(t, "target", 1), m.path(t, "path")
	switch rapid.IntRange(0, 9).Draw(t, "kind") {
	case 9:
		target = ""
	case 6, 7, 8:
		target = m.root + "/" + target
	}
	m.same(t, "symlink", func(i int) []any { return []any{m.subjects[i].SymlinkIfPossible(target, path)} })
}

func (m *machine) readlink(t *rapid.T) {
	path := m.path(t, "path")
	m.same(t, "readlink", func(i int) []any {
		target, err := m.subjects[i].ReadlinkIfPossible(path)
		return []any{target, err}
	})
}

func (m *machine) stat(t *rapid.T) {
	path := m.path(t, "path")
	m.same(t, "stat", func(i int) []any {
		info, err := m.subjects[i].Stat(path)
		return []any{infoText(info), err}
	})
}

func (m *machine) lstat(t *rapid.T) {
	path := m.path(t, "path")
	m.same(t, "lstat", func(i int) []any {
		info, _, err := m.subjects[i].LstatIfPossible(path)
		return []any{infoText(info), err}
	})
}

func (m *machine) chmod(t *rapid.T) {
	path, perm := m.path(t, "path"), m.perm(t)
	m.same(t, "chmod", func(i int) []any { return []any{m.subjects[i].Chmod(path, perm)} })
}

func (m *machine) chown(t *rapid.T) {
	path := m.path(t, "path")
	m.same(t, "chown", func(i int) []any { return []any{m.subjects[i].Chown(path, -1, -1)} })
}

func (m *machine) chtimes(t *rapid.T) {
	path := m.path(t, "path")
	when := time.Unix(rapid.Int64Range(1, 2_000_000_000).Draw(t, "seconds"), rapid.Int64Range(0, 999_999_999).Draw(t, "nanoseconds"))
	m.same(t, "chtimes", func(i int) []any {
		s := m.subjects[i]
		err := s.Chtimes(path, time.Time{}, when)
		if err != nil {
			return []any{err}
		}
		if err := s.Chtimes(path, when, time.Time{}); err != nil {
			return []any{err}
		}
		info, err := s.Stat(path)
		if err != nil {
			return []any{err}
		}
		return []any{info.ModTime().UnixNano()}
	})
}

// readdir lists a directory in pages and compares the union.
func (m *machine) readdir(t *rapid.T) {
	path, page := m.path(t, "path"), rapid.IntRange(-1, 4).Draw(t, "page")
	m.same(t, "readdir", func(i int) []any {
		h, err := m.subjects[i].Open(path)
		if err != nil {
			return []any{err}
		}
		defer h.Close()
		var all []os.FileInfo
		pages := 0
		for {
			infos, err := h.Readdir(page)
			all, pages = append(all, infos...), pages+1
			if err != nil || page <= 0 && pages == 2 {
				return []any{infoTexts(all), err, pages}
			}
		}
	})
}

// infoText is what the subjects must agree on of an entry: the size of a
// directory is anyone's.
func infoText(info os.FileInfo) string {
	if info == nil {
		return ""
	}
	size := info.Size()
	if info.IsDir() {
		size = 0
	}
	return fmt.Sprintf("%s %v %d", info.Name(), info.Mode(), size)
}

func infoTexts(infos []os.FileInfo) []string {
	texts := []string{}
	for _, info := range infos {
		texts = append(texts, infoText(info))
	}
	sort.Strings(texts)
	return texts
}

// tree lists everything below a path, with contents.
func tree(s subject, path string) []string {
	info, _, err := s.LstatIfPossible(path)
	if err != nil {
		return []string{path + ": " + describe(err)}
	}
	line := path + " " + infoText(info)
	switch {
	case info.Mode()&os.ModeSymlink != 0:
		target, err := s.ReadlinkIfPossible(path)
		return []string{line + " -> " + target + " " + describe(err)}
	case !info.IsDir():
		return []string{line + " " + contents(s, path, info.Size())}
	}
	lines := []string{line}
	h, err := s.Open(path)
	if err != nil {
		return append(lines, describe(err))
	}
	defer h.Close()
	names, err := h.Readdirnames(-1)
	if err != nil {
		return append(lines, describe(err))
	}
	sort.Strings(names)
	for _, name := range names {
		lines = append(lines, tree(s, path+"/"+name)...)
	}
	return lines
}

// contents reads the beginning of a file, which holds all but the zeros of a
// huge one.
func contents(s subject, path string, size int64) string {
	h, err := s.Open(path)
	if err != nil {
		return describe(err)
	}
	defer h.Close()
	p := make([]byte, min(size, 64<<10))
	n, err := h.ReadAt(p, 0)
	return fmt.Sprintf("%q %s", p[:n], describe(err))
}

var _ subject = (*faultfs.FS)(nil)
