package strace

import (
	"cmp"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/crashsim/crashsim/faultfs"
)

// Options say what a log is about. The zero value is about the directory that
// its program was started in, and which was empty.
type Options struct {
	// Root is the directory that becomes "/", as the log names it; "": the one
	// in which the program was started.
	Root string
	// Before holds what was in the root before, durably; nil: nothing. It is
	// dead afterwards.
	Before *faultfs.FS
}

// Import makes a trace of a log; file is its name, for sites and for errors,
// which are *faultfs.TextError. A log in which nothing is about the root is one.
func Import(file string, text []byte, o Options) (*faultfs.Trace, error) {
	events, err := read(file, string(text))
	if err != nil {
		return nil, err
	}
	im := &importer{
		file: file, site: path.Join(filepath.Base(filepath.Dir(file)), filepath.Base(file)),
		root: o.Root, fs: o.Before, umask: 0o022, processes: map[int]*process{},
	}
	if im.fs == nil {
		im.fs = faultfs.New()
	}
	im.fs = im.fs.Checkpoint()
	im.look(events)
	if im.root == "" || im.root[0] != '/' {
		return nil, &faultfs.TextError{File: file, Line: 1, Err: fmt.Errorf("the log does not show in which directory the program was started: give an absolute --root")}
	}
	im.root = path.Clean(im.root)
	for _, e := range events {
		if err := im.event(e); err != nil {
			return nil, im.failure(e.line, err)
		}
	}
	if !im.touched {
		return nil, &faultfs.TextError{File: file, Line: 1, Err: fmt.Errorf("nothing in the log is about %s", im.root)}
	}
	return im.trace(), nil
}

// importer is a log under way.
type importer struct {
	file, site string
	root       string
	umask      uint32 // of the first process
	fs         *faultfs.FS

	started   bool
	processes map[int]*process
	forks     []*call // of the whole log
	flying    []*call // begun and not returned, in order of their ends

	now     int // the line whose call takes effect
	part    int // ops that the call has made so far
	moments []moment
	data    int64 // bytes written so far
	touched bool  // something was about the root
}

// moment is when an op was called and returned.
type moment struct {
	begin, end int // lines
	first      bool
	keep       bool // it is part of the trace
}

// look takes from the log what must be known before its first line.
func (im *importer) look(events []event) {
	umask := false
	for _, e := range events {
		if e.kind != eventBegin {
			continue
		}
		c := e.call
		if c.isFork() && c.ret > 0 {
			im.forks = append(im.forks, c)
		}
		if c.name == "umask" && c.returned && !c.failed && !umask {
			im.umask, umask = uint32(c.ret)&0o777, true
		}
		for _, arg := range c.args {
			if d, ok := parseDescriptor(arg); ok && d.number == fdCWD && im.root == "" {
				im.root = d.path
			}
		}
	}
}

// failure is an error of a line, unless it says another one itself.
func (im *importer) failure(line int, err error) error {
	var at *faultfs.TextError
	if errors.As(err, &at) {
		return at
	}
	return &faultfs.TextError{File: im.file, Line: line, Err: err}
}

func (im *importer) event(e event) error {
	switch e.kind {
	case eventExit:
		_, _ = im.processOf(e) // it may have made no call, and its number comes again
		delete(im.processes, e.pid)
		return nil
	case eventSuperseded:
		if p := im.processes[e.by]; p != nil {
			im.processes[e.pid] = p
			delete(im.processes, e.by)
		}
		return nil
	}
	p, err := im.processOf(e)
	if err != nil {
		return err
	}
	c := e.call
	c.proc = p
	if e.kind == eventBegin {
		if err := im.begin(c); err != nil && !c.failed {
			return err
		}
		if !c.returned {
			return im.leftOpen(c)
		}
		if c.last != c.line {
			at, _ := slices.BinarySearchFunc(im.flying, c, func(a, b *call) int { return cmp.Compare(a.last, b.last) })
			im.flying = slices.Insert(im.flying, at, c)
		}
		return nil
	}
	im.now = e.line
	im.flying = slices.DeleteFunc(im.flying, func(f *call) bool { return f == c })
	if c.applied {
		return nil
	}
	err = im.apply(c)
	if c.line != e.line && err != nil {
		err = im.failure(c.line, err)
	}
	return err
}

// apply lets a call take effect. What may stand in its way is that one which
// overlaps it and returned later had taken effect before.
func (im *importer) apply(c *call) error {
	err := im.try(c)
	for _, other := range im.flying {
		var c2 conflict
		if !errors.As(err, &c2) {
			return err
		}
		if other.applied || other.failed || !makesNames[other.name] || im.try(other) != nil {
			continue
		}
		other.applied = true
		err = im.try(c)
	}
	return err
}

func (im *importer) try(c *call) error {
	h := handlers[c.name]
	if h == nil || c.failed && !failsAsOp(c) {
		return nil
	}
	im.part = 0
	if err := h(im, c); err != nil {
		return fmt.Errorf("%s: %w", c.name, err)
	}
	return nil
}

// leftOpen refuses a call that may have changed files and never returned.
func (im *importer) leftOpen(c *call) error {
	if !changesFiles[c.name] {
		return nil
	}
	flags := strings.Join(c.args, "|")
	if strings.HasPrefix(c.name, "open") && !strings.Contains(flags, "O_CREAT") && !strings.Contains(flags, "O_TRUNC") {
		return nil
	}
	touches := false
	for i := range c.args {
		if f := c.files[i]; f != nil && (f.ino != 0 || f.unknown != "") {
			touches = true
		}
		dir := noDir
		if i > 0 {
			if _, ok := parseDescriptor(c.args[i-1]); ok {
				dir = i - 1
			}
		}
		if p, err := c.absolute(dir, i); err == nil && im.isInside(path.Clean(p)) {
			touches = true
		}
	}
	if touches {
		return fmt.Errorf("%s never returned: whether it had an effect is not known", c.name)
	}
	return nil
}

// do performs an op of a call.
func (im *importer) do(c *call, op faultfs.Op) (faultfs.Op, error) {
	im.touched = true
	if im.data += int64(len(op.Data)); im.data > maxData {
		return op, fmt.Errorf("more than %d bytes are written", int64(maxData))
	}
	op.Site = im.siteOf(c)
	done, _, errno := im.fs.DoAt(op, nil)
	im.note(c, errno == 0)
	if errno != 0 {
		return op, conflict{fmt.Errorf("it succeeded, but by the calls above it is %w", errno)}
	}
	return done, nil
}

// maxData is how many bytes a log may write; the text form of a trace holds more.
const maxData = 64 << 20

func (im *importer) siteOf(c *call) faultfs.CallSite {
	return faultfs.CallSite{File: im.site, Line: c.line}
}

// note notes the moments of the op that was recorded last.
func (im *importer) note(c *call, keep bool) {
	im.moments = append(im.moments, moment{begin: c.line, end: im.now, first: im.part == 0, keep: keep})
	if keep {
		im.part++
	}
}

// trace returns what was recorded, with the edges of the log.
func (im *importer) trace() *faultfs.Trace {
	t := im.fs.Trace()
	type edge struct {
		line, phase, seq int
		at               *faultfs.Edge
	}
	ops := make([]faultfs.Op, 0, len(t.Ops))
	edges := make([]edge, 0, 2*len(t.Ops))
	for i, m := range im.moments {
		if !m.keep {
			continue
		}
		n := len(ops)
		ops = append(ops, t.Ops[i])
		begin := edge{m.begin, 0, 2 * n, &ops[n].Begin}
		if !m.first {
			begin.line, begin.phase = m.end, 1
		}
		edges = append(edges, begin, edge{m.end, 1, 2*n + 1, &ops[n].End})
	}
	slices.SortFunc(edges, func(a, b edge) int {
		return cmp.Or(cmp.Compare(a.line, b.line), cmp.Compare(a.phase, b.phase), cmp.Compare(a.seq, b.seq))
	})
	for i, e := range edges {
		*e.at = faultfs.Edge(i + 1)
	}
	t.Ops = ops
	return t
}
