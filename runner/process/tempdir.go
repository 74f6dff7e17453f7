package process

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"syscall"

	"github.com/crashsim/crashsim/faultfs/mount"
)

// A temporary directory is a directory in the directory for temporary files in which mounts
// stand. Only its user can look into it, nobody can guess its name, and its process
// holds a lock on it while it lives. What a process that was killed has left is
// removed by the next one, but only what is proved to be such a temporary directory.
type tempDir struct {
	dir   string
	lock  *os.File   // the directory itself
	spare []*os.File // descriptors that are given up when the temporary directory is removed, which takes some
}

// tempName is what the names of temporary directories look like: 26 random characters follow the
// prefix. No other program makes such a name.
var tempName = regexp.MustCompile(`^crashsim-[A-Z2-7]{26}$`)

const tempPrefix = "crashsim-"

// tempMarker is a file in each temporary directory, and tempText what it holds.
const (
	tempMarker = ".crashsim-place"
	tempText   = "This directory of crashsim is removed when the process that made it has ended.\n"
)

// newTempDir makes a temporary directory, and removes those that processes have left which are no
// more.
func newTempDir() (*tempDir, error) {
	root, err := tempRoot()
	if err != nil {
		return nil, err
	}
	removeLeftTempDirs(root)
	for range 10 {
		p, err := makeTempDir(root)
		if errors.Is(err, errTaken) {
			continue
		}
		if err == nil {
			if err = guard(p.dir); err != nil {
				err = errors.Join(err, p.remove())
			}
		}
		return p, err
	}
	return nil, errTaken
}

// errTaken says that another process took a new temporary directory for one that was left: it
// was not locked yet.
var errTaken = errors.New("the directory for temporary files vanished")

// tempRoot returns the directory for temporary files, as an absolute path without
// symbolic links. It does not follow links that other users made, who could let
// them lead somewhere else at any time.
func tempRoot() (string, error) {
	root, err := filepath.Abs(os.TempDir())
	if err != nil {
		return "", err
	}
	for at := root; at != filepath.Dir(at); at = filepath.Dir(at) {
		info, err := os.Lstat(at)
		if err != nil {
			return "", fmt.Errorf("the directory for temporary files, which TMPDIR names: %w", err)
		}
		if info.Mode()&fs.ModeSymlink != 0 && !trusted(info) {
			return "", fmt.Errorf("the directory for temporary files %s leads through %s, a link that another user made: set TMPDIR to a directory of your own", root, at)
		}
	}
	return filepath.EvalSymlinks(root)
}

// trusted reports whether this user or root made a file.
func trusted(info fs.FileInfo) bool {
	uid := info.Sys().(*syscall.Stat_t).Uid
	return uid == 0 || uid == uint32(os.Geteuid())
}

// spares is how many descriptors a temporary directory keeps for its end.
const spares = 8

func makeTempDir(root string) (*tempDir, error) {
	dir := filepath.Join(root, tempPrefix+rand.Text())
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	p := &tempDir{dir: dir}
	err := p.fill()
	if err == nil || errors.Is(err, errTaken) {
		return p, err
	}
	// This takes no descriptor, of which there may be none.
	_ = os.Remove(filepath.Join(dir, tempMarker))
	_ = os.Remove(dir)
	if p.lock != nil {
		_ = p.lock.Close()
	}
	p.giveUpSpares()
	return nil, err
}

// fill locks a temporary directory that was just made, and writes its marker.
func (p *tempDir) fill() error {
	var err error
	if p.lock, err = lockTempDir(p.dir); err != nil {
		return err
	}
	for range spares {
		f, err := os.Open(os.DevNull)
		if err != nil {
			return err
		}
		p.spare = append(p.spare, f)
	}
	return os.WriteFile(filepath.Join(p.dir, tempMarker), []byte(tempText), 0o600)
}

func (p *tempDir) giveUpSpares() {
	for _, f := range p.spare {
		_ = f.Close()
	}
	p.spare = nil
}

// lockTempDir opens and locks a temporary directory, without waiting. The error is errTaken where
// another process holds it, or has removed it.
func lockTempDir(dir string) (*os.File, error) {
	fd, err := syscall.Open(dir, syscall.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NOFOLLOW|syscall.O_CLOEXEC, 0)
	if errors.Is(err, syscall.ENOENT) {
		return nil, errTaken
	}
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: dir, Err: err}
	}
	f := os.NewFile(uintptr(fd), dir)
	if err := syscall.Flock(fd, syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, errTaken
		}
		return nil, &os.PathError{Op: "lock", Path: dir, Err: err}
	}
	// It may have been removed, and made anew, in between.
	held, heldErr := f.Stat()
	now, err := os.Lstat(dir)
	if heldErr != nil || err != nil || !os.SameFile(held, now) {
		_ = f.Close()
		return nil, errTaken
	}
	return f, nil
}

// removeLeftTempDirs removes the temporary directories that processes have left which are no more.
// What cannot be removed is left to the next run.
func removeLeftTempDirs(root string) {
	entries, err := os.ReadDir(root)
	if err != nil {
		return
	}
	for _, entry := range entries {
		if !tempName.MatchString(entry.Name()) {
			continue
		}
		_ = removeLeftTempDir(filepath.Join(root, entry.Name()))
	}
}

// removeLeftTempDir removes a temporary directory that a process has left which is no more, and ends
// the processes that were told to work there. What is no such place stays. The error
// is errTaken where a process holds it that lives, wherever that may be.
func removeLeftTempDir(dir string) error {
	if info, err := os.Lstat(dir); err != nil || !ownDirectory(info) {
		return nil
	}
	lock, err := lockTempDir(dir)
	if err != nil {
		return err
	}
	p := &tempDir{dir: dir, lock: lock}
	if !p.proved() {
		return lock.Close()
	}
	return errors.Join(endLeftOf(dir), p.remove())
}

// ownDirectory reports whether a directory is one that nobody but this user may
// look into.
func ownDirectory(info fs.FileInfo) bool {
	return info.Mode() == fs.ModeDir|0o700 && info.Sys().(*syscall.Stat_t).Uid == uint32(os.Geteuid())
}

// proved reports whether a directory that is locked now is a temporary directory: it has the
// marker, or nothing at all, as a process leaves it that was killed at once.
func (p *tempDir) proved() bool {
	info, err := p.lock.Stat()
	if err != nil || !ownDirectory(info) {
		return false
	}
	name := filepath.Join(p.dir, tempMarker)
	marker, err := os.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		entries, err := p.lock.ReadDir(1)
		return len(entries) == 0 && errors.Is(err, io.EOF)
	}
	if err != nil || !marker.Mode().IsRegular() || !trusted(marker) {
		return false
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return false
	}
	return string(text) == tempText || len(text) == 0
}

// remove ends what is mounted in a temporary directory, removes it, and gives the lock back.
func (p *tempDir) remove() error {
	p.giveUpSpares()
	err := mount.RemoveBelow(p.dir)
	if err == nil {
		// The marker goes last, so that what is left if this is killed is still
		// known to be a temporary directory.
		err = removeInside(p.dir, tempMarker)
	}
	if err == nil {
		err = removeTree(p.dir)
	}
	return errors.Join(err, p.lock.Close())
}

// removeWithMounts removes a directory of ours on which a command has worked, and
// first takes away what the command has mounted there, if it has.
func removeWithMounts(dir string) error {
	err := removeTree(dir)
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return errors.Join(mount.RemoveBelow(dir), removeTree(dir))
}
