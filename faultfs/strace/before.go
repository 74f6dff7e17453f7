package strace

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/crashsim/crashsim/faultfs"
)

// Load copies a directory, for Options.Before. Names of one file in it lead to
// one file; what is no file, directory or symbolic link is an error.
func Load(dir string) (*faultfs.FS, error) {
	info, err := os.Stat(dir)
	if err != nil {
		return nil, err
	}
	l := loader{fs: faultfs.New()}
	if bits := modeBits(info.Mode()); bits != 0o755 { // as that of a new file system
		if _, err := l.do(dir, faultfs.Op{Kind: faultfs.OpChmod, Ino: faultfs.Root, Mode: bits}); err != nil {
			return nil, err
		}
	}
	if err := l.below(dir, faultfs.Root); err != nil {
		return nil, err
	}
	return l.fs, nil
}

type loader struct {
	fs    *faultfs.FS
	files []loaded
	size  int64 // of the files that were copied
}

// maxBefore is how many bytes the files of a directory may have: a trace that can be
// read again holds no more.
const maxBefore = 256 << 20

// loaded is a file that was copied.
type loaded struct {
	info fs.FileInfo
	ino  faultfs.Ino
}

func (l *loader) below(dir string, ino faultfs.Ino) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		info, err := e.Info()
		if err == nil {
			err = l.entry(filepath.Join(dir, e.Name()), info, faultfs.Op{Dir: ino, Name: e.Name(), Mode: modeBits(info.Mode())})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// entry copies what a path leads to; op has the name to be made.
func (l *loader) entry(from string, info fs.FileInfo, op faultfs.Op) (err error) {
	switch {
	case info.IsDir():
		op.Kind = faultfs.OpMkdir
		ino, err := l.do(from, op)
		if err != nil {
			return err
		}
		return l.below(from, ino)
	case info.Mode()&fs.ModeSymlink != 0:
		op.Kind = faultfs.OpSymlink
		if op.Target, err = os.Readlink(from); err != nil {
			return err
		}
		_, err = l.do(from, op)
		return err
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is no file, directory or symbolic link", from)
	}
	for _, f := range l.files {
		if os.SameFile(f.info, info) {
			op.Kind, op.Ino = faultfs.OpLink, f.ino
			_, err = l.do(from, op)
			return err
		}
	}
	if l.size += info.Size(); l.size > maxBefore {
		return fmt.Errorf("%s: the files of the directory have more than %d bytes", from, int64(maxBefore))
	}
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	op.Kind = faultfs.OpCreate
	ino, err := l.do(from, op)
	if err != nil {
		return err
	}
	l.files = append(l.files, loaded{info, ino})
	if len(data) > 0 {
		_, err = l.do(from, faultfs.Op{Kind: faultfs.OpWrite, Ino: ino, Data: data})
	}
	return err
}

func (l *loader) do(from string, op faultfs.Op) (faultfs.Ino, error) {
	done, _, errno := l.fs.DoAt(op, nil)
	if errno != 0 {
		return 0, &fs.PathError{Op: op.Kind.String(), Path: from, Err: errno}
	}
	return done.Ino, nil
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
