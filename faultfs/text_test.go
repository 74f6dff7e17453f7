package faultfs_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/spf13/afero"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// randomTrace records what the machine does to a file system alone, and
// returns the file system too.
func randomTrace(t *rapid.T) *faultfs.FS {
	m := newMachine("", faultfs.New())
	live := func() *faultfs.FS { return m.subjects[0].(*faultfs.FS) }
	m.replay = func(t *rapid.T) {
		switch rapid.IntRange(0, 9).Draw(t, "what") {
		case 0:
			m.closeAll(t)
			m.subjects[0] = live().Checkpoint()
		case 1, 2, 3:
			live().Mark(rapid.SampledFrom([]string{"saved", "saved twice", "", "; #1", "\n-- ops --\n"}).Draw(t, "label"))
		case 4, 5:
			require.NoError(t, live().SyncAll())
		default:
			m.onHandle(t, "fdatasync", func(h afero.File) []any {
				return []any{h.(interface{ Datasync() error }).Datasync()}
			})
		}
	}
	m.run(t)
	return live()
}

// plainOps clears what the text form does not hold: the inodes that a failed
// op would have been about.
func plainOps(ops []faultfs.Op) []faultfs.Op {
	ops = slices.Clone(ops)
	for i := range ops {
		op := &ops[i]
		if len(op.Data) == 0 {
			op.Data = nil
		}
		if op.Failed() {
			op.Dir, op.Name, op.ToDir, op.ToName, op.Replaced = 0, "", 0, "", 0
			if op.Path != "" {
				op.Ino = 0
			}
		}
	}
	return ops
}

func TestTraceReadsBackAsItWasRecorded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := randomTrace(t).Trace()
		text := want.Text()
		got, err := faultfs.ParseTrace("trace", text)
		require.NoError(t, err, "%s", text)
		require.Equal(t, string(text), string(got.Text()))
		require.True(t, want.Same(got))
		require.Equal(t, want.Marks(), got.Marks())
		require.Equal(t, plainOps(want.Setup), plainOps(got.Setup))
		require.Equal(t, plainOps(want.Ops), plainOps(got.Ops))
		require.Equal(t, want.Base().Inodes(), got.Base().Inodes())
	})
}

func TestOpsGivenAsDataRepeatTheProgram(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := randomTrace(t)
		trace := f.Trace()
		again := faultfs.New()
		for _, ops := range [][]faultfs.Op{trace.Setup, trace.Ops} {
			for _, op := range ops {
				done, err := again.Do(op)
				require.NoError(t, err, op.Line())
				require.Equal(t, op.Line(), done.Line())
			}
		}
		require.Equal(t, tree(f, ""), tree(again, ""))
	})
}

func TestTextForm(t *testing.T) {
	f := faultfs.New()
	require.NoError(t, f.Mkdir("/d", 0o750))
	f = f.Checkpoint()
	site := func(ops ...faultfs.Op) {
		for _, op := range ops {
			op.Site = faultfs.CallSite{File: "app/save.go", Line: 7, Func: "app.Save"}
			_, err := f.Do(op)
			require.NoError(t, err)
		}
	}
	site(
		faultfs.Op{Kind: faultfs.OpCreate, Path: "/d/f", Mode: 0o644},
		faultfs.Op{Kind: faultfs.OpWrite, Path: "/d/f", Data: []byte("one\n")},
		faultfs.Op{Kind: faultfs.OpWrite, Ino: 3, Off: 4, Data: []byte(strings.Repeat("\x00\xff", 50))},
		faultfs.Op{Kind: faultfs.OpTruncate, Path: "/d/f", Size: 3},
		faultfs.Op{Kind: faultfs.OpRename, Path: "/d/f", To: "/d/a name"},
		faultfs.Op{Kind: faultfs.OpSymlink, Target: "../x;y", Path: "/d/l"},
		faultfs.Op{Kind: faultfs.OpExchange, Path: "/d/a name", To: "/d/l"},
		faultfs.Op{Kind: faultfs.OpChmod, Path: "/d", Mode: 0o1700},
		faultfs.Op{Kind: faultfs.OpMark, Label: "saved"},
		faultfs.Op{Kind: faultfs.OpFsync, Path: "/d/f", Errno: 5},
		faultfs.Op{Kind: faultfs.OpSync},
	)
	text := f.Trace().Text()
	_, setup, _ := strings.Cut(string(text), "\n\n-- setup --\n")
	setup, ops, _ := strings.Cut(setup, "-- ops --\n")
	require.Equal(t, "mkdir /d 0750", strings.Split(setup, " ; ")[0])
	require.Equal(t, `create /d/f 0644 ; in=app.Save at=app/save.go:7
write /d/f 0 "one\n" ; in=app.Save at=app/save.go:7
write #3 4 "\x00\xff"*50 ; in=app.Save at=app/save.go:7
truncate /d/f 3 ; in=app.Save at=app/save.go:7
rename /d/f "/d/a name" ; in=app.Save at=app/save.go:7
symlink "../x;y" /d/l ; in=app.Save at=app/save.go:7
exchange "/d/a name" /d/l ; in=app.Save at=app/save.go:7
chmod /d 1700 ; in=app.Save at=app/save.go:7
mark saved ; in=app.Save at=app/save.go:7
fsync /d/f ; err=EIO in=app.Save at=app/save.go:7
sync ; in=app.Save at=app/save.go:7
`, ops)
}

func TestParseTraceReadsLitmusFiles(t *testing.T) {
	trace, err := faultfs.ParseTrace("x.txtar", []byte(`A comment.

-- setup --
create /f 0600     # comment
append /f "ab"*3
-- ops --

# nothing here
write /f 2 `+"`x`"+`
append /f "y"
append #2 "z"
write /new 0 "n"
symlink new /l
append /l "m"
symlink later /dangling
append /dangling "d" ; at=a/b.go:1
mark "two words"   ; "at=c d/e.go:12"
-- expect --
kill: always true
`), "expect")
	require.NoError(t, err)
	require.Len(t, trace.Setup, 2)
	require.Equal(t, int64(6), trace.Base().Size(2))
	require.Equal(t, uint32(0o600), trace.Base().Mode(2))
	var lines []string
	for i := range trace.Ops {
		require.Equal(t, faultfs.Edge(2*i+1), trace.Ops[i].Begin)
		lines = append(lines, trace.Ops[i].Line())
	}
	require.Equal(t, []string{
		`write /f 2 "x"`,
		`write /f 6 "y"`,
		`write #2 7 "z"`,
		`create /new 0644`,
		`write /new 0 "n"`,
		`symlink new /l`,
		`write /l 1 "m"`,
		`symlink later /dangling`,
		`create /later 0644 ; at=a/b.go:1`,
		`write /dangling 0 "d" ; at=a/b.go:1`,
		`mark "two words" ; "at=c d/e.go:12"`,
	}, lines)
	require.Equal(t, []string{"two words"}, trace.Marks())
}

func TestParseTraceNamesFileAndLine(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"", `f:1: no part "ops": want a line "-- ops --", and behind it an op on each line`},
		{"crashsim trace 2\n-- ops --\n", `f:1: trace version "2" is not known, only 1`},
		{"-- ops --\n-- ops --\n", `f:2: a second part "ops"`},
		{"-- ops --\n-- setup --\n", `f:2: setup stands behind ops`},
		{"\n\n-- opps --\n-- ops --\n", `f:3: unknown part "opps"`},
		{"-- ops --\nsync\nfly /x\n", `f:3: fly: no such op`},
		{"-- ops --\nnone\n", `f:2: none: no such op`},
		{"-- ops --\n; at=x:1\n", `f:2: op missing`},
		{"-- ops --\nmkdir\n", `f:2: mkdir: path missing`},
		{"-- ops --\nmkdir # /a\n", `f:2: mkdir: path missing`},
		{"-- ops --\nmkdir a\n", `f:2: path "a" is not absolute`},
		{"-- ops --\nmkdir /a 9\n", `f:2: mkdir: mode "9" is no octal number up to 7777`},
		{"-- ops --\nmkdir /a 0755 x\n", `f:2: too many words: "x"`},
		{"-- ops --\nmkdir /a\nmkdir /a\n", `f:3: mkdir /a: file exists`},
		{"-- ops --\ncreate /a/b\n", `f:2: create /a/b: no such file or directory`},
		{"-- ops --\ncreate /\n", `f:2: create /: file exists`},
		{"-- ops --\ncreate /a\nrmdir /a\n", `f:3: rmdir /a: not a directory`},
		{"-- ops --\nmkdir /a\nunlink /a\n", `f:3: unlink /a: is a directory`},
		{"-- ops --\nmkdir /a\nwrite /a 0 \"x\"\n", `f:3: write /a: is a directory`},
		{"-- ops --\nwrite /a 0\n", `f:2: write: data missing: want a string literal, not ""`},
		{"-- ops --\nwrite /a x \"\"\n", `f:2: write: offset "x" is no number`},
		{"-- ops --\nwrite /a -1 \"\"\n", `f:2: offset -1 is negative`},
		{"-- ops --\nwrite /a 9223372036854775807 \"x\"\n", `f:2: write /a: file too large`},
		{"-- ops --\nwrite /a 0 \"x\n", `f:2: write: bad string literal "\"x"`},
		{"-- ops --\nwrite /a 0 \"x\"*y\n", `f:2: write: bad repetition *"y"`},
		{"-- ops --\nwrite /a 0 \"x\"*99999999999\n", `f:2: write: more than 268435456 bytes of data in one file`},
		{"-- ops --\nwrite /a 0 base64:AAE\n", `f:2: write: "AAE" is no base64`},
		{"-- ops --\nwrite /a 0 base64:\n", `f:2: write: data missing`},
		{"-- ops --\ncreate /a\ntruncate /a 1000000000000000000\n", `f:3: truncate /a: file too large`},
		{"-- ops --\nwrite /a 1000000000000000000 \"x\"\n", `f:2: write /a: file too large`},
		{"-- setup --\nwrite /a 17592186044415 \"xy\"\n-- ops --\n", `f:2: write /a: file too large`},
		{"-- ops --\nwrite /a 99999999999999999999 \"x\"\n", `f:2: write: offset "99999999999999999999" is no number`},
		{"-- ops --\ncreate /a\ntruncate /a -1\n", `f:3: size -1 is negative`},
		{"-- ops --\nchmod /\n", `f:2: chmod: mode missing`},
		{"-- ops --\nfsync #9\n", `f:2: fsync #9: no such file or directory`},
		{"-- ops --\nfsync #0\n", `f:2: fsync: bad inode "#0"`},
		{"-- ops --\nunlink #1\n", `f:2: unlink: unlink wants a path, not an inode`},
		{"-- ops --\nmark\n", `f:2: mark: label missing`},
		{"-- ops --\nrename /a\n", `f:2: rename: path missing`},
		{"-- ops --\nsync ; at\n", `f:2: bad attribute "at"`},
		{"-- ops --\nsync ; x=1\n", `f:2: unknown attribute "x", want err, injected, only, look, lost, evicted, at, in or span`},
		{"-- ops --\nsync ; err=EFUN\n", `f:2: bad attribute "err=EFUN"`},
		{"-- ops --\nsync ; at=x at=y\n", `f:2: bad attribute "at=y"`},
		{"-- ops --\nsync ; at=x:1 ; at=y\n", `f:2: a second "; at=y"`},
		{"-- ops --\nsync ; span=4-4\n", `f:2: bad attribute "span=4-4"`},
		{"-- ops --\nsync ; span=1-5\nsync\n", `f:3: span 3-4 does not end behind the op above, at 5`},
		{"-- ops --\nread /\n", `f:2: read: offset missing`},
		{"-- ops --\nread / 0 1\n", `f:2: read /: is a directory`},
		{"-- ops --\ncreate /a\nreaddir /a\n", `f:3: readdir /a: not a directory`},
		{"-- ops --\ncreate /a\nreadlink /a\n", `f:3: readlink /a: invalid argument`},
		{"-- ops --\nmkdir /" + strings.Repeat("n", 60) + "/b\n", "f:2: mkdir /" + strings.Repeat("n", 60) + "/b: no such file or directory"},
	} {
		_, err := faultfs.ParseTrace("f", []byte(c.text))
		var at *faultfs.TextError
		require.ErrorAs(t, err, &at, c.text)
		require.True(t, strings.HasPrefix(err.Error(), c.want), "%s: %s, want %s", c.text, err, c.want)
	}
}

// An error says what would be right, with the known values.
func TestParseErrorsSayWhatWouldBeRight(t *testing.T) {
	for text, want := range map[string]string{
		"-- opps --\n":                       `f:1: unknown part "opps", want one of setup, ops`,
		"-- ops --\nwrote /f\n":              "f:2: wrote: no such op, want one of mkdir, create, write, truncate, rename",
		"-- ops --\nsync ; err=EFUN\n":       `f:2: bad attribute "err=EFUN", want one of EACCES, EBADF, EBUSY, EDQUOT, EEXIST`,
		"-- ops --\nsync ; at=x\n":           `f:2: bad attribute "at=x", want FILE:LINE`,
		"-- ops --\nsync ; injected=maybe\n": `f:2: bad attribute "injected=maybe", want yes`,
		"-- ops --\nwrite /f 0 \"x\"*y\n":    `f:2: write: bad repetition *"y", want a number such as *3`,
	} {
		_, err := faultfs.ParseTrace("f", []byte(text))
		require.ErrorContains(t, err, want)
	}
	for fault, want := range map[string]string{
		"write err=EFOO":        "want one of EACCES, EBADF,",
		"write err=EIO op=x":    "want the place of an op in the trace, counted from one",
		"write err=EIO nth=0":   "want a call counted from one, such as 2, or calls, such as 2-5 or 2-",
		"write short=x":         "want a number of bytes, at least 1",
		"fsync err=EIO evict=1": "want yes",
		"fsync err=EIO lost=x":  "want bytes, such as 0-4096, or all",
		"fsync":                 "a fault needs err=ERRNO, such as err=EIO",
		"write [ err=EIO":       `a "[" must be closed`,
		"explode err=EIO":       "want * or one of mkdir, create",
	} {
		_, err := faultfs.ParseFault(fault)
		require.ErrorContains(t, err, want)
	}
}

func TestParseTraceIsBounded(t *testing.T) {
	faultfs.SetOpLimit(t, 70000)
	for name, text := range map[string]string{
		"more than 70000 ops":               "-- ops --\n" + strings.Repeat("sync\n", 70001),
		"more than 65536 pages of data":     "-- ops --\n" + sparse(65537),
		"more than 268435456 bytes of data": "-- ops --\n" + strings.Repeat("write /f 0 \"x\"*134217729\n", 2),
	} {
		_, err := faultfs.ParseTrace("f", []byte(text))
		require.ErrorContains(t, err, name)
	}
}

// sparse writes a byte into each of n pages.
func sparse(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "write /f %d \"x\"\n", i*4096)
	}
	return b.String()
}

func TestSymbolicLinksToNothingReadBack(t *testing.T) {
	f := faultfs.New()
	require.NoError(t, f.Mkdir("/d", 0o777))
	require.NoError(t, f.SymlinkIfPossible("../target", "/d/l"))
	_, _, err := f.LstatIfPossible("/d/l")
	require.NoError(t, err)
	require.NoError(t, afero.WriteFile(f, "/d/l", []byte("x"), 0o666))
	text := f.Trace().Text()
	require.Contains(t, string(text), "lstat /d/l ;")
	require.Contains(t, string(text), "create /d/../target 0644 ;")
	u, err := faultfs.ParseTrace("f", text)
	require.NoError(t, err)
	require.Equal(t, string(text), string(u.Text()))
}

func FuzzParseTrace(f *testing.F) {
	files, err := filepath.Glob("../testdata/litmus/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte("-- ops --\nwrite /f 9 base64:AAEC/w== ; err=EIO\n"))
	for seed := range 5 {
		f.Add(rapid.Custom(func(t *rapid.T) []byte { return randomTrace(t).Trace().Text() }).Example(seed))
	}
	f.Add([]byte("-- ops --\nwrite #2 0 \"a\"*3 ; err=EIO at=\"a b:3\" span=1-2 # x\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) > 1<<16 {
			t.Skip("long")
		}
		trace, err := faultfs.ParseTrace("f", text, "faults", "expect")
		if err != nil {
			var at *faultfs.TextError
			if !errors.As(err, &at) || at.File != "f" || at.Line < 1 || at.Line > strings.Count(string(text), "\n")+1 {
				t.Fatalf("error without file and line: %v", err)
			}
			return
		}
		stored := trace.Text()
		again, err := faultfs.ParseTrace("g", stored)
		if err != nil {
			t.Fatalf("its own text does not parse: %v\n%s", err, stored)
		}
		if got := again.Text(); string(got) != string(stored) {
			t.Fatalf("text changes:\n%s\nbecomes\n%s", stored, got)
		}
		if !trace.Same(again) {
			t.Fatalf("not the same trace:\n%s", stored)
		}
	})
}

func TestDataThatIsNoTextTakesLittleMoreRoomThanItHas(t *testing.T) {
	data := make([]byte, 1<<20)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range data {
		data[i] = byte(random.Uint32())
	}
	fs := faultfs.New()
	require.NoError(t, afero.WriteFile(fs, "/f", data, 0o644))
	text := fs.Trace().Text()
	require.Less(t, len(text), len(data)*4/3+1000, "stored once, in base64")
	again, err := faultfs.ParseTrace("trace", text)
	require.NoError(t, err)
	require.True(t, fs.Trace().Same(again))
	require.Equal(t, text, again.Text())
}
