//go:build linux && amd64

package callsite

// ParseFrames, ParseGoTable and ParseMapping are what reads files and text that
// others have written.
func ParseFrames(data []byte) {
	t, err := parseFrames(data, 0x1000)
	if err != nil {
		return
	}
	for i := range t.entries {
		_, _ = t.entries[i].rules(t.entries[i].end - 1)
	}
}

// ParseGoTable reads a table and looks up some addresses.
func ParseGoTable(data []byte) {
	o := &object{name: "fuzzed"}
	var err error
	if o.goTable, err = parseGoTable(data); err != nil {
		return
	}
	o.goTable.trees = data
	for addr := uint64(0); addr < 1<<12; addr += 61 {
		o.step(addr)
	}
}

// ParseMapping reads a line of a list of maps.
func ParseMapping(line string) { parseMapping(line) }

// Row is what call frame information says at an address: where the frame is, as
// "rsp+16", and whether an expression says it.
type Row struct {
	Reg        uint64
	Offset     int64
	Expression bool
}

// Rows returns the rows at addresses of a file, as far as there are any.
func Rows(path string, addrs []uint64) (map[uint64]Row, error) {
	o, err := openObject(path, path)
	if err != nil {
		return nil, err
	}
	rows := map[uint64]Row{}
	for _, addr := range addrs {
		entry, ok := o.frames.find(addr)
		if !ok {
			continue
		}
		r, err := entry.rules(addr)
		if err != nil {
			return nil, err
		}
		rows[addr] = Row{r.reg, r.offset, r.code != nil}
	}
	return rows, nil
}
