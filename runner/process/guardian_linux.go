package process

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/crashsim/crashsim/faultfs/mount"
)

// A guardian is this program, run once more, which does nothing but wait for the end
// of the process that has started it, however it ends. Then it ends the processes
// that were told to work in the temporary directories and in the workspaces of that process, and removes
// the temporary directories with what is mounted there. Without it, that is left to the next run.

// A run of this program that has this name and this variable is a guardian.
const (
	guardianName = "crashsim: guardian"
	guardianEnv  = "CRASHSIM_GUARDIAN"
)

func init() {
	if len(os.Args) == 1 && os.Args[0] == guardianName && os.Getenv(guardianEnv) != "" {
		beGuardian(int(os.Stdin.Fd()))
		os.Exit(0)
	}
}

// The words by which a guardian is told what to do, in front of a blank and a name.
const (
	watchTempDir   = "place"
	watchWorkspace = "room"  // the mount namespace comes with it: while it is held, no other has its name
	endWatch       = "leave" // a workspace
)

// longestTold bounds what a guardian is told at once, in bytes.
const longestTold = 1 << 14

// beGuardian hears what is to be watched over until there is nobody any more who
// could say anything.
func beGuardian(socket int) {
	signal.Ignore(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGPIPE)
	var dirs []string
	workspaces := map[string]int{}
	for text, rights := make([]byte, longestTold), make([]byte, unix.CmsgSpace(4)); ; {
		n, oob, _, _, err := unix.Recvmsg(socket, text, rights, unix.MSG_CMSG_CLOEXEC)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || n == 0 {
			break
		}
		switch what, name, _ := strings.Cut(string(text[:n]), " "); what {
		case watchTempDir:
			dirs = append(dirs, name)
		case watchWorkspace:
			workspaces[name] = received(rights[:oob])
		case endWatch:
			_ = unix.Close(workspaces[name])
			delete(workspaces, name)
		}
	}
	for workspace := range workspaces {
		_ = endWorkspace(workspace)
	}
	for _, dir := range dirs {
		// The lock is held until the last thread of the process is no more.
		for began := time.Now(); errors.Is(removeLeftTempDir(dir), errTaken) && time.Since(began) < patience; {
			time.Sleep(5 * time.Millisecond)
		}
	}
}

// received returns the descriptor that came with a message, -1 if there is none.
func received(rights []byte) int {
	messages, err := unix.ParseSocketControlMessage(rights)
	if err != nil || len(messages) == 0 {
		return -1
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) == 0 {
		return -1
	}
	return fds[0]
}

// guardian is that of this process.
var guardian = struct {
	sync.Mutex
	socket int // -1: there is none yet
}{socket: -1}

// guard lets the guardian of this process watch over a temporary directory too.
func guard(dir string) error { return sendGuardian(watchTempDir+" "+dir, nil) }

// guardWorkspace lets the guardian of this process watch over those who work in a view,
// too. Where there are no views, they have a directory of their own in a temporary directory, by
// which they are known.
func guardWorkspace(view *mount.View) error {
	return view.Do(func() error {
		space, err := os.Open("/proc/thread-self/ns/mnt")
		if err != nil {
			return err
		}
		return errors.Join(sendGuardian(watchWorkspace+" "+view.ID(), space), space.Close())
	})
}

// leaveWorkspace ends what guardRoom has begun.
func leaveWorkspace(view *mount.View) error { return sendGuardian(endWatch+" "+view.ID(), nil) }

// sendGuardian tells the guardian something, and starts one if need be. The first
// process of a PID namespace sees to all that itself.
func sendGuardian(text string, with *os.File) error {
	if alone.Load() == 1 {
		return nil
	}
	if len(text) > longestTold {
		return fmt.Errorf("%.100s...: the name is too long", text)
	}
	var rights []byte
	if with != nil {
		rights = unix.UnixRights(int(with.Fd()))
	}
	guardian.Lock()
	defer guardian.Unlock()
	for range 2 {
		if guardian.socket < 0 {
			if err := startGuardian(); err != nil {
				return err
			}
		}
		err := unix.Sendmsg(guardian.socket, []byte(text), rights, nil, unix.MSG_NOSIGNAL)
		if err == nil {
			return nil
		}
		// Somebody has ended it. Another one takes its place.
		_ = unix.Close(guardian.socket)
		guardian.socket = -1
	}
	return errors.New("the process that removes what is left of a killed run does not run")
}

func startGuardian() error {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socketpair", err)
	}
	theirs := os.NewFile(uintptr(pair[1]), "guardian")
	defer func() { _ = theirs.Close() }()
	cmd := exec.Command("/proc/self/exe")
	cmd.Args = []string{guardianName}
	cmd.Env = []string{guardianEnv + "=1"} // nothing by which it could be taken for a check
	cmd.Dir = "/"
	cmd.Stdin = theirs
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		_ = unix.Close(pair[0])
		return err
	}
	guardian.socket = pair[0]
	return cmd.Process.Release()
}
