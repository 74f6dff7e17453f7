package strace

import (
	"errors"
	"fmt"
	"path"
	"strings"
	"syscall"

	"github.com/crashsim/crashsim/faultfs"
)

// resolved is where a path leads.
type resolved struct {
	path   string      // as it really is, in the world of the log
	inside bool        // it is below the root, or the root itself
	dir    faultfs.Ino // the directory that holds its name; zero for the root
	name   string
	ino    faultfs.Ino // zero if there is nothing of that name
}

func (p resolved) isRoot() bool { return p.inside && p.dir == 0 }

// conflict is an error of a call that may work after one that overlaps it.
type conflict struct{ error }

func (c conflict) Unwrap() error { return c.error }

func missing(path string) error {
	return conflict{fmt.Errorf("no call in the log made %s: give what was there before with --before DIR", clip(path))}
}

// links says whether the last element of a path is followed where it is a
// symbolic link.
type links uint8

const (
	follow links = iota
	keep
)

const maxLinks = 40 // followed in one path, as on Linux

// walker is a path under way.
type walker struct {
	im    *importer
	path  string        // so far
	stack []faultfs.Ino // directories below the root so far, and the root; empty outside
	queue []string
	links int
}

// resolve finds where an absolute path leads. What is outside the root is taken
// as it stands.
func (im *importer) resolve(p string, last links) (resolved, error) {
	w := walker{im: im, queue: elements(p)}
	w.restart()
	if strings.HasSuffix(p, "/") {
		last = follow
	}
	for len(w.queue) > 0 {
		name := w.queue[0]
		w.queue = w.queue[1:]
		switch {
		case name == "..":
			w.path = path.Dir(w.path)
			w.stack = w.stack[:max(len(w.stack)-1, 0)]
			if w.path == im.root {
				w.stack = []faultfs.Ino{faultfs.Root}
			}
		case len(w.stack) == 0:
			if w.path = path.Join(w.path, name); w.path == im.root {
				w.stack = []faultfs.Ino{faultfs.Root}
			}
		default:
			at, done, err := w.enter(name, last)
			if err != nil || done {
				return at, err
			}
		}
	}
	at := resolved{path: w.path, inside: len(w.stack) > 0}
	if n := len(w.stack); n > 0 {
		at.ino = w.stack[n-1]
		if n > 1 {
			at.dir, at.name = w.stack[n-2], path.Base(w.path)
		}
	}
	return at, nil
}

// restart goes back to "/".
func (w *walker) restart() {
	w.path, w.stack = "/", nil
	if w.im.root == "/" {
		w.stack = []faultfs.Ino{faultfs.Root}
	}
}

// enter goes on to a name below the root; done says that the path ends there.
func (w *walker) enter(name string, mode links) (at resolved, done bool, err error) {
	dir := w.stack[len(w.stack)-1]
	full := path.Join(w.path, name)
	last := len(w.queue) == 0
	ino, errno := w.im.fs.LookAt(dir, name)
	at = resolved{path: full, inside: true, dir: dir, name: name, ino: ino}
	switch {
	case errno == syscall.ENOENT && last:
		return at, true, nil
	case errno == syscall.ENOENT:
		return at, false, missing(full)
	case errno != 0:
		return at, false, conflict{fmt.Errorf("%s: %w", full, errno)}
	}
	target, isNoLink := w.im.fs.TargetAt(ino)
	switch {
	case isNoLink == 0 && (!last || mode == follow):
		if w.links++; w.links > maxLinks {
			return at, false, conflict{fmt.Errorf("%s: %w", full, syscall.ELOOP)}
		}
		if strings.HasPrefix(target, "/") {
			w.restart()
		}
		w.queue = append(elements(target), w.queue...)
		return at, false, nil
	case last:
		return at, true, nil
	case !w.im.isDir(ino):
		return at, false, conflict{fmt.Errorf("%s: %w", full, syscall.ENOTDIR)}
	}
	w.path = full
	w.stack = append(w.stack, ino)
	return at, false, nil
}

// elements are those of a path that say something.
func elements(p string) []string {
	var names []string
	for name := range strings.SplitSeq(p, "/") {
		if name != "" && name != "." {
			names = append(names, name)
		}
	}
	return names
}

func (im *importer) isDir(ino faultfs.Ino) bool {
	info, _, errno := im.fs.StatAt(ino)
	return errno == 0 && info.IsDir()
}

func (im *importer) size(ino faultfs.Ino) int64 {
	info, _, errno := im.fs.StatAt(ino)
	if errno != 0 {
		return 0
	}
	return info.Size()
}

// arg returns an argument, "" where the call has none at that place.
func (c *call) arg(i int) string {
	if i < len(c.args) {
		return c.args[i]
	}
	return ""
}

// path finds where the path at an argument leads. It counts from the directory
// of the descriptor before it, or with noDir from the working directory.
func (im *importer) path(c *call, dir, i int, last links) (resolved, error) {
	p, err := c.absolute(dir, i)
	if err != nil {
		return resolved{}, err
	}
	return im.resolve(p, last)
}

const noDir = -1

// absolute returns the path at an argument, from "/".
func (c *call) absolute(dir, i int) (string, error) {
	p, _, err := unquote(c.arg(i))
	if err != nil {
		return "", err
	}
	if strings.HasPrefix(p, "/") {
		return p, nil
	}
	from := c.cwd
	if dir != noDir {
		d, ok := parseDescriptor(c.arg(dir))
		if !ok {
			return "", errNoPath
		}
		if d.gone {
			return "", fmt.Errorf("%s is in a directory that was removed", clip(p))
		}
		from = d.path
	}
	if from == "" {
		return "", fmt.Errorf("%s is relative, and the log does not show the working directory", clip(p))
	}
	return from + "/" + p, nil
}

var errNoPath = errors.New("a descriptor has no path: run strace with -y")
