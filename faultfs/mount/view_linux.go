package mount

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/internal/thread"
)

// View is a mount namespace of its own. What is served or bound in it stands at one
// path, which is the same in all views that Another makes, and only programs that
// Start has started, and what they start, see it there. Its methods may be called
// from several goroutines at once.
type View struct {
	at       string // what programs are told
	dir      string // the same without symbolic links
	id       string
	space    *os.File
	jobs     chan func()
	finished chan struct{} // closed when the view is
	end      func()        // is called by the thread when the view is closed
}

// NewView makes a view whose path is at, which is absolute. Where nothing is at that
// path, the view alone shows a directory there, and a directory in memory in place of
// the nearest one above that exists, with all that is in it: what a program makes
// beside it is gone with the last of the views. The error is ErrNoView, wrapped, where
// there can be no view.
func NewView(at string) (*View, error) {
	if !filepath.IsAbs(at) || filepath.Clean(at) == "/" {
		return nil, fmt.Errorf("the path %s: want an absolute path of a directory, and not /", at)
	}
	at = filepath.Clean(at)
	return newView(at, func() (string, error) {
		if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
			return "", noView("unshare", err)
		}
		// What is mounted here is not seen elsewhere.
		if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, ""); err != nil {
			return "", noView("mount", err)
		}
		return makePoint(at)
	})
}

// Another makes a view with the same path, in which nothing is served or bound yet if
// that is so here.
func (v *View) Another() (*View, error) {
	return newView(v.at, func() (string, error) {
		if err := v.enter(); err != nil {
			return "", err
		}
		if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
			return "", noView("unshare", err)
		}
		return v.dir, nil
	})
}

func noView(what string, err error) error { return fmt.Errorf("%w: %s: %w", ErrNoView, what, err) }

// newView starts the thread of a view, which begins with a function that returns the
// path of the view without symbolic links. The thread is never used for anything else.
func newView(at string, begin func() (string, error)) (*View, error) {
	v := &View{at: at, jobs: make(chan func()), finished: make(chan struct{})}
	began := make(chan error)
	thread.Own(func() {
		err := v.begin(begin)
		began <- err
		if err != nil {
			return
		}
		defer v.end()
		for {
			select {
			case job := <-v.jobs:
				job()
			case <-v.finished:
				return
			}
		}
	})
	if err := <-began; err != nil {
		return nil, err
	}
	return v, nil
}

func (v *View) begin(begin func() (string, error)) (err error) {
	if v.dir, err = begin(); err != nil {
		return err
	}
	if v.space, err = os.Open("/proc/thread-self/ns/mnt"); err != nil {
		return noView("open", err)
	}
	v.id, err = os.Readlink("/proc/thread-self/ns/mnt")
	if err == nil {
		v.end, err = ownList()
	}
	if err != nil {
		return errors.Join(noView("mountinfo", err), v.space.Close())
	}
	return nil
}

// enter lets the present thread, which is one of its own, be in the view for good.
func (v *View) enter() error {
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return noView("unshare", err)
	}
	if err := unix.Setns(int(v.space.Fd()), unix.CLONE_NEWNS); err != nil {
		return noView("setns", err)
	}
	return nil
}

// Do runs a function on a thread that is in the view, one at a time, and returns its
// error. The rules of this package hold there too: nothing that is served may be used.
// Once the view is closed, the function is not run, and the error is os.ErrClosed, wrapped.
func (v *View) Do(f func() error) error {
	done := make(chan error, 1)
	select {
	case v.jobs <- func() { done <- f() }:
		return <-done
	case <-v.finished:
		return fmt.Errorf("the view of %s: %w", v.at, os.ErrClosed)
	}
}

// Path is the path of the view, as NewView was told it.
func (v *View) Path() string { return v.at }

// ID names the namespace, as the link /proc/PID/ns/mnt of a process in it does.
func (v *View) ID() string { return v.id }

// Outside returns a name by which a process that is not in the view finds its path,
// while the view exists.
func (v *View) Outside() string {
	tid := 0
	_ = v.Do(func() error {
		tid = unix.Gettid()
		return nil
	})
	return fmt.Sprintf("/proc/%d/task/%d/root%s", os.Getpid(), tid, v.dir)
}

// Serve serves a file system at the path of the view, as the function Serve does at a
// directory.
func (v *View) Serve(fs *faultfs.FS, o Options) (*Mount, error) { return serve(v, fs, v.dir, o) }

// Bind lets a directory stand at the path of the view until Unbind.
func (v *View) Bind(dir string) error {
	return v.Do(func() error { return mountAt(dir, v.dir, unix.MS_BIND) })
}

// Unbind ends what Bind began.
func (v *View) Unbind() error {
	return v.Do(func() error {
		if err := unix.Unmount(v.dir, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW); err != nil {
			return &os.PathError{Op: "unmount", Path: v.dir, Err: err}
		}
		return nil
	})
}

// Start starts a command in the view, as its own Start does.
func (v *View) Start(cmd *exec.Cmd) error { return v.Do(cmd.Start) }

// Close ends the view. What runs in it still goes on to see it. What is served in it
// is closed first.
func (v *View) Close() error {
	close(v.finished)
	return v.space.Close()
}

func mountAt(from, at string, flags uintptr) error {
	if err := unix.Mount(from, at, "", flags, ""); err != nil {
		return &os.PathError{Op: "mount", Path: at, Err: err}
	}
	return nil
}
