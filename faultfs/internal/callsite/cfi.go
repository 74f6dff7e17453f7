package callsite

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"sort"
)

// Numbers of registers in call frame information of amd64.
const (
	regFP     = 6
	regSP     = 7
	regRA     = 16
	registers = 17
)

// frameTable is the call frame information of an object (.eh_frame): see the
// DWARF standard, section 6.4, and the Linux Standard Base on exception frames.
// Addresses are in the object's own counting.
type frameTable struct {
	entries []frameEntry // sorted by begin
}

// frameEntry tells how to leave a range of addresses, mostly one function.
type frameEntry struct {
	begin, end uint64
	common     *commonEntry
	code       []byte
	codeAddr   uint64
}

type commonEntry struct {
	codeAlign uint64
	dataAlign int64
	pointer   byte // how addresses are encoded
	augmented bool
	signal    bool // frames that a signal has interrupted
	code      []byte
	codeAddr  uint64
}

var errFrames = errors.New("damaged call frame information")

// reader reads the little-endian numbers of DWARF. What does not fit makes it
// fail from then on.
type reader struct {
	data   []byte
	at     int
	addr   uint64 // of data[0]
	failed bool
}

func (r *reader) more() bool { return !r.failed && r.at < len(r.data) }

func (r *reader) bytes(n uint64) []byte {
	if r.failed || n > uint64(len(r.data)-r.at) {
		r.failed = true
		return nil
	}
	r.at += int(n)
	return r.data[r.at-int(n) : r.at]
}

func (r *reader) fixed(n int) uint64 {
	var word [8]byte
	copy(word[:], r.bytes(uint64(n)))
	return binary.LittleEndian.Uint64(word[:])
}

func (r *reader) byte() byte { return byte(r.fixed(1)) }

func (r *reader) unsigned() uint64 {
	if r.failed {
		return 0
	}
	v, n := binary.Uvarint(r.data[r.at:])
	if n <= 0 {
		r.failed = true
		return 0
	}
	r.at += n
	return v
}

func (r *reader) signed() int64 {
	var v int64
	for shift := uint(0); ; shift += 7 {
		b := r.byte()
		if r.failed || shift > 63 {
			r.failed = true
			return 0
		}
		v |= int64(b&0x7f) << shift
		if b&0x80 == 0 {
			if shift+7 < 64 && b&0x40 != 0 {
				v |= -1 << (shift + 7)
			}
			return v
		}
	}
}

// Encodings of addresses.
const (
	pointerOmitted  = 0xff
	pointerRelative = 0x10
	pointerIndirect = 0x80
)

// pointer reads an address. Those relative to anything but their own place are
// not in use on Linux.
func (r *reader) pointer(encoding byte) uint64 {
	if encoding == pointerOmitted {
		return 0
	}
	here := r.addr + uint64(r.at)
	var v uint64
	switch encoding & 0x0f {
	case 0x00, 0x04, 0x0c:
		v = r.fixed(8)
	case 0x01:
		v = r.unsigned()
	case 0x09:
		v = uint64(r.signed())
	case 0x02:
		v = r.fixed(2)
	case 0x0a:
		v = uint64(int16(r.fixed(2)))
	case 0x03:
		v = r.fixed(4)
	case 0x0b:
		v = uint64(int32(r.fixed(4)))
	default:
		r.failed = true
	}
	switch encoding & 0x70 {
	case 0:
	case pointerRelative:
		v += here
	default:
		r.failed = true
	}
	return v
}

// parseFrames reads an .eh_frame section that stands at an address.
func parseFrames(data []byte, addr uint64) (*frameTable, error) {
	t := &frameTable{}
	commons := map[uint64]*commonEntry{}
	r := reader{data: data, addr: addr}
	for r.more() {
		start := uint64(r.at)
		length := r.fixed(4)
		if length == 1<<32-1 {
			length = r.fixed(8)
		}
		if length == 0 {
			continue // an end mark; what was linked behind it counts
		}
		body := uint64(r.at)
		entry := reader{data: r.bytes(length), addr: addr + body}
		if r.failed {
			return nil, fmt.Errorf("%w at %#x", errFrames, start)
		}
		if id := entry.fixed(4); id == 0 {
			c, err := entry.common()
			if err != nil {
				return nil, fmt.Errorf("%w at %#x", err, start)
			}
			commons[start] = c
		} else if e, ok := entry.frame(commons[body-id]); ok {
			t.entries = append(t.entries, e)
		}
		if entry.failed {
			return nil, fmt.Errorf("%w at %#x", errFrames, start)
		}
	}
	sort.SliceStable(t.entries, func(i, j int) bool { return t.entries[i].begin < t.entries[j].begin })
	return t, nil
}

func (r *reader) common() (*commonEntry, error) {
	version := r.byte()
	end := bytes.IndexByte(r.data[min(r.at, len(r.data)):], 0)
	if end < 0 || version != 1 && version != 3 {
		return nil, errFrames
	}
	augmentation := string(r.bytes(uint64(end)))
	r.byte()
	c := &commonEntry{codeAlign: r.unsigned(), dataAlign: r.signed()}
	returns := uint64(0)
	if version == 1 {
		returns = uint64(r.byte())
	} else {
		returns = r.unsigned()
	}
	if returns != regRA {
		return nil, errFrames
	}
	if augmentation != "" {
		if augmentation[0] != 'z' {
			return nil, errFrames
		}
		c.augmented = true
		length := r.unsigned()
		behind := uint64(r.at) + length
		for _, letter := range augmentation[1:] {
			switch letter {
			case 'R':
				c.pointer = r.byte()
			case 'P':
				r.pointer(r.byte() &^ pointerIndirect)
			case 'L':
				r.byte()
			case 'S':
				c.signal = true
			}
		}
		if behind > uint64(len(r.data)) {
			return nil, errFrames
		}
		r.at = int(behind)
	}
	c.codeAddr = r.addr + uint64(r.at)
	c.code = r.data[r.at:]
	return c, nil
}

func (r *reader) frame(c *commonEntry) (frameEntry, bool) {
	if c == nil {
		r.failed = true
		return frameEntry{}, false
	}
	begin := r.pointer(c.pointer)
	size := r.pointer(c.pointer & 0x0f)
	if c.augmented {
		r.bytes(r.unsigned())
	}
	if r.failed {
		return frameEntry{}, false
	}
	e := frameEntry{begin: begin, end: begin + size, common: c, code: r.data[r.at:], codeAddr: r.addr + uint64(r.at)}
	return e, size > 0
}

// find returns the entry that covers an address.
func (t *frameTable) find(addr uint64) (*frameEntry, bool) {
	n := sort.Search(len(t.entries), func(i int) bool { return t.entries[i].begin > addr })
	if n == 0 || addr >= t.entries[n-1].end {
		return nil, false
	}
	return &t.entries[n-1], true
}

// ruleKind says how the value that a register had in the caller is found.
type ruleKind uint8

const (
	ruleSame       ruleKind = iota
	ruleUndefined           // it is lost
	ruleOffset              // saved at the frame's address plus offset
	ruleValue               // the frame's address plus offset
	ruleRegister            // in another register
	ruleExpression          // saved at what an expression computes
	ruleComputed            // what an expression computes
)

type rule struct {
	kind   ruleKind
	reg    uint64
	offset int64
	code   []byte
}

// frameRules say how to leave a function from one address: the frame's address
// (that of the stack pointer in the caller) is a register plus an offset, or what an
// expression computes.
type frameRules struct {
	reg    uint64
	offset int64
	code   []byte
	saved  [registers]rule
	signal bool
}

// rules runs the entry's instructions up to an address.
func (e *frameEntry) rules(addr uint64) (frameRules, error) {
	m := machine{entry: e, loc: e.begin}
	m.now.signal = e.common.signal
	m.run(reader{data: e.common.code, addr: e.common.codeAddr}, addr, true)
	m.first = m.now.saved
	m.run(reader{data: e.code, addr: e.codeAddr}, addr, false)
	if m.failed {
		return frameRules{}, fmt.Errorf("%w of the function at %#x", errFrames, e.begin)
	}
	return m.now, nil
}

// machine runs instructions of call frame information.
type machine struct {
	entry  *frameEntry
	loc    uint64
	now    frameRules
	first  [registers]rule // as the common entry sets them
	stack  []frameRules
	failed bool
}

func (m *machine) run(r reader, addr uint64, initial bool) {
	for r.more() && !m.failed {
		op := r.byte()
		low := uint64(op & 0x3f)
		switch op >> 6 {
		case 1:
			m.loc += low * m.entry.common.codeAlign
		case 2:
			m.set(low, rule{kind: ruleOffset, offset: int64(r.unsigned()) * m.entry.common.dataAlign})
		case 3:
			m.restore(low)
		default:
			m.extended(&r, op)
		}
		if !initial && m.loc > addr {
			return
		}
	}
	m.failed = m.failed || r.failed
}

func (m *machine) set(reg uint64, to rule) {
	if reg < registers { // vector registers matter to nobody here
		m.now.saved[reg] = to
	}
}

func (m *machine) restore(reg uint64) {
	if reg < registers {
		m.now.saved[reg] = m.first[reg]
	}
}

// extended runs an instruction that is a byte of its own.
func (m *machine) extended(r *reader, op byte) {
	data := m.entry.common.dataAlign
	switch op {
	case 0x00: // nop
	case 0x01:
		m.loc = r.pointer(m.entry.common.pointer)
	case 0x02, 0x03, 0x04: // advance_loc1, 2, 4
		m.loc += r.fixed(1<<(op-2)) * m.entry.common.codeAlign
	case 0x05: // offset_extended
		m.set(r.unsigned(), rule{kind: ruleOffset, offset: int64(r.unsigned()) * data})
	case 0x06:
		m.restore(r.unsigned())
	case 0x07:
		m.set(r.unsigned(), rule{kind: ruleUndefined})
	case 0x08:
		m.set(r.unsigned(), rule{})
	case 0x09:
		m.set(r.unsigned(), rule{kind: ruleRegister, reg: r.unsigned()})
	case 0x0a: // remember_state
		m.stack = append(m.stack, m.now)
	case 0x0b: // restore_state
		if len(m.stack) == 0 {
			m.failed = true
			return
		}
		m.now = m.stack[len(m.stack)-1]
		m.stack = m.stack[:len(m.stack)-1]
	case 0x0c: // def_cfa
		m.now.reg, m.now.offset, m.now.code = r.unsigned(), int64(r.unsigned()), nil
	case 0x0d:
		m.now.reg, m.now.code = r.unsigned(), nil
	case 0x0e:
		m.now.offset = int64(r.unsigned())
	case 0x0f: // def_cfa_expression
		m.now.code = r.bytes(r.unsigned())
	case 0x10:
		m.set(r.unsigned(), rule{kind: ruleExpression, code: r.bytes(r.unsigned())})
	case 0x11: // offset_extended_sf
		m.set(r.unsigned(), rule{kind: ruleOffset, offset: r.signed() * data})
	case 0x12: // def_cfa_sf
		m.now.reg, m.now.offset, m.now.code = r.unsigned(), r.signed()*data, nil
	case 0x13:
		m.now.offset = r.signed() * data
	case 0x14: // val_offset
		m.set(r.unsigned(), rule{kind: ruleValue, offset: int64(r.unsigned()) * data})
	case 0x15:
		m.set(r.unsigned(), rule{kind: ruleValue, offset: r.signed() * data})
	case 0x16:
		m.set(r.unsigned(), rule{kind: ruleComputed, code: r.bytes(r.unsigned())})
	case 0x2e: // GNU_args_size
		r.unsigned()
	case 0x2f: // GNU_negative_offset_extended
		m.set(r.unsigned(), rule{kind: ruleOffset, offset: -int64(r.unsigned()) * data})
	default:
		m.failed = true
	}
}
