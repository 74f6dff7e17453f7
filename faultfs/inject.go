package faultfs

import (
	"bytes"
	"maps"
	"math"
	"slices"
	"syscall"

	"github.com/crashsim/crashsim/faultfs/internal/pagecache"
)

// injector makes calls fail. An FS without one has a nil *injector, which costs
// a look at a pointer.
type injector struct {
	how     SyncFailure
	faults  []Fault
	matched []int // calls that each fault was about
	fired   []int // of these, the calls that failed
	broken  bool  // the journal is: see SyncFailure.Journal
	files   map[Ino]*written
}

// written is what a file's syncs have written, and which of their errors were
// told: an error is told once to each handle that was open when it came about,
// as Linux does since 4.13.
type written struct {
	size  int64
	pages map[int64][]byte // as last written, of those that differ since
	dirty map[int64]bool   // those that the next sync writes

	errors   int // so far
	errno    syscall.Errno
	seen     bool // somebody was told of the last one
	standing int  // as told to ops that go through no handle, see FS.Do
}

// Inject makes calls fail from here on, on a file system that behaves as how
// says once a sync has failed. A call that fails is recorded with its error and
// as Injected, and does nothing; the program gets the same errors as from a real
// file system, *fs.PathError and *os.LinkError around a syscall.Errno, so that
// only the trace tells them apart. What was written before counts as synced.
func (f *FS) Inject(how SyncFailure, faults ...Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.inject = &injector{
		how: how, faults: slices.Clone(faults), matched: make([]int, len(faults)), fired: make([]int, len(faults)),
		files: map[Ino]*written{},
	}
}

// Fired returns how many calls each injected fault has made fail.
func (f *FS) Fired() []int {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.inject == nil {
		return nil
	}
	return slices.Clone(f.inject.fired)
}

// strike returns the error by which a fault makes the call fail, zero for
// none. It must be asked before the call does anything.
func (c *call) strike() syscall.Errno {
	if c.f.inject == nil {
		return 0
	}
	if errno := c.f.inject.refusal(&c.op); errno != 0 {
		c.op.Injected = true
		return errno
	}
	fault := c.fault()
	if fault == nil {
		return 0
	}
	c.op.Injected = true
	return fault.Errno
}

// fault returns the fault that strikes the call, nil for none.
func (c *call) fault() *Fault {
	x := c.f.inject
	var found *Fault
	for i := range x.faults {
		if !x.faults[i].matches(&c.op, OpNum(len(c.f.trace.Ops))+1) {
			continue
		}
		x.matched[i]++
		if found == nil && x.faults[i].strikes(x.matched[i]) {
			x.fired[i]++
			found = &x.faults[i]
		}
	}
	return found
}

// refusal is the error of calls on a file system whose journal is broken.
func (x *injector) refusal(op *Op) syscall.Errno {
	switch {
	case !x.broken || op.Kind == OpClose || op.Kind == OpMark:
		return 0
	case x.how.Journal == JournalShutdown:
		return syscall.EIO
	case x.how.Journal == JournalReadonly && (op.Kind.Changes() || op.Kind.Syncs() || op.Kind == OpChown || op.Kind == OpChtimes):
		return syscall.EROFS
	}
	return 0
}

// written returns what is known of a file's syncs.
func (f *FS) written(ino Ino) *written {
	w := f.inject.files[ino]
	if w == nil {
		w = &written{pages: map[int64][]byte{}, dirty: map[int64]bool{}}
		if f.vol.Type(ino) == Regular {
			w.size = f.vol.Size(ino)
		}
		f.inject.files[ino] = w
	}
	return w
}

// write writes to a file, and keeps what its syncs have written before.
func (f *FS) write(ino Ino, data []byte, off int64) {
	if f.inject != nil && len(data) > 0 {
		for page := off / pageSize; page*pageSize < off+int64(len(data)); page++ {
			f.soil(ino, page)
		}
	}
	f.vol.write(ino, data, off)
}

// truncate sets the size of a file, and keeps what its syncs have written
// before.
func (f *FS) truncate(ino Ino, size int64) {
	if f.inject != nil {
		f.written(ino)
		if size < f.vol.Size(ino) {
			for _, off := range f.vol.Data(ino, size) {
				if f.vol.holdsData(ino, max(off, size), off+pageSize) {
					f.soil(ino, off/pageSize)
				}
			}
		}
	}
	f.vol.truncate(ino, size)
}

// soil makes a page dirty.
func (f *FS) soil(ino Ino, page int64) {
	w := f.written(ino)
	if w.pages[page] == nil {
		old := make([]byte, pageSize)
		f.vol.ReadAt(ino, old, page*pageSize)
		if end := f.vol.Size(ino) - page*pageSize; end < pageSize {
			clear(old[max(end, 0):])
		}
		w.pages[page] = old
	}
	w.dirty[page] = true
}

// sync is what a sync does to a file, or to all of them, where faults are
// injected: seen is how many of the file's errors the handle was told.
func (c *call) sync(ino Ino, seen *int) syscall.Errno {
	x := c.f.inject
	if errno := x.refusal(&c.op); errno != 0 {
		c.op.Injected = true
		return errno
	}
	if w := c.f.written(ino); *seen < w.errors {
		*seen, w.seen, c.op.Injected = w.errors, true, true
		return w.errno
	}
	fault := c.fault()
	switch {
	case fault == nil:
		c.f.noteWritten(ino, &c.op)
		return 0
	case fault.Errno == syscall.EINTR:
		c.op.Injected = true
		return fault.Errno
	case fault.Journal || c.op.Kind != OpSync && c.f.vol.Type(ino) != Regular:
		c.op.Injected = true
		x.broken = x.how.Journal != JournalOpen
		return fault.Errno
	}
	return c.loseData(ino, fault, seen)
}

// noteWritten notes that a sync wrote what was dirty.
func (f *FS) noteWritten(ino Ino, op *Op) {
	inos := []Ino{ino}
	if op.Kind == OpSync {
		inos = slices.Sorted(maps.Keys(f.inject.files))
	}
	for _, ino := range inos {
		w := f.written(ino)
		for page := range w.dirty {
			if op.Only.Empty() || op.Only.From <= page*pageSize && page*pageSize < op.Only.To {
				delete(w.pages, page)
				delete(w.dirty, page)
			}
		}
		if f.vol.Type(ino) == Regular {
			w.size = f.vol.Size(ino)
		}
	}
}

// loseData fails to write dirty pages. Where none of those that the fault is
// about is dirty there is nothing to fail at, and the sync succeeds.
func (c *call) loseData(ino Ino, fault *Fault, seen *int) syscall.Errno {
	f, x := c.f, c.f.inject
	span := fault.Lost
	if span.Empty() {
		span = Everything
	}
	if span.From = span.From / pageSize * pageSize; span.To < math.MaxInt64-pageSize {
		span.To = (span.To + pageSize - 1) / pageSize * pageSize
	}
	inos := []Ino{ino}
	if c.op.Kind == OpSync {
		inos = slices.Sorted(maps.Keys(x.files))
	}
	lost := map[Ino][]int64{}
	for _, ino := range inos {
		for _, page := range slices.Sorted(maps.Keys(f.written(ino).dirty)) {
			if page*pageSize >= span.From && page*pageSize < span.To {
				lost[ino] = append(lost[ino], page)
			}
		}
	}
	if len(lost) == 0 {
		x.fired[slices.IndexFunc(x.faults, func(g Fault) bool { return g == *fault })]--
		f.noteWritten(ino, &c.op)
		return 0
	}
	c.op.Injected = true
	if x.how.Page != PageDirty {
		c.op.Lost, c.op.Evicted = span, fault.Evict
		for _, ino := range slices.Sorted(maps.Keys(lost)) {
			f.lose(ino, lost[ino], fault.Evict)
		}
	}
	// Of a page that stays dirty nothing else would be on record, and the sync
	// would be taken for one that forced it.
	now := x.how.Report == ReportNow || x.how.Page == PageDirty
	for ino := range lost {
		w := f.written(ino)
		w.errors++
		w.errno, w.seen = fault.Errno, now
	}
	if !now {
		// What was not lost is written: this sync succeeds, as far as it says.
		f.noteWritten(ino, &c.op)
		return 0
	}
	*seen = f.written(ino).errors
	return fault.Errno
}

// lose makes dirty pages clean, with their new contents or with those that
// were written last. What the disk holds then, persist/lowerlost.go says: see
// package pagecache.
func (f *FS) lose(ino Ino, pages []int64, evict bool) {
	w, reverts := f.written(ino), f.inject.how.Page == PageReverted
	for _, page := range pages {
		delete(w.dirty, page)
	}
	if !reverts && !evict {
		return
	}
	size := f.vol.Size(ino)
	for _, page := range pages {
		if keep := min(size-page*pageSize, pageSize); keep > 0 {
			f.vol.write(ino, w.pages[page][:keep], page*pageSize)
		}
	}
	if reverts {
		size = f.shrink(ino, pages)
	}
	for _, page := range pages {
		beyond := w.pages[page][min(max(size-page*pageSize, 0), pageSize):]
		if len(bytes.TrimRight(beyond, "\x00")) > 0 {
			w.dirty[page] = true // a file that grows has zeros there
		} else {
			delete(w.pages, page)
		}
	}
}

// shrink lets the size fall back as pagecache says, and returns it.
func (f *FS) shrink(ino Ino, pages []int64) int64 {
	w, size := f.written(ino), f.vol.Size(ino)
	end := pagecache.SizeAfterLoss(size, w.size, func(page int64) bool { return slices.Contains(pages, page) })
	if end < size {
		f.vol.truncate(ino, end)
		w.size = end
	}
	return end
}

// opened returns how many of the errors of a file's syncs a handle that is
// opened now counts as told.
func (f *FS) opened(ino Ino) int {
	if f.inject == nil {
		return 0
	}
	w := f.inject.files[ino]
	switch {
	case w == nil:
		return 0
	case w.errors > 0 && !w.seen:
		return w.errors - 1
	}
	return w.errors
}
