package persist_test

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// This file is a second slow definition of what a crash leaves, beside the one of
// slow_test.go. It was written from the contract alone, without a look at the
// package or at the other definition, and it shares nothing with them: it reads
// programs and models as text, keeps its own file system, lists every cut there
// is, and throws those away that break a need. A comment in quotation marks is a
// sentence of the contract.

// bruteCell is "the smallest thing that persists on its own".
type bruteCell struct {
	ino  int
	what string // "size", "mode", "unit" or "name"
	unit int    // of what is "unit"
	name string // of what is "name"
}

// bruteVersion is a cell and one of its versions, as an effect and as a side of a need.
type bruteVersion struct {
	cell    bruteCell
	version int
}

// bruteNeed: "if this cell has persisted to version a or later, that cell has
// persisted to version b or later".
type bruteNeed struct{ if_, then bruteVersion }

type bruteInode struct {
	kind   string // "file", "dir" or "link"
	target string
	madeAs bruteCell // the name that it was made with
	made   int       // the version of that name that made it; 0 in the setup
}

// bruteOp is what the definition remembers of an op.
type bruteOp struct {
	kind    string
	label   string
	effects []bruteVersion // all, in order
	steps   [][]bruteVersion
	names   []bruteVersion    // its namespace effects
	touched []int             // the directories that a namespace op touched
	changes map[int]bool      // the inodes that it changes, for fsync
	data    map[int]bool      // the same, for fdatasync of a file
	force   map[bruteCell]int // what a sync forces
}

// brute is a program while it is performed.
type brute struct {
	promise map[string]string
	unit    int64
	block   int64
	inodes  []*bruteInode
	values  map[bruteCell][]any // by version
	needs   []bruteNeed
	ops     []*bruteOp
	op      *bruteOp // the one being performed
	setup   bool
	marks   []string // of the setup
	error   error
}

func newBrute(model string) *brute {
	b := &brute{promise: map[string]string{}, values: map[bruteCell][]any{}}
	for _, part := range strings.Split(model, ",") {
		key, value, _ := strings.Cut(part, "=")
		b.promise[key] = value
	}
	b.unit, _ = strconv.ParseInt(b.promise["unit"], 10, 64)
	b.block, _ = strconv.ParseInt(b.promise["block"], 10, 64)
	b.inodes = []*bruteInode{{kind: "dir"}}
	b.values[bruteCell{what: "mode"}] = []any{"0755"}
	return b
}

// live is the newest version of a cell, and its number.
func (b *brute) live(c bruteCell) (any, int) {
	versions := b.values[c]
	if len(versions) == 0 {
		return b.zero(c), 0
	}
	return versions[len(versions)-1], len(versions) - 1
}

// zero is what a cell holds that nothing was ever done to.
func (b *brute) zero(c bruteCell) any {
	switch c.what {
	case "size":
		return int64(0)
	case "unit":
		return strings.Repeat("\x00", int(b.unit))
	default:
		return 0 // no inode; the root is never a name
	}
}

// set appends a version, as an effect of the op, and returns it.
func (b *brute) set(c bruteCell, value any) bruteVersion {
	if b.setup {
		b.values[c] = []any{value}
		return bruteVersion{c, 0}
	}
	if len(b.values[c]) == 0 {
		b.values[c] = []any{b.zero(c)}
	}
	b.values[c] = append(b.values[c], value)
	v := bruteVersion{c, len(b.values[c]) - 1}
	b.op.effects = append(b.op.effects, v)
	return v
}

func (b *brute) need(if_ bruteVersion, then ...bruteVersion) {
	for _, v := range then {
		if if_ != v && !b.setup {
			b.needs = append(b.needs, bruteNeed{if_, v})
		}
	}
}

// together lets effects need each other.
func (b *brute) together(effects ...bruteVersion) {
	for _, e := range effects {
		b.need(e, effects...)
	}
}

func (b *brute) newest(c bruteCell) bruteVersion {
	_, n := b.live(c)
	return bruteVersion{c, n}
}

// at returns the inode that a path leads to now, -1 if there is none, and the name
// that the path ends with.
func (b *brute) at(path string) (ino int, name bruteCell) {
	for _, part := range strings.Split(strings.Trim(path, "/"), "/") {
		if part == "" {
			return 0, bruteCell{}
		}
		name = bruteCell{ino: ino, what: "name", name: part}
		got, _ := b.live(name)
		if got.(int) == 0 {
			return -1, name
		}
		ino = got.(int)
	}
	return ino, name
}

// namesOf are the names that lead to an inode now.
func (b *brute) namesOf(ino int) []bruteCell {
	var names []bruteCell
	for c := range b.values {
		if got, _ := b.live(c); c.what == "name" && got.(int) == ino && ino != 0 {
			names = append(names, c)
		}
	}
	return names
}

func (b *brute) cellsOf(ino int, what string) []bruteCell {
	var cells []bruteCell
	for c := range b.values {
		if c.ino == ino && c.what == what {
			cells = append(cells, c)
		}
	}
	return cells
}

// perform does one op of the text.
func (b *brute) perform(line string) {
	b.op = &bruteOp{changes: map[int]bool{}, data: map[int]bool{}, force: map[bruteCell]int{}}
	word := strings.Fields(line)
	b.op.kind = word[0]
	switch word[0] {
	case "create", "mkdir", "symlink":
		b.make(word)
	case "link":
		ino, _ := b.at(word[1])
		_, name := b.at(word[2])
		b.namespace([]bruteVersion{b.set(name, ino)}, name.ino)
		b.op.changes[ino] = true
	case "unlink", "rmdir":
		ino, name := b.at(word[1])
		b.namespace([]bruteVersion{b.set(name, 0)}, name.ino)
		b.op.changes[ino] = true
	case "rename":
		b.rename(word[1], word[2])
	case "chmod":
		ino, _ := b.at(word[1])
		b.namespace([]bruteVersion{b.set(bruteCell{ino: ino, what: "mode"}, word[2])})
		b.op.changes[ino] = true
	case "write":
		b.write(word)
	case "truncate":
		b.truncate(word)
	case "fsync", "fdatasync", "sync":
		b.sync(word)
	case "mark":
		b.op.label = word[1]
	default:
		b.error = errors.Join(b.error, fmt.Errorf("unknown op %s", line))
	}
	if b.setup {
		if b.op.kind == "mark" { // it was "made before the crash"
			b.marks = append(b.marks, b.op.label)
		}
		return
	}
	if b.op.steps == nil && b.op.effects != nil {
		b.op.steps = [][]bruteVersion{b.op.effects}
	}
	b.order()
	b.ops = append(b.ops, b.op)
}

// make creates a file, a directory or a symbolic link.
func (b *brute) make(word []string) {
	path, node, mode := word[1], &bruteInode{kind: "file"}, "0644"
	switch word[0] {
	case "mkdir":
		node.kind, mode = "dir", "0755"
	case "symlink":
		path = word[2]
		node.kind, node.target = "link", word[1]
	}
	if len(word) == 3 && word[0] != "symlink" {
		mode = word[2]
	}
	ino := len(b.inodes)
	b.inodes = append(b.inodes, node)
	b.values[bruteCell{ino: ino, what: "mode"}] = []any{mode} // "An inode is born with the mode that created it"
	_, name := b.at(path)
	made := b.set(name, ino)
	node.madeAs, node.made = name, made.version
	b.namespace([]bruteVersion{made}, name.ino)
	b.op.changes[ino], b.op.data[ino] = true, true
}

// namespace says that the op is a namespace op with these effects, and that it touched
// these directories.
func (b *brute) namespace(effects []bruteVersion, dirs ...int) {
	b.op.names, b.op.touched = effects, dirs
	for _, dir := range dirs {
		b.op.changes[dir] = true
	}
	var before []*bruteOp
	switch b.promise["names"] {
	case "journal":
		before = b.previous(func(*bruteOp) bool { return true })
	case "directory":
		for _, dir := range dirs {
			before = append(before, b.previous(func(op *bruteOp) bool { return slices.Contains(op.touched, dir) })...)
		}
	}
	for _, op := range before {
		for _, e := range effects {
			b.need(e, op.names...)
		}
	}
}

// previous is the newest namespace op that is such.
func (b *brute) previous(such func(*bruteOp) bool) []*bruteOp {
	for _, op := range slices.Backward(b.ops) {
		if op.names != nil && such(op) {
			return []*bruteOp{op}
		}
	}
	return nil
}

func (b *brute) rename(from, to string) {
	ino, old := b.at(from)
	over, name := b.at(to)
	if over == ino {
		return // "Renaming a name to another name of the same inode does nothing."
	}
	target := b.set(name, ino)
	absent := b.set(old, 0)
	dirs := []int{name.ino}
	if old.ino != name.ino {
		dirs = append(dirs, old.ino)
	}
	b.namespace([]bruteVersion{target, absent}, dirs...)
	b.op.changes[ino] = true
	if over > 0 {
		b.op.changes[over] = true
	}
	switch b.promise["rename"] {
	case "atomic":
		b.together(target, absent)
	case "link-first":
		b.need(absent, target)
	}
	if over <= 0 || b.inodes[over].kind != "file" || b.inodes[ino].kind != "file" {
		return
	}
	if replace := b.promise["replace"]; replace != "none" {
		b.need(target, b.newest(bruteCell{ino: ino, what: "size"}))
		if replace == "data" {
			for _, c := range b.cellsOf(ino, "unit") {
				b.need(target, b.newest(c))
			}
		}
	}
}

// write is "write PATH OFFSET DATA*COUNT".
func (b *brute) write(word []string) {
	ino, _ := b.at(word[1])
	from, _ := strconv.ParseInt(word[2], 10, 64)
	quoted, times, _ := strings.Cut(word[3], "*")
	text, _ := strconv.Unquote(quoted)
	n, _ := strconv.Atoi(times)
	data := strings.Repeat(text, n)
	size := bruteCell{ino: ino, what: "size"}
	was, _ := b.live(size)
	before := was.(int64) // "the end that the file had before the op"
	var still []bruteVersion
	for u := from / b.unit; u*b.unit < from+int64(len(data)); u++ {
		first := len(b.op.effects)
		start := u * b.unit
		cell := bruteCell{ino: ino, what: "unit", unit: int(u)}
		old, _ := b.live(cell)
		page := []byte(old.(string))
		lo, hi := max(from, start), min(from+int64(len(data)), start+b.unit)
		copy(page[lo-start:], data[lo-from:hi-from])
		stored := b.set(cell, string(page))
		now, _ := b.live(size)
		if hi > now.(int64) {
			grown := b.set(size, hi)
			b.op.changes[ino], b.op.data[ino] = true, true
			switch b.promise["append"] {
			case "all":
				b.need(grown, append(still, stored)...)
			case "allocated":
				if u*b.unit/b.block*b.block >= before {
					b.need(grown, stored)
				}
			}
		} else {
			still = append(still, stored)
		}
		if !b.setup {
			b.op.steps = append(b.op.steps, b.op.effects[first:len(b.op.effects):len(b.op.effects)])
		}
	}
}

func (b *brute) truncate(word []string) {
	ino, _ := b.at(word[1])
	to, _ := strconv.ParseInt(word[2], 10, 64)
	size := bruteCell{ino: ino, what: "size"}
	was, _ := b.live(size)
	cut := b.set(size, to)
	b.op.changes[ino], b.op.data[ino] = true, true
	whole, tail := []bruteVersion{cut}, []bruteVersion(nil)
	cells := b.cellsOf(ino, "unit")
	slices.SortFunc(cells, func(c, d bruteCell) int { return c.unit - d.unit })
	for _, c := range cells {
		start := int64(c.unit) * b.unit
		if to >= was.(int64) || start+b.unit <= to {
			continue
		}
		old, _ := b.live(c)
		keep := max(0, to-start)
		zeroed := old.(string)[:keep] + strings.Repeat("\x00", int(b.unit-keep))
		if zeroed == old.(string) {
			continue // "each data unit that changes"
		}
		v := b.set(c, zeroed)
		if to%b.block != 0 && start/b.block == to/b.block {
			tail = append(tail, v)
		} else {
			whole = append(whole, v)
		}
	}
	switch b.promise["truncate"] {
	case "atomic":
		b.together(append(slices.Clone(whole), tail...)...)
	case "tail-ordered":
		b.together(whole...)
		b.need(cut, tail...)
	case "tail":
		b.together(whole...)
	}
	b.namespace(whole)
}

// order: "each effect needs those of the step before it".
func (b *brute) order() {
	if b.promise["order"] != "all" {
		return
	}
	var before []bruteVersion
	for _, op := range b.ops {
		for _, step := range op.steps {
			before = step
		}
	}
	for _, step := range b.op.steps {
		for _, e := range step {
			b.need(e, before...)
		}
		before = step
	}
}

// sync says what a sync forces, over the effects of the ops before it.
func (b *brute) sync(word []string) {
	force := func(vs ...bruteVersion) {
		for _, v := range vs {
			b.op.force[v.cell] = max(b.op.force[v.cell], v.version)
		}
	}
	if word[0] == "sync" {
		for c := range b.values {
			force(b.newest(c))
		}
		return
	}
	ino, _ := b.at(word[1])
	dir := b.inodes[ino].kind == "dir"
	only, limited := "", len(word) > 2
	if limited {
		only = strings.TrimPrefix(word[2], "only=")
	}
	for c := range b.values {
		if c.ino != ino {
			continue
		}
		if c.what == "unit" && limited {
			lo, hi, _ := strings.Cut(only, "-")
			from, _ := strconv.ParseInt(lo, 10, 64)
			to, _ := strconv.ParseInt(hi, 10, 64)
			if start := int64(c.unit) * b.unit; start < from || start+b.unit > to {
				continue
			}
		}
		if c.what != "mode" || dir || word[0] == "fsync" {
			force(b.newest(c))
		}
	}
	switch b.promise["sync"] {
	case "name", "own":
		for _, name := range b.namesOf(ino) {
			force(b.newest(name))
			b.above(name.ino, force)
		}
	case "journal":
		for _, op := range b.ops {
			force(op.names...)
		}
	case "inode":
		last := -1
		for i, op := range b.ops {
			if word[0] == "fdatasync" && !dir && op.data[ino] || (word[0] == "fsync" || dir) && op.changes[ino] {
				last = i
			}
		}
		for _, op := range b.ops[:last+1] {
			force(op.names...)
		}
	}
}

// above forces that a directory and those above it exist, or their names.
func (b *brute) above(dir int, force func(...bruteVersion)) {
	for dir != 0 {
		node := b.inodes[dir]
		force(bruteVersion{node.madeAs, node.made})
		names := b.namesOf(dir)
		if len(names) == 0 {
			return
		}
		if b.promise["sync"] == "own" {
			force(b.newest(names[0]))
		}
		dir = names[0].ino
	}
}
