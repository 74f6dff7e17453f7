package report

import (
	"bytes"
	"fmt"
	"html"
	"slices"

	"github.com/crashsim/crashsim/faultfs"
)

// pictureOps is how many ops a picture shows at most: those up to the first
// failure, or else the first ones.
const pictureOps = 200

// The measures of a picture, in pixels.
const (
	column  = 26
	laneGap = 34
	left    = 150
	top     = 30
	nameMax = 20 // characters of a lane's name

	labelWidth = 62 // of the words at the crash
)

// SVG returns the timeline of the part as a picture: a lane for each file, an op
// in each column, and what is lost in the first failure crossed out.
func (p *Section) SVG() []byte {
	ops := p.Plan.Trace().Ops
	crash, lost := faultfs.OpNum(len(ops)), map[faultfs.OpNum]bool{}
	if len(p.Failures) > 0 {
		crash = p.Plan.After(p.Failures[0].Point)
		for _, e := range p.Failures[0].Lost {
			lost[e.Op] = true
		}
	}
	first := 0
	if len(ops) > pictureOps {
		first = max(0, min(int(crash)-pictureOps+10, len(ops)-pictureOps))
	}
	shown := ops[first:min(first+pictureOps, len(ops))]
	lanes, laneOf := lanesOf(shown)
	w, h := left+column*len(shown)+40, top+laneGap*len(lanes)+30
	var b bytes.Buffer
	text := func(x, y int, anchor, class, s string) {
		fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="%s" class="%s">%s</text>`+"\n", x, y, anchor, class, html.EscapeString(s))
	}
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img" font-family="sans-serif" font-size="12" fill="currentColor">`+"\n", w, h, w, h)
	fmt.Fprintf(&b, "<title>%s</title>\n", html.EscapeString(visible(p.Name)+" under "+p.Plan.Model().String()+": "+visible(p.Verdict)))
	for i, name := range lanes {
		y := top + i*laneGap
		fmt.Fprintf(&b, `<line x1="%d" y1="%d" x2="%d" y2="%d" stroke="currentColor" stroke-opacity=".25"/>`+"\n", left, y, w-20, y)
		text(left-10, y+4, "end", "lane", shorten(name))
	}
	for i := range shown {
		op := &shown[i]
		x, y := left+column/2+i*column, top+laneOf[i]*laneGap
		drawOp(&b, op, x, y, faultfs.OpNum(first+i) > crash, lost[faultfs.OpNum(first+i)])
		if n := first + i + 1; n%5 == 0 || len(shown) <= 20 {
			text(x, h-8, "middle", "number", fmt.Sprint(n))
		}
	}
	if at := int(crash) - first; at >= -1 && at < len(shown) {
		x := left + (at+1)*column
		fmt.Fprintf(&b, `<line class="crash" x1="%d" y1="8" x2="%d" y2="%d" stroke="#c0392b" stroke-width="2" stroke-dasharray="5 3"/>`+"\n", x, x, h-22)
		if x+4+labelWidth > w { // behind the last op it would be cut off
			text(x-4, 14, "end", "crash", "power cut")
		} else {
			text(x+4, 14, "start", "crash", "power cut")
		}
	}
	b.WriteString("</svg>\n")
	return b.Bytes()
}

// shorten keeps the end of a name, which tells more than its beginning.
func shorten(name string) string {
	r := []rune(name)
	if len(r) <= nameMax {
		return name
	}
	return "..." + string(slices.Clone(r[len(r)-nameMax+3:]))
}

// drawOp draws an op: its shape says its kind, so that it can be told without
// colors.
func drawOp(b *bytes.Buffer, op *faultfs.Op, x, y int, later, lost bool) {
	opacity := "1"
	if later {
		opacity = ".3"
	}
	fmt.Fprintf(b, `<g opacity="%s"><title>%s</title>`, opacity, html.EscapeString(visible(op.Call())))
	switch shapeOf(op) {
	case box:
		fmt.Fprintf(b, `<rect x="%d" y="%d" width="14" height="14" rx="2"/>`, x-7, y-7)
	case disc:
		fmt.Fprintf(b, `<circle cx="%d" cy="%d" r="7.5" fill="none" stroke="currentColor" stroke-width="3"/>`, x, y)
	case diamond:
		fmt.Fprintf(b, `<path d="M%d %dl9 9l-9 9l-9-9z" fill="#0b7a75"/>`, x, y-9)
	case pennant:
		fmt.Fprintf(b, `<path d="M%d %dv18m0-18l10 5l-10 5" fill="#b7791f" stroke="#b7791f" stroke-width="2"/>`, x-4, y-9)
	default:
		fmt.Fprintf(b, `<circle cx="%d" cy="%d" r="2.5"/>`, x, y)
	}
	if lost {
		fmt.Fprintf(b, `<path class="lost" d="M%d %dl18 18m0-18l-18 18" stroke="#c0392b" stroke-width="3" fill="none"/>`, x-9, y-9)
	}
	b.WriteString("</g>\n")
}
