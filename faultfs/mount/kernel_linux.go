package mount

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// fsName is the type of the mounts of this package, by which they are told
// from others.
const fsName = "crashsim"

// attach mounts a FUSE device at a directory and returns the device.
func attach(dir string) (int, error) {
	var st syscall.Stat_t
	if err := syscall.Stat(dir, &st); err != nil {
		return -1, &os.PathError{Op: "mount", Path: dir, Err: err}
	}
	device, err := syscall.Open("/dev/fuse", syscall.O_RDWR|syscall.O_CLOEXEC, 0)
	if err != nil {
		return -1, unavailable("open /dev/fuse", err)
	}
	data := fmt.Sprintf("fd=%d,rootmode=%o,user_id=%d,group_id=%d,max_read=%d",
		device, st.Mode&syscall.S_IFMT, os.Geteuid(), os.Getegid(), maxRequest)
	if err := syscall.Mount(fsName, dir, "fuse."+fsName, syscall.MS_NOSUID|syscall.MS_NODEV, data); err != nil {
		syscall.Close(device)
		if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENODEV) {
			return -1, unavailable("mount", err)
		}
		return -1, &os.PathError{Op: "mount", Path: dir, Err: err}
	}
	return device, nil
}

func unavailable(what string, err error) error {
	advice := "run as root, in a container with --device /dev/fuse and --cap-add SYS_ADMIN"
	switch {
	case errors.Is(err, syscall.ENOENT):
		advice = "there is no /dev/fuse: load the module (modprobe fuse), or start the container with --device /dev/fuse"
	case errors.Is(err, syscall.ENODEV):
		advice = "the kernel has no FUSE: load the module (modprobe fuse)"
	}
	return fmt.Errorf("%w: %s: %w: %s", ErrUnavailable, what, err, advice)
}

// detach takes a mount away whoever uses it: the connection is cut, so that no
// program waits for an answer, and the name is free.
func detach(dir string) error {
	return syscall.Unmount(dir, syscall.MNT_FORCE|syscall.MNT_DETACH)
}

// removeStale removes what a run that was killed has left mounted at a
// directory.
func removeStale(dir string) error {
	for {
		var st syscall.Statfs_t
		err := syscall.Statfs(dir, &st)
		ours, listErr := mounted(dir)
		switch {
		case listErr != nil:
			return listErr
		case ours && err == nil:
			return &os.PathError{Op: "mount", Path: dir, Err: fmt.Errorf("a file system of crashsim is mounted there already: %w", syscall.EBUSY)}
		case !ours && err == nil:
			return nil
		case !ours:
			return &os.PathError{Op: "mount", Path: dir, Err: err}
		}
		if err := detach(dir); err != nil {
			return &os.PathError{Op: "unmount", Path: dir, Err: err}
		}
	}
}

// mounted reports whether the last that was mounted at a directory is a mount
// of this package.
func mounted(dir string) (bool, error) {
	// The directory itself may not answer; what stands above it does.
	if up, err := filepath.EvalSymlinks(filepath.Dir(dir)); err == nil {
		dir = filepath.Join(up, filepath.Base(dir))
	}
	ours := false
	err := eachMount(func(at string, own bool) {
		if at == dir {
			ours = own
		}
	})
	return ours, err
}

// RemoveBelow takes away the mounts of this package below a directory, whoever
// uses them: what runs have left that are no more.
func RemoveBelow(dir string) error {
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return err
	}
	var below []string
	err = eachMount(func(at string, own bool) {
		if own && strings.HasPrefix(at, dir+"/") {
			below = append(below, at)
		}
	})
	for _, at := range below {
		err = errors.Join(err, detach(at))
	}
	return err
}

// eachMount calls f for what is mounted, in order; own says that it is a mount
// of this package.
func eachMount(f func(at string, own bool)) error {
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(text)) {
		// See proc_pid_mountinfo(5): the fifth field is the mount point, and the
		// one behind the separate "-" the type.
		fields := strings.Fields(line)
		if len(fields) < 6 {
			continue
		}
		_, behind, _ := strings.Cut(line, " - ")
		f(unescape.Replace(fields[4]), strings.HasPrefix(behind, "fuse."+fsName+" "))
	}
	return nil
}

// unescape reads what stands in mountinfo for characters that separate fields.
var unescape = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)

// stopPolling makes the kernel learn that files of the mount cannot be polled,
// by a name that go-fuse answers for. Package os polls each file that it opens,
// in a system call during which the Go runtime would not run an answer.
func stopPolling(dir string) error {
	fd, err := syscall.Open(filepath.Join(dir, ".go-fuse-epoll-hack"), syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer syscall.Close(fd)
	// That it fails is what is wanted.
	_, _ = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN | unix.POLLOUT}}, 0)
	return nil
}
