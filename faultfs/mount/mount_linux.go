package mount

import (
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/internal/seccomp"
)

// maxRequest is how many bytes a request can write or read.
const maxRequest = 1 << 20

// Mount is a file system that is mounted at a directory.
type Mount struct {
	view   *View // in which it stands; nil: in the namespace of the process
	dir    string
	source string // which no other mount has
	device int    // the descriptor of the connection to the kernel
	spare  int    // a descriptor that is given up where Close needs one
	server *fuse.Server
	disk   *disk
	loop   chan struct{} // closed when the last request was answered

	watches []*seccomp.Watch // of commands that Start has started
	noted   sync.Mutex
	notes   []string

	close  sync.Once
	closed error
}

// Serve mounts a file system at a directory that exists, and serves it until
// Close. What a crashed run of this package has left mounted there is removed
// first; a mount that is alive is an error. The error is ErrUnavailable where
// nothing can be mounted at all.
//
// The file system can be used directly at the same time, and crashed: its
// programs get EIO from then on. It can be reset too, which is much cheaper
// than another mount: what was opened before gives EIO then.
func Serve(fs *faultfs.FS, dir string, o Options) (*Mount, error) { return serve(nil, fs, dir, o) }

func serve(view *View, fs *faultfs.FS, dir string, o Options) (*Mount, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	m := &Mount{view: view, source: newSource(), disk: newDisk(fs, o), loop: make(chan struct{})}
	device := -1
	err = m.within(func() (err error) {
		device, err = m.attach(dir, o.Sites)
		return err
	})
	if err != nil {
		return nil, err
	}
	m.disk.stores.dir, m.disk.stores.start = m.dir, m.startInside
	detached := func(err error) error {
		return errors.Join(fmt.Errorf("mount at %s: %w", m.dir, err), m.within(func() error { return detach(m.dir) }))
	}
	// go-fuse owns the device; this is how the mount gets at it.
	if m.device, m.spare, err = twice(device); err != nil {
		syscall.Close(device)
		return nil, detached(err)
	}
	// go-fuse takes a device that is mounted already by this name. By itself it
	// would leave the device open in every program that is started.
	m.server, err = fuse.NewServer(m.disk, fmt.Sprintf("/dev/fd/%d", device), m.disk.options())
	if err != nil {
		syscall.Close(device)
		m.giveUp()
		return nil, detached(err)
	}
	// The kernel has its first answer by now. What programs ask waits in the
	// kernel until somebody reads it, so that there is nothing to wait for here.
	go func() {
		m.server.Serve()
		close(m.loop)
	}()
	return m, nil
}

// twice copies a descriptor twice.
func twice(fd int) (first, second int, err error) {
	if first, err = unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0); err != nil {
		return -1, -1, err
	}
	if second, err = unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0); err != nil {
		syscall.Close(first)
		return -1, -1, err
	}
	return first, second, nil
}

// giveUp closes the descriptors that the mount has besides those of its server.
func (m *Mount) giveUp() {
	syscall.Close(m.device)
	m.giveUpSpare()
}

func (m *Mount) giveUpSpare() {
	if m.spare >= 0 {
		syscall.Close(m.spare)
		m.spare = -1
	}
}

// within runs a function on a thread that sees the mount where it stands.
func (m *Mount) within(f func() error) error {
	if m.view == nil {
		return f()
	}
	return m.view.Do(f)
}

// startInside starts a command that is to find the mount.
func (m *Mount) startInside(cmd *exec.Cmd) error { return m.within(cmd.Start) }

// attach mounts a device at a directory and returns the device.
func (m *Mount) attach(dir string, sites bool) (int, error) {
	var err error
	if m.dir, err = resolve(dir); err != nil {
		return -1, err
	}
	device, err := attach(m.dir, m.source)
	if err != nil {
		return -1, err
	}
	// A call that programs make without a request is told by the device.
	table, err := mountTable()
	if err != nil {
		syscall.Close(device)
		return -1, errors.Join(err, detach(m.dir))
	}
	m.disk.device = deviceOf(table, m.source)
	if sites {
		m.disk.sites = newSites(m.disk.device)
	}
	return device, nil
}

func (o *Options) check() error {
	for _, name := range []string{o.Marks, o.Stdout, o.Text} {
		if strings.ContainsAny(name, "/\x00") || name == "." || name == ".." || len(name) > 255 {
			return fmt.Errorf("mark file %q: want a name in the root of the mount", name)
		}
	}
	for _, twice := range [][2]string{{o.Marks, o.Stdout}, {o.Marks, o.Text}, {o.Stdout, o.Text}} {
		if twice[0] != "" && twice[0] == twice[1] {
			return fmt.Errorf("mark file %q: two files have that name", twice[0])
		}
	}
	return nil
}

// options are those of the protocol. Entries and attributes are never cached,
// which is what zero timeouts in the answers say.
func (d *disk) options() *fuse.MountOptions {
	return &fuse.MountOptions{
		Name:     fsName,
		MaxWrite: maxRequest,
		// Directories are listed without the attributes of what is in them: on a
		// disk that is not determined yet, looking is deciding.
		DisableReadDirPlus: true,
		// The time of a file changes with each write; that is no reason to drop
		// what a program has mapped.
		ExplicitDataCacheControl: true,
		ExtraCapabilities:        fuse.CAP_DIRECT_IO_ALLOW_MMAP | fuse.CAP_ATOMIC_O_TRUNC | fuse.CAP_HANDLE_KILLPRIV_V2,
		DisabledCapabilities:     fuse.CAP_WRITEBACK_CACHE | fuse.CAP_PASSTHROUGH,
		Logger:                   log.New(io.Discard, "", 0),
		PanicHandler:             d.panicked,
	}
}

// Close unmounts the file system and waits until the last request is answered.
// Where programs still use it, it is taken from them after a moment: they get
// errors, and so does whoever has a copy of the mount in another mount namespace.
// What they ask after Close has returned changes nothing. It can be called again.
func (m *Mount) Close() error {
	m.close.Do(func() {
		m.closed = errors.Join(m.endWatches(), m.disk.endStores(), m.within(m.end))
		// The last pages were written back when the mount ended.
		m.disk.stores.recordWritten(func(mappedPage) bool { return true })
		m.closed = errors.Join(m.closed, m.disk.bug())
		m.disk.finished.Store(true)
		m.giveUp()
		if m.disk.sites != nil {
			m.disk.sites.u.Close()
		}
	})
	return m.closed
}

// Notes returns what could not be seen of the programs that use the mount, a
// sentence each: calls that are missing in the trace, and why ops have no site.
func (m *Mount) Notes() []string {
	m.noted.Lock()
	defer m.noted.Unlock()
	notes := slices.Clone(m.notes)
	if note := m.disk.stores.note(); note != "" {
		notes = append(notes, note)
	}
	if m.disk.sites != nil {
		for _, note := range m.disk.sites.u.Notes() {
			notes = append(notes, "source lines: "+note)
		}
	}
	return notes
}

func (m *Mount) note(text string) {
	m.noted.Lock()
	defer m.noted.Unlock()
	m.notes = append(m.notes, text)
}

// patience is how long Close waits for programs to end their use of a mount,
// and lastAnswer about how long for the last answers when it has cut the
// connection. An answer that comes later changes nothing.
const (
	patience   = 200 * time.Millisecond
	lastAnswer = time.Second
)

func (m *Mount) end() error {
	err := syscall.Unmount(m.dir, unix.UMOUNT_NOFOLLOW)
	for wait := time.Millisecond; err == syscall.EBUSY && wait < patience; wait *= 2 {
		time.Sleep(wait)
		err = syscall.Unmount(m.dir, unix.UMOUNT_NOFOLLOW)
	}
	// A program may have mounted something upon it, in it, or it somewhere else.
	if err := m.detachAll(); err != nil {
		return fmt.Errorf("unmount %s: %w", m.dir, err)
	}
	if m.answered(patience) {
		return nil
	}
	m.abort()
	return nil
}

// abort cuts the connection to the kernel: whoever waits for an answer gets an
// error, and so does whoever asks. That is for mounts that do not end when they
// are unmounted, because a mount namespace that this process does not see has a
// copy. The kernel cuts a connection when its device is closed, which the readers
// of the device must do: they find that there is nothing to read, and end.
func (m *Mount) abort() {
	m.disk.finished.Store(true)
	if syscall.SetNonblock(m.device, true) != nil {
		return
	}
	m.giveUpSpare() // to look for the threads takes one
	for wait := time.Millisecond; wait < lastAnswer && !m.answered(wait); wait *= 2 {
		wakeThreads()
	}
}

// wakeThreads lets system calls of this process that wait begin anew. The signal
// is the one that the Go runtime itself sends to its threads for that.
func wakeThreads() {
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return
	}
	for _, thread := range threads {
		if id, err := strconv.Atoi(thread.Name()); err == nil {
			_ = unix.Tgkill(os.Getpid(), id, unix.SIGURG)
		}
	}
}

// answered waits for the last answer, but no longer than so long, and reports
// whether it was given.
func (m *Mount) answered(wait time.Duration) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-m.loop:
		return true
	case <-timer.C:
		return false
	}
}

// detachAll takes the file system away wherever it is mounted, and what is
// mounted upon it. What is mounted somewhere in it goes with it: to name that would
// be to ask this process.
func (m *Mount) detachAll() error {
	table, err := mountTable()
	if err != nil {
		return err
	}
	var places []string // of the file system
	for _, other := range table {
		if other.source == m.source {
			places = append(places, other.at)
		}
	}
	for i := len(table) - 1; i >= 0; i-- {
		other := table[i]
		switch {
		case slices.ContainsFunc(places, func(at string) bool { return inside(other.at, at) }):
		case other.source == m.source:
			err = errors.Join(err, detach(other.at))
		case slices.Contains(places, other.at):
			err = errors.Join(err, syscall.Unmount(other.at, syscall.MNT_DETACH|unix.UMOUNT_NOFOLLOW))
		}
	}
	return err
}
