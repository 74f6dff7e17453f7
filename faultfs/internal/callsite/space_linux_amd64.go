package callsite

import (
	"encoding/binary"
	"fmt"
	"os"
	"path"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// mapping is a part of an object that a process has mapped to run it.
type mapping struct {
	start, end, offset uint64
	device             uint64
	path               string
	program            bool // it is the program itself

	once sync.Once
	obj  *object
	bias uint64
	err  error
}

// space is what a process has mapped to run, from an exec to the next.
type space struct {
	id      int          // no two have the same
	program unix.Statx_t // the file that it runs
	maps    []*mapping   // sorted

	mu    sync.Mutex
	steps map[uint64]*step
}

var lastSpace atomic.Int64

// readSpace reads what a process has mapped.
func readSpace(tid int) (*space, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", tid))
	if err != nil {
		return nil, err
	}
	program, _ := os.Readlink(fmt.Sprintf("/proc/%d/exe", tid)) // "" is no path of a mapping
	s := &space{id: int(lastSpace.Add(1)), steps: map[uint64]*step{}}
	for line := range strings.Lines(string(text)) {
		if m := parseMapping(strings.TrimSuffix(line, "\n")); m != nil {
			m.program = m.path == program
			s.maps = append(s.maps, m)
		}
	}
	return s, nil
}

// parseMapping reads a line of /proc/PID/maps, of a file that is mapped to be
// run; it is nil for any other.
func parseMapping(line string) *mapping {
	// address perms offset dev inode, and the path, in a column of its own.
	var fields [5]string
	rest := line
	for i := range fields {
		fields[i], rest, _ = strings.Cut(rest, " ")
	}
	file := strings.TrimLeft(rest, " ")
	if len(fields[1]) < 3 || fields[1][2] != 'x' || !strings.HasPrefix(file, "/") {
		return nil
	}
	start, end, _ := strings.Cut(fields[0], "-")
	major, minor, _ := strings.Cut(fields[3], ":")
	number := func(s string) uint64 { n, _ := strconv.ParseUint(s, 16, 64); return n }
	return &mapping{
		start: number(start), end: number(end), offset: number(fields[2]), path: file,
		device: unix.Mkdev(uint32(number(major)), uint32(number(minor))),
	}
}

// find returns the mapping that holds an address.
func (s *space) find(addr uint64) *mapping {
	n := sort.Search(len(s.maps), func(i int) bool { return s.maps[i].end > addr })
	if n == len(s.maps) || addr < s.maps[n].start {
		return nil
	}
	return s.maps[n]
}

// load reads the object of a mapping, once. Files on the device that is not to
// be touched are not read.
func (m *mapping) load(tid int, untouched uint64) error {
	m.once.Do(func() {
		name := strings.TrimSuffix(path.Base(m.path), " (deleted)")
		if m.device == untouched && untouched != 0 {
			m.err = fmt.Errorf("%s: it stands on the mount itself, which is not read", name)
			return
		}
		file := fmt.Sprintf("/proc/%d/root%s", tid, m.path)
		if m.program {
			file = fmt.Sprintf("/proc/%d/exe", tid) // also where its name is gone
		}
		obj, err := openObject(file, name)
		if err != nil {
			m.err = err
			return
		}
		bias, ok := obj.bias(m)
		if !ok {
			m.err = fmt.Errorf("%s: it was mapped in an unknown way", name)
			return
		}
		if err := obj.locate(&memory{tid: tid}, bias); err != nil {
			m.err = err
			return
		}
		m.obj, m.bias = obj, bias
	})
	return m.err
}

// memory reads the memory of a process, in windows: most of a stack is in the
// first one.
type memory struct {
	tid     int
	start   uint64
	window  []byte
	buffer  [windowSize]byte
	windows int
}

const (
	windowSize  = 16 << 10
	pageSize    = 4096
	mostWindows = 64
)

// word reads 8 bytes.
func (m *memory) word(addr uint64) (uint64, bool) {
	if addr-m.start >= uint64(len(m.window)) || len(m.window)-int(addr-m.start) < 8 {
		if m.windows++; m.windows > mostWindows {
			return 0, false
		}
		m.start, m.window = addr, m.fill(m.buffer[:], addr)
		if len(m.window) < 8 {
			return 0, false
		}
	}
	return binary.LittleEndian.Uint64(m.window[addr-m.start:]), true
}

// fill reads memory up to where nothing is mapped.
func (m *memory) fill(into []byte, addr uint64) []byte {
	// What cannot be read ends a transfer only between two ranges.
	var pages [windowSize/pageSize + 1]unix.RemoteIovec
	n := 0
	for at, left := addr, len(into); left > 0; n++ {
		size := min(left, int(pageSize-at%pageSize))
		pages[n] = unix.RemoteIovec{Base: uintptr(at), Len: size}
		at, left = at+uint64(size), left-size
	}
	local := []unix.Iovec{{Base: &into[0], Len: uint64(len(into))}}
	got, err := unix.ProcessVMReadv(m.tid, local, pages[:n], 0)
	if err != nil {
		return nil
	}
	return into[:got]
}

// block reads a long range, as far as it can be read.
func (m *memory) block(addr, size uint64) []byte {
	const most = 64 << 20
	data := make([]byte, min(size, most))
	for done := 0; done < len(data); {
		got := m.fill(data[done:min(done+windowSize, len(data))], addr+uint64(done))
		if len(got) == 0 {
			return data[:done]
		}
		done += len(got)
	}
	return data
}
