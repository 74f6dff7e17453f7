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

// links says whether a last element that is a symbolic link is followed.
type links uint8

const (
	linkFollow links = iota // always: open, stat, chmod
	linkSlash               // only with a slash behind it: lstat, readlink
	linkBare                // only without a slash behind it: open with O_CREAT
	linkKeep                // never: calls that make, remove or move a name
)

// resolved is where a path leads: a name in a directory, and the inode under that
// name if there is one. The path "/" (and any that ends in a dot) leads to an
// inode without a directory that names it.
type resolved struct {
	dir     Ino
	name    string
	ino     Ino
	mustDir bool // the path ends in a slash
	dots    bool // the last element is "." or "..", or there is none
}

// walk resolves a path from the root. A missing last element is no error: its
// result has no inode. Relative paths count from the root. The result of a failed
// walk has a directory only if all but the last element was resolved. With
// linkBare and linkKeep, what stands before a slash at the end may be no
// directory: the caller looks at mustDir.
func (v *volume) walk(path string, mode links) (resolved, syscall.Errno) {
	w := walker{v: v, stack: append(v.stack[:0], Root), rest: path}
	s, errno := w.run(mode)
	v.stack = w.stack
	if (errno != 0 || s.ino == 0) && hasNUL(path) {
		return resolved{}, syscall.EINVAL
	}
	return s, errno
}

// hasNUL reports what package os refuses with EINVAL before any system call.
func hasNUL(path string) bool { return strings.IndexByte(path, 0) >= 0 }

// walkDirs is walk with linkKeep; it also returns the directories on the way,
// the root first.
func (v *volume) walkDirs(path string) (resolved, []Ino, syscall.Errno) {
	w := walker{v: v, stack: []Ino{Root}, rest: path}
	s, err := w.run(linkKeep)
	return s, w.stack, err
}

// walker is a walk under way: the directories entered so far, and what is
// still to be resolved.
type walker struct {
	v     *volume
	stack []Ino
	rest  string
	links int // followed so far

	named bool     // names are wanted
	names []string // of the directories entered, without the root
}

func (w *walker) run(mode links) (resolved, syscall.Errno) {
	if w.rest == "" {
		return resolved{}, syscall.ENOENT
	}
	if len(w.rest) > maxPath {
		return resolved{}, syscall.ENAMETOOLONG
	}
	s := resolved{ino: Root, name: "/", dots: true, mustDir: true}
	for {
		w.rest = strings.TrimLeft(w.rest, "/")
		if w.rest == "" {
			return s, 0
		}
		name, rest, more := strings.Cut(w.rest, "/")
		last := strings.Trim(rest, "/") == ""
		w.rest = rest
		if name == "." || name == ".." {
			if name == ".." && len(w.stack) > 1 {
				w.stack = w.stack[:len(w.stack)-1]
				w.names = w.names[:max(len(w.names)-1, 0)]
			}
			s = resolved{name: name, ino: w.stack[len(w.stack)-1], dots: true, mustDir: true}
			continue
		}
		dir := w.stack[len(w.stack)-1]
		s = resolved{dir: dir, name: name, mustDir: more && last}
		if len(name) > maxName {
			return s.orParent(last), syscall.ENAMETOOLONG
		}
		if s.ino = w.v.Entry(dir, name); s.ino == 0 {
			if !last {
				return resolved{}, syscall.ENOENT
			}
			return s, 0
		}
		switch typ := w.v.Type(s.ino); {
		case typ == Symlink && (!last || mode.follows(s.mustDir)):
			if err := w.enterLink(s.ino, more); err != 0 {
				return resolved{}, err
			}
		case last && (!s.mustDir || typ == Directory || mode >= linkBare):
			return s, 0
		case typ != Directory:
			return s.orParent(last), syscall.ENOTDIR
		default:
			w.stack = append(w.stack, s.ino)
			if w.named {
				w.names = append(w.names, name)
			}
		}
	}
}

func (mode links) follows(slash bool) bool {
	return mode == linkFollow || mode == linkSlash && slash || mode == linkBare && !slash
}

// orParent is the result of a walk that failed at it.
func (s resolved) orParent(last bool) resolved {
	if last {
		return s
	}
	return resolved{}
}

// enterLink puts the target of a symbolic link before what is still to come.
func (w *walker) enterLink(link Ino, more bool) syscall.Errno {
	if w.links++; w.links > maxSymlinks {
		return syscall.ELOOP
	}
	target := w.v.Target(link)
	if strings.HasPrefix(target, "/") {
		w.stack, w.names = w.stack[:1], w.names[:0]
	}
	if more {
		target += "/" + w.rest
	}
	w.rest = target
	return 0
}

// lookup resolves a path to an inode that must exist.
func (v *volume) lookup(path string, mode links) (resolved, syscall.Errno) {
	s, err := v.walk(path, mode)
	if err == 0 && s.ino == 0 {
		err = syscall.ENOENT
	}
	return s, err
}

// target returns the path of what a path leads to whose last element may be a
// symbolic link, one that dangles too: where open(2) would create a file.
func (v *volume) target(path string) string {
	for range maxSymlinks {
		s, errno := v.walk(path, linkKeep)
		if errno != 0 || s.mustDir || s.ino == 0 || v.Type(s.ino) != Symlink {
			break
		}
		if next := v.Target(s.ino); strings.HasPrefix(next, "/") {
			path = next
		} else {
			path = path[:strings.LastIndexByte(path, '/')+1] + next
		}
	}
	return path
}

// withoutLinks returns a path to a directory that goes through no symbolic
// link; dotted says that the path it was given ends in "..".
func (f *FS) withoutLinks(name string) (path string, dotted bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	w := walker{v: &f.vol, stack: []Ino{Root}, rest: name, named: true}
	s, errno := w.run(linkKeep)
	switch {
	case errno != 0:
		return name, false
	case !s.dots:
		w.names = append(w.names, s.name)
	}
	return "/" + strings.Join(w.names, "/"), s.name == ".."
}
