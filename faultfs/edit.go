package faultfs

import (
	"cmp"
	"fmt"
	"io/fs"
	"slices"
	"syscall"
)

// Edit performs a trace again with changes: ops can be left out, and others can
// be put in. Every rewrite of a trace goes through it, so that what is not meant
// to change does not:
//
//   - The disk that the trace began on, and its setup with all its marks.
//   - The file that an op is about. Where a change gives other numbers to inodes,
//     an op on a file without a path goes to the inode that is now what it was
//     about. An op through a handle goes to the file that the handle was opened
//     for, even where the path of the op leads to another file by now.
//   - Which ops overlap: an op that is kept begins and returns among the others as
//     it did.
//   - Call sites and functions, the errors of calls that failed, and what syncs
//     that failed have lost.
//
// An edit that keeps every op and adds none gives the same trace.
//
// Limits: a trace does not say which handle an op goes through. Edit tells it from
// the ops that open and close files; where several handles of one file are open
// that lead to different files since the change, and the path leads to none of
// them, the one that was opened last is taken. In a trace that opens and
// closes no file, as most litmus files do, ops go by their paths. A write keeps its
// offset, where it was an append too.
type Edit struct {
	trace *Trace
	fs    *FS

	next    OpNum // the first op of the trace that was neither kept nor dropped
	changed bool  // an op was dropped or added, or came out differently
	strayed bool

	ops    []Op        // performed so far
	edges  [][2]moment // of these
	behind int         // how many moments stand behind the end of the op before next

	inodes  map[Ino]Ino   // what the inodes are now that the trace made; none: not made
	opens   bool          // the trace opens and closes files: it tells which handles are open
	handles map[Ino][]Ino // by inode of the trace: what its open handles lead to
}

// moment is an edge of the trace, and a place behind (or before) it that lies
// before the next edge.
type moment struct {
	edge  Edge
	place int
}

// Edit begins to edit the trace: no op of it is performed yet. The trace itself
// stays as it is.
func (t *Trace) Edit() *Edit {
	e := &Edit{trace: t, fs: NewOn(t.Base()), inodes: map[Ino]Ino{}, handles: map[Ino][]Ino{}}
	e.opens = slices.ContainsFunc(t.Ops, func(op Op) bool { return op.Kind == OpOpen || op.Kind == OpClose })
	return e
}

// FS is the file system as the ops performed so far have left it, to look at, to
// fork, or to inject faults into. What is done to it directly becomes no part of
// the edited trace.
func (e *Edit) FS() *FS { return e.fs }

// Keep performs an op of the trace; those between the last one and it are left
// out. It returns the op as it is recorded now. The error is that of the op, an
// *fs.PathError, where it succeeded in the trace and now fails. An op that failed
// in the trace is recorded as it is, and not tried.
func (e *Edit) Keep(n OpNum) (Op, error) { return e.keep(n, e.trace.Ops[n]) }

// KeepAll keeps the ops of the trace up to one, and that one too. It ends at the
// first error.
func (e *Edit) KeepAll(last OpNum) error {
	for n := e.next; n <= last; n++ {
		if _, err := e.Keep(n); err != nil {
			return err
		}
	}
	return nil
}

// Retry is Keep of an op that a fault made fail, or lose data: it is tried again.
func (e *Edit) Retry(n OpNum) (Op, error) {
	op := e.trace.Ops[n]
	op.Errno, op.Lost, op.Evicted, op.Injected = 0, Span{}, false, false
	return e.keep(n, op)
}

// Drop leaves an op of the trace out. What is added next stands in its place.
func (e *Edit) Drop(n OpNum) {
	e.reach(n)
	e.changed = true
}

// Add performs an op that is not in the trace, behind the op that was kept,
// dropped or added last. Its inodes are those of the edited trace. It stays
// without a call site if it has none. The error is as that of FS.Do.
func (e *Edit) Add(op Op) (Op, error) {
	e.changed = true
	from := len(e.fs.trace.Ops)
	op, err := e.fs.perform(op)
	var end Edge
	if e.next > 0 {
		end = e.trace.Ops[e.next-1].End
	}
	for _, done := range e.fs.trace.Ops[from:] {
		e.ops = append(e.ops, done)
		e.edges = append(e.edges, [2]moment{{end, e.behind + 1}, {end, e.behind + 2}})
		e.behind += 2
	}
	return op, err
}

// Strayed reports whether an op that was kept is about another inode than it was
// in the trace, or in another directory. A file that a rename replaced, and that is
// not there any more, does not count.
func (e *Edit) Strayed() bool { return e.strayed }

// Trace returns what was performed so far.
func (e *Edit) Trace() *Trace {
	t := &Trace{Setup: e.trace.Setup, Ops: slices.Clone(e.ops), base: e.trace.base}
	if !e.changed {
		for i := range t.Ops {
			t.Ops[i].Begin, t.Ops[i].End = e.trace.Ops[i].Begin, e.trace.Ops[i].End
		}
		return t
	}
	e.number(t.Ops)
	return t
}

// number gives edges to ops: their order is that of their moments, and there are
// no gaps. Ops of a trace without edges keep those of a sequential program.
func (e *Edit) number(ops []Op) {
	var all []moment
	for i, m := range e.edges {
		if m[1] == (moment{}) {
			for i := range ops {
				ops[i].Begin = sequentialBegin(i)
				ops[i].End = ops[i].Begin + 1
			}
			return
		}
		all = append(all, e.edges[i][:]...)
	}
	byTime := func(a, b moment) int { return cmp.Or(cmp.Compare(a.edge, b.edge), cmp.Compare(a.place, b.place)) }
	slices.SortFunc(all, byTime)
	rank := func(m moment) Edge {
		i, _ := slices.BinarySearchFunc(all, m, byTime)
		return Edge(i + 1)
	}
	for i := range ops {
		ops[i].Begin, ops[i].End = rank(e.edges[i][0]), rank(e.edges[i][1])
	}
}

// reach goes on to an op of the trace, and leaves out those before it.
func (e *Edit) reach(n OpNum) {
	if n < e.next {
		panic(fmt.Sprintf("crashsim: bug: op %d of a trace is performed after op %d", n, e.next-1))
	}
	e.changed = e.changed || n > e.next
	e.next, e.behind = n+1, 0
}

func (e *Edit) keep(n OpNum, op Op) (Op, error) {
	e.reach(n)
	was := &e.trace.Ops[n]
	byInode, err := e.find(&op)
	if err != nil {
		return op, err
	}
	from := len(e.fs.trace.Ops)
	is, err := e.fs.performOn(op, byInode)
	e.ops = append(e.ops, e.fs.trace.Ops[from:]...)
	performed := len(e.fs.trace.Ops) - from
	begin := moment{was.Begin, 0}
	for left := performed - 1; left >= 0; left-- { // a write that a fault cuts short becomes two
		end := moment{was.End, -2 * left}
		e.edges = append(e.edges, [2]moment{begin, end})
		begin = moment{was.End, -2*left + 1}
	}
	e.changed = e.changed || performed != 1 || is.Errno != was.Errno
	if err != nil || is.Failed() {
		return is, err
	}
	e.note(was, &is)
	return is, nil
}

// find gives an op of the trace the inodes that it is about now. It reports
// whether the op goes by its inode rather than by its path.
func (e *Edit) find(op *Op) (byInode bool, err error) {
	was := op.Ino
	op.Dir, op.ToDir, op.Replaced = e.now(op.Dir), e.now(op.ToDir), e.now(op.Replaced)
	switch op.Kind {
	case OpMkdir, OpCreate, OpRename, OpLink, OpSymlink, OpUnlink, OpRmdir, OpSync, OpMark, OpExchange:
		op.Ino = e.now(was)
		return false, nil
	}
	if op.Failed() && !op.Loses() {
		op.Ino = e.now(was)
		return false, nil // it is not tried
	}
	if op.Ino, byInode = e.fileOf(op); !byInode {
		return false, nil
	}
	if op.Ino == 0 {
		return true, &fs.PathError{Op: op.Kind.String(), Path: op.subject(), Err: syscall.ENOENT}
	}
	if op.Path != "" && !e.leads(op.Path, op.Ino) {
		op.Path = e.fs.pathOf(op.Ino)
	}
	return true, nil
}

// now returns what an inode of the trace is now, zero if it was not made.
func (e *Edit) now(ino Ino) Ino {
	if ino <= e.trace.Base().Inodes() {
		return ino
	}
	return e.inodes[ino]
}

// fileOf returns the inode that an op on a file is about now, and whether it is
// known without following the path of the op.
func (e *Edit) fileOf(op *Op) (ino Ino, byInode bool) {
	want := e.now(op.Ino)
	if open := e.handles[op.Ino]; len(open) > 0 && (op.Path == "" || op.Kind.byHandle()) {
		if i := slices.IndexFunc(open, func(ino Ino) bool { return op.Path != "" && e.leads(op.Path, ino) }); i >= 0 {
			return open[i], true
		}
		return open[len(open)-1], true
	}
	if op.Path == "" || want != 0 && e.leads(op.Path, want) {
		return want, true
	}
	return want, false
}

// leads reports whether a path leads to an inode, which may be a symbolic link.
func (e *Edit) leads(path string, ino Ino) bool {
	for _, mode := range []links{linkFollow, linkKeep} {
		if s, errno := e.fs.vol.lookup(path, mode); errno == 0 && s.ino == ino {
			return true
		}
	}
	return false
}

// byHandle reports whether a program makes an op of this kind through a handle.
func (k OpKind) byHandle() bool {
	switch k {
	case OpWrite, OpTruncate, OpFsync, OpFdatasync, OpRead, OpReaddir, OpClose:
		return true
	}
	return false
}

// note remembers what an op that succeeded made, opened and closed.
func (e *Edit) note(was, is *Op) {
	switch was.Kind {
	case OpCreate, OpMkdir, OpSymlink:
		e.inodes[was.Ino] = is.Ino
	}
	e.strayed = e.strayed || e.now(was.Ino) != is.Ino || e.now(was.Dir) != is.Dir || e.now(was.ToDir) != is.ToDir ||
		is.Replaced != 0 && e.now(was.Replaced) != is.Replaced
	if !e.opens {
		return
	}
	open := e.handles[was.Ino]
	switch {
	case was.Kind == OpCreate, was.Kind == OpOpen, was.Kind == OpTruncate && was.Path != "" && len(open) == 0:
		e.handles[was.Ino] = append(open, is.Ino)
	case was.Kind == OpClose:
		for i := len(open) - 1; i >= 0; i-- {
			if open[i] == is.Ino {
				e.handles[was.Ino] = slices.Delete(open, i, i+1)
				break
			}
		}
	}
}

// SyncAfter lets a program that is yet to run make syncs that it does not ask for:
// after each op that succeeds, f returns the paths of the files and directories to
// sync then, each in an fsync at the call site of the op. A path that leads nowhere is
// passed over. The file system must be one that records, without faults; f must not
// use it. It is an edit of a program that there is no trace of yet: see Edit.
func (f *FS) SyncAfter(paths func(op *Op) []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.syncAfter = paths
}

// addSyncs records the syncs that are added after an op. The lock is held.
func (f *FS) addSyncs(op Op) {
	for _, path := range f.syncAfter(&op) {
		if s, errno := f.vol.lookup(path, linkFollow); errno == 0 {
			sync := Op{Kind: OpFsync, Path: path, Ino: s.ino, Site: op.Site, Begin: Edge(f.edge.Add(1))}
			sync.End = Edge(f.edge.Add(1))
			f.trace.add(&sync)
		}
	}
}
