package strace

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"github.com/crashsim/crashsim/faultfs"
)

// Load copies a directory, for Options.Before. Names of one file in it lead to
// one file; what is no file, directory or symbolic link is an error.
func Load(dir string) (*faultfs.FS, error) {
	l := loader{fs: faultfs.New(), dir: dir}
	info, err := os.Stat(dir)
	if err != nil {
		return nil, err
	}
	if err := l.do(faultfs.Op{Kind: faultfs.OpChmod, Path: "/", Mode: modeBits(info.Mode())}); err != nil {
		return nil, err
	}
	if err := l.below("/"); err != nil {
		return nil, err
	}
	return l.fs, nil
}

type loader struct {
	fs    *faultfs.FS
	dir   string
	files []loaded
}

// loaded is a file with its first name.
type loaded struct {
	info fs.FileInfo
	path string
}

func (l *loader) below(dir string) error {
	entries, err := os.ReadDir(filepath.Join(l.dir, dir))
	if err != nil {
		return err
	}
	for _, e := range entries {
		info, err := e.Info()
		if err == nil {
			err = l.entry(path.Join(dir, e.Name()), info)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (l *loader) entry(name string, info fs.FileInfo) error {
	bits := modeBits(info.Mode())
	from := filepath.Join(l.dir, name)
	switch {
	case info.IsDir():
		if err := l.do(faultfs.Op{Kind: faultfs.OpMkdir, Path: name, Mode: bits}); err != nil {
			return err
		}
		return l.below(name)
	case info.Mode()&fs.ModeSymlink != 0:
		target, err := os.Readlink(from)
		if err != nil {
			return err
		}
		return l.do(faultfs.Op{Kind: faultfs.OpSymlink, Path: name, Target: target})
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is no file, directory or symbolic link", from)
	}
	for _, f := range l.files {
		if os.SameFile(f.info, info) {
			return l.do(faultfs.Op{Kind: faultfs.OpLink, Path: f.path, To: name})
		}
	}
	l.files = append(l.files, loaded{info, name})
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if err := l.do(faultfs.Op{Kind: faultfs.OpCreate, Path: name, Mode: bits}); err != nil || len(data) == 0 {
		return err
	}
	return l.do(faultfs.Op{Kind: faultfs.OpWrite, Path: name, Data: data})
}

// before is the site of what was there before.
var before = faultfs.Site{}

func (l *loader) do(op faultfs.Op) error {
	op.Site = before
	_, err := l.fs.Do(op)
	return err
}

// modeBits turns a Go mode into mode bits as in chmod(2).
func modeBits(m fs.FileMode) uint32 {
	bits := uint32(m.Perm())
	for bit, is := range map[uint32]fs.FileMode{0o4000: fs.ModeSetuid, 0o2000: fs.ModeSetgid, 0o1000: fs.ModeSticky} {
		if m&is != 0 {
			bits |= bit
		}
	}
	return bits
}
