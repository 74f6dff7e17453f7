package callsite

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// step says how to leave a function from one address, and what is to be told of
// it. It never changes.
type step struct {
	kind   stepKind
	size   uint64 // of a Go frame, without its return address
	rules  frameRules
	begin  uint64 // where the function begins, in memory
	code   []byte // its first instructions
	frames []Frame
	err    error // why the stack ends here; nil: it is its end
}

type stepKind uint8

const (
	stepEnd    stepKind = iota
	stepGo              // the stack pointer plus a size
	stepTable           // call frame information
	stepSwitch          // runtime.asmcgocall: back to the stack of a goroutine
)

// step returns how to leave the function that holds an address of the process.
// The address is that of an instruction inside the call, so that of a return
// address less one.
func (s *space) step(addr uint64, u *unwinding) *step {
	s.mu.Lock()
	known := s.steps[addr]
	s.mu.Unlock()
	if known != nil {
		return known
	}
	made := s.makeStep(addr, u)
	const most = 1 << 16
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.steps) >= most {
		clear(s.steps)
	}
	s.steps[addr] = made
	return made
}

func (s *space) makeStep(addr uint64, u *unwinding) *step {
	m := s.find(addr)
	if m == nil {
		return &step{err: errNoCode}
	}
	if err := m.load(u.memory.tid, u.untouched); err != nil {
		return &step{err: err}
	}
	made := m.obj.step(addr - m.bias)
	made.begin += m.bias
	return made
}

// errNoCode is the error of an address at which no file was mapped when the
// maps of the process were last read.
var errNoCode = fmt.Errorf("%w: code that comes from no file", ErrUnavailable)

// step is makeStep in the object's own counting. A damaged table makes an end.
func (o *object) step(addr uint64) (made *step) {
	defer func() {
		if what := recover(); what != nil {
			made = &step{err: fmt.Errorf("%s: damaged table of functions: %v", o.name, what)}
		}
	}()
	if o.goTable != nil {
		if f, ok := o.goTable.find(addr); ok && o.isGo(f, addr) {
			return o.goStep(f, addr)
		}
	}
	file, line := o.line(addr)
	made = &step{frames: []Frame{{
		Func: o.symbol(addr), File: file, Line: line, Object: o.name, Offset: addr, library: o.libc,
	}}}
	if o.frames == nil {
		made.err = fmt.Errorf("%s: without call frame information", o.name)
		return made
	}
	entry, ok := o.frames.find(addr)
	if !ok {
		made.err = fmt.Errorf("%s: no call frame information at %#x", o.name, addr)
		return made
	}
	rules, err := entry.rules(addr)
	switch {
	case err != nil:
		made.err = fmt.Errorf("%s: %w", o.name, err)
	case rules.saved[regRA].kind == ruleUndefined: // as at the start of a thread
	default:
		const prologue = 64
		made.kind, made.rules, made.begin = stepTable, rules, entry.begin
		made.code = o.read(entry.begin, min(prologue, addr-entry.begin))
	}
	return made
}

// isGo reports whether an address that the function table covers is in a Go
// function. Between the functions of a linker's other objects the last Go
// function seems to go on; call frame information knows better.
func (o *object) isGo(f goFunc, addr uint64) bool {
	if o.frames == nil {
		return true
	}
	entry, ok := o.frames.find(addr)
	return !ok || entry.begin <= f.entry
}

func (o *object) goStep(f goFunc, addr uint64) *step {
	made := &step{kind: stepGo, begin: f.entry, frames: f.frames(addr)}
	for i := range made.frames {
		made.frames[i].Object, made.frames[i].Offset = o.name, addr
	}
	switch f.name() {
	case "runtime.goexit", "runtime.mstart", "runtime.rt0_go", "runtime.mcall", "runtime.morestack", "runtime.systemstack", "runtime.gogo",
		"runtime.goexit.abi0", "runtime.mstart.abi0", "runtime.rt0_go.abi0", "runtime.morestack.abi0", "runtime.systemstack.abi0":
		made.kind = stepEnd
		return made
	case "runtime.asmcgocall", "runtime.asmcgocall.abi0":
		made.kind = stepSwitch
	}
	size := f.value(f.word(funcStackAt), addr)
	if size < 0 {
		made.kind, made.err = stepEnd, fmt.Errorf("%s: unknown size of the frame of %s", o.name, f.name())
		return made
	}
	made.size = uint64(size)
	return made
}

// leave moves to the caller. It is false at the end of the stack.
func (u *unwinding) leave(s *step) (bool, error) {
	switch s.kind {
	case stepGo:
		return u.returnTo(u.sp+s.size+8, u.sp+s.size)
	case stepSwitch:
		return u.switchBack(s.size)
	case stepTable:
		return u.leaveByTable(s)
	}
	return false, s.err
}

// returnTo continues behind the call whose return address stands at a place,
// with a stack pointer.
func (u *unwinding) returnTo(sp, at uint64) (bool, error) {
	pc, ok := u.memory.word(at)
	if !ok {
		return false, errMemory
	}
	if sp <= u.sp && !u.switched {
		return false, fmt.Errorf("%w: the stack does not rise", ErrUnavailable)
	}
	u.switched = false
	u.sp, u.pc = sp, pc
	return pc != 0, nil
}

// switchBack leaves the system stack, on which C code runs, for that of the
// goroutine that has called it. The runtime has left there the goroutine, and how
// far from the upper end of its stack the call was; or no goroutine, and the
// stack pointer itself.
func (u *unwinding) switchBack(size uint64) (bool, error) {
	distance, ok1 := u.memory.word(u.sp)
	g, ok2 := u.memory.word(u.sp + 8)
	if !ok1 || !ok2 {
		return false, errMemory
	}
	back := distance
	if g != 0 {
		high, ok := u.memory.word(g + 8) // the first words of a goroutine are the bounds of its stack
		if !ok {
			return false, errMemory
		}
		back = high - distance
	}
	u.switched = true
	u.known = 0
	return u.returnTo(back+size+8, back+size)
}

// leaveByTable follows call frame information.
func (u *unwinding) leaveByTable(s *step) (bool, error) {
	frame, err := u.frameAddress(s)
	if err != nil {
		return false, err
	}
	values, known := u.values, u.known
	for reg := range uint64(registers) {
		rule := &s.rules.saved[reg]
		v, ok := uint64(0), true
		switch rule.kind {
		case ruleSame:
			continue
		case ruleOffset:
			v, ok = u.memory.word(frame + uint64(rule.offset))
		case ruleValue:
			v = frame + uint64(rule.offset)
		case ruleRegister:
			v, ok = u.register(rule.reg)
		case ruleExpression:
			if v, ok = u.evaluate(rule.code, frame); ok {
				v, ok = u.memory.word(v)
			}
		case ruleComputed:
			v, ok = u.evaluate(rule.code, frame)
		default:
			ok = false
		}
		known &^= 1 << reg
		if ok {
			values[reg], known = v, known|1<<reg
		}
	}
	if known&(1<<regRA) == 0 {
		return false, errMemory
	}
	if frame <= u.sp && !s.rules.signal {
		return false, fmt.Errorf("%w: the stack does not rise", ErrUnavailable)
	}
	u.values, u.known = values, known&^(1<<regRA|1<<regSP)
	u.sp, u.pc = frame, values[regRA]
	if s.rules.signal && known&(1<<regSP) != 0 {
		u.sp = values[regSP]
	}
	u.interrupted = s.rules.signal
	return u.pc != 0, nil
}

// frameAddress computes the address of the frame.
func (u *unwinding) frameAddress(s *step) (uint64, error) {
	if s.rules.code != nil {
		if v, ok := u.evaluate(s.rules.code); ok {
			return v, nil
		}
		return 0, errRegister
	}
	v, ok := u.register(s.rules.reg)
	if !ok && s.rules.reg == regFP {
		v, ok = u.framePointer(s)
	}
	if !ok {
		return 0, errRegister
	}
	return v + uint64(s.rules.offset), nil
}

// framePointer finds the frame pointer of a function that keeps one and calls
// functions that do not save it: it lies above the stack pointer by what the
// function has taken at its start, and by what it took since then (an array of
// variable length, arguments of the call). It lies below a return address, which
// stands behind a call: of this function, where the call says whom it calls.
func (u *unwinding) framePointer(s *step) (uint64, bool) {
	taken, ok := prologue(s.code)
	if !ok {
		return 0, false
	}
	const most = 64 << 10
	first := u.sp + taken
	likely := false // a call through a pointer or a table stands there, and may be it
	for fp := first; fp < first+most; fp += 8 {
		back, ok := u.memory.word(fp + 8)
		if !ok {
			break
		}
		target, direct, ok := u.callBefore(back)
		if ok && direct && target == s.begin {
			u.setFramePointer(fp)
			return fp, true
		}
		if ok && fp == first && (!direct || !u.isFunction(target)) {
			likely = true
		}
	}
	if likely {
		u.setFramePointer(first)
	}
	return first, likely
}

func (u *unwinding) setFramePointer(fp uint64) {
	u.values[regFP] = fp
	u.known |= 1 << regFP
}

// isFunction reports whether a function begins at an address, and not an entry
// of a table by which functions of other objects are called.
func (u *unwinding) isFunction(addr uint64) bool {
	m := u.space.find(addr)
	if m == nil || m.obj == nil || m.obj.frames == nil {
		return false
	}
	entry, ok := m.obj.frames.find(addr - m.bias)
	return ok && entry.begin == addr-m.bias && !entry.common.signal
}

// prologue returns how many bytes of stack a function takes, below its frame
// pointer, by its first instructions. It is false for a function that does not
// set its frame pointer there.
func prologue(code []byte) (taken uint64, ok bool) {
	code = bytes.TrimPrefix(code, []byte{0xf3, 0x0f, 0x1e, 0xfa}) // endbr64
	code, ok = bytes.CutPrefix(code, []byte{0x55})                // push %rbp
	if !ok {
		return 0, false
	}
	_, code, ok = bytes.Cut(code, []byte{0x48, 0x89, 0xe5}) // mov %rsp,%rbp
	if !ok {
		return 0, false
	}
	for {
		switch {
		case len(code) >= 2 && code[0] == 0x41 && code[1] >= 0x54 && code[1] <= 0x57: // push %r12 to %r15
			taken, code = taken+8, code[2:]
		case len(code) >= 1 && code[0] == 0x53: // push %rbx
			taken, code = taken+8, code[1:]
		case len(code) >= 4 && bytes.HasPrefix(code, []byte{0x48, 0x83, 0xec}): // sub $8 bits,%rsp
			return taken + uint64(code[3]), true
		case len(code) >= 7 && bytes.HasPrefix(code, []byte{0x48, 0x81, 0xec}): // sub $32 bits,%rsp
			return taken + uint64(binary.LittleEndian.Uint32(code[3:])), true
		default:
			return taken, true
		}
	}
}

// callBefore reports whether an address of the process stands behind a call, and
// what it calls, where it says so directly.
func (u *unwinding) callBefore(addr uint64) (target uint64, direct, ok bool) {
	m := u.space.find(addr - 1)
	if m == nil || m.load(u.memory.tid, u.untouched) != nil {
		return 0, false, false
	}
	const longest = 7
	code := m.obj.read(addr-longest-m.bias, longest)
	if len(code) < longest {
		return 0, false, false
	}
	if code[2] == 0xe8 {
		return addr + uint64(int64(int32(binary.LittleEndian.Uint32(code[3:])))), true, true
	}
	// call through a register or memory: the byte behind 0xff says what follows.
	for _, n := range []int{2, 3, 4, 6, 7} {
		if at := longest - n; code[at] == 0xff && code[at+1]>>3&7 == 2 {
			return 0, false, true
		}
	}
	return 0, false, false
}
