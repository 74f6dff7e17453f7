package strace

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/crashsim/crashsim/faultfs"
)

// call is a call of a process, as the log has it.
type call struct {
	pid  int
	line int // on which it begins, counted from one
	name string
	args []string

	returned bool   // it did, and the log says with what
	last     int    // the line on which it returned
	ret      int64  // zero where that is no number
	result   string // as it stands
	failed   bool
	errno    string // its name, where it failed

	applied bool
	files   map[int]*file // what its descriptors led to when it began
	cwd     string        // the working directory when it began
	proc    *process
}

// event is what a line of the log says.
type event struct {
	line int
	pid  int
	kind eventKind
	call *call // of begins and ends
	by   int   // of eventSuperseded: the thread that executes a program
}

type eventKind uint8

const (
	eventBegin eventKind = iota
	eventEnd
	eventExit
	eventSuperseded
)

// reader reads a log line by line.
type reader struct {
	file    string
	events  []event
	pending map[int]*pending
}

// pending is a call whose end was not read yet.
type pending struct {
	call *call
	text string // its arguments so far
}

// read makes events of a log.
func read(file, text string) ([]event, error) {
	r := reader{file: file, pending: map[int]*pending{}}
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimRight(line, "\r\n")
		if line == "" {
			continue
		}
		if err := r.line(n, line); err != nil {
			return nil, &faultfs.TextError{File: file, Line: n, Err: err}
		}
	}
	return r.events, nil
}

func (r *reader) line(n int, line string) error {
	word, rest, _ := strings.Cut(line, " ")
	pid, err := strconv.ParseInt(word, 10, 32)
	if err != nil || pid <= 0 {
		return fmt.Errorf("want the number of a process in front, not %s: run strace with -f and -o", clip(word))
	}
	rest = withoutTime(strings.TrimLeft(rest, " "))
	switch {
	case strings.HasPrefix(rest, "--- "):
		return nil
	case strings.HasPrefix(rest, "+++ "):
		return r.end(n, int(pid), rest)
	case strings.HasPrefix(rest, "<... "):
		return r.resume(n, int(pid), rest)
	}
	return r.begin(n, int(pid), rest)
}

// withoutTime takes off what strace -t, -tt, -ttt or -r has put in front.
func withoutTime(s string) string {
	for {
		word, rest, ok := strings.Cut(s, " ")
		if !ok || strings.Trim(word, "0123456789:.") != "" {
			return s
		}
		s = strings.TrimLeft(rest, " ")
	}
}

// end reads "+++ exited with 0 +++" and its like.
func (r *reader) end(n, pid int, text string) error {
	e := event{line: n, pid: pid, kind: eventExit}
	if by, ok := strings.CutPrefix(text, "+++ superseded by execve in pid "); ok {
		by, _, _ = strings.Cut(by, " ")
		number, err := strconv.ParseInt(by, 10, 32)
		if err != nil {
			return fmt.Errorf("bad line %s", clip(text))
		}
		e.kind, e.by = eventSuperseded, int(number)
		if p := r.pending[e.by]; p != nil {
			// Its execve goes on under the number of the process.
			p.call.pid = pid
			r.pending[pid] = p
			delete(r.pending, e.by)
		}
	} else {
		delete(r.pending, pid)
	}
	r.events = append(r.events, e)
	return nil
}

// noCall stands for a call of a process that was killed before it could begin.
const noCall = "???"

const unfinished = "<unfinished ...>"

func (r *reader) begin(n, pid int, text string) error {
	name, args, ok := strings.Cut(text, "(")
	if !ok || name != noCall && (name == "" || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz_0123456789") != "") {
		return fmt.Errorf("want a call, not %s", clip(text))
	}
	c := &call{pid: pid, line: n, name: name}
	if r.pending[pid] != nil {
		return fmt.Errorf("process %d calls %s before its %s has returned", pid, name, r.pending[pid].call.name)
	}
	r.events = append(r.events, event{line: n, pid: pid, kind: eventBegin, call: c})
	for _, cut := range []string{unfinished, "<detached ...>", "<ptrace(SYSCALL):No such process>"} {
		if open, ok := strings.CutSuffix(args, cut); ok {
			r.pending[pid] = &pending{call: c, text: open}
			c.args, _, _ = splitArgs(strings.TrimRight(open, " ,") + ")")
			return nil
		}
	}
	return r.finish(n, c, args)
}

func (r *reader) resume(n, pid int, text string) error {
	name, rest, ok := strings.Cut(strings.TrimPrefix(text, "<... "), " resumed>")
	p := r.pending[pid]
	if !ok || p == nil || name != p.call.name {
		return fmt.Errorf("no call of process %d begins above that ends here", pid)
	}
	delete(r.pending, pid)
	return r.finish(n, p.call, p.text+rest)
}

// finish reads the arguments and the result of a call.
func (r *reader) finish(n int, c *call, text string) error {
	args, rest, ok := splitArgs(text)
	if !ok {
		return fmt.Errorf("the arguments of %s have no end", c.name)
	}
	c.args, c.last = args, n
	rest = strings.TrimLeft(rest, " ")
	result, ok := strings.CutPrefix(rest, "= ")
	if !ok {
		return fmt.Errorf("%s has no result", c.name)
	}
	if err := c.setResult(result); err != nil {
		return err
	}
	r.events = append(r.events, event{line: n, pid: c.pid, kind: eventEnd, call: c})
	return nil
}

func (c *call) setResult(text string) error {
	c.result = text
	word, rest, _ := strings.Cut(text, " ")
	switch {
	case word == "?":
		// To be restarted, or the process is no more.
		c.errno, _, _ = strings.Cut(rest, " ")
		c.failed = strings.HasPrefix(c.errno, "E")
		c.returned = c.failed
		return nil
	case word == "-1":
		c.errno, _, _ = strings.Cut(rest, " ")
		c.returned, c.failed, c.ret = true, true, -1
		return nil
	case strings.HasPrefix(word, "0x"):
		c.returned = true
		return nil
	}
	digits := word
	if end := strings.IndexFunc(word, func(r rune) bool { return r != '-' && (r < '0' || r > '9') }); end >= 0 {
		digits = word[:end]
	}
	base := 10
	if len(digits) > 1 && digits[0] == '0' {
		base = 8 // of umask
	}
	ret, err := strconv.ParseInt(digits, base, 64)
	if err != nil {
		return fmt.Errorf("result %s is no number", clip(word))
	}
	c.returned, c.ret = true, ret
	return nil
}
