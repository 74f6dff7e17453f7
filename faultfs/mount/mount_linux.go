package mount

import (
	"errors"
	"fmt"
	"io"
	"log"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"

	"github.com/crashsim/crashsim/faultfs"
)

// maxRequest is how many bytes a request can write or read.
const maxRequest = 1 << 20

// Mount is a file system that is mounted at a directory.
type Mount struct {
	dir    string
	server *fuse.Server
	disk   *disk
	loop   chan struct{} // closed when the last request was answered

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
func Serve(fs *faultfs.FS, dir string, o Options) (*Mount, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if err := removeStale(dir); err != nil {
		return nil, err
	}
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		return nil, err
	}
	device, err := attach(dir)
	if err != nil {
		return nil, err
	}
	m := &Mount{dir: dir, disk: newDisk(fs, o), loop: make(chan struct{})}
	// go-fuse takes a device that is mounted already by this name. By itself it
	// would leave the device open in every program that is started.
	m.server, err = fuse.NewServer(m.disk, fmt.Sprintf("/dev/fd/%d", device), m.disk.options())
	if err != nil {
		syscall.Close(device)
		return nil, errors.Join(fmt.Errorf("mount at %s: %w", dir, err), detach(dir))
	}
	go func() {
		m.server.Serve()
		close(m.loop)
	}()
	if err := stopPolling(dir); err != nil {
		return nil, errors.Join(fmt.Errorf("mount at %s does not answer: %w", dir, err), m.Close())
	}
	return m, nil
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
// errors. It can be called again.
func (m *Mount) Close() error {
	m.close.Do(func() {
		m.closed = errors.Join(m.end(), m.disk.bug())
	})
	return m.closed
}

// patience is how long Close waits for programs to end their use of a mount,
// and for the last answers.
const (
	patience   = 200 * time.Millisecond
	lastAnswer = 10 * time.Second
)

func (m *Mount) end() error {
	err := syscall.Unmount(m.dir, 0)
	for wait := time.Millisecond; err == syscall.EBUSY && wait < patience; wait *= 2 {
		time.Sleep(wait)
		err = syscall.Unmount(m.dir, 0)
	}
	if err != nil {
		err = detach(m.dir)
	}
	if err != nil {
		return fmt.Errorf("unmount %s: %w", m.dir, err)
	}
	select {
	case <-m.loop:
		return nil
	case <-time.After(lastAnswer):
		return fmt.Errorf("unmount %s: requests are still under way", m.dir)
	}
}
