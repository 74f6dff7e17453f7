//go:build amd64 || arm64

package inprocess

import (
	"strings"
	"syscall"

	"github.com/crashsim/crashsim/faultfs"
)

// resolved is where a path leads.
type resolved struct {
	dir   faultfs.Ino // in which the last element stands; zero where that is a dot, dots or the root
	name  string      // the last element
	ino   faultfs.Ino // zero: there is no such name
	typ   faultfs.Type
	slash bool   // there is a slash behind the last element
	out   string // not "": the path leads out of the directory, to this absolute path
}

// plain reports whether the last element is a name.
func (s *resolved) plain() bool { return s.dir != 0 }

// How the last element of a path is looked at.
type lookMode uint8

const (
	lookFollow lookMode = iota // a symbolic link is followed
	lookKeep                   // only with a slash behind it
	lookParent                 // never: calls that make, remove or move a name
	lookCreate                 // only without a slash behind it: open with O_CREAT
)

const (
	maxSymlinks = 40
	maxPath     = 4095
	maxName     = 255
)

// walk resolves a path from a directory on, as the kernel does. links counts symbolic links.
func (d *Dir) walk(from faultfs.Ino, path string, mode lookMode, links *int) (resolved, syscall.Errno) {
	at := from
	s := resolved{ino: from, typ: faultfs.Directory}
	rest := path
	for {
		rest = strings.TrimLeft(rest, "/")
		if rest == "" {
			return s, 0
		}
		name, after, more := strings.Cut(rest, "/")
		last := strings.Trim(after, "/") == ""
		rest = after
		if name == "." || name == ".." {
			if name == ".." {
				if at == faultfs.Root {
					return resolved{out: "/" + rest}, 0
				}
				at = d.parent(at)
			}
			if d.fs.TypeAt(at) != faultfs.Directory {
				return resolved{}, syscall.ENOTDIR
			}
			s = resolved{name: name, ino: at, typ: faultfs.Directory}
			continue
		}
		s = resolved{dir: at, name: name, slash: more && last}
		var errno syscall.Errno
		if s.ino, errno = d.fs.LookAt(at, name); errno != 0 && errno != syscall.ENOENT {
			return resolved{}, errno
		}
		if s.ino == 0 {
			if !last {
				return resolved{}, syscall.ENOENT
			}
			return s, 0
		}
		s.typ = d.fs.TypeAt(s.ino)
		follows := !last || mode == lookFollow || mode == lookKeep && s.slash || mode == lookCreate && !s.slash
		switch {
		case s.typ == faultfs.Symlink && follows:
			target, errno := d.fs.TargetAt(s.ino)
			if *links++; *links > maxSymlinks {
				errno = syscall.ELOOP
			}
			if errno != 0 {
				return resolved{}, errno
			}
			if more {
				target += "/" + rest
			}
			if strings.HasPrefix(target, "/") {
				if to, rest := dirAt(target); to == d {
					at, target = faultfs.Root, rest
					s = resolved{ino: at, typ: faultfs.Directory}
				} else {
					return resolved{out: target}, 0
				}
			}
			if rest = target; rest == "" {
				return s, 0
			}
		case last && (!s.slash || mode >= lookParent || s.typ == faultfs.Directory):
			if s.typ == faultfs.Directory {
				d.leads(at, s.ino)
			}
			return s, 0
		case s.typ != faultfs.Directory:
			return resolved{}, syscall.ENOTDIR
		default:
			d.leads(at, s.ino)
			at = s.ino
		}
	}
}

// leads notes in which directory a directory stands.
func (d *Dir) leads(parent, ino faultfs.Ino) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if life := d.fs.Generation(); life != d.generation {
		d.generation = life
		clear(d.parents)
	}
	d.parents[ino] = parent
}

// parent returns the directory in which a directory stands.
func (d *Dir) parent(ino faultfs.Ino) faultfs.Ino {
	d.mu.Lock()
	defer d.mu.Unlock()
	if up := d.parents[ino]; up != 0 {
		return up
	}
	return faultfs.Root
}

// above reports whether a directory is another one, or lies above it.
func (d *Dir) above(up, ino faultfs.Ino) bool {
	for ino != up {
		if ino == faultfs.Root {
			return false
		}
		ino = d.parent(ino)
	}
	return true
}

// callTarget is what a path leads to, or a path outside of all virtual directories.
type callTarget struct {
	d *Dir // nil: outside
	resolved
	path string // outside: the absolute path
}

// lookup resolves the path argument of a call. The target is outside where the kernel is to
// answer.
func (c *call) lookup(dirfd int32, path string, mode lookMode) (callTarget, syscall.Errno) {
	links := 0
	if path == "" {
		return callTarget{}, syscall.ENOENT
	}
	if len(path) > maxPath {
		return callTarget{}, syscall.ENAMETOOLONG
	}
	var d *Dir
	from, rest := faultfs.Root, path
	if path[0] == '/' {
		d, rest = dirAt(path)
	} else if s := slotOf(dirfd); s != nil {
		f, errno := s.get(dirfd)
		switch {
		case errno != 0:
			return callTarget{}, errno
		case !f.isDir:
			return callTarget{}, syscall.ENOTDIR
		}
		d, from = f.dir, f.ino
	}
	if d == nil {
		path = absoluteReal(dirfd, path)
	}
	for {
		if d == nil {
			to, err := realPath(path, mode, &links)
			if err != 0 {
				return callTarget{}, err
			}
			if d, rest = dirAt(to); d == nil {
				return callTarget{path: to}, 0
			}
			from = faultfs.Root
		}
		s, errno := d.walk(from, rest, mode, &links)
		if errno != 0 {
			return callTarget{}, errno
		}
		if s.out == "" {
			return callTarget{d: d, resolved: s}, 0
		}
		d, path = nil, s.out
	}
}

// absoluteReal returns the absolute path of one that counts from a directory of the kernel's.
func absoluteReal(dirfd int32, path string) string {
	if path[0] == '/' {
		return path
	}
	at := "/proc/self/cwd"
	if dirfd != atFdCwd {
		at = "/proc/self/fd/" + number(int(dirfd))
	}
	base, errno := readlink(at)
	if errno != 0 {
		return path
	}
	return base + "/" + path
}

// realPath follows the symbolic links of an absolute path outside of virtual directories, as
// far as they go, until the path leads into one. What does not exist stays as it is.
func realPath(path string, mode lookMode, links *int) (string, syscall.Errno) {
	done, rest := "", path
	for {
		rest = strings.TrimLeft(rest, "/")
		if rest == "" {
			return max(done, "/"), 0
		}
		name, after, more := strings.Cut(rest, "/")
		rest = after
		switch name {
		case ".":
			continue
		case "..":
			done = done[:max(strings.LastIndexByte(done, '/'), 0)]
			continue
		}
		at := done + "/" + name
		if d, _ := dirAt(at); d != nil {
			if more {
				at += "/" + rest
			}
			return at, 0
		}
		last := strings.Trim(rest, "/") == ""
		if !last || mode == lookFollow || mode == lookCreate {
			if target, errno := readlink(at); errno == 0 {
				if *links++; *links > maxSymlinks {
					return "", syscall.ELOOP
				}
				if more {
					target += "/" + rest
				}
				if rest = target; strings.HasPrefix(target, "/") {
					done = ""
				}
				continue
			}
		}
		done = at
		if last {
			if more {
				done += "/"
			}
			return done, 0
		}
	}
}
