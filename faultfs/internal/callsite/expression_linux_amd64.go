package callsite

// evaluate computes a DWARF expression as call frame information uses them:
// registers, memory, constants and arithmetic. initial, if there is one, is on
// the stack at the beginning. It fails, with false, at anything else and at a
// register that is not known.
func (u *unwinding) evaluate(code []byte, initial ...uint64) (uint64, bool) {
	stack := append([]uint64(nil), initial...)
	r := reader{data: code}
	pop := func() uint64 {
		if len(stack) == 0 {
			r.failed = true
			return 0
		}
		v := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		return v
	}
	push := func(v uint64) { stack = append(stack, v) }
	for r.more() {
		switch op := r.byte(); {
		case op >= 0x30 && op <= 0x4f: // lit
			push(uint64(op - 0x30))
		case op >= 0x70 && op <= 0x8f: // breg
			v, known := u.register(uint64(op - 0x70))
			if !known {
				return 0, false
			}
			push(v + uint64(r.signed()))
		case op == 0x06: // deref
			v, ok := u.memory.word(pop())
			if !ok {
				return 0, false
			}
			push(v)
		case op == 0x08 || op == 0x0a || op == 0x0c || op == 0x0e: // const1u to const8u
			push(r.fixed(1 << ((op - 0x08) / 2)))
		case op == 0x09: // const1s
			push(uint64(int8(r.fixed(1))))
		case op == 0x0b: // const2s
			push(uint64(int16(r.fixed(2))))
		case op == 0x0d: // const4s
			push(uint64(int32(r.fixed(4))))
		case op == 0x12: // dup
			v := pop()
			push(v)
			push(v)
		case op == 0x23: // plus_uconst
			push(pop() + r.unsigned())
		default:
			b, a := pop(), pop()
			v, ok := binaryOperation(op, a, b)
			if !ok {
				return 0, false
			}
			push(v)
		}
	}
	v := pop()
	return v, !r.failed
}

func binaryOperation(op byte, a, b uint64) (uint64, bool) {
	truth := func(t bool) (uint64, bool) {
		if t {
			return 1, true
		}
		return 0, true
	}
	switch op {
	case 0x1a:
		return a & b, true
	case 0x1c:
		return a - b, true
	case 0x21:
		return a | b, true
	case 0x22:
		return a + b, true
	case 0x24:
		return a << b, true
	case 0x25:
		return a >> b, true
	case 0x29:
		return truth(a == b)
	case 0x2a:
		return truth(int64(a) >= int64(b))
	case 0x2b:
		return truth(int64(a) > int64(b))
	case 0x2c:
		return truth(int64(a) <= int64(b))
	case 0x2d:
		return truth(int64(a) < int64(b))
	}
	return 0, false
}
