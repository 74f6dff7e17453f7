package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/mount"
	"github.com/crashsim/crashsim/oracle"
)

// Program is what is to be recorded.
type Program struct {
	_ struct{} // written with field names: fields may be added

	// Setup, if it is not empty, is a command that makes what stands on the
	// disk, durably, before the program runs. What it prints is no mark.
	Setup []string
	// Args are the program and its arguments.
	Args []string
	// Stdin is the file that the program reads as its standard input, from the beginning
	// in each run; "" for none.
	Stdin string
	// Output gets what both print; nil: nobody does.
	Output io.Writer
	// Timeout is how long each may take; zero: as long as it likes.
	Timeout time.Duration
	// At is the absolute path at which both see the directory; "" chooses one that is
	// the same in all runs. See mount.NewView.
	At string
}

// Record runs a program on a mounted file system of its own, and returns what
// it did to it. A program that fails is an error, with what it printed. The
// error is mount.ErrUnavailable, wrapped, where nothing can be mounted.
func Record(ctx context.Context, p Program) (*faultfs.Trace, error) {
	args, err := absolute(p.Args)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	temp, err := newTempDir()
	if err != nil {
		return nil, err
	}
	trace, err := p.recordIn(ctx, temp, args)
	if err := errors.Join(err, temp.remove()); err != nil {
		return nil, err
	}
	return trace, nil
}

// recordIn records the program in a temporary directory.
func (p *Program) recordIn(ctx context.Context, temp *tempDir, args []string) (*faultfs.Trace, error) {
	windows, err := newWindows(temp, p.At)
	if err != nil {
		return nil, err
	}
	trace, err := p.record(ctx, windows, args)
	return trace, errors.Join(err, windows.close())
}

// record records the program in a window.
func (p *Program) record(ctx context.Context, windows *windows, args []string) (*faultfs.Trace, error) {
	w, err := windows.get()
	if err != nil {
		return nil, err
	}
	defer windows.put(w)
	fs := faultfs.New()
	if len(p.Setup) > 0 {
		setup, err := absolute(p.Setup)
		if err == nil {
			_, err = p.runOn(ctx, fs, w, setup, mount.Options{})
		}
		if err != nil {
			return nil, fmt.Errorf("setup: %w", err)
		}
	}
	return p.trace(ctx, fs.Checkpoint(), windows, w, args)
}

// trace runs the program on a file system, and returns what it did; beside the error
// of a program that failed, too.
func (p *Program) trace(ctx context.Context, fs *faultfs.FS, windows *windows, w *window, args []string) (*faultfs.Trace, error) {
	notes, err := p.runOn(ctx, fs, w, args, mount.Options{Marks: markFile, Stdout: stdoutFile, Sites: true})
	if failed := (*programError)(nil); err != nil && !errors.As(err, &failed) {
		return nil, err
	}
	fs.Crash()
	trace := fs.Trace()
	if note := windows.note(); note != "" {
		notes = append(notes, note)
	}
	trace.Notes = notes
	return trace, err
}

// Rerun runs a program once more on what its setup had made when it was recorded, with a
// fault, on a file system that behaves as how says once a sync has failed. It returns
// what the program did until it ended, which may be because of the fault or by its
// timeout, and nil where the fault struck no call.
func Rerun(ctx context.Context, p Program, recorded *faultfs.Trace, how faultfs.SyncFailure, fault faultfs.Fault) (*faultfs.Trace, error) {
	args, err := absolute(p.Args)
	if err != nil {
		return nil, err
	}
	temp, err := newTempDir()
	if err != nil {
		return nil, err
	}
	p.Output = nil // it has said before what it says
	trace, err := p.rerunIn(ctx, temp, args, recorded, how, fault)
	if failed := (*programError)(nil); err != nil && ctx.Err() == nil && !errors.As(err, &failed) {
		err = oracle.Unjudged(err)
	}
	if left := temp.remove(); left != nil {
		err = errors.Join(err, oracle.Unjudged(left))
	}
	if err != nil {
		return nil, err
	}
	return trace, nil
}

func (p *Program) rerunIn(ctx context.Context, temp *tempDir, args []string, recorded *faultfs.Trace, how faultfs.SyncFailure, fault faultfs.Fault) (trace *faultfs.Trace, err error) {
	windows, err := newWindows(temp, p.At)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, windows.close()) }()
	w, err := windows.get()
	if err != nil {
		return nil, err
	}
	defer windows.put(w)
	fs := faultfs.NewOn(recorded.Base())
	fs.Inject(how, fault)
	trace, err = p.trace(ctx, fs, windows, w, args)
	struck := fs.Fired()[0] > 0
	if failed := (*programError)(nil); errors.As(err, &failed) && struck {
		err = nil // it has stopped there
	}
	if err != nil || !struck {
		return nil, err
	}
	trace.Setup = recorded.Setup
	return trace, nil
}

// programError is that of a program that ended with an error, or by its timeout.
type programError struct{ error }

// runOn runs a command on a file system, which has the mark files of o, and
// returns what could not be seen of it.
func (p *Program) runOn(ctx context.Context, fs *faultfs.FS, w *window, args []string, o mount.Options) (notes []string, err error) {
	out := &output{next: p.Output}
	if o.Stdout != "" {
		o.Output = out
	}
	var in *os.File
	if o.Marks != "" {
		// Before there is a mount to which its name could lead.
		if in, err = p.input(); err != nil {
			return nil, err
		}
		defer func() { _ = in.Close() }() // where there is none, it does nothing
	}
	m, err := w.serve(fs, o)
	if err != nil {
		return nil, err
	}
	defer func() {
		switch broken := errors.Join(m.Alive(), m.Close()); {
		case broken == nil:
		case err == nil:
			err = broken
		default: // whatever the program has met, this may be why
			err = fmt.Errorf("%w (%v)", broken, err)
		}
	}()
	c := command{args: args, stdout: o.Stdout, dir: w.dir, workspace: w.workspace, start: w.start, output: out, timeout: p.Timeout}
	if o.Marks != "" {
		c.stdin, c.start = in, m.Start
		c.env = []string{"CRASHSIM_MARK=" + filepath.Join(w.dir, o.Marks)}
	}
	err = undisturbed(func() error { return c.run(ctx) })
	if left := endLeftIn(w.workspace); left != nil {
		return nil, left
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err == nil {
		return m.Notes(), nil
	}
	told := fmt.Errorf("%s: %w", args[0], &toldError{out.said(err), err})
	if exit := (*exec.ExitError)(nil); errors.Is(err, errTimeout) || errors.As(err, &exit) {
		return m.Notes(), &programError{told}
	}
	return nil, told
}

// input opens the standard input of the program, nil for none.
func (p *Program) input() (*os.File, error) {
	if p.Stdin == "" {
		return nil, nil
	}
	return os.Open(p.Stdin)
}

// toldError is an error with what a program has printed before it.
type toldError struct {
	text string
	err  error
}

func (e *toldError) Error() string { return e.text }

func (e *toldError) Unwrap() error { return e.err }
