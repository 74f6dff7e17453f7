package mount

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// errGone says that a mount was taken away by somebody else.
var errGone = errors.New("the file system was taken away: its connection was aborted or it was unmounted")

// Alive returns an error where the file system is not what stands at its directory
// any more, because its connection to the kernel was aborted, or somebody has
// unmounted it or mounted something upon it. What programs have seen there then says
// nothing of the file system. A mount that is gone never comes back. It must be
// asked before Close.
func (m *Mount) Alive() error {
	fds := []unix.PollFd{{Fd: int32(m.device), Events: unix.POLLIN}}
	n, err := unix.Poll(fds, 0)
	for errors.Is(err, unix.EINTR) {
		n, err = unix.Poll(fds, 0)
	}
	switch {
	case err != nil:
		return fmt.Errorf("mount at %s: %w", m.dir, err)
	case n > 0 && fds[0].Revents&(unix.POLLERR|unix.POLLHUP|unix.POLLNVAL) != 0:
		return fmt.Errorf("mount at %s: %w", m.dir, errGone)
	}
	var table []mounted
	err = m.within(func() (err error) {
		table, err = mountTable()
		return err
	})
	if err != nil {
		return fmt.Errorf("mount at %s: %w", m.dir, err)
	}
	if here, found := top(table, m.dir); !found || here.source != m.source {
		return fmt.Errorf("mount at %s: %w", m.dir, errGone)
	}
	return nil
}
