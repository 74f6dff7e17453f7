package faultfs

import (
	"strings"
	"syscall"
)

const (
	maxName     = 255  // bytes in one element of a path, as on Linux
	maxPath     = 4095 // bytes in a path, as on Linux
	maxSymlinks = 40   // links followed in one path, as on Linux
)

// spot is where a path leads: a name in a directory, and the inode under that
// name if there is one. The path "/" (and any that ends in a dot) leads to an
// inode without a name.
type spot struct {
	dir     Ino
	name    string
	ino     Ino
	mustDir bool // the path ends in a slash
	dots    bool // the last element is "." or "..", or there is none
}

// walk resolves a path from the root. A last element that is a symbolic link
// is followed where follow says so. A missing last element is no error: its
// spot has no inode. Relative paths count from the root.
func (v *volume) walk(path string, follow bool) (spot, syscall.Errno) {
	var buf [16]Ino
	w := walker{v: v, stack: append(buf[:0], Root), rest: path}
	return w.run(follow)
}

// walkDirs is walk without following the last element; it also returns the
// directories on the way, the root first.
func (v *volume) walkDirs(path string) (spot, []Ino, syscall.Errno) {
	w := walker{v: v, stack: []Ino{Root}, rest: path}
	s, err := w.run(false)
	return s, w.stack, err
}

// walker is a walk under way: the directories entered so far, and what is
// still to be resolved.
type walker struct {
	v     *volume
	stack []Ino
	rest  string
	links int
}

func (w *walker) run(follow bool) (spot, syscall.Errno) {
	if w.rest == "" {
		return spot{}, syscall.ENOENT
	}
	if len(w.rest) > maxPath {
		return spot{}, syscall.ENAMETOOLONG
	}
	s := spot{ino: Root, dots: true, mustDir: true}
	for {
		w.rest = strings.TrimLeft(w.rest, "/")
		if w.rest == "" {
			return s, 0
		}
		name, rest, more := strings.Cut(w.rest, "/")
		last := strings.Trim(rest, "/") == ""
		w.rest = rest
		if len(name) > maxName {
			return s, syscall.ENAMETOOLONG
		}
		if name == "." || name == ".." {
			if name == ".." && len(w.stack) > 1 {
				w.stack = w.stack[:len(w.stack)-1]
			}
			s = spot{ino: w.stack[len(w.stack)-1], dots: true, mustDir: true}
			continue
		}
		dir := w.stack[len(w.stack)-1]
		s = spot{dir: dir, name: name, ino: w.v.Entry(dir, name), mustDir: more && last}
		if s.ino == 0 {
			if !last {
				return s, syscall.ENOENT
			}
			return s, 0
		}
		switch typ := w.v.Type(s.ino); {
		case typ == Symlink && (!last || follow || s.mustDir):
			if err := w.enterLink(s.ino, more); err != 0 {
				return s, err
			}
		case last && !s.mustDir:
			return s, 0
		case typ != Directory:
			return s, syscall.ENOTDIR
		case last:
			return s, 0
		default:
			w.stack = append(w.stack, s.ino)
		}
	}
}

// enterLink puts the target of a symbolic link before what is still to come.
func (w *walker) enterLink(link Ino, more bool) syscall.Errno {
	if w.links++; w.links > maxSymlinks {
		return syscall.ELOOP
	}
	target := w.v.Target(link)
	if strings.HasPrefix(target, "/") {
		w.stack = w.stack[:1]
	}
	if more {
		target += "/" + w.rest
	}
	w.rest = target
	return 0
}

// lookup resolves a path to an inode that must exist.
func (v *volume) lookup(path string, follow bool) (spot, syscall.Errno) {
	s, err := v.walk(path, follow)
	if err == 0 && s.ino == 0 {
		err = syscall.ENOENT
	}
	return s, err
}
