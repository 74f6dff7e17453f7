package faultfs

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"golang.org/x/tools/txtar"
)

// traceHeader is how the comment of a stored trace begins: what the file is,
// and the version of its form.
const (
	traceHeader  = "crashsim trace "
	traceVersion = 1
	// noteHeader is how each line of the comment begins that is a note.
	noteHeader = "note: "
)

// Text returns the trace in its text form: a txtar archive whose comment
// begins with the version and says the notes, with a part "setup" if there was one and a part
// "ops". An op is a line of litmus syntax, followed behind a ";" by what a
// litmus file does not say: err=, the error; injected=yes, that a fault had a
// hand in it; only=, the bytes that an fdatasync is limited to; look=, the look that saw a store into a map; lost=, the bytes that a sync failed to write, and evicted=yes;
// at=, the call site, and in=, its function, where it is known; span=, the edges, where the op overlaps another. "#7" instead of a path is inode 7.
// Long data that is no text stands in base64, as base64:AAECAw==.
// ParseTrace reads it back.
func (t *Trace) Text() []byte {
	a := txtar.Archive{Comment: []byte(traceHeader + strconv.Itoa(traceVersion) + "\n\n")}
	for _, note := range t.Notes {
		a.Comment = append(a.Comment, noteHeader+strings.Join(strings.Fields(note), " ")+"\n"...)
	}
	if len(t.Setup) > 0 {
		a.Files = append(a.Files, txtar.File{Name: "setup", Data: opLines(t.Setup)})
	}
	a.Files = append(a.Files, txtar.File{Name: "ops", Data: opLines(t.Ops)})
	return txtar.Format(&a)
}

func opLines(ops []Op) []byte {
	var b []byte
	for i := range ops {
		b = append(appendOp(b, &ops[i], i), '\n')
	}
	return b
}

// Line returns the op in the text form of a trace, without its edges.
func (op *Op) Line() string {
	x := *op
	x.Begin, x.End = 0, 0
	return string(appendOp(nil, &x, 0))
}

// appendOp appends the text form of an op. Its edges are left out where they
// are those of the op at that position of a sequential trace, or where it has
// none.
func appendOp(b []byte, op *Op, position int) []byte {
	b = append(b, op.Kind.String()...)
	word := func(s string) { b = appendWord(append(b, ' '), s) }
	number := func(n int64) { b = strconv.AppendInt(append(b, ' '), n, 10) }
	subject := func() {
		if op.Path == "" && op.Ino != 0 {
			b = strconv.AppendInt(append(b, ' ', '#'), int64(op.Ino), 10)
		} else {
			word(op.Path)
		}
	}
	switch op.Kind {
	case OpSync:
	case OpMark:
		word(op.Label)
	case OpSymlink:
		word(op.Target)
		word(op.Path)
	case OpRename, OpExchange, OpLink:
		word(op.Path)
		word(op.To)
	case OpMkdir, OpCreate, OpChmod:
		subject()
		b = fmt.Appendf(b, " %04o", op.Mode)
	case OpWrite:
		subject()
		number(op.Off)
		b = appendData(append(b, ' '), op.Data)
	case OpTruncate:
		subject()
		number(op.Size)
	case OpRead:
		subject()
		number(op.Off)
		number(op.Size)
	default:
		subject()
	}
	return appendAttributes(b, op, position)
}

func appendAttributes(b []byte, op *Op, position int) []byte {
	sep := " ; "
	attr := func(key, value string) {
		b = appendWord(append(b, sep...), key+"="+value)
		sep = " "
	}
	if op.Failed() {
		attr("err", errnoName(op.Errno))
	}
	if op.Injected {
		attr("injected", "yes")
	}
	if !op.Only.Empty() {
		attr("only", op.Only.String())
	}
	if op.Look != 0 {
		attr("look", strconv.Itoa(op.Look))
	}
	if !op.Lost.Empty() {
		attr("lost", op.Lost.String())
	}
	if op.Evicted {
		attr("evicted", "yes")
	}
	if op.Site.File != "" {
		if op.Site.Func != "" {
			attr("in", op.Site.Func)
		}
		attr("at", op.Site.text())
	}
	if op.End != 0 && (op.Begin != sequentialBegin(position) || op.End != op.Begin+1) {
		attr("span", fmt.Sprintf("%d-%d", op.Begin, op.End))
	}
	return b
}

// sequentialBegin is the edge at which an op of a sequential program begins.
func sequentialBegin(position int) Edge { return Edge(2*position + 1) }

// TextError is what is wrong with a line of a text form.
type TextError struct {
	File string
	Line int // counted from one
	Err  error
}

func (e *TextError) Error() string { return fmt.Sprintf("%s:%d: %v", e.File, e.Line, e.Err) }
func (e *TextError) Unwrap() error { return e.Err }

// ParseTrace reads a stored trace or a litmus file; file is its name, for
// errors, which are *TextError. Of the other parts of the archive, those
// named by parts are the caller's to read; any further one is an error.
func ParseTrace(file string, text []byte, parts ...string) (*Trace, error) {
	if len(text) > maxText {
		return nil, &TextError{file, 1, fmt.Errorf("more than %d bytes", maxText)}
	}
	a := txtar.Parse(text)
	if err := checkVersion(string(a.Comment)); err != nil {
		return nil, &TextError{file, 1, err}
	}
	p := parser{file: file, room: maxData, mayOps: opLimit, fs: New()}
	line := 1 + bytes.Count(a.Comment, []byte("\n"))
	seen := map[string]bool{}
	for _, part := range a.Files {
		if seen[part.Name] {
			return nil, &TextError{file, line, fmt.Errorf("a second part %q", part.Name)}
		}
		seen[part.Name] = true
		if part.Name == "setup" && seen["ops"] {
			return nil, &TextError{file, line, errors.New("setup stands behind ops")}
		}
		if err := p.part(part, line, parts); err != nil {
			return nil, err
		}
		line += 1 + bytes.Count(part.Data, []byte("\n"))
	}
	if !seen["ops"] {
		return nil, &TextError{file, 1, errors.New("no part \"ops\": want a line \"-- ops --\", and behind it an op on each line")}
	}
	trace := p.fs.Trace()
	for line := range strings.Lines(string(a.Comment)) {
		if note, ok := strings.CutPrefix(line, noteHeader); ok && len(trace.Notes) < mostNotes {
			note = strings.TrimSpace(note)
			trace.Notes = append(trace.Notes, note[:min(len(note), longestNote)])
		}
	}
	return trace, nil
}

// mostNotes and longestNote, in bytes, bound the notes that are read: a file may be
// somebody else's.
const (
	mostNotes   = 100
	longestNote = 1000
)

func checkVersion(comment string) error {
	first, _, _ := strings.Cut(comment, "\n")
	version, ok := strings.CutPrefix(first, traceHeader)
	if !ok {
		return nil
	}
	if n, err := strconv.Atoi(strings.TrimSpace(version)); err != nil || n != traceVersion {
		return fmt.Errorf("trace version %s is not known, only %d", clip(version), traceVersion)
	}
	return nil
}

// parser runs the ops of a file on a file system of its own, which finds out
// what the paths lead to.
type parser struct {
	file   string
	room   int
	ops    int
	mayOps int
	fs     *FS
}

func (p *parser) part(part txtar.File, line int, others []string) error {
	switch part.Name {
	case "setup", "ops":
	default:
		for _, name := range others {
			if name == part.Name {
				return nil
			}
		}
		return &TextError{p.file, line, fmt.Errorf("unknown part %q, want one of %s", part.Name, strings.Join(append([]string{"setup", "ops"}, others...), ", "))}
	}
	for text := range bytes.Lines(part.Data) {
		line++
		if err := p.line(strings.TrimSuffix(string(text), "\n")); err != nil {
			return &TextError{p.file, line, err}
		}
	}
	if part.Name == "setup" {
		p.fs = p.fs.Checkpoint()
	}
	return nil
}

func (p *parser) line(text string) error {
	l := lexer{rest: strings.TrimSuffix(text, "\r"), room: &p.room}
	word, ok, err := l.next()
	if err != nil || !ok {
		if err == nil && strings.HasPrefix(l.rest, ";") {
			err = errors.New("op missing")
		}
		return err
	}
	if p.ops++; p.ops > p.mayOps {
		return fmt.Errorf("more than %d ops", p.mayOps)
	}
	op, appends, err := parseOp(word, &l)
	if err != nil {
		return fmt.Errorf("%s: %w", word, err)
	}
	attrs, err := l.attributes()
	if err == nil {
		err = setAttributes(&op, attrs)
	}
	if err == nil && !op.Failed() {
		err = mustBeSound(&op)
	}
	if err != nil {
		return err
	}
	return p.do(op, appends)
}

// do runs an op. A write creates a missing file first, as an op of its own.
func (p *parser) do(op Op, appends bool) error {
	vol := &p.fs.vol
	if op.Kind == OpWrite && op.Path != "" && !op.Failed() {
		s, errno := vol.walk(op.Path, linkFollow)
		if errno == 0 && s.ino == 0 {
			p.ops++
			create := Op{Kind: OpCreate, Path: vol.target(op.Path), Mode: defaultFileMode, Site: op.Site}
			if _, err := p.fs.perform(create); err != nil {
				return plain(err)
			}
			s, errno = vol.walk(op.Path, linkFollow)
		}
		if errno == 0 {
			op.Ino = s.ino
		}
	}
	if appends && vol.Type(op.Ino) == Regular {
		op.Off = vol.Size(op.Ino)
	}
	begin, end := op.Begin, op.End
	if _, err := p.fs.perform(op); err != nil {
		return plain(err)
	}
	if vol.pages > maxPages {
		return fmt.Errorf("more than %d pages of data", maxPages)
	}
	ops := p.fs.trace.Ops
	last := &ops[len(ops)-1]
	if end == 0 {
		begin = sequentialBegin(len(ops) - 1)
		end = begin + 1
	}
	last.Begin, last.End = begin, end
	if len(ops) > 1 && ops[len(ops)-2].End >= end {
		return fmt.Errorf("span %d-%d does not end behind the op above, at %d", begin, end, ops[len(ops)-2].End)
	}
	return nil
}

// plain makes the error of an op say what a person expects to read.
func plain(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return fmt.Errorf("%s %s: %w", pe.Op, pe.Path, pe.Err)
	}
	return err
}

func setAttributes(op *Op, attrs map[string]string) error {
	for key, value := range attrs {
		ok := true
		switch key {
		case "err":
			op.Errno, ok = parseErrno(value)
		case "at":
			function := op.Site.Func
			op.Site, ok = parseSite(value)
			op.Site.Func = function
		case "in":
			op.Site.Func, ok = value, value != "" && attrs["at"] != ""
		case "span":
			op.Begin, op.End, ok = parseSpan(value)
		case "injected":
			op.Injected, ok = true, value == "yes"
		case "only":
			op.Only, ok = parseLost(value)
			ok = ok && op.Kind == OpFdatasync
		case "look":
			op.Look, ok = parseLook(value)
			ok = ok && op.Kind == OpWrite
		case "lost":
			op.Lost, ok = parseLost(value)
			ok = ok && op.Kind.Syncs()
		case "evicted":
			op.Evicted, ok = true, value == "yes" && op.Kind.Syncs()
		default:
			return fmt.Errorf("unknown attribute %s, want err, injected, only, look, lost, evicted, at, in or span", clip(key))
		}
		if !ok {
			return badValue("attribute", key, value)
		}
	}
	return nil
}

func parseSite(s string) (CallSite, bool) {
	i := strings.LastIndexByte(s, ':')
	if i <= 0 {
		return CallSite{}, false
	}
	line, err := strconv.ParseInt(s[i+1:], 10, 32)
	return CallSite{File: s[:i], Line: int(line)}, err == nil && line >= 0
}

func parseLook(s string) (int, bool) {
	n, err := strconv.ParseInt(s, 10, 32)
	return int(n), err == nil && n > 0
}

func parseSpan(s string) (begin, end Edge, ok bool) {
	from, to, _ := strings.Cut(s, "-")
	b, err1 := strconv.ParseInt(from, 10, 64)
	e, err2 := strconv.ParseInt(to, 10, 64)
	return Edge(b), Edge(e), err1 == nil && err2 == nil && b > 0 && b < e
}

// parseOp reads the arguments of an op; appends says that it is an append,
// whose offset is the size of the file.
func parseOp(word string, l *lexer) (op Op, appends bool, err error) {
	for kind, name := range opWords {
		if name == word && kind != int(OpNone) {
			op.Kind = OpKind(kind)
		}
	}
	if word == "append" {
		op.Kind, appends = OpWrite, true
	}
	switch op.Kind {
	case OpNone:
		return op, false, fmt.Errorf("no such op, want one of %s", strings.Join(opWords[1:], ", "))
	case OpSync:
		return op, false, nil
	case OpMark:
		op.Label, err = l.word("label")
		return op, false, err
	case OpSymlink:
		if op.Target, err = l.word("target"); err != nil {
			return op, false, err
		}
	}
	if err = parsePath(&op, l); err != nil {
		return op, false, err
	}
	switch op.Kind {
	case OpRename, OpExchange, OpLink:
		op.To, err = l.path()
	case OpMkdir:
		if op.Mode, err = l.mode(defaultDirMode); op.Mode > 0o7777 && err == nil {
			err = errors.New("a directory is neither a FIFO nor a socket")
		}
	case OpCreate:
		op.Mode, err = l.mode(defaultFileMode)
	case OpChmod:
		if op.Mode, err = l.mode(1 << 31); op.Mode == 1<<31 {
			err = errors.New("mode missing")
		}
	case OpWrite:
		if !appends {
			op.Off, err = l.number("offset")
		}
		if err == nil {
			op.Data, err = l.data()
		}
	case OpTruncate:
		op.Size, err = l.number("size")
	case OpRead:
		if op.Off, err = l.number("offset"); err == nil {
			op.Size, err = l.number("size")
		}
	}
	return op, appends, err
}

// parsePath reads the path of an op, or the number of an inode for those that
// go through a handle.
func parsePath(op *Op, l *lexer) (err error) {
	l.rest = strings.TrimLeft(l.rest, " \t")
	if digits, ok := strings.CutPrefix(l.rest, "#"); ok && l.rest != "#" && !l.atComment() {
		switch op.Kind {
		case OpWrite, OpTruncate, OpFsync, OpFdatasync, OpOpen, OpClose, OpRead, OpReaddir, OpStat, OpChmod:
		default:
			return fmt.Errorf("%s wants a path, not an inode", op.Kind)
		}
		word := digits
		if end := strings.IndexAny(digits, " \t;"); end >= 0 {
			word = digits[:end]
		}
		ino, err := strconv.ParseInt(word, 10, 32)
		if err != nil || ino < int64(Root) {
			return fmt.Errorf("bad inode %s, want a number such as #3", clip("#"+word))
		}
		op.Ino, l.rest = Ino(ino), digits[len(word):]
		return nil
	}
	op.Path, err = l.path()
	return err
}

// path returns the next word as a path.
func (l *lexer) path() (string, error) {
	return l.word("path")
}

// mustBeSound refuses what only an op that failed may hold: relative paths and
// negative numbers.
func mustBeSound(op *Op) error {
	switch {
	case op.Off < 0:
		return fmt.Errorf("offset %d is negative", op.Off)
	case op.Size < 0:
		return fmt.Errorf("size %d is negative", op.Size)
	}
	for _, path := range []string{op.Path, op.To} {
		if path != "" && path[0] != '/' {
			return fmt.Errorf("path %s is not absolute", clip(path))
		}
	}
	return nil
}
