package persist_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"slices"
)

// bruteStates lists every case of a program, as lines of the command states. It
// gives up where there are more than most cuts to look at.
func bruteStates(setup, ops []string, model string, most int) ([]string, error) {
	b := newBrute(model)
	b.setup = true
	for _, line := range setup {
		b.perform(line)
	}
	b.setup = false
	for _, line := range ops {
		b.perform(line)
	}
	if b.error != nil {
		return nil, b.error
	}
	lines := map[string]bool{}
	for point := 0; point <= len(b.ops); point++ {
		if err := b.crash(point, most, lines); err != nil {
			return nil, err
		}
	}
	return slices.Sorted(maps.Keys(lines)), nil
}

// crash adds the cases of the crash point after so many ops. With "low = high for every
// cell" nothing that has begun is lost, so that a point inside an op would be the one after it.
func (b *brute) crash(after, most int, lines map[string]bool) error {
	low, high := map[bruteCell]int{}, map[bruteCell]int{}
	marks := map[string]bool{}
	for _, label := range b.marks {
		marks[label] = true
	}
	for _, op := range b.ops[:after] {
		for _, e := range op.effects {
			high[e.cell] = max(high[e.cell], e.version)
			if b.promise["cache"] == "kept" {
				low[e.cell] = max(low[e.cell], e.version)
			}
		}
		for c, v := range op.force {
			low[c] = max(low[c], v)
		}
		if op.kind == "mark" {
			marks[op.label] = true
		}
	}
	var cells []bruteCell
	cuts := 1
	for c, h := range high {
		cells = append(cells, c)
		cuts *= h - low[c] + 1
		if cuts > most {
			return errBruteTooMany
		}
	}
	cut := maps.Clone(low)
	for n := range cuts {
		for _, c := range cells {
			width := high[c] - low[c] + 1
			cut[c] = low[c] + n%width
			n /= width
		}
		if b.legal(cut) {
			lines[b.line(cut, marks)] = true
		}
	}
	return nil
}

var errBruteTooMany = errors.New("too many cuts")

// legal: a cut "breaks no need".
func (b *brute) legal(cut map[bruteCell]int) bool {
	for _, n := range b.needs {
		if cut[n.if_.cell] >= n.if_.version && cut[n.then.cell] < n.then.version {
			return false
		}
	}
	return true
}

// line is the case of a cut: "a cut is read by walking names from the root".
func (b *brute) line(cut map[bruteCell]int, marks map[string]bool) string {
	tree := map[string]any{}
	b.walk(cut, 0, "", nil, tree)
	labels := slices.Sorted(maps.Keys(marks))
	if labels == nil {
		labels = []string{}
	}
	text, err := json.Marshal(map[string]any{"marks": labels, "tree": tree})
	if err != nil {
		panic(err)
	}
	return string(text)
}

func (b *brute) read(cut map[bruteCell]int, c bruteCell) any {
	if versions := b.values[c]; len(versions) > 0 {
		return versions[cut[c]]
	}
	return b.zero(c)
}

func (b *brute) walk(cut map[bruteCell]int, dir int, path string, on []int, tree map[string]any) {
	for c := range b.values {
		if c.what != "name" || c.ino != dir {
			continue
		}
		ino := b.read(cut, c).(int)
		if ino == 0 {
			continue
		}
		at, mode := path+"/"+c.name, b.read(cut, bruteCell{ino: ino, what: "mode"})
		switch node := b.inodes[ino]; node.kind {
		case "link":
			tree[at] = map[string]any{"link": node.target}
		case "dir":
			tree[at] = map[string]any{"dir": true, "mode": mode}
			if way := append(slices.Clone(on), dir); !slices.Contains(way, ino) {
				b.walk(cut, ino, at, way, tree)
			}
		default:
			size := b.read(cut, bruteCell{ino: ino, what: "size"}).(int64)
			data := make([]byte, 0, size+b.unit)
			for u := 0; int64(u)*b.unit < size; u++ {
				data = append(data, b.read(cut, bruteCell{ino: ino, what: "unit", unit: u}).(string)...)
			}
			tree[at] = map[string]any{"data": base64.StdEncoding.EncodeToString(data[:size]), "mode": mode}
		}
	}
}
