package process_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/inprocess"
	"github.com/crashsim/crashsim/faultfs/mount"
)

// program is a random program over package os: a text that is drawn once, and run twice.
type program []step

type step struct {
	what string
	a, b string
	n    int
}

var stepNames = []string{"f", "g", "d", "d/f", "d/g", "l", "l/f"}

func drawProgram() *rapid.Generator[program] {
	one := rapid.Custom(func(t *rapid.T) step {
		return step{
			what: rapid.SampledFrom([]string{"create", "append", "sync", "pwrite", "truncate", "ftruncate", "mkdir", "rename", "link", "symlink", "remove",
				"removeall", "syncdir", "readfile", "readdir", "chmod", "writefile", "copy", "allocate", "osync", "mkdirall", "walk", "fdatasync", "exchange", "trunc"}).Draw(t, "what"),
			a: rapid.SampledFrom(stepNames).Draw(t, "a"), b: rapid.SampledFrom(stepNames).Draw(t, "b"),
			n: rapid.SampledFrom([]int{0, 1, 4096, 5000}).Draw(t, "n"),
		}
	})
	return rapid.Custom(func(t *rapid.T) program { return rapid.SliceOfN(one, 1, 25).Draw(t, "program") })
}

// run does what the program says; calls that fail are a part of it.
func (p program) run(dir string) error {
	for _, s := range p {
		s.run(filepath.Join(dir, s.a), filepath.Join(dir, s.b))
	}
	return nil
}

func (s step) run(a, b string) {
	data := bytes.Repeat([]byte("x"), s.n)
	on := func(flag int, f func(*os.File) error) {
		if h, err := os.OpenFile(a, flag, 0o644); err == nil {
			_ = errors.Join(f(h), h.Close())
		}
	}
	write := func(f *os.File) error { _, err := f.Write(data); return err }
	switch s.what {
	case "create":
		on(os.O_RDWR|os.O_CREATE|os.O_EXCL, write)
	case "append":
		on(os.O_WRONLY|os.O_APPEND|os.O_CREATE, write)
	case "osync":
		on(os.O_WRONLY|os.O_SYNC, write)
	case "trunc":
		on(os.O_WRONLY|os.O_TRUNC|unix.O_DSYNC, write)
	case "pwrite":
		on(os.O_WRONLY, func(f *os.File) error { _, err := f.WriteAt(data, int64(s.n)); return err })
	case "sync", "syncdir":
		on(os.O_RDONLY, (*os.File).Sync)
	case "fdatasync":
		on(os.O_RDWR, func(f *os.File) error { return unix.Fdatasync(int(f.Fd())) })
	case "ftruncate":
		on(os.O_WRONLY, func(f *os.File) error { return f.Truncate(int64(s.n)) })
	case "allocate":
		on(os.O_WRONLY, func(f *os.File) error {
			return unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_ZERO_RANGE, 10, int64(s.n+1))
		})
	case "copy":
		on(os.O_RDONLY, func(f *os.File) error {
			to, err := os.Create(b)
			if err != nil {
				return err
			}
			_, err = io.Copy(to, f)
			return errors.Join(err, to.Close())
		})
	case "exchange":
		_ = unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_EXCHANGE)
	case "truncate":
		_ = os.Truncate(a, int64(s.n))
	case "mkdir":
		_ = os.Mkdir(a, 0o755)
	case "mkdirall":
		_ = os.MkdirAll(a, 0o755)
	case "rename":
		_ = os.Rename(a, b)
	case "link":
		_ = os.Link(a, b)
	case "symlink":
		_ = os.Symlink(filepath.Base(a), b)
	case "remove":
		_ = os.Remove(a)
	case "removeall":
		_ = os.RemoveAll(a)
	case "readfile":
		_, _ = os.ReadFile(a)
	case "readdir":
		_, _ = os.ReadDir(a)
	case "chmod":
		_ = os.Chmod(a, 0o600)
	case "writefile":
		_ = os.WriteFile(a, data, 0o644)
	case "walk":
		_ = filepath.Walk(filepath.Dir(a), func(string, os.FileInfo, error) error { return nil })
	}
}

// calls are the ops of a trace, but for the moments and the sites.
func calls(trace *faultfs.Trace) []string {
	var all []string
	for _, op := range trace.Ops {
		op.Site = faultfs.CallSite{}
		all = append(all, fmt.Sprintf("%s Ino %d Dir %d", op.Line(), op.Ino, op.Dir))
	}
	return all
}

// serving is set in the child that runs programs on a mount.
const serving = "CRASHSIM_TEST_PROGRAM"

// A random program, run through both doors, leaves the same trace, op for op.
func TestBothDoorsRecordTheSameOps(t *testing.T) {
	if os.Getenv(serving) != "" {
		runPrograms(t)
	}
	if !inprocess.Available() {
		t.Skip("package os is the ordinary one: go run ./cmd/crashsim test ./runner/process")
	}
	onMount := mountedPrograms(t)
	rapid.Check(t, func(rt *rapid.T) {
		p := drawProgram().Draw(rt, "program")
		fs := faultfs.New()
		dir, err := inprocess.Open(fs)
		require.NoError(rt, err)
		require.NoError(rt, p.run(dir.Path()))
		dir.Close()
		require.Equal(rt, onMount(rt, p), calls(fs.Trace()))
	})
}

// mountedPrograms starts a child that runs programs on a mount of this process.
func mountedPrograms(t *testing.T) func(*rapid.T, program) []string {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	count := 0
	base := t.TempDir()
	return func(rt *rapid.T, p program) []string {
		count++
		fs := faultfs.New()
		at := filepath.Join(base, fmt.Sprint(count))
		require.NoError(rt, os.Mkdir(at, 0o700))
		m, err := mount.Serve(fs, at, mount.Options{})
		if errors.Is(err, mount.ErrUnavailable) {
			t.Skip(err)
		}
		require.NoError(rt, err)
		cmd := exec.Command(self, "-test.run=^TestBothDoorsRecordTheSameOps$")
		cmd.Env = append(os.Environ(), serving+"="+at+"\n"+p.text())
		out, err := cmd.CombinedOutput()
		require.NoError(rt, errors.Join(err, m.Close()), string(out))
		return calls(fs.Trace())
	}
}

// text is a program as a variable of the environment holds it.
func (p program) text() string {
	var b bytes.Buffer
	for _, s := range p {
		fmt.Fprintln(&b, s.what, s.a, s.b, s.n)
	}
	return b.String()
}

// runPrograms runs the program that the variable holds, and ends the process.
func runPrograms(t *testing.T) {
	text := bytes.NewBufferString(os.Getenv(serving))
	dir, err := text.ReadString('\n')
	require.NoError(t, err)
	var p program
	for {
		var s step
		if _, err := fmt.Fscanln(text, &s.what, &s.a, &s.b, &s.n); err != nil {
			break
		}
		p = append(p, s)
	}
	_ = p.run(dir[:len(dir)-1])
	os.Exit(0)
}
