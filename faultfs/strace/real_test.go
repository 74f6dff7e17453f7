package strace_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/mount"
	"github.com/crashsim/crashsim/faultfs/strace"
	"github.com/crashsim/crashsim/runner/process"
)

// traced runs a program under strace, as strace.Command says, in a directory.
func traced(t *testing.T, dir, program string) []byte {
	t.Helper()
	log := filepath.Join(t.TempDir(), "log")
	args := strings.Fields(strings.Replace(strace.Command, "LOG", log, 1))
	cmd := exec.Command(args[0], append(args[1:], "/bin/sh", "-c", program)...)
	cmd.Dir = dir
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	require.NoError(t, cmd.Run(), "%s: %s", program, &out)
	text, err := os.ReadFile(log)
	require.NoError(t, err)
	return text
}

func skipWithoutStrace(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("strace"); err != nil {
		t.Skip("strace is not installed: apt-get install strace")
	}
	if out, err := exec.Command("strace", "-f", "-o", os.DevNull, "/bin/true").CombinedOutput(); err != nil {
		t.Skipf("strace may not trace here: %v: %s", err, out)
	}
}

// tree lists what a file system holds.
func tree(t *testing.T, fs *faultfs.FS) map[string]string {
	t.Helper()
	all := map[string]string{}
	var walk func(dir string)
	walk = func(dir string) {
		d, err := fs.Open(dir)
		require.NoError(t, err)
		names, err := d.Readdirnames(-1)
		require.NoError(t, err)
		for _, name := range names {
			full := path.Join(dir, name)
			info, _, err := fs.LstatIfPossible(full)
			require.NoError(t, err)
			switch {
			case info.IsDir():
				all[full] = info.Mode().String()
				walk(full)
			case info.Mode()&os.ModeSymlink != 0:
				target, err := fs.ReadlinkIfPossible(full)
				require.NoError(t, err)
				all[full] = "-> " + target
			default:
				f, err := fs.Open(full)
				require.NoError(t, err)
				data, err := io.ReadAll(f)
				require.NoError(t, err)
				all[full] = fmt.Sprintf("%v %q", info.Mode(), data)
			}
		}
	}
	walk("/")
	return all
}

// replayed is the file system that a trace leaves.
func replayed(t *testing.T, trace *faultfs.Trace) *faultfs.FS {
	t.Helper()
	fs := faultfs.New()
	for _, ops := range [][]faultfs.Op{trace.Setup, trace.Ops} {
		for i := range ops {
			_, err := fs.Do(ops[i])
			require.NoError(t, err)
		}
	}
	return fs
}

// did lists the ops that both ways of recording have, without site and edges.
func did(trace *faultfs.Trace) []string {
	var lines []string
	for i := range trace.Ops {
		op := trace.Ops[i]
		if op.Kind.Changes() || op.Kind.Syncs() || op.Kind == faultfs.OpMark {
			op.Site = faultfs.CallSite{}
			lines = append(lines, op.Line())
		}
	}
	return lines
}

// program is a shell program whose log must give the directory it leaves.
type program struct {
	name, text string
	unlike     string // why a mount records it otherwise; "" if it does not
	needs      string // a command
}

var programs = []program{
	{name: "safe save", text: `echo new >f.tmp && sync f.tmp && mv f.tmp f && sync . && echo saved`},
	{name: "append", text: `for i in 1 2 3; do echo "line $i" >>log; sync -d log; echo "$i"; done`},
	{name: "names", text: `umask 027; mkdir -p a/b/c; echo x >a/b/f; ln a/b/f a/g; ln -s ../a/g a/b/s; cat a/b/s >h; mv a/b a/d; cd a/d; echo y >k; chmod 600 k; cd ..; rm d/f; rmdir d/c; mv d ../e`},
	{name: "copy", text: `head -c 100000 /dev/zero | tr '\0' 'x' >f; cp f g; cp g h; cat g h >k; cp --reflink=auto k l; rm g`},
	{name: "processes", text: `(echo a; (echo b; echo c) ; echo d) >f; echo "said $(cat f)"; exec 3>>f; echo z >&3; (echo y >&3); exec 3>&-; ls >list; cat list >&2; echo x | cat`},
	{name: "pipes", text: `{ echo e; ls; } | tee g | cat >h; cat g h | wc -l | tee k`, unlike: "what comes through a pipe comes in pieces"},
	{name: "sizes", text: `truncate -s 1000 f; dd if=/dev/zero of=f bs=10 seek=5 count=2 conv=notrunc,fsync 2>/dev/null; dd if=f of=g bs=100 oflag=dsync 2>/dev/null; fallocate -l 2000 g; fallocate -p -o 0 -l 4096 g; printf abc 1<>f`},
	{name: "at once", text: `for i in 1 2 3 4 5 6; do (for k in 1 2 3 4 5; do mkdir -p d; echo $i$k >>all; echo $i >d/f$i; sync d/f$i; mv d/f$i d/g$i; done) & done; wait; sort -o all all; echo done`, unlike: "the order is not the same twice"},
	{name: "in place", text: `echo one >f; sed -i s/one/two/ f; sort -o f f; echo done`, unlike: "sed makes names of its own"},
	{name: "remove", text: `mkdir -p a/b; echo x >a/b/f; echo y >a/g; rm -r a; exec 4>f; rm f; echo gone >&4`},
	{name: "sqlite", text: `sqlite3 db 'create table t(x); insert into t values(1); begin; insert into t values(2); insert into t values(3); commit; select count(*) from t'`, needs: "sqlite3", unlike: "names of journals"},
	{name: "git", text: `git init -q r && cd r && echo x >f && git add f && git -c user.name=a -c user.email=a@b -c gc.auto=0 commit -qm x && git log --oneline | wc -l`, needs: "git", unlike: "times and names"},
}

func TestRealLogGivesWhatTheProgramLeft(t *testing.T) {
	skipWithoutStrace(t)
	for _, p := range programs {
		t.Run(p.name, func(t *testing.T) {
			if p.needs != "" {
				if _, err := exec.LookPath(p.needs); err != nil {
					t.Skip(err)
				}
			}
			dir := t.TempDir()
			trace, err := strace.Import("log", traced(t, dir, p.text), strace.Options{})
			require.NoError(t, err)
			again, err := faultfs.ParseTrace("t", trace.Text())
			require.NoError(t, err)
			require.Equal(t, string(trace.Text()), string(again.Text()))
			left, err := strace.Load(dir)
			require.NoError(t, err)
			require.Equal(t, tree(t, left), tree(t, replayed(t, trace)))
			if p.unlike != "" {
				return
			}
			recorded, err := process.Record(context.Background(), process.Program{Args: process.Shell(p.text), Timeout: time.Minute})
			if errors.Is(err, mount.ErrUnavailable) {
				t.Skip(err)
			}
			require.NoError(t, err)
			require.Equal(t, did(recorded), did(trace))
		})
	}
}

func TestWhatWasThereBeforeBecomesTheSetup(t *testing.T) {
	skipWithoutStrace(t)
	dir, before := t.TempDir(), t.TempDir()
	for _, d := range []string{dir, before} {
		require.NoError(t, exec.Command("/bin/sh", "-c", `cd "$1" && echo old >f && ln f g && mkdir -m 700 d && ln -s ../f d/s && : >e`, "sh", d).Run())
	}
	log := traced(t, dir, `echo more >>d/s; cat f >>e; mv e d; rm g; echo ok`)
	_, err := strace.Import("log", log, strace.Options{})
	require.ErrorContains(t, err, "--before")
	fs, err := strace.Load(before)
	require.NoError(t, err)
	trace, err := strace.Import("log", log, strace.Options{Root: dir, Before: fs})
	require.NoError(t, err)
	require.Equal(t, []string{
		`mkdir /d 0700`, `symlink ../f /d/s`, `create /e 0644`, `create /f 0644`, `write /f 0 "old\n"`, `link /f /g`,
	}, setupOf(trace))
	require.Equal(t, []string{`write /f 4 "more\n"`, `write /e 0 "old\nmore\n"`, `rename /e /d/e`, `unlink /g`, `mark ok`}, did(trace))
	left, err := strace.Load(dir)
	require.NoError(t, err)
	require.Equal(t, tree(t, left), tree(t, replayed(t, trace)))
}

func setupOf(trace *faultfs.Trace) []string {
	var lines []string
	for i := range trace.Setup {
		lines = append(lines, trace.Setup[i].Line())
	}
	return lines
}

func TestWhatIsNoFileCannotHaveBeenBefore(t *testing.T) {
	_, err := strace.Load(filepath.Join(t.TempDir(), "none"))
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = strace.Load("/dev")
	require.Error(t, err)
}

// The test binary itself is a program with threads, when the environment says so.
func TestMain(m *testing.M) {
	if os.Getenv("CRASHSIM_THREADS") != "" {
		if err := threads(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// threads saves files from several threads at once.
func threads() error {
	errs := make(chan error)
	for i := range 8 {
		go func() {
			runtime.LockOSThread()
			errs <- func() error {
				name := fmt.Sprintf("f%d", i)
				for k := range 5 {
					if err := os.WriteFile(name+".tmp", bytes.Repeat([]byte{byte('a' + k)}, 1000*i), 0o600); err != nil {
						return err
					}
					if err := os.Rename(name+".tmp", name); err != nil {
						return err
					}
				}
				return os.Link(name, fmt.Sprintf("g%d", i))
			}()
		}()
	}
	var all error
	for range 8 {
		all = errors.Join(all, <-errs)
	}
	return all
}

func TestThreadsOverlap(t *testing.T) {
	skipWithoutStrace(t)
	self, err := os.Executable()
	require.NoError(t, err)
	dir := t.TempDir()
	log := traced(t, dir, "CRASHSIM_THREADS=yes exec "+self)
	trace, err := strace.Import("log", log, strace.Options{})
	require.NoError(t, err)
	left, err := strace.Load(dir)
	require.NoError(t, err)
	require.Equal(t, tree(t, left), tree(t, replayed(t, trace)))
	overlap := 0
	for i := 1; i < len(trace.Ops); i++ {
		if trace.Ops[i].Begin < trace.Ops[i-1].End {
			overlap++
		}
	}
	require.Positive(t, overlap)
}

// More of what strace offers makes no other trace.
func TestFurtherFlagsDoNoHarm(t *testing.T) {
	skipWithoutStrace(t)
	const text = `echo "a\"b<c>" >'f>"(,'; (echo x >>'f>"(,'; ln 'f>"(,' h); mv h i; sync i; echo "done"`
	var want []string
	for _, flags := range []string{"", "-xx", "-x", "-ttt -T", "-tt -xx -T", "-r", "-yy", "--seccomp-bpf", "-v"} {
		log := filepath.Join(t.TempDir(), "log")
		dir := t.TempDir()
		args := strings.Fields(strings.Replace(strace.Command, "LOG", log, 1) + " " + flags)
		cmd := exec.Command(args[0], append(args[1:], "/bin/sh", "-c", text)...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s: %s", flags, out)
		data, err := os.ReadFile(log)
		require.NoError(t, err)
		trace, err := strace.Import("log", data, strace.Options{})
		require.NoError(t, err, flags)
		if want == nil {
			want = did(trace)
			require.Len(t, want, 7)
		}
		require.Equal(t, want, did(trace), flags)
	}
}
