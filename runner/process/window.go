package process

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/mount"
)

// A window is where programs see one disk after another: a directory. As a rule it is
// in a mount namespace of its own, so that all windows have the same path. Disks of
// workers that work at the same time are seen in windows of their own.
type window struct {
	dir       string
	view      *mount.View // nil: the directory is one of its own
	workspace string      // names those who work there: see household

	mu     sync.Mutex
	idle   map[string][]*forker // shells that stand by, by command
	closed bool
}

// windows make windows with one path. Their methods may be called from several
// goroutines at once.
type windows struct {
	temp  *tempDir
	first *mount.View // of which the others are made; nil: there are no views
	why   error       // there are none

	mu     sync.Mutex
	count  int
	idle   []*window
	closed bool
}

// usualPoints are directories at which nothing stands as a rule. A path that is the
// same in all runs is best: what a program keeps of it is the same then.
var usualPoints = []string{"/mnt", "/srv", "/media", "/opt"}

// lastPoint is where windows are if something stands at all of them.
const lastPoint = "/crashsim"

// newWindows begins to make windows at a path; "" lets this package choose it. Where
// there can be no views, and no path was asked for, each window has a path of its own.
func newWindows(p *tempDir, at string) (*windows, error) {
	w := &windows{temp: p}
	chosen := at
	if at == "" {
		chosen = usualPoint()
	}
	var err error
	if w.first, err = mount.NewView(chosen); err != nil {
		// ENOSPC says here that the system allows no namespace.
		short := mount.Exhausted(err) && !errors.Is(err, syscall.ENOSPC)
		if at != "" || short || !errors.Is(err, mount.ErrNoView) && chosen != lastPoint {
			return nil, err
		}
	}
	w.why = err
	if real, err := filepath.EvalSymlinks(chosen); err == nil && w.first != nil && hides(real, p.dir) {
		return nil, errors.Join(fmt.Errorf("the path %s: the directory for temporary files, which TMPDIR names, is in it or is the same", chosen), w.first.Close())
	}
	return w, nil
}

// usualPoint returns a directory that nobody misses.
func usualPoint() string {
	for _, dir := range usualPoints {
		if mount.Taken(dir) {
			continue // this process may serve it, which must not ask then
		}
		if entries, err := os.ReadDir(dir); err == nil && len(entries) == 0 && !here(dir) {
			return dir
		}
	}
	return lastPoint
}

// here reports whether a directory is the working directory.
func here(dir string) bool {
	at, err := os.Getwd()
	return err == nil && hides(dir, at)
}

// hides reports whether a directory has a name in it, or is that.
func hides(dir, name string) bool {
	rest, err := filepath.Rel(dir, name)
	return err == nil && filepath.IsLocal(rest)
}

// note says what programs see otherwise than they should, "" if all is as it should be.
func (w *windows) note() string {
	if w.first != nil {
		return ""
	}
	return "setup, program and checks ran in directories of different paths (" + w.why.Error() +
		"): a program that keeps absolute paths may be judged wrongly"
}

// get returns a window that nobody uses, until it is put back.
func (w *windows) get() (*window, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if n := len(w.idle); n > 0 {
		one := w.idle[n-1]
		w.idle = w.idle[:n-1]
		return one, nil
	}
	one := &window{idle: map[string][]*forker{}}
	if w.first != nil {
		view, err := w.first.Another()
		if err != nil {
			return nil, err
		}
		if err := guardWorkspace(view); err != nil {
			return nil, errors.Join(err, view.Close())
		}
		one.dir, one.view, one.workspace = view.Path(), view, view.ID()
		return one, nil
	}
	dir, err := w.directory()
	one.dir, one.workspace = dir, dir
	return one, err
}

// put gives a window back in which nothing is shown. If the others have been closed
// meanwhile, so is that one.
func (w *windows) put(one *window) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		_ = one.close() // those who wanted to know have been told of the end
		return
	}
	w.idle = append(w.idle, one)
}

// newDirectory makes a directory in the temporary directory.
func (w *windows) newDirectory() (string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.directory()
}

func (w *windows) directory() (string, error) {
	w.count++
	dir := filepath.Join(w.temp.dir, strconv.Itoa(w.count))
	return dir, os.Mkdir(dir, 0o700)
}

// close ends all windows that were given back.
func (w *windows) close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	var err error
	for _, one := range w.idle {
		err = errors.Join(err, one.close())
	}
	w.idle, w.closed = nil, true
	if w.first != nil {
		err = errors.Join(err, w.first.Close())
	}
	return err
}

// close ends a window, with the shells that stand by in it.
func (w *window) close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, idle := range w.idle {
		for _, f := range idle {
			f.close()
		}
	}
	clear(w.idle)
	w.closed = true
	if w.view != nil {
		return errors.Join(leaveWorkspace(w.view), w.view.Close())
	}
	return nil
}

// serve lets a file system stand in the window.
func (w *window) serve(fs *faultfs.FS, o mount.Options) (*mount.Mount, error) {
	if w.view != nil {
		return w.view.Serve(fs, o)
	}
	return mount.Serve(fs, w.dir, o)
}

// start starts a command that sees what is in the window.
func (w *window) start(cmd *exec.Cmd) error {
	if w.view != nil {
		return w.view.Start(cmd)
	}
	return cmd.Start()
}

// take returns a shell that stands by for a command, nil if none does.
func (w *window) take(command string) *forker {
	w.mu.Lock()
	defer w.mu.Unlock()
	idle := w.idle[command]
	if len(idle) == 0 {
		return nil
	}
	f := idle[len(idle)-1]
	w.idle[command] = idle[:len(idle)-1]
	return f
}

// standBy lets a shell stand by again. In a window that was closed meanwhile, since nobody
// waited for the command any more, it ends.
func (w *window) standBy(command string, f *forker) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		f.close()
		return
	}
	w.idle[command] = append(w.idle[command], f)
}
