package callsite

import (
	"debug/dwarf"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"sync"
	"syscall"
)

// object is a program or a library: what its file says about its functions.
// Addresses are those that the file names.
type object struct {
	name     string
	segments []elf.ProgHeader
	writable []elf.ProgHeader
	goTable  *goTable // nil: it has no Go functions
	tableAt  uint64   // where the table stands in the object
	frames   *frameTable
	symbols  []elf.Symbol // functions, sorted
	libc     bool

	file *os.File

	locating sync.Mutex // guards the fields of goTable that locate fills in
	located  bool

	lines     sync.Mutex // guards what follows: the reader has a position
	debug     *dwarf.Data
	debugRead bool
	debugFrom *elf.File
}

// objectKey tells a version of a file from others.
type objectKey struct {
	dev, ino    uint64
	size, mtime int64
}

// objects are shared by all unwinders: the C library is the same everywhere.
var objects struct {
	sync.Mutex
	known map[objectKey]*object
}

// mostObjects bounds how many objects are remembered.
const mostObjects = 128

// openObject returns the object of a file.
func openObject(path, name string) (*object, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || !info.Mode().IsRegular() {
		return nil, errors.Join(fmt.Errorf("%s: not a file", name), file.Close())
	}
	key := objectKey{st.Dev, st.Ino, info.Size(), info.ModTime().UnixNano()}
	objects.Lock()
	defer objects.Unlock()
	if o := objects.known[key]; o != nil {
		return o, file.Close()
	}
	o, err := readObject(file, name)
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	if objects.known == nil || len(objects.known) >= mostObjects {
		// Who still uses an object keeps it, and its file, until it is collected.
		objects.known = map[objectKey]*object{}
	}
	objects.known[key] = o
	return o, nil
}

func readObject(file *os.File, name string) (*object, error) {
	f, err := elf.NewFile(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if f.Machine != elf.EM_X86_64 || f.Class != elf.ELFCLASS64 {
		return nil, fmt.Errorf("%s: made for %s, and only programs for amd64 are read", name, f.Machine)
	}
	o := &object{name: name, file: file, libc: isLibc(name)}
	for _, p := range f.Progs {
		if p.Type != elf.PT_LOAD {
			continue
		}
		o.segments = append(o.segments, p.ProgHeader)
		if p.Flags&elf.PF_W != 0 {
			o.writable = append(o.writable, p.ProgHeader)
		}
	}
	for _, s := range f.Sections {
		switch {
		case strings.HasSuffix(s.Name, ".gopclntab"):
			data, err := s.Data()
			if err == nil {
				o.goTable, err = parseGoTable(data)
			}
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			o.tableAt = s.Addr
		case s.Name == ".eh_frame" && s.Type != elf.SHT_NOBITS:
			data, err := s.Data()
			if err == nil {
				o.frames, err = parseFrames(data, s.Addr)
			}
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	o.findSymbols(f)
	return o, nil
}

// isLibc reports whether a library stands between programs and the system.
func isLibc(name string) bool {
	for _, prefix := range []string{"libc.so", "libc-", "libpthread.so", "libpthread-", "librt.so", "ld-linux", "ld-musl", "libc.musl", "linux-vdso", "[vdso]"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// findSymbols gathers the functions of the object's symbol tables, or of the
// file with debug information that a distribution keeps apart.
func (o *object) findSymbols(f *elf.File) {
	o.debugFrom = f
	all, err := f.Symbols()
	if err != nil {
		if apart := openDebug(f); apart != nil {
			o.debugFrom = apart
			all, _ = apart.Symbols() // without any, no function has a name
		}
	}
	dynamic, _ := f.DynamicSymbols() // the same
	for _, s := range append(all, dynamic...) {
		if elf.ST_TYPE(s.Info) == elf.STT_FUNC && s.Value != 0 && s.Section != elf.SHN_UNDEF && s.Size > 0 {
			o.symbols = append(o.symbols, s)
		}
	}
	// Of several names of one function, the global one that is shortest is usual.
	sort.SliceStable(o.symbols, func(i, j int) bool {
		a, b := &o.symbols[i], &o.symbols[j]
		if a.Value != b.Value {
			return a.Value < b.Value
		}
		if local := func(s *elf.Symbol) bool { return elf.ST_BIND(s.Info) == elf.STB_LOCAL }; local(a) != local(b) {
			return local(b)
		}
		return len(a.Name) < len(b.Name)
	})
}

// openDebug opens the file with debug information of an object, as packages of
// distributions install it; nil if there is none.
func openDebug(f *elf.File) *elf.File {
	note := f.Section(".note.gnu.build-id")
	if note == nil {
		return nil
	}
	data, err := note.Data()
	if err != nil || len(data) <= 17 {
		return nil
	}
	id := fmt.Sprintf("%x", data[16:])
	apart, err := elf.Open(filepath.Join("/usr/lib/debug/.build-id", id[:2], id[2:]+".debug"))
	if err != nil {
		return nil
	}
	return apart
}

// symbol returns the name of the function that covers an address, "" if no
// symbol does.
func (o *object) symbol(addr uint64) string {
	n := sort.Search(len(o.symbols), func(i int) bool { return o.symbols[i].Value > addr })
	for i := n - 1; i >= 0 && i > n-8; i-- {
		if s := &o.symbols[i]; addr < s.Value+s.Size {
			first := i
			for first > 0 && o.symbols[first-1].Value == s.Value {
				first--
			}
			name, _, _ := strings.Cut(o.symbols[first].Name, "@")
			return name
		}
	}
	return ""
}

// line returns the source line of an address that is not in a Go function, ""
// and 0 if no table tells.
func (o *object) line(addr uint64) (string, int) {
	o.lines.Lock()
	defer o.lines.Unlock()
	if !o.debugRead {
		o.debugRead = true
		if o.debugFrom.Section(".debug_line") != nil || o.debugFrom.Section(".zdebug_line") != nil {
			o.debug, _ = o.debugFrom.DWARF() // without it there are no lines
		}
	}
	if o.debug == nil {
		return "", 0
	}
	unit, err := o.debug.Reader().SeekPC(addr)
	if err != nil {
		return "", 0
	}
	lines, err := o.debug.LineReader(unit)
	if err != nil || lines == nil {
		return "", 0
	}
	var entry dwarf.LineEntry
	if err := lines.SeekPC(addr, &entry); err != nil || entry.File == nil {
		return "", 0
	}
	return entry.File.Name, entry.Line
}

// bias returns how far an object was moved, by one of its mappings.
func (o *object) bias(m *mapping) (uint64, bool) {
	const page = 4096
	for i := range o.segments {
		p := &o.segments[i]
		first := p.Off &^ (page - 1)
		if m.offset >= first && m.offset < p.Off+p.Filesz && p.Flags&elf.PF_X != 0 {
			return m.start - m.offset + p.Off - p.Vaddr, true
		}
	}
	return 0, false
}

// read reads what the file holds at an address, up to the end of the segment.
func (o *object) read(addr uint64, most uint64) []byte {
	for i := range o.segments {
		p := &o.segments[i]
		if addr < p.Vaddr || addr >= p.Vaddr+p.Filesz {
			continue
		}
		data := make([]byte, min(p.Vaddr+p.Filesz-addr, most))
		if _, err := o.file.ReadAt(data, int64(p.Off+addr-p.Vaddr)); err != nil {
			return nil
		}
		return data
	}
	return nil
}

// The runtime describes the object in its memory by words: see moduledata in
// runtime/symtab.go. The first points to the function table, the next three are
// the part of it with the names, as a slice.
const (
	moduleText   = 22
	moduleGofunc = 40 // where Go 1.20 to 1.26 have it; others near it are tried
	moduleWords  = 64
)

// locate finds where the text and the trees of a Go object are, in the memory
// of a process that runs it: of an object that can be moved, the file does not tell.
func (o *object) locate(mem *memory, bias uint64) error {
	t := o.goTable
	if t == nil {
		return nil
	}
	o.locating.Lock()
	defer o.locating.Unlock()
	if o.located {
		return nil
	}
	le := binary.LittleEndian
	table := o.tableAt + bias
	for i := range o.writable {
		p := &o.writable[i]
		data := mem.block(p.Vaddr+bias, p.Filesz)
		for at := 0; at+8*moduleWords <= len(data); at += 8 {
			if le.Uint64(data[at:]) != table {
				continue
			}
			word := func(i int) uint64 { return le.Uint64(data[at+8*i:]) }
			names := uint64(len(t.whole) - len(t.names))
			if word(1) != table+names || word(2) != word(3) {
				continue
			}
			t.text = word(moduleText) - bias
			o.findTrees(word, bias)
			t.findRoot()
			o.located = true
			return nil
		}
	}
	return fmt.Errorf("%s: its description of itself was not found in memory", o.name)
}

// findTrees finds the trees of inlined calls.
func (o *object) findTrees(word func(int) uint64, bias uint64) {
	const most = 1 << 30
	for _, i := range []int{moduleGofunc, 39, 41, 38, 42, 37, 43, 44, 45, 46} {
		trees := o.read(word(i)-bias, most)
		if trees != nil && o.goTable.holds(trees) {
			o.goTable.trees = trees
			return
		}
	}
}

// holds is hasTrees of bytes that may be anything.
func (t *goTable) holds(trees []byte) (ok bool) {
	defer func() {
		if recover() != nil {
			ok = false
		}
	}()
	return t.hasTrees(trees)
}
