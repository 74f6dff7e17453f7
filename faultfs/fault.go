package faultfs

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// Fault makes calls of a program fail: it says which, what the program gets,
// and what becomes of the data.
type Fault struct {
	_ struct{} // written with field names: fields may be added

	Kind OpKind   // OpNone: of any kind that can fail
	Path string   // a pattern as path.Match has it, of the path that the op uses or makes; "" any
	Site CallSite // the call site; zero: any
	At   OpNum    // the op's place in the trace, counted from one; zero: any
	// First and Last say which of the calls that match fail, counted from one. A
	// zero First is the first; a zero Last is First alone; a negative one is
	// the end.
	First, Last int

	Errno   syscall.Errno // what the program gets; zero only where a write is short
	Short   int64         // of a write: so many bytes are accepted first, all but one at most
	Lost    Span          // of a sync of a file: which dirty bytes are not written; the zero Span is all
	Evict   bool          // of a sync: the pages not written leave the page cache too
	Journal bool          // of a sync: the journal is not written, and no data is lost
}

// String returns the text form, which ParseFault reads back.
func (f Fault) String() string {
	b := []byte("*")
	if f.Kind != OpNone {
		b = []byte(f.Kind.String())
	}
	if f.Path != "" {
		b = appendWord(append(b, ' '), f.Path)
	}
	attr := func(key, value string) { b = appendWord(append(b, ' '), key+"="+value) }
	if f.At != 0 {
		attr("op", strconv.Itoa(int(f.At)))
	}
	switch first := max(f.First, 1); {
	case f.Last < 0:
		attr("nth", fmt.Sprintf("%d-", first))
	case f.Last > first:
		attr("nth", fmt.Sprintf("%d-%d", first, f.Last))
	case first > 1:
		attr("nth", strconv.Itoa(first))
	}
	if f.Site != (CallSite{}) {
		attr("at", f.Site.text())
	}
	if f.Errno != 0 {
		attr("err", errnoName(f.Errno))
	}
	if f.Short > 0 {
		attr("short", strconv.FormatInt(f.Short, 10))
	}
	if !f.Lost.Empty() {
		attr("lost", f.Lost.String())
	}
	if f.Evict {
		attr("evict", "yes")
	}
	if f.Journal {
		attr("journal", "yes")
	}
	return string(b)
}

// ParseFault reads the text form of a fault: the word of a kind of op, or "*";
// a pattern of paths, which may be left out; and key=value pairs. These are
// nth=2, nth=2-5 or nth=2- (which of the calls that match), op=17 (the op at
// that place of the trace), at=FILE:LINE (the call site), err=EIO, short=100,
// lost=0-4096 or lost=all, evict=yes and journal=yes. See Fault.
//
//	write /log nth=2 err=ENOSPC short=100
//	fsync /log err=EIO
func ParseFault(text string) (Fault, error) {
	f, err := parseFault(text)
	if err != nil {
		return Fault{}, fmt.Errorf("fault %s: %w", clip(text), err)
	}
	return f, nil
}

func parseFault(text string) (f Fault, err error) {
	room := 0
	l := lexer{rest: text, room: &room}
	word, err := l.word("kind of op")
	if err != nil {
		return f, err
	}
	if word != "*" {
		kind := slices.Index(opWords[1:], word) + 1
		if kind == 0 || OpKind(kind) == OpMark {
			return f, fmt.Errorf("no op %s that can fail, want * or one of %s", clip(word), strings.Join(failingWords(), ", "))
		}
		f.Kind = OpKind(kind)
	}
	seen := map[string]bool{}
	for first := true; ; first = false {
		word, ok, err := l.next()
		if err != nil {
			return f, err
		}
		if !ok {
			break
		}
		key, value, found := strings.Cut(word, "=")
		if !found && first {
			f.Path = word
			continue
		}
		if seen[key] {
			return f, fmt.Errorf("a second %s", clip(key))
		}
		seen[key] = true
		if err := f.set(key, value); err != nil {
			return f, err
		}
	}
	if strings.TrimLeft(l.rest, " \t") != "" && !l.atComment() {
		return f, fmt.Errorf("bad text %s", clip(l.rest))
	}
	return f, f.check()
}

func failingWords() []string {
	return slices.DeleteFunc(slices.Clone(opWords[1:]), func(w string) bool { return w == opWords[OpMark] })
}

func (f *Fault) set(key, value string) error {
	ok := true
	switch key {
	case "nth":
		ok = f.setNth(value)
	case "op":
		n, err := strconv.ParseInt(value, 10, 32)
		f.At, ok = OpNum(n), err == nil && n > 0
	case "at":
		f.Site, ok = parseSite(value)
	case "err":
		f.Errno, ok = parseErrno(value)
	case "short":
		n, err := strconv.ParseInt(value, 10, 64)
		f.Short, ok = n, err == nil && n > 0
	case "lost":
		f.Lost, ok = parseLost(value)
	case "evict":
		f.Evict, ok = true, value == "yes"
	case "journal":
		f.Journal, ok = true, value == "yes"
	default:
		return fmt.Errorf("unknown key %s, want one of nth, op, at, err, short, lost, evict, journal", clip(key))
	}
	if !ok {
		return badValue("value", key, value)
	}
	return nil
}

// badValue says what is wrong with the value of a key, and what would be right.
func badValue(what, key, value string) error {
	wants := map[string]string{
		"nth":   "a call counted from one, such as 2, or calls, such as 2-5 or 2-",
		"op":    "the place of an op in the trace, counted from one",
		"at":    "FILE:LINE",
		"err":   "one of " + strings.Join(slices.Sorted(maps.Values(errnoNames)), ", ") + ", or errno and a number",
		"short": "a number of bytes, at least 1",
		"lost":  "bytes, such as 0-4096, or all",
		"span":  "when the call began and ended, such as 3-5",
	}
	want, ok := wants[key]
	if !ok {
		want = "yes"
	}
	return fmt.Errorf("bad %s %s, want %s", what, clip(key+"="+value), want)
}

func (f *Fault) setNth(value string) bool {
	from, to, ranged := strings.Cut(value, "-")
	first, err := strconv.ParseInt(from, 10, 32)
	f.First = int(first)
	if err != nil || first < 1 {
		return false
	}
	switch {
	case ranged && to == "":
		f.Last = -1
	case ranged:
		last, err := strconv.ParseInt(to, 10, 32)
		f.Last = int(last)
		return err == nil && last >= first
	}
	return true
}

// check refuses faults that no call can meet.
func (f *Fault) check() error {
	syncs := f.Kind == OpNone || f.Kind.Syncs()
	switch {
	case f.Short > 0 && f.Kind != OpWrite:
		return errors.New("only a write can be short")
	case f.Errno == 0 && f.Short == 0:
		return errors.New("a fault needs err=ERRNO, such as err=EIO, or short=N for a write")
	case !syncs && (!f.Lost.Empty() || f.Evict || f.Journal):
		return errors.New("only a sync can lose data, evict pages or fail to write the journal")
	case f.Journal && !f.Lost.Empty():
		return errors.New("a sync that fails to write the journal loses no data")
	}
	_, err := path.Match(f.Path, "/")
	if err != nil {
		return fmt.Errorf("bad pattern %s of paths: want one such as /log or /dir/*.tmp; a \"[\" must be closed", clip(f.Path))
	}
	return nil
}

// matches reports whether the fault is about an op, at a place of the trace
// that is counted from one.
func (f *Fault) matches(op *Op, place OpNum) bool {
	switch {
	case f.Kind != OpNone && f.Kind != op.Kind, f.At != 0 && f.At != place, f.Site != (CallSite{}) && (f.Site.File != op.Site.File || f.Site.Line != op.Site.Line):
		return false
	case f.Path == "":
		return true
	}
	return matchPath(f.Path, op.Path) || op.To != "" && matchPath(f.Path, op.To)
}

// Aimed returns the fault as it strikes one op of a trace, told by its kind, its path
// and how many such ops come before it: a program that makes other calls in between the
// next time meets it at the same call.
func (f Fault) Aimed(trace *Trace, at OpNum) Fault {
	return f.aimed(trace, at, literally(trace.Ops[at].Path))
}

// AimedNear is as Aimed, but that it takes an op on any file of the same directory for
// the same, as where the names of files are random.
func (f Fault) AimedNear(trace *Trace, at OpNum) Fault {
	return f.aimed(trace, at, literally(path.Dir(trace.Ops[at].Path))+"/*")
}

func (f Fault) aimed(trace *Trace, at OpNum, pattern string) Fault {
	f.Kind, f.Path, f.At, f.First, f.Last = trace.Ops[at].Kind, strings.ReplaceAll(pattern, "//", "/"), 0, 0, 0
	for i := range trace.Ops[:at+1] {
		if f.matches(&trace.Ops[i], OpNum(i+1)) {
			f.First++
		}
	}
	return f
}

// literally is a pattern that matches one path.
func literally(name string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(name)
}

func matchPath(pattern, name string) bool {
	ok, err := path.Match(pattern, name)
	return ok && err == nil
}

// strikes reports whether the n-th call that matches fails.
func (f *Fault) strikes(n int) bool {
	first := max(f.First, 1)
	return n >= first && (f.Last < 0 || n <= max(first, f.Last))
}

// fittingErrnos are the errors that calls return of which a program can be
// asked to take each: what open(2), write(2), fsync(2) and the others document
// of failing disks, full disks and quotas, and EINTR where POSIX has it.
var fittingErrnos = map[OpKind][]syscall.Errno{
	OpOpen:   {syscall.EIO, syscall.EINTR},
	OpCreate: {syscall.EIO, syscall.ENOSPC, syscall.EDQUOT, syscall.EINTR},
	OpMkdir:  {syscall.EIO, syscall.ENOSPC, syscall.EDQUOT}, OpSymlink: {syscall.EIO, syscall.ENOSPC, syscall.EDQUOT},
	OpLink: {syscall.EIO, syscall.ENOSPC, syscall.EDQUOT}, OpRename: {syscall.EIO, syscall.ENOSPC, syscall.EDQUOT},
	OpExchange: {syscall.EIO, syscall.ENOSPC, syscall.EDQUOT},
	OpWrite:    {syscall.EIO, syscall.ENOSPC, syscall.EDQUOT, syscall.EINTR},
	OpTruncate: {syscall.EIO, syscall.EINTR},
	OpFsync:    {syscall.EIO, syscall.ENOSPC, syscall.EDQUOT, syscall.EINTR}, OpFdatasync: {syscall.EIO, syscall.ENOSPC, syscall.EDQUOT, syscall.EINTR},
	OpClose:  {syscall.EIO, syscall.EINTR, syscall.ENOSPC, syscall.EDQUOT},
	OpUnlink: {syscall.EIO}, OpRmdir: {syscall.EIO}, OpChmod: {syscall.EIO}, OpChown: {syscall.EIO}, OpChtimes: {syscall.EIO},
	OpStat: {syscall.EIO}, OpLstat: {syscall.EIO}, OpReadlink: {syscall.EIO}, OpReaddir: {syscall.EIO},
	OpRead: {syscall.EIO, syscall.EINTR},
}

// Faults returns the faults that the op can meet, one for each error that its
// call can return, and for a write of more than a byte that half of it is
// accepted, with an error and without. They say nothing of which op they
// strike but its kind.
func (op *Op) Faults() []Fault {
	var faults []Fault
	for _, errno := range fittingErrnos[op.Kind] {
		faults = append(faults, Fault{Kind: op.Kind, Errno: errno})
	}
	if half := int64(len(op.Data) / 2); op.Kind == OpWrite && half > 0 {
		faults = append(faults, Fault{Kind: OpWrite, Errno: syscall.ENOSPC, Short: half}, Fault{Kind: OpWrite, Short: half})
	}
	return faults
}
