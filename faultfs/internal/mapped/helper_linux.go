package mapped

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"
)

// Helper is a process that reads dirty pages.
type Helper struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser

	mu      sync.Mutex // guards what follows
	w       *bufio.Writer
	last    uint32
	waiting map[uint32]chan *frame
	err     error // of the connection
	ended   chan struct{}
}

// Start starts a helper for a file system that is mounted at a directory. There,
// the name folder leads to a directory in which the name of each file is its
// number; it is looked at while Start waits. The helper is started by start, where it
// finds the directory; nil: as any other program.
func Start(dir, folder string, start func(*exec.Cmd) error) (*Helper, error) {
	cmd := exec.Command("/proc/self/exe")
	cmd.Args = []string{helperName, filepath.Join(dir, folder)}
	cmd.Env = []string{helperEnv + "=1"} // nothing of the programs' own, by which they are told from others
	cmd.Dir = "/"
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	if start == nil {
		start = (*exec.Cmd).Start
	}
	if err := start(cmd); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	h := &Helper{cmd: cmd, stdin: stdin, w: bufio.NewWriter(stdin), waiting: map[uint32]chan *frame{}, ended: make(chan struct{})}
	r := bufio.NewReader(stdout)
	// The first frame says whether it could begin.
	first, err := readFrame(r)
	if err == nil && first.errno != 0 {
		err = unix.Errno(first.errno)
	}
	if err != nil {
		_ = stdin.Close()
		return nil, fmt.Errorf("%w: the helper process: %w", ErrUnavailable, errors.Join(err, cmd.Wait()))
	}
	go h.listen(r)
	return h, nil
}

// listen hands answers to those who wait for them.
func (h *Helper) listen(r *bufio.Reader) {
	defer close(h.ended)
	for {
		f, err := readFrame(r)
		h.mu.Lock()
		if err != nil {
			h.err = err
			for _, c := range h.waiting {
				close(c)
			}
			clear(h.waiting)
			h.mu.Unlock()
			return
		}
		c := h.waiting[f.id]
		delete(h.waiting, f.id)
		h.mu.Unlock()
		if c != nil {
			c <- f
		}
	}
}

// ask sends a request and waits for its answer.
func (h *Helper) ask(kind uint32, pages []Page) ([]Page, error) {
	h.mu.Lock()
	if h.err != nil {
		h.mu.Unlock()
		return nil, h.lost()
	}
	h.last++
	answer := make(chan *frame, 1)
	h.waiting[h.last] = answer
	err := (&frame{id: h.last, kind: kind, pages: pages}).write(h.w)
	h.mu.Unlock()
	if err != nil {
		return nil, fmt.Errorf("%w: the helper process: %w", ErrUnavailable, err)
	}
	f, ok := <-answer
	switch {
	case !ok:
		return nil, h.lost()
	case f.errno != 0:
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, unix.Errno(f.errno))
	}
	return f.pages, nil
}

func (h *Helper) lost() error { return fmt.Errorf("%w: the helper process has ended", ErrUnavailable) }

// Open lets the helper read a file from now on.
func (h *Helper) Open(file uint64) error {
	_, err := h.ask(kindOpen, []Page{{File: file}})
	return err
}

// Changed returns the dirty pages of all files that have changed since they were
// returned last, by file in the order in which they were opened, and by offset; and of the
// pages that also names, those that the page cache has.
func (h *Helper) Changed(also []Page) ([]Page, error) { return h.ask(kindRead, also) }

// Is reports whether a thread is one of the helper's.
func (h *Helper) Is(tid int) bool { return unix.Tgkill(h.cmd.Process.Pid, tid, 0) == nil }

// Close ends the helper and waits for its end.
func (h *Helper) Close() error {
	_ = h.stdin.Close()
	<-h.ended
	if err := h.cmd.Wait(); err != nil {
		return fmt.Errorf("%w: the helper process: %w", ErrUnavailable, err)
	}
	return nil
}
