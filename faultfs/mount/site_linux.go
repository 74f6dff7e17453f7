package mount

import (
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/internal/callsite"
)

// sites finds out from where in a program a request comes.
type sites struct {
	u *callsite.Unwinder

	mu    sync.Mutex
	known map[*callsite.Frame]*calledFrom // by the first frame: equal stacks are the same one
}

// calledFrom is a stack as ops have it.
type calledFrom struct {
	site  faultfs.CallSite
	stack []faultfs.CallSite
}

// mostSites bounds how many stacks are remembered.
const mostSites = 1 << 14

// newSites opens no file on the mount's own device.
func newSites(device uint64) *sites {
	return &sites{u: callsite.New(device), known: map[*callsite.Frame]*calledFrom{}}
}

// op records what was stored to mapped files until now, and returns an op that
// comes after that. The op has the place in the program that the request comes
// from, where that is asked for and can be found out. What the kernel does by
// itself comes from nowhere.
func (d *disk) op(in *fuse.InHeader, op faultfs.Op) faultfs.Op {
	d.recordStores()
	if op.Kind == faultfs.OpClose {
		// A program that is replaced by another one, as by exec, closes files in the
		// middle of that. What it runs cannot be asked for until the answer is there,
		// so that a close has no call site.
		return op
	}
	if d.inProcess {
		if d.fs.Records() {
			op.Locate()
		}
		return op
	}
	if d.sites == nil || in.Pid == 0 {
		return op
	}
	if from := d.sites.of(int(in.Pid)); from != nil {
		op.Site, op.Stack = from.site, from.stack
	}
	return op
}

func (s *sites) of(tid int) *calledFrom {
	stack, err := s.u.Stack(tid)
	if err != nil || len(stack) == 0 {
		return nil // the unwinder keeps the reason; see Mount.Notes
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if from := s.known[&stack[0]]; from != nil {
		return from
	}
	if len(s.known) >= mostSites {
		clear(s.known)
	}
	from := &calledFrom{}
	for _, f := range stack {
		if site := siteOf(f); site != (faultfs.CallSite{}) {
			from.stack = append(from.stack, site)
		}
	}
	if f, ok := callsite.Site(stack); ok {
		from.site = siteOf(f)
	}
	s.known[&stack[0]] = from
	return from
}

// siteOf is a frame as a trace names it. A function without a source line is
// told by the program or library that has it; an address without a name says
// nothing to a reader.
func siteOf(f callsite.Frame) faultfs.CallSite {
	switch {
	case f.File != "" && f.Line > 0:
		dir, base := path.Split(filepath.ToSlash(f.File))
		return faultfs.CallSite{File: path.Join(path.Base(dir), base), Line: f.Line, Func: path.Base(f.Func)}
	case f.Func != "":
		return faultfs.CallSite{File: f.Object, Func: f.Func}
	}
	return faultfs.CallSite{}
}

// deviceOf returns the device of the file system that has a source, zero if there
// is none. It asks the kernel's list of mounts, and no file system.
func deviceOf(table []mounted, source string) uint64 {
	for _, m := range table {
		if m.source == source {
			return m.device
		}
	}
	return 0
}

// parseDevice reads a device as mountinfo shows it, "0:45"; zero is none.
func parseDevice(text string) uint64 {
	major, minor, _ := strings.Cut(text, ":")
	a, err1 := strconv.ParseUint(major, 10, 32)
	b, err2 := strconv.ParseUint(minor, 10, 32)
	if err1 != nil || err2 != nil {
		return 0
	}
	return unix.Mkdev(uint32(a), uint32(b))
}
