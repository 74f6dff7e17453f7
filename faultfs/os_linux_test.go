package faultfs_test

import (
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/spf13/afero"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

var dsync = syscall.O_DSYNC

// osFs is the operating system's file system, with the calls that package os
// puts checks of its own before.
type osFs struct{ afero.OsFs }

// Rename is rename(2); os.Rename refuses every directory as a target.
func (osFs) Rename(oldname, newname string) error {
	if err := syscall.Rename(oldname, newname); err != nil {
		return &os.LinkError{Op: "rename", Old: oldname, New: newname, Err: err}
	}
	return nil
}

// Exchange is renameat2(2).
func (osFs) Exchange(oldname, newname string) error {
	err := unix.Renameat2(unix.AT_FDCWD, oldname, unix.AT_FDCWD, newname, unix.RENAME_EXCHANGE)
	if err != nil {
		return &os.LinkError{Op: "exchange", Old: oldname, New: newname, Err: err}
	}
	return nil
}

func (osFs) LinkIfPossible(oldname, newname string) error { return os.Link(oldname, newname) }

// workspace makes a directory on tmpfs, if there is one, so deep that no path
// that the machine draws leads out of it: each of the 40 symbolic links on a
// path goes up by one directory at most. It returns its top and its bottom.
func workspace(t *rapid.T) (top, root string) {
	parent := "/dev/shm"
	top, err := os.MkdirTemp(parent, "crashsim")
	if err != nil {
		top, err = os.MkdirTemp("", "crashsim")
	}
	require.NoError(t, err)
	root = top + strings.Repeat("/d", 50)
	require.NoError(t, os.MkdirAll(root, 0o777))
	t.Cleanup(func() {
		if err := os.RemoveAll(top); err != nil {
			t.Errorf("removing the workspace: %v", err)
		}
	})
	return top, root
}

// compareWithOS drives a file system and the operating system side by side.
func compareWithOS(t *testing.T, replay func(m *machine, f *faultfs.FS) func(*rapid.T)) {
	defer syscall.Umask(syscall.Umask(0o022))
	rapid.Check(t, func(t *rapid.T) {
		top, root := workspace(t)
		f := faultfs.New()
		require.NoError(t, f.MkdirAll(root, 0o777))
		require.NoError(t, f.Chmod(top, 0o700))
		m := newMachine(root, osFs{}, f)
		if os.Geteuid() != 0 {
			m.modes = func(bits uint32) int { return int(bits | 0o700) } // modes are checked there
		}
		if replay != nil {
			m.replay = replay(m, f)
		}
		m.run(t)
		m.same(t, "whole tree", func(i int) []any { return []any{tree(m.subjects[i], top)} })
	})
}

func TestBehavesAsTheOperatingSystem(t *testing.T) { compareWithOS(t, nil) }

func TestCheckpointMakesNoDifferenceToTheProgram(t *testing.T) {
	compareWithOS(t, func(m *machine, f *faultfs.FS) func(*rapid.T) {
		return func(t *rapid.T) {
			m.closeAll(t)
			m.subjects[1] = m.subjects[1].(*faultfs.FS).Checkpoint()
		}
	})
}
