//go:build linux

package mount_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/rpc"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/mount"
)

// The process that serves a mount must never use it: see admit. So tests use
// mounts that a server serves, which is the test binary in a process of its own,
// and ask the server what was recorded.

// disks are what a mount can show; each test has a server of its own.
var disks = map[string]func() *faultfs.FS{
	"empty":   faultfs.New,
	"fixture": newFixture,
	"broken":  func() *faultfs.FS { return faultfs.NewOn(broken{newFixture().Trace().Base()}) },
	"file": func() *faultfs.FS {
		fs := faultfs.New()
		must(fs.Create("/f"))
		return fs
	},
	"large directory": func() *faultfs.FS {
		fs := faultfs.New()
		for _, name := range largeDirectory() {
			if err := fs.Mkdir("/"+name, 0o700); err != nil {
				panic(err)
			}
		}
		return fs
	},
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// served is a disk that a server shows at a directory, as the test sees it. Its
// methods ask the server.
type served struct {
	t      require.TestingT
	disk   string
	server *server
	id     int
}

// fixture is what stands on the disk before each call: /f and /d/g are files.
func fixture(t require.TestingT) *served { return &served{t: t, disk: "fixture"} }

func empty(t require.TestingT) *served { return &served{t: t, disk: "empty"} }

// serve lets a server of its own serve a disk at a new directory while t runs, and
// skips t where that is not possible.
func serve(t testing.TB, s *served, o mount.Options) string {
	t.Helper()
	dir := t.TempDir()
	s.server = newServer(t)
	s.mount(t, dir, o)
	t.Cleanup(func() { require.Empty(t, s.close()) })
	return dir
}

// mount lets the server serve the disk at a directory.
func (s *served) mount(t testing.TB, dir string, o mount.Options) {
	t.Helper()
	var reply Mounted
	s.ask("Mount", Request{Disk: s.disk, Dir: dir, Marks: o.Marks, Stdout: o.Stdout, Sites: o.Sites}, &reply)
	if reply.Unavailable != "" {
		t.Skip(reply.Unavailable)
	}
	require.Empty(t, reply.Err)
	s.id = reply.ID
}

func (s *served) ask(method string, request Request, reply any) {
	request.ID = s.id
	require.NoError(s.t, s.server.call(method, request, reply))
}

func (s *served) text(method string, request Request) (text string) {
	s.ask(method, request, &text)
	return text
}

// close ends the mount, and returns the error of that as a text.
func (s *served) close() string { return s.text("Close", Request{}) }

func (s *served) crash()                 { s.text("Crash", Request{}) }
func (s *served) reset()                 { s.text("Reset", Request{}) }
func (s *served) fill(name, data string) { s.text("Fill", Request{Name: name, Data: data}) }
func (s *served) output() string         { return s.text("Output", Request{}) }

// readsBack returns why the text of the trace does not read back as the same, or
// does not make what the disk holds, "" if it does.
func (s *served) readsBack() string { return s.text("ReadsBack", Request{}) }

func (s *served) inject(how faultfs.SyncFailure, texts ...string) {
	require.Empty(s.t, s.text("Inject", Request{How: how, Faults: texts}))
}

func (s *served) fired() (fired []int) {
	s.ask("Fired", Request{}, &fired)
	return fired
}

// ops returns what was recorded.
func (s *served) ops() (ops []faultfs.Op) {
	s.ask("Ops", Request{}, &ops)
	return ops
}

// marks returns the labels of the marks that were recorded.
func (s *served) marks() (labels []string) {
	for _, op := range s.ops() {
		if op.Kind == faultfs.OpMark {
			labels = append(labels, op.Label)
		}
	}
	return labels
}

// server is a process that serves mounts.
type server struct {
	cmd    *exec.Cmd
	client *rpc.Client
}

// serverPatience is how long a server waits to be asked something: then it ends,
// so that a test which hangs in its mounts gets errors and goes on.
const serverPatience = time.Minute

// newServer starts a server, which ends with t.
func newServer(t testing.TB) *server {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(self, "-")
	cmd.Env = append(os.Environ(), childVariable+"=rpc")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	s := &server{cmd: cmd, client: rpc.NewClient(pipes{out, in})}
	t.Cleanup(s.end)
	return s
}

// end ends the server, and so its mounts.
func (s *server) end() {
	_ = s.client.Close()
	late := time.AfterFunc(10*time.Second, func() { _ = s.cmd.Process.Kill() })
	defer late.Stop()
	_ = s.cmd.Wait()
}

func (s *server) call(method string, request Request, reply any) error {
	return s.client.Call("Disks."+method, request, reply)
}

// pipes are the two ends of a connection.
type pipes struct {
	io.ReadCloser
	w io.WriteCloser
}

func (p pipes) Write(b []byte) (int, error) { return p.w.Write(b) }
func (p pipes) Close() error                { return errors.Join(p.w.Close(), p.ReadCloser.Close()) }

// serveDisks is the program of a server: it does what it is asked until its
// standard input ends.
func serveDisks(string) error {
	d := &Disks{mounts: map[int]*shown{}}
	d.idle = time.AfterFunc(serverPatience, func() {
		fmt.Fprintln(os.Stderr, "the test has asked its server nothing for too long")
		os.Exit(1)
	})
	r := rpc.NewServer()
	if err := r.Register(d); err != nil {
		return err
	}
	r.ServeConn(pipes{os.Stdin, os.Stdout})
	for _, m := range d.mounts {
		_ = m.mount.Close()
	}
	return nil
}

// Disks are the mounts of a server. Its methods are those of package net/rpc.
type Disks struct {
	mu     sync.Mutex
	mounts map[int]*shown
	last   int
	idle   *time.Timer
}

// shown is a disk at a directory, as the server sees it.
type shown struct {
	fs     *faultfs.FS
	mount  interface{ Close() error }
	output bytes.Buffer
}

// Request is what a server is asked.
type Request struct {
	ID            int
	Disk, Dir     string // mount
	Marks, Stdout string // mount
	Sites         bool   // mount
	Name, Data    string // fill
	How           faultfs.SyncFailure
	Faults        []string
}

// Mounted is the answer of Mount.
type Mounted struct {
	ID               int
	Unavailable, Err string
}

// Mount serves a disk at a directory.
func (d *Disks) Mount(r Request, reply *Mounted) error {
	m := &shown{}
	var err error
	if r.Disk == "memory" {
		m.mount, err = mountMemory(r.Dir)
	} else {
		m.fs = disks[r.Disk]()
		o := mount.Options{Marks: r.Marks, Stdout: r.Stdout, Sites: r.Sites}
		if r.Stdout != "" {
			o.Output = &m.output
		}
		m.mount, err = mount.Serve(m.fs, r.Dir, o)
	}
	switch {
	case errors.Is(err, mount.ErrUnavailable):
		reply.Unavailable = err.Error()
	case err != nil:
		reply.Err = err.Error()
	default:
		d.mu.Lock()
		defer d.mu.Unlock()
		d.idle.Reset(serverPatience)
		d.last++
		d.mounts[d.last], reply.ID = m, d.last
	}
	return nil
}

func (d *Disks) at(r Request) *shown {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.idle.Reset(serverPatience)
	return d.mounts[r.ID]
}

// Close ends a mount.
func (d *Disks) Close(r Request, reply *string) error { return said(reply, d.at(r).mount.Close()) }

// said answers with an error as a text.
func said(reply *string, err error) error {
	if err != nil {
		*reply = err.Error()
	}
	return nil
}

// Crash crashes a disk.
func (d *Disks) Crash(r Request, _ *string) error {
	d.at(r).fs.Crash()
	return nil
}

// Reset lets a disk begin anew.
func (d *Disks) Reset(r Request, _ *string) error {
	d.at(r).fs.Reset()
	return nil
}

// Fill writes a file without going through the mount.
func (d *Disks) Fill(r Request, _ *string) error {
	fill(d.at(r).fs, r.Name, r.Data)
	return nil
}

// Output is what was written to the second mark file.
func (d *Disks) Output(r Request, reply *string) error {
	*reply = d.at(r).output.String()
	return nil
}

// Inject lets calls fail.
func (d *Disks) Inject(r Request, reply *string) error {
	var faults []faultfs.Fault
	for _, text := range r.Faults {
		fault, err := faultfs.ParseFault(text)
		if err != nil {
			return said(reply, err)
		}
		faults = append(faults, fault)
	}
	d.at(r).fs.Inject(r.How, faults...)
	return nil
}

// Fired says how often the faults struck.
func (d *Disks) Fired(r Request, reply *[]int) error {
	*reply = d.at(r).fs.Fired()
	return nil
}

// Ops are the ops of the trace.
func (d *Disks) Ops(r Request, reply *[]faultfs.Op) error {
	*reply = d.at(r).fs.Trace().Ops
	return nil
}

// ReadsBack reads the trace back from its text and performs it.
func (d *Disks) ReadsBack(r Request, reply *string) error {
	return said(reply, readsBack(d.at(r).fs))
}

func readsBack(live *faultfs.FS) error {
	trace := live.Trace()
	again, err := faultfs.ParseTrace("trace", trace.Text())
	switch {
	case err != nil:
		return err
	case !trace.Same(again) || len(trace.Ops) != len(again.Ops):
		return errors.New("the text of the trace reads back as another")
	}
	for i := range trace.Ops {
		if trace.Ops[i].Errno == 0 && trace.Ops[i].Ino != again.Ops[i].Ino { // one that failed was not tried again
			return fmt.Errorf("inode of op %d: %d and %d", i+1, trace.Ops[i].Ino, again.Ops[i].Ino)
		}
	}
	replayed := faultfs.NewOn(again.Base())
	for _, op := range again.Ops {
		if _, err := replayed.Do(op); err != nil && op.Errno == 0 {
			return fmt.Errorf("%s: %w", op.Line(), err)
		}
	}
	return same(live, replayed, "/")
}
