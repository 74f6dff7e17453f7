package strace

import (
	"fmt"
	"path"
	"strings"

	"github.com/crashsim/crashsim/faultfs"
)

// file is an open file. Descriptors share it after dup and fork.
type file struct {
	ino     faultfs.Ino // zero: it is outside the root
	off     int64
	appends bool
	sync    faultfs.OpKind // what follows each write, OpNone if nothing

	stdout bool   // it is the standard output that the program began with
	text   []byte // of stdout: the line that is not complete yet

	unknown string // why its contents or its offset are not known
}

// slot is a descriptor.
type slot struct {
	file    *file
	cloexec bool
}

// table is the descriptors of a process, or of several that share them.
type table map[int]slot

func (t table) clone() table {
	c := make(table, len(t))
	for n, s := range t {
		c[n] = s
	}
	return c
}

// surroundings are what CLONE_FS shares.
type surroundings struct {
	cwd   string // "" until the log shows it
	umask uint32
}

// process is a process or a thread.
type process struct {
	files *table
	fs    *surroundings
}

// fork is what a clone makes of a process.
func (p *process) fork(c *call) *process {
	child := *p
	flags := strings.Join(c.args, ",")
	if !strings.Contains(flags, "CLONE_FILES") {
		t := p.files.clone()
		child.files = &t
	}
	if !strings.Contains(flags, "CLONE_FS") {
		fs := *p.fs
		child.fs = &fs
	}
	return &child
}

// processOf returns the process of an event, which may be its first.
func (im *importer) processOf(e event) (*process, error) {
	if p := im.processes[e.pid]; p != nil {
		return p, nil
	}
	if len(im.processes) == 0 && !im.started {
		im.started = true
		p := &process{files: &table{1: {file: &file{stdout: true}}}, fs: &surroundings{umask: im.umask}}
		im.processes[e.pid] = p
		return p, nil
	}
	for _, c := range im.forks {
		if c.ret == int64(e.pid) && !c.applied && c.line < e.line && c.proc != nil {
			c.applied = true
			im.processes[e.pid] = c.proc.fork(c)
			return im.processes[e.pid], nil
		}
	}
	return nil, fmt.Errorf("nothing above started process %d: the log must have the calls of %%process, and strace must start the program", e.pid)
}

// isFork reports whether a call makes a process.
func (c *call) isFork() bool {
	return c.name == "clone" || c.name == "clone3" || c.name == "fork" || c.name == "vfork"
}

// begin notes what the descriptors of a call lead to as it begins.
func (im *importer) begin(c *call) error {
	c.files = map[int]*file{}
	for i, arg := range c.args {
		d, ok := parseDescriptor(arg)
		switch {
		case !ok:
		case d.number == fdCWD:
			c.proc.fs.cwd = d.path
		default:
			f, err := im.opened(c.proc, d)
			if err != nil {
				return err
			}
			c.files[i] = f
		}
	}
	c.cwd = c.proc.fs.cwd
	if c.name == "close" && len(c.args) > 0 && (!c.failed || c.errno != "EBADF") {
		// Another thread may get the number before the call returns.
		if d, ok := parseDescriptor(c.args[0]); ok {
			delete(*c.proc.files, d.number)
		}
	}
	return nil
}

// opened returns what a descriptor leads to.
func (im *importer) opened(p *process, d descriptor) (*file, error) {
	s, known := (*p.files)[d.number]
	inside := im.isInside(d.path)
	switch {
	case known && s.file.stdout && inside, !known && inside:
		return &file{unknown: fmt.Sprintf("descriptor %d of %s was open before the log begins, or came by a call that it lacks", d.number, clip(d.path))}, nil
	case !known:
		return &file{}, nil
	case s.file.ino != 0 && !inside:
		return nil, fmt.Errorf("descriptor %d leads to %s, and by the calls above below the root: the log lacks calls", d.number, clip(d.path))
	}
	return s.file, nil
}

// isInside reports whether a path without symbolic links is the root or below it.
func (im *importer) isInside(p string) bool {
	return p == im.root || im.root == "/" && strings.HasPrefix(p, "/") || strings.HasPrefix(p, im.root+"/")
}

// execute closes what a new program does not inherit.
func (p *process) execute() {
	t := p.files.clone()
	for n, s := range t {
		if s.cloexec {
			delete(t, n)
		}
	}
	p.files = &t
	fs := *p.fs
	p.fs = &fs
}

// moved says that a directory has another name: it may be the working
// directory of processes.
func (im *importer) moved(from, to string) {
	for _, p := range im.processes {
		if rest, ok := strings.CutPrefix(p.fs.cwd, from); ok && (rest == "" || rest[0] == '/') {
			p.fs.cwd = path.Clean(to + rest)
		}
	}
}

// exchanged notes that two names lead to what the other did. Neither lies below
// the other, so no working directory is under both; one that threads share moves
// once.
func (im *importer) exchanged(one, other string) {
	seen := map[*surroundings]bool{}
	for _, p := range im.processes {
		if seen[p.fs] {
			continue
		}
		seen[p.fs] = true
		for _, way := range [][2]string{{one, other}, {other, one}} {
			if rest, ok := strings.CutPrefix(p.fs.cwd, way[0]); ok && (rest == "" || rest[0] == '/') {
				p.fs.cwd = path.Clean(way[1] + rest)
				break
			}
		}
	}
}
