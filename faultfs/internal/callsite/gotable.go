package callsite

import (
	"bytes"
	"encoding/binary"
	"errors"
	"path"
	"sort"
	"strings"
)

// goTable is the function table of a Go binary: see runtime/symtab.go and
// internal/abi/symtab.go of the Go source. Its layout is the same from Go 1.20
// on. A damaged table makes its methods panic, which object.at turns into an
// unknown frame.
type goTable struct {
	whole, names, units, files, values, functions []byte

	count int    // of functions
	text  uint64 // the address, in the object's own counting, that entries are relative to
	trees []byte // where the trees of inlined calls stand; nil: they were not found

	root string // the directory of the standard library with a slash at its end; "": built with -trimpath
}

// Layout of the table's header, in bytes. Between them lies the start of the
// text, which Go 1.26 no longer fills in.
const (
	goMagic       = 0xfffffff1
	goHeader      = 72
	goCountAt     = 8
	goNamesAt     = 32
	goUnitsAt     = 40
	goFilesAt     = 48
	goValuesAt    = 56
	goFunctionsAt = 64
)

// Layout of a function in the table, in bytes, and indices of its further tables.
const (
	funcNameAt     = 4
	funcStackAt    = 16
	funcFileAt     = 20
	funcLineAt     = 24
	funcPCDataAt   = 28
	funcUnitAt     = 32
	funcFuncDataAt = 43
	funcSize       = 44

	pcdataInline   = 2
	funcdataInline = 3

	inlineSize     = 16
	inlineNameAt   = 4
	inlineParentAt = 8
)

var errGoTable = errors.New("the function table is not one of Go 1.20 or newer")

// parseGoTable reads the header of a table. The text and the trees are to be
// filled in: where they are stands in the running program.
func parseGoTable(data []byte) (*goTable, error) {
	le := binary.LittleEndian
	if len(data) < goHeader || le.Uint32(data) != goMagic || data[7] != 8 {
		return nil, errGoTable
	}
	t := &goTable{whole: data, count: int(le.Uint64(data[goCountAt:]))}
	for _, part := range []struct {
		at  int
		set *[]byte
	}{{goNamesAt, &t.names}, {goUnitsAt, &t.units}, {goFilesAt, &t.files}, {goValuesAt, &t.values}, {goFunctionsAt, &t.functions}} {
		offset := le.Uint64(data[part.at:])
		if offset > uint64(len(data)) {
			return nil, errGoTable
		}
		*part.set = data[offset:]
	}
	if t.count <= 0 || t.count > len(t.functions)/8-1 {
		return nil, errGoTable
	}
	return t, nil
}

// goFunc is a function of the table.
type goFunc struct {
	t     *goTable
	data  []byte
	entry uint64
}

// find returns the function that holds an address.
func (t *goTable) find(addr uint64) (goFunc, bool) {
	le := binary.LittleEndian
	if addr < t.text || addr-t.text > 1<<32-1 {
		return goFunc{}, false
	}
	offset := uint32(addr - t.text)
	entry := func(i int) uint32 { return le.Uint32(t.functions[8*i:]) }
	n := sort.Search(t.count+1, func(i int) bool { return entry(i) > offset })
	if n == 0 || n > t.count {
		return goFunc{}, false
	}
	return t.function(n - 1), true
}

func (t *goTable) function(n int) goFunc {
	le := binary.LittleEndian
	return goFunc{
		t: t, data: t.functions[le.Uint32(t.functions[8*n+4:]):],
		entry: t.text + uint64(le.Uint32(t.functions[8*n:])),
	}
}

func (f goFunc) word(at int) uint32 { return binary.LittleEndian.Uint32(f.data[at:]) }

func (f goFunc) name() string { return f.t.name(f.word(funcNameAt)) }

func (t *goTable) name(offset uint32) string { return text(t.names[offset:]) }

func text(data []byte) string {
	return string(data[:bytes.IndexByte(data, 0)])
}

// value decodes a table of values by address: pairs of varints, a zigzag
// difference of the value and the number of bytes that it holds for. It is -1
// where there is none.
func (f goFunc) value(table uint32, addr uint64) int64 {
	if table == 0 {
		return -1
	}
	p := f.t.values[table:]
	value, at := int64(-1), f.entry
	for first := true; ; first = false {
		change, n := binary.Uvarint(p)
		if n <= 0 || change == 0 && !first {
			return -1
		}
		p = p[n:]
		if change&1 != 0 {
			value += int64(^(change >> 1))
		} else {
			value += int64(change >> 1)
		}
		length, n := binary.Uvarint(p)
		if n <= 0 {
			return -1
		}
		p = p[n:]
		if at += length; addr < at {
			return value
		}
	}
}

// line returns the file and the line at an address, of the innermost inlined
// call.
func (f goFunc) line(addr uint64) (string, int) {
	file := f.value(f.word(funcFileAt), addr)
	if file < 0 {
		return "", 0
	}
	offset := binary.LittleEndian.Uint32(f.t.units[4*(int64(f.word(funcUnitAt))+file):])
	if offset == 1<<32-1 {
		return "", 0
	}
	return text(f.t.files[offset:]), int(f.value(f.word(funcLineAt), addr))
}

// pcdata and funcdata return an entry of the function's further tables.
func (f goFunc) pcdata(i uint32) uint32 {
	if i >= f.word(funcPCDataAt) {
		return 0
	}
	return f.word(funcSize + 4*int(i))
}

func (f goFunc) funcdata(i uint32) (uint32, bool) {
	if i >= uint32(f.data[funcFuncDataAt]) {
		return 0, false
	}
	offset := f.word(funcSize + 4*int(f.word(funcPCDataAt)+i))
	return offset, offset != 1<<32-1
}

// tree returns the calls that were inlined into the function, nil if there are none.
func (f goFunc) tree() []byte {
	offset, ok := f.funcdata(funcdataInline)
	if !ok || uint64(offset) >= uint64(len(f.t.trees)) {
		return nil
	}
	return f.t.trees[offset:]
}

// frames returns the function at an address, and before it the functions that
// were inlined there, the innermost first. Wrappers that the compiler makes, and
// what runs deferred calls, are left out, as in package runtime.
func (f goFunc) frames(addr uint64) []Frame {
	var frames []Frame
	add := func(name string) {
		file, line := f.line(addr)
		if file != "<autogenerated>" && name != "runtime.deferreturn" {
			frames = append(frames, Frame{Func: shortName(name), File: file, Line: line, library: f.t.isLibrary(name, file)})
		}
	}
	if tree := f.tree(); tree != nil {
		index := f.value(f.pcdata(pcdataInline), addr)
		for depth := 0; index >= 0 && depth < 1000; depth++ {
			call := tree[inlineSize*index:]
			add(f.t.name(binary.LittleEndian.Uint32(call[inlineNameAt:])))
			addr = f.entry + uint64(binary.LittleEndian.Uint32(call[inlineParentAt:]))
			index = f.value(f.pcdata(pcdataInline), addr)
		}
	}
	add(f.name())
	return frames
}

// shortName leaves type arguments out of a name, as package runtime does.
func shortName(name string) string {
	open, end := strings.IndexByte(name, '['), strings.LastIndexByte(name, ']')
	if open < 0 || end < open {
		return name
	}
	return name[:open] + "[...]" + name[end+1:]
}

// hasTrees reports whether the trees of inlined calls stand at a place: each
// entry of the first functions that have a tree must name a function and lie
// inside its caller.
func (t *goTable) hasTrees(trees []byte) bool {
	const enough = 50
	was := t.trees
	t.trees = trees
	defer func() { t.trees = was }()
	seen := 0
	for n := 0; n < t.count && seen < enough; n++ {
		f := t.function(n)
		if _, ok := f.funcdata(funcdataInline); !ok {
			continue
		}
		tree := f.tree()
		if len(tree) < inlineSize {
			return false
		}
		name := binary.LittleEndian.Uint32(tree[inlineNameAt:])
		if name == 0 || uint64(name) >= uint64(len(t.names)) || t.names[name-1] != 0 || t.names[name] < '!' {
			return false
		}
		// The last function of the table, the end of the text, has no length.
		if n+1 < t.count && uint64(binary.LittleEndian.Uint32(tree[inlineParentAt:])) >= t.function(n+1).entry-f.entry {
			return false
		}
		seen++
	}
	return seen > 0
}

// findRoot finds out where the standard library was compiled.
func (t *goTable) findRoot() {
	for n := range t.count {
		f := t.function(n)
		if !strings.HasPrefix(f.name(), "runtime.") {
			continue
		}
		file, _ := f.line(f.entry)
		root, ok := strings.CutSuffix(path.Dir(file), "/runtime")
		if ok && path.Base(root) != "internal" {
			t.root = root + "/"
			return
		}
	}
}

// besides are packages that stand between a program and the system, as the
// standard library does.
var besides = []string{"golang.org/x/sys/", "github.com/spf13/afero."}

// standard are the first elements of import paths of the standard library. In
// a binary built with -trimpath they tell it from a module whose name has no dot.
var standard = map[string]bool{}

func init() {
	for _, name := range strings.Fields(`archive bufio builtin bytes cmp compress container context crypto database debug
		embed encoding errors expvar flag fmt go hash html image index internal io iter log maps math mime net os path
		plugin reflect regexp runtime slices sort strconv strings structs sync syscall testing text time unicode unique
		unsafe vendor weak _cgo`) {
		standard[name] = true
	}
}

// isLibrary reports whether a Go function is not the program's own.
func (t *goTable) isLibrary(name, file string) bool {
	for _, prefix := range besides {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	switch {
	case t.root != "" && strings.HasPrefix(file, t.root):
		return true
	case strings.HasPrefix(name, "runtime.") || strings.HasPrefix(name, "_cgo"):
		return true // assembly, and what cgo has made
	case t.root != "":
		return false
	}
	first, _, _ := strings.Cut(file, "/")
	return standard[first]
}
