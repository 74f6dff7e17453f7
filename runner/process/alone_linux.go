package process

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/crashsim/crashsim/faultfs/mount"
)

// endStrays ends the processes that a command has left which worked in a workspace, and
// reports whether there are others that belong to no command that runs.
func endStrays(workspace string, left bool) (unknown bool, err error) {
	// As a rule there are none, which is cheap to see.
	init := int(alone.Load())
	if others, ok := hasOthers(init); ok && !others && !left {
		return false, nil
	}
	for began := time.Now(); ; {
		strays, err := processes()
		if err != nil {
			return false, err
		}
		unknown = false
		var own []int
		for _, p := range strays {
			switch at := p.workspace(); {
			case p.parent == os.Getpid(): // a command, or a shell that stands by
			case at == workspace && !working(workspace):
				own = append(own, p.pid)
			case p.parent == init && (at == "" || !working(at)):
				unknown = true
			}
		}
		if len(own) == 0 {
			return unknown, nil
		}
		if err := endThem(own, began); err != nil {
			return false, err
		}
	}
}

// endAllStrays ends all processes that the init of the namespace has got.
func endAllStrays() error {
	init := int(alone.Load())
	return endWhere(func(p running) bool { return p.parent == init })
}

// endLeftOf ends the processes that a process has left which is no more: those that
// were told to work below its directory, and those for which the file system in which they
// were told to work has gone with it.
func endLeftOf(dir string) error {
	return endWhere(func(p running) bool {
		at := p.directory()
		return at != "" && (at == dir || strings.HasPrefix(at, dir+"/") || mount.Abandoned(p.pid, at))
	})
}

// endWorkspace ends the processes that work in a workspace, but for those that this process has
// started itself, such as the one that looks at mapped files there.
func endWorkspace(workspace string) error {
	return endWhere(func(p running) bool { return p.parent != os.Getpid() && p.workspace() == workspace })
}

// endWhere ends processes until there are none left of a kind.
func endWhere(kind func(running) bool) error {
	for began := time.Now(); ; {
		all, err := processes()
		if err != nil {
			return err
		}
		var left []int
		for _, p := range all {
			if kind(p) {
				left = append(left, p.pid)
			}
		}
		if len(left) == 0 {
			return nil
		}
		if err := endThem(left, began); err != nil {
			return err
		}
	}
}

// endThem kills processes and waits until they are gone; began is when the first
// ones were killed.
func endThem(pids []int, began time.Time) error {
	var gone []unix.PollFd
	defer func() {
		for _, p := range gone {
			_ = unix.Close(int(p.Fd))
		}
	}()
	for _, pid := range pids {
		fd, err := unix.PidfdOpen(pid, 0)
		if errors.Is(err, unix.ESRCH) {
			continue
		}
		if err != nil {
			return fmt.Errorf("a process that a check has left: %w", err)
		}
		gone = append(gone, unix.PollFd{Fd: int32(fd), Events: unix.POLLIN})
		if err := unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("a process that a check has left cannot be ended: %w", err)
		}
	}
	for i := range gone {
		for {
			wait := patience - time.Since(began)
			if wait <= 0 {
				return fmt.Errorf("a process that a check has left does not end: process %d", pids[i])
			}
			n, err := unix.Poll(gone[i:i+1], int(wait.Milliseconds())+1)
			if n > 0 || err != nil && !errors.Is(err, unix.EINTR) {
				break
			}
		}
	}
	return nil
}

// running is a process of the namespace that is neither this one nor its init, and
// no zombie.
type running struct{ pid, parent int }

// processes returns the processes of the namespace.
func processes() ([]running, error) {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil, err
	}
	names, err := dir.Readdirnames(-1)
	_ = dir.Close()
	if err != nil {
		return nil, err
	}
	var all []running
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil || pid == os.Getpid() || pid == int(alone.Load()) {
			continue
		}
		stat, err := os.ReadFile("/proc/" + name + "/stat")
		if err != nil {
			continue // it has ended
		}
		if parent, living := parseStat(stat); living {
			all = append(all, running{pid: pid, parent: parent})
		}
	}
	return all, nil
}

// parseStat reads what /proc/PID/stat says: the parent of a process, and whether it has
// not ended. See proc_pid_stat(5): the name, in brackets, may hold brackets itself.
func parseStat(stat []byte) (parent int, living bool) {
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 2 || fields[0] == "Z" || fields[0] == "X" {
		return 0, false
	}
	parent, err := strconv.Atoi(fields[1])
	return parent, err == nil
}

// workspace returns the workspace in which a process works, "" if that cannot be told: the mount
// namespace, where that is another than ours, or else the directory that it was told to
// work in.
func (p running) workspace() string {
	proc := "/proc/" + strconv.Itoa(p.pid)
	space, err := os.Readlink(proc + "/ns/mnt")
	if own, ownErr := os.Readlink("/proc/self/ns/mnt"); err == nil && ownErr == nil && space != own {
		return space
	}
	return p.directory()
}

// directory returns the directory that a process was told to work in, "" if it was
// told none or does not say.
func (p running) directory() string {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(p.pid) + "/environ")
	if err != nil {
		return ""
	}
	for variable := range bytes.SplitSeq(text, []byte{0}) {
		if dir, found := bytes.CutPrefix(variable, []byte("CRASHSIM_DIR=")); found {
			return string(dir)
		}
	}
	return ""
}

// hasOthers reports whether the init of the namespace has children besides this
// process, and whether the kernel tells that. A daemon becomes a child of the first
// thread of the init.
func hasOthers(init int) (others, ok bool) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", init, init))
	for _, child := range strings.Fields(string(text)) {
		others = others || child != strconv.Itoa(os.Getpid())
	}
	return others, err == nil
}
