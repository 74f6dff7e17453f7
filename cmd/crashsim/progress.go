package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/term"
)

// progress shows how far long work has come, in a line of a terminal that is
// written over again and again. On anything else it shows nothing.
type progress struct {
	w     io.Writer
	live  bool
	width int
	last  time.Time
}

// progressEvery is the time between two looks; the first one comes at once.
const progressEvery = 100 * time.Millisecond

func newProgress(w io.Writer) *progress {
	p := &progress{w: w, live: isTerminal(w), width: 80}
	if f, ok := w.(*os.File); ok && p.live {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
			p.width = width
		}
	}
	return p
}

// show writes a line over the last one, if it is time to.
func (p *progress) show(now time.Time, line func() string) {
	if !p.live || now.Sub(p.last) < progressEvery {
		return
	}
	p.last = now
	text := line()
	if len(text) >= p.width {
		text = text[:p.width-1]
	}
	_, _ = fmt.Fprintf(p.w, "\r\x1b[K%s", text)
}

// found shows a failure as soon as it is found, in a line that stays.
func (p *progress) found(story string) {
	if p.live {
		_, _ = fmt.Fprintf(p.w, "\r\x1b[Kfound: %s\n", story)
	}
}

// clear takes the line away.
func (p *progress) clear() {
	if p.live && !p.last.IsZero() {
		_, _ = io.WriteString(p.w, "\r\x1b[K")
	}
}
