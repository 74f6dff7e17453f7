package mount

import (
	"errors"
	"fmt"
	"os/exec"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/internal/seccomp"
)

// Start starts a command, as its own Start does, and records the calls of it, and
// of all that it starts, which never reach a FUSE file system: sync(2), and
// syncfs(2) of this one. Each becomes a sync of everything, in order with the other
// ops. Where such calls cannot be seen, the command is started all the same, and
// Notes says so. The caller waits for the command before it closes the mount.
func (m *Mount) Start(cmd *exec.Cmd) error {
	var enter func() error
	if m.view != nil {
		enter = m.view.enter
	}
	watch, err := seccomp.Start(cmd, enter, m.disk.synced)
	if errors.Is(err, seccomp.ErrUnavailable) && !Exhausted(err) {
		m.note(fmt.Sprintf("%v: a program that relies on them is judged as if it had not called them", err))
		return m.startInside(cmd)
	}
	if err == nil {
		m.watches = append(m.watches, watch)
	}
	return err
}

// synced records a call of sync or syncfs before it goes on.
func (d *disk) synced(c seccomp.Call) {
	if !c.All && d.descriptor(c.Thread, c.Descriptor) != d.device {
		return // of another file system, or of none
	}
	if d.finished.Load() {
		return
	}
	// What the call returns is the kernel's own answer: no fault reaches it.
	d.do(d.op(&fuse.InHeader{Caller: fuse.Caller{Pid: uint32(c.Thread)}}, faultfs.Op{Kind: faultfs.OpSync}))
}

// descriptor returns the device of the file that a thread has open by a number,
// zero if there is none. The file system is not asked, which may be this one.
func (d *disk) descriptor(thread, fd int) uint64 {
	var st unix.Statx_t
	path := fmt.Sprintf("/proc/%d/fd/%d", thread, fd)
	if err := unix.Statx(unix.AT_FDCWD, path, unix.AT_STATX_DONT_SYNC, 0, &st); err != nil {
		return 0
	}
	return unix.Mkdev(st.Dev_major, st.Dev_minor)
}

// endWatches ends the watches of commands.
func (m *Mount) endWatches() error {
	var err error
	for _, watch := range m.watches {
		err = errors.Join(err, watch.Close())
	}
	return err
}
