package process

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/crashsim/crashsim/faultfs/mount"
)

// A check can leave daemons, which are in no process group of its own. Where that is
// allowed, the shell that runs it is the first process of a PID namespace: when that
// one ends, however it ends, the kernel ends all others in there. /proc stays that
// of this process, since a mount namespace with another one would keep copies of the
// mounts.

// endWithParent lets a command end with the thread that starts it.
func endWithParent(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGKILL }

// inOwnSpace lets a command be the first process of a PID namespace.
func inOwnSpace(attr *syscall.SysProcAttr) { attr.Cloneflags |= syscall.CLONE_NEWPID }

// noOwnSpace says that there are to be no PID namespaces for checks.
var noOwnSpace atomic.Bool

// spaces says whether PID namespaces can be made, once it was tried.
var spaces struct {
	sync.Mutex
	tried, can bool
}

// ownSpace reports whether a check can have a PID namespace. A process that has one to
// itself, but for the programs that it runs, needs no more of them. The error says
// that it could not be tried for now.
func ownSpace() (bool, error) {
	if alone.Load() != 0 || noOwnSpace.Load() {
		return false, nil
	}
	spaces.Lock()
	defer spaces.Unlock()
	if spaces.tried {
		return spaces.can, nil
	}
	can, err := trySpace()
	if err != nil {
		return false, err
	}
	spaces.tried, spaces.can = true, can
	return can, nil
}

func trySpace() (bool, error) {
	// Whoever looks for the children of a process needs a /proc of his own namespace.
	if self, err := os.Readlink("/proc/self"); err != nil || self != strconv.Itoa(os.Getpid()) {
		return false, nil
	}
	if _, err := os.Stat(childrenOf(os.Getpid())); err != nil {
		return false, nil
	}
	cmd := exec.Command(shell, "-c", "exit 0")
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	inOwnSpace(cmd.SysProcAttr)
	err := cmd.Run()
	if err != nil && mount.Exhausted(err) && !errors.Is(err, syscall.ENOSPC) { // that is the limit of namespaces
		return false, err
	}
	return err == nil, nil
}

// childrenOf is the kernel's list of the children of the first thread of a process,
// which is where orphans go.
func childrenOf(pid int) string { return fmt.Sprintf("/proc/%d/task/%d/children", pid, pid) }

// hasLivingChildren reports whether a process of one thread has children that have
// not ended.
func hasLivingChildren(pid int) (bool, error) {
	text, err := os.ReadFile(childrenOf(pid))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
		return false, nil // it has ended, and so have they
	}
	if err != nil {
		return false, err
	}
	for child := range strings.FieldsSeq(string(text)) {
		stat, err := os.ReadFile("/proc/" + child + "/stat")
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
			continue
		}
		if err != nil {
			return false, err
		}
		if _, living := parseStat(stat); living {
			return true, nil
		}
	}
	return false, nil
}
