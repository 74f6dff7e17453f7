package blame

import (
	"fmt"
	"slices"
	"strings"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/persist"
)

// A pair in text is a line: "blame", the bond, the op and the index of the effect L, and
// those of K, or the op of a mark; then what more there is to say, and a remark.

// Text returns a pair in its text form, with its line end. ParsePair reads what stands
// behind its first word.
func (p *Pair) Text(plan *persist.Plan) []byte {
	ops := plan.Trace().Ops
	line := fmt.Appendf(nil, "blame %s %d.%d", p.Bond, p.Lost.Op, p.Lost.Index)
	remark := fmt.Sprintf("%s of %s", plan.What(p.Lost), ops[p.Lost.Op].Summary())
	switch p.Bond {
	case Before, Within:
		line = fmt.Appendf(line, " %d.%d", p.Kept.Op, p.Kept.Index)
		remark += fmt.Sprintf(", though %s of %s", plan.What(p.Kept), ops[p.Op].Summary())
	case Told:
		line = fmt.Appendf(line, " %d", p.Op)
		remark += ", though " + ops[p.Op].Summary()
	}
	if p.Right {
		line = append(line, " right"...)
	}
	if p.Last {
		line = append(line, " last"...)
	}
	if strings.ContainsAny(remark, "\n\r") { // of a path or a label
		return append(line, '\n')
	}
	return fmt.Appendf(line, " # %s\n", remark)
}

// ParsePair reads a pair of the case from its text form. L must be lost, and K be kept
// behind it.
func (c *WrongCut) ParsePair(text string) (*Pair, error) {
	text, _, _ = strings.Cut(text, "#")
	words := strings.Fields(text)
	bond := -1
	if len(words) > 1 {
		bond = slices.IndexFunc([]Bond{Alone, Before, Within, Told}, func(b Bond) bool { return b.String() == words[0] })
	}
	if bond < 0 {
		return nil, fmt.Errorf("blame: want one of alone, before, within and told, and effects as OP.INDEX, got %q", text)
	}
	p := &Pair{Bond: Bond(bond)}
	var err error
	if p.Lost, err = c.effect(words[1]); err != nil {
		return nil, err
	}
	if !slices.Contains(c.Lost, p.Lost) {
		return nil, fmt.Errorf("blame: effect %s is not lost", words[1])
	}
	words = words[2:]
	if p.Bond != Alone {
		if len(words) == 0 {
			return nil, fmt.Errorf("blame: %s wants what was kept", p.Bond)
		}
		if err := c.parseKept(p, words[0]); err != nil {
			return nil, err
		}
		words = words[1:]
	}
	for _, word := range words {
		switch word {
		case "right":
			p.Right = true
		case "last":
			p.Last = true
		default:
			return nil, fmt.Errorf("blame: unknown word %q, want right or last", word)
		}
	}
	return p, nil
}

// parseKept reads what was kept.
func (c *WrongCut) parseKept(p *Pair, text string) (err error) {
	if p.Bond == Told {
		if _, err := fmt.Sscanf(text, "%d", &p.Op); err != nil {
			return fmt.Errorf("blame: want the op of a mark, got %q", text)
		}
		ops := c.Plan.Trace().Ops
		if p.Op <= p.Lost.Op || p.Op > c.Plan.After(c.Point) || ops[p.Op].Kind != faultfs.OpMark {
			return fmt.Errorf("blame: op %s is no mark made after the lost effect", text)
		}
		return nil
	}
	if p.Kept, err = c.effect(text); err != nil {
		return err
	}
	p.Op = p.Kept.Op
	behind := p.Op > p.Lost.Op && p.Op <= c.Plan.After(c.Point)
	if p.Bond == Within {
		behind = p.Op == p.Lost.Op
	}
	if !behind || slices.Contains(c.Lost, p.Kept) {
		return fmt.Errorf("blame: effect %s was not kept %s the lost one", text, p.Bond)
	}
	return nil
}

// effect reads an effect as its op and its index.
func (c *WrongCut) effect(text string) (persist.Effect, error) {
	var op, index int
	if _, err := fmt.Sscanf(text, "%d.%d", &op, &index); err != nil {
		return persist.Effect{}, fmt.Errorf("blame: want an effect as OP.INDEX, got %q", text)
	}
	if op < 0 || op >= len(c.Plan.Trace().Ops) {
		return persist.Effect{}, fmt.Errorf("blame: there is no op %d", op)
	}
	effects := c.Plan.Effects(faultfs.OpNum(op))
	if index < 0 || index >= len(effects) {
		return persist.Effect{}, fmt.Errorf("blame: op %d has no effect %d", op, index)
	}
	return effects[index], nil
}
