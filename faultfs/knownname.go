package faultfs

import (
	"path"
	"strings"
)

// knownName is a name that led to an inode when an op went by it, and the path by
// which the op went. Of a directory that was only gone through, the name is
// not known.
type knownName struct {
	dir  Ino
	name string
	path string

	other *knownName // a further name of the inode, nil if none is known
}

// remember notes that p leads to ino. It serves traces only: an op through a
// handle whose file was moved is told by a path that leads to it now.
func (f *FS) remember(ino Ino, p knownName) {
	if f.knownNames == nil {
		f.knownNames = map[Ino]knownName{}
	}
	f.knownNames[ino] = p
	if f.knownNames[p.dir].name == "" && p.dir != Root {
		up, _ := path.Split(strings.TrimRight(p.path, "/"))
		f.knownNames[p.dir] = knownName{path: up}
	}
}

// rememberOp notes where an op that succeeded left its inode.
func (f *FS) rememberOp(op *Op) {
	switch op.Kind {
	case OpCreate, OpMkdir:
		f.remember(op.Ino, knownName{dir: op.Dir, name: op.Name, path: op.Path})
	case OpLink:
		f.remember(op.Ino, knownName{dir: op.Dir, name: op.Name, path: op.To, other: f.standing(op.Ino)})
	case OpExchange:
		f.remember(op.Replaced, knownName{dir: op.Dir, name: op.Name, path: op.Path, other: f.standing(op.Replaced)})
		fallthrough
	case OpRename:
		f.remember(op.Ino, knownName{dir: op.ToDir, name: op.ToName, path: op.To, other: f.standing(op.Ino)})
	}
}

// pathOf returns a path that leads to ino now, "" if none is known.
func (f *FS) pathOf(ino Ino) string {
	if ino == Root {
		return "/"
	}
	p, known := f.knownNames[ino]
	if !known {
		return ""
	}
	if path := f.pathBy(ino, p); path != "" || p.other == nil {
		return path
	}
	return f.pathBy(ino, *p.other)
}

// standing returns a name that leads to ino now, nil if none is known.
func (f *FS) standing(ino Ino) *knownName {
	p, known := f.knownNames[ino]
	if known && f.pathBy(ino, p) == "" {
		if p.other == nil || f.pathBy(ino, *p.other) == "" {
			return nil
		}
		p = *p.other
	}
	if !known {
		return nil
	}
	p.other = nil
	return &p
}

// pathBy returns the path of a name if it leads to ino now, "" if it does not.
func (f *FS) pathBy(ino Ino, p knownName) string {
	if p.name != "" && f.vol.Entry(p.dir, p.name) == ino {
		if up := f.pathOf(p.dir); up != "" && len(up)+len(p.name) < maxPath {
			return strings.TrimRight(up, "/") + "/" + p.name
		}
	}
	if s, errno := f.vol.walk(p.path, linkFollow); errno != 0 || s.ino != ino {
		return ""
	}
	return p.path
}
