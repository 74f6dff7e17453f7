package persist_test

import (
	"bytes"
	"io/fs"
	"slices"
	"syscall"

	"github.com/spf13/afero"
	"pgregory.net/rapid"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/model"
)

// author writes random programs: a few names, a few bytes, and the habits that
// real programs have.
type author struct {
	t     *rapid.T
	fs    *faultfs.FS
	mind  *faultfs.FS // the same file system, to look around without a trace of it
	grid  int64       // offsets and sizes lie on multiples of it, or just beside
	inos  []faultfs.Ino
	bytes byte

	faults bool // syncs fail, and lose data
}

// grids are the multiples near which offsets lie: small ones go with models of
// small units.
var grids = []int64{4, 4096}

// drawGrid draws a grid, more often the one whose cases take less time.
func drawGrid(t *rapid.T) int64 {
	return rapid.SampledFrom([]int64{4, 4, 4, 4096}).Draw(t, "grid")
}

// drawTrace draws a program of at most so many habits, half of the time on top
// of a setup.
func drawTrace(t *rapid.T, grid int64, habits int) *faultfs.Trace {
	return newAuthor(t, grid).program(habits)
}

// drawFaultyTrace draws a program whose syncs often fail and lose data.
func drawFaultyTrace(t *rapid.T, grid int64, habits int) *faultfs.Trace {
	a := newAuthor(t, grid)
	a.faults = true
	return a.program(habits)
}

func newAuthor(t *rapid.T, grid int64) *author {
	return &author{t: t, fs: faultfs.New(), mind: faultfs.New(), grid: grid, bytes: 'A'}
}

func (a *author) program(habits int) *faultfs.Trace {
	t := a.t
	if rapid.Bool().Draw(t, "setup") {
		for range rapid.IntRange(1, 4).Draw(t, "setup habits") {
			a.habit()
		}
		a.fs = a.fs.Checkpoint()
	}
	for range rapid.IntRange(1, habits).Draw(t, "habits") {
		a.habit()
	}
	return a.fs.Trace()
}

// do performs an op. One that fails is recorded as such.
func (a *author) do(op faultfs.Op) {
	done, err := a.fs.Do(op)
	_, mindErr := a.mind.Do(op)
	if (err == nil) != (mindErr == nil) {
		a.t.Fatalf("one file system says %v, its copy %v", err, mindErr)
	}
	if err == nil && op.Kind == faultfs.OpCreate {
		a.inos = append(a.inos, done.Ino)
	}
}

// habit does one of the things that programs do.
func (a *author) habit() {
	habits := []func(){
		a.write, a.write, a.write, a.write, a.replace, a.replace, a.truncate, a.truncate, a.truncate, a.rename, a.rename, a.exchange,
		a.make, a.make, a.make, a.remove, a.link, a.sync, a.sync, a.sync, a.sync, a.mark, a.chmod, a.symlink, a.unnamed,
	}
	habits[rapid.IntRange(0, len(habits)-1).Draw(a.t, "habit")]()
}

// paths returns what there is, of one type: all paths, the root first.
func (a *author) paths(want faultfs.Type) []string {
	var found []string
	var walk func(dir string)
	walk = func(dir string) {
		infos, err := afero.ReadDir(a.mind, dir+"/")
		if err != nil {
			a.t.Fatal(err)
		}
		for _, info := range infos {
			path := dir + "/" + info.Name()
			typ := faultfs.Regular
			switch {
			case info.IsDir():
				typ = faultfs.Directory
				walk(path)
			case info.Mode()&fs.ModeSymlink != 0:
				typ = faultfs.Symlink
			}
			if typ == want {
				found = append(found, path)
			}
		}
	}
	if walk(""); want == faultfs.Directory {
		found = append([]string{"/"}, found...)
	}
	slices.Sort(found)
	return found
}

func (a *author) pick(label string, from ...[]string) (string, bool) {
	all := slices.Concat(from...)
	if len(all) == 0 {
		return "", false
	}
	return rapid.SampledFrom(all).Draw(a.t, label), true
}

// name draws a path that may or may not exist, in a directory that does.
func (a *author) name(label string) string {
	dir, _ := a.pick(label+" dir", a.paths(faultfs.Directory))
	if dir == "/" {
		dir = ""
	}
	return dir + "/" + rapid.SampledFrom([]string{"a", "b", "c"}).Draw(a.t, label)
}

// file returns an existing file, or makes one.
func (a *author) file() string {
	if rapid.IntRange(0, 3).Draw(a.t, "old file") > 0 {
		if path, ok := a.pick("file", a.paths(faultfs.Regular)); ok {
			return path
		}
	}
	path := a.name("new file")
	a.do(faultfs.Op{Kind: faultfs.OpCreate, Path: path, Mode: 0o644})
	return path
}

// place draws an offset or a size: on the grid, or just beside. Pages take
// time, so there are fewer of them.
func (a *author) place(label string, grids int64) int64 {
	if a.grid >= 4096 {
		grids = (grids + 1) / 2
	}
	at := rapid.Int64Range(0, grids).Draw(a.t, label)*a.grid + rapid.SampledFrom([]int64{0, 0, 1, -1}).Draw(a.t, label+" beside")
	return max(at, 0)
}

func (a *author) data() []byte {
	a.bytes++
	b := a.bytes
	if rapid.IntRange(0, 9).Draw(a.t, "zeros") == 0 {
		b = 0
	}
	return bytes.Repeat([]byte{b}, int(a.place("length", 2)))
}

func (a *author) write() {
	path := a.file()
	off := a.place("offset", 2)
	if info, err := a.mind.Stat(path); err == nil && rapid.Bool().Draw(a.t, "append") {
		off = info.Size()
	}
	a.do(faultfs.Op{Kind: faultfs.OpWrite, Path: path, Off: off, Data: a.data()})
}

func (a *author) replace() {
	path, temp := a.name("target"), a.name("temp")
	a.do(faultfs.Op{Kind: faultfs.OpCreate, Path: temp, Mode: 0o600})
	a.do(faultfs.Op{Kind: faultfs.OpWrite, Path: temp, Data: a.data()})
	if rapid.Bool().Draw(a.t, "fsync temp") {
		a.do(faultfs.Op{Kind: faultfs.OpFsync, Path: temp})
	}
	a.do(faultfs.Op{Kind: faultfs.OpRename, Path: temp, To: path})
	if rapid.Bool().Draw(a.t, "fsync root") {
		a.do(faultfs.Op{Kind: faultfs.OpFsync, Path: "/"})
	}
}

func (a *author) truncate() {
	path := a.file()
	size := a.place("size", 3)
	if rapid.IntRange(0, 2).Draw(a.t, "empty") == 0 {
		size = 0
	}
	a.do(faultfs.Op{Kind: faultfs.OpTruncate, Path: path, Size: size})
}

func (a *author) rename() {
	old, ok := a.pick("old", a.paths(faultfs.Regular), a.paths(faultfs.Directory)[1:], a.paths(faultfs.Symlink))
	if ok {
		a.do(faultfs.Op{Kind: faultfs.OpRename, Path: old, To: a.name("new")})
	}
}

// exchange draws both from what there is: one may lie below the other.
func (a *author) exchange() {
	all := [][]string{a.paths(faultfs.Regular), a.paths(faultfs.Directory)[1:], a.paths(faultfs.Symlink)}
	if one, ok := a.pick("one", all...); ok {
		other, _ := a.pick("other", all...)
		a.do(faultfs.Op{Kind: faultfs.OpExchange, Path: one, To: other})
	}
}

func (a *author) make() {
	kind := rapid.SampledFrom([]faultfs.OpKind{faultfs.OpMkdir, faultfs.OpMkdir, faultfs.OpCreate}).Draw(a.t, "make")
	a.do(faultfs.Op{Kind: kind, Path: a.name("made"), Mode: 0o755})
}

func (a *author) remove() {
	if path, ok := a.pick("file", a.paths(faultfs.Regular), a.paths(faultfs.Symlink)); ok && rapid.Bool().Draw(a.t, "unlink") {
		a.do(faultfs.Op{Kind: faultfs.OpUnlink, Path: path})
	} else if path, ok := a.pick("dir", a.paths(faultfs.Directory)[1:]); ok {
		a.do(faultfs.Op{Kind: faultfs.OpRmdir, Path: path})
	}
}

func (a *author) link() {
	if path, ok := a.pick("file", a.paths(faultfs.Regular), a.paths(faultfs.Symlink)); ok {
		a.do(faultfs.Op{Kind: faultfs.OpLink, Path: path, To: a.name("link")})
	}
}

func (a *author) symlink() {
	target, _ := a.pick("target", []string{"gone"}, a.paths(faultfs.Regular))
	a.do(faultfs.Op{Kind: faultfs.OpSymlink, Target: target, Path: a.name("symlink")})
}

// sync syncs something, and often says so: otherwise the cases before it hide
// what it forces.
func (a *author) sync() {
	a.do(a.drawSync())
	if rapid.IntRange(0, 3).Draw(a.t, "say so") > 0 {
		a.do(faultfs.Op{Kind: faultfs.OpMark, Label: "synced"})
	}
}

func (a *author) drawSync() faultfs.Op {
	kind := rapid.SampledFrom([]faultfs.OpKind{
		faultfs.OpFsync, faultfs.OpFsync, faultfs.OpFsync, faultfs.OpFdatasync, faultfs.OpFdatasync, faultfs.OpSync,
	}).Draw(a.t, "sync")
	op := faultfs.Op{Kind: kind}
	if kind != faultfs.OpSync {
		op.Path, _ = a.pick("synced", a.paths(faultfs.Directory), a.paths(faultfs.Regular), a.paths(faultfs.Regular))
	}
	if kind == faultfs.OpFdatasync && slices.Contains(a.paths(faultfs.Regular), op.Path) && rapid.Bool().Draw(a.t, "limited") {
		op.Only.From = a.place("only from", 2)
		op.Only.To = op.Only.From + 1 + a.place("only", 1)
	}
	if a.faults && rapid.IntRange(0, 2).Draw(a.t, "fails") > 0 {
		op.Errno = rapid.SampledFrom([]syscall.Errno{syscall.EIO, syscall.EIO, 0}).Draw(a.t, "error")
		op.Lost = faultfs.Everything
		if rapid.Bool().Draw(a.t, "in part") {
			op.Lost = faultfs.Span{From: a.place("lost from", 1)}
			op.Lost.To = op.Lost.From + 1 + a.place("lost", 1)
		}
		op.Evicted = rapid.Bool().Draw(a.t, "evicted")
	}
	return op
}

func (a *author) mark() {
	a.do(faultfs.Op{Kind: faultfs.OpMark, Label: rapid.SampledFrom([]string{"one", "two", "<&>"}).Draw(a.t, "mark")})
}

func (a *author) chmod() {
	path, _ := a.pick("chmod", a.paths(faultfs.Directory), a.paths(faultfs.Regular))
	a.do(faultfs.Op{Kind: faultfs.OpChmod, Path: path, Mode: rapid.SampledFrom([]uint32{0o600, 0o755}).Draw(a.t, "mode")})
}

// unnamed works on a file through its inode, as a handle does, also where it
// has no name any more.
func (a *author) unnamed() {
	if len(a.inos) == 0 {
		return
	}
	ino := rapid.SampledFrom(a.inos).Draw(a.t, "inode")
	kind := rapid.SampledFrom([]faultfs.OpKind{faultfs.OpWrite, faultfs.OpFsync, faultfs.OpTruncate}).Draw(a.t, "through handle")
	op := faultfs.Op{Kind: kind, Ino: ino}
	if kind == faultfs.OpWrite {
		op.Off, op.Data = a.place("offset", 1), a.data()
	}
	a.do(op)
}

// overlap moves the begins of ops ahead, so that they overlap. The ends stay
// in the order in which the ops took effect, as in every trace.
func overlap(t *rapid.T, trace *faultfs.Trace) *faultfs.Trace {
	moved := *trace
	moved.Ops = slices.Clone(trace.Ops)
	begins := make([][]int, len(moved.Ops)) // before which end each op begins
	for i := range moved.Ops {
		early := rapid.SampledFrom([]int{0, 0, 1, 1, 2, 3}).Draw(t, "early")
		at := max(0, i-early)
		if rapid.Bool().Draw(t, "first") {
			begins[at] = append([]int{i}, begins[at]...)
		} else {
			begins[at] = append(begins[at], i)
		}
	}
	edge := faultfs.Edge(0)
	for end := range moved.Ops {
		for _, i := range begins[end] {
			edge++
			moved.Ops[i].Begin = edge
		}
		edge++
		moved.Ops[end].End = edge
	}
	return &moved
}

// looked says of some writes of a program that they were stored into maps, and of some
// that follow one another that they were seen at once.
func looked(t *rapid.T, trace *faultfs.Trace) *faultfs.Trace {
	moved := *trace
	moved.Ops = slices.Clone(trace.Ops)
	look := 1
	for i := range moved.Ops {
		op := &moved.Ops[i]
		if rapid.IntRange(0, 3).Draw(t, "next look") == 0 {
			look++
		}
		if op.Kind == faultfs.OpWrite && !op.Failed() && rapid.IntRange(0, 4).Draw(t, "store") > 0 {
			op.Look = look
		}
	}
	return &moved
}

// drawModel draws a preset with some promises changed, of units that go with
// the grid of a program.
func drawModel(t *rapid.T, grid int64) model.Model {
	m := rapid.SampledFrom(model.Presets()).Draw(t, "preset").Model
	change := func(key string) bool { return rapid.IntRange(0, 3).Draw(t, key) == 0 }
	if change("append") {
		m.Append = model.Append(rapid.IntRange(0, 2).Draw(t, "append"))
	}
	if change("truncate") {
		m.Truncate = model.Truncate(rapid.IntRange(0, 2).Draw(t, "truncate"))
	}
	if change("names") {
		m.Names = model.Names(rapid.IntRange(0, 2).Draw(t, "names"))
	}
	if change("rename") {
		m.Rename = model.Rename(rapid.IntRange(0, 2).Draw(t, "rename"))
	}
	if change("replace") {
		m.Replace = model.Replace(rapid.IntRange(0, 2).Draw(t, "replace"))
	}
	if change("sync") {
		m.Sync = model.Sync(rapid.IntRange(0, 4).Draw(t, "sync"))
	}
	if change("order") {
		m.Order = model.Order(rapid.IntRange(0, 1).Draw(t, "order"))
	}
	if change("cache") {
		m.Cache = model.Cache(rapid.IntRange(0, 1).Draw(t, "cache"))
	}
	if change("failed") {
		m.Failure.Page = faultfs.FailedPage(rapid.IntRange(0, 2).Draw(t, "failed"))
	}
	if grid < 4096 || change("unit") {
		units := [][2]int64{{grid, grid}, {grid, 2 * grid}, {grid, 3 * grid}, {grid / 2, grid}, {2 * grid, 2 * grid}, {4096, 4096}}
		unit := rapid.SampledFrom(units).Draw(t, "unit and block")
		m.Unit, m.Block = unit[0], unit[1]
	}
	return m
}
