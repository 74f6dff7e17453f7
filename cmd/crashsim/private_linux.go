package main

import (
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"
)

// privateEnv says to a run of this command that it has its mounts to itself.
const privateEnv = "CRASHSIM_PRIVATE_MOUNTS"

// inPrivate runs the command once more, in a mount namespace of its own, so that
// nobody sees its mounts and none outlives it. It reports whether that was done,
// and with which exit status. Where the system does not allow it, mounts stand
// where everybody of this user can see them, and are removed at the end, or by
// the next run.
func inPrivate() (status int, done bool) {
	if os.Getenv(privateEnv) != "" {
		_ = os.Unsetenv(privateEnv) // it is not for the programs that are run
		// Nothing is told the outside from here on.
		_ = syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, "")
		return 0, false
	}
	// The parent's death is told to the child when the thread ends that made it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd := exec.Command("/proc/self/exe")
	cmd.Args = os.Args
	cmd.Env = append(os.Environ(), privateEnv+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL, Setpgid: true}
	if id := os.Geteuid(); id != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: id, Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	}
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	if err := cmd.Start(); err != nil {
		return 0, false
	}
	go func() {
		for s := range signals { // a terminal's Ctrl-C does not reach another group
			_ = cmd.Process.Signal(s)
		}
	}()
	err := cmd.Wait()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return exitOK, true
	case errors.As(err, &exit) && exit.ExitCode() >= 0:
		return exit.ExitCode(), true
	}
	return exitInterrupted, true
}
