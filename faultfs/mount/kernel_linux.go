package mount

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// fsName is the type of the mounts of this package, by which they are told
// from others.
const fsName = "crashsim"

// attach mounts a FUSE device at a directory and returns the device.
func attach(dir, source string) (int, error) {
	device, err := syscall.Open("/dev/fuse", syscall.O_RDWR|syscall.O_CLOEXEC, 0)
	if err != nil {
		return -1, unavailable("open /dev/fuse", err)
	}
	data := fmt.Sprintf("fd=%d,rootmode=%o,user_id=%d,group_id=%d,max_read=%d",
		device, syscall.S_IFDIR, os.Geteuid(), os.Getegid(), maxRequest)
	if err := syscall.Mount(source, dir, "fuse."+fsName, syscall.MS_NOSUID|syscall.MS_NODEV, data); err != nil {
		syscall.Close(device)
		if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENODEV) {
			return -1, unavailable("mount", err)
		}
		return -1, &os.PathError{Op: "mount", Path: dir, Err: err}
	}
	return device, nil
}

// unavailable says why nothing can be mounted, and what to do about it. That a
// process is short of something for now is no reason.
func unavailable(what string, err error) error {
	if Exhausted(err) {
		return fmt.Errorf("%s: %w", what, err)
	}
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
// program waits for an answer, and the name is free. Only the superuser of the
// whole system may cut a connection; others only free the name.
func detach(dir string) error {
	const flags = syscall.MNT_DETACH | unix.UMOUNT_NOFOLLOW
	err := syscall.Unmount(dir, flags|syscall.MNT_FORCE)
	if errors.Is(err, syscall.EPERM) {
		err = syscall.Unmount(dir, flags)
	}
	return err
}

// process names a process in the source of a mount. The zero value is a process
// of which nothing is known.
type process struct {
	pid   int
	start string // when it began, in ticks since the system did
	space string // the PID namespace in which it has that number
}

// thisProcess returns the process that asks.
func thisProcess() process {
	// Where /proc belongs to another PID namespace, its numbers are not ours.
	if self, err := os.Readlink("/proc/self"); err != nil || self != strconv.Itoa(os.Getpid()) {
		return process{}
	}
	space, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		return process{}
	}
	_, start := stateOf(os.Getpid())
	return process{pid: os.Getpid(), start: start, space: space}
}

// stateOf returns the state letter of a process and when it began, both empty if
// there is none of that number.
func stateOf(pid int) (state, start string) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", ""
	}
	// See proc_pid_stat(5). The name, in brackets, may hold brackets itself.
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	if len(fields) < 20 {
		return "", ""
	}
	return fields[0], fields[19]
}

// newSource returns a text that no other mount has as its source, which mountinfo
// shows. It says which process made the mount.
func newSource() string {
	p := thisProcess()
	return fmt.Sprintf("%s:%d:%s:%s:%d", fsName, p.pid, p.start, p.space, count.Add(1))
}

var count atomic.Int64 // of the mounts that this process made

// gone reports whether the process that a source names is known to be no more.
// Of a process in another PID namespace nothing is known.
func gone(source string) bool {
	parts := strings.Split(source, ":")
	self := thisProcess()
	if len(parts) != 6 || self.pid == 0 || parts[3]+":"+parts[4] != self.space {
		return false
	}
	pid, err := strconv.Atoi(parts[1])
	if err != nil || pid <= 0 {
		return false
	}
	state, start := stateOf(pid)
	return start != parts[2] || state == "Z" || state == "X"
}

// mounted is a line of mountinfo.
type mounted struct {
	at     string
	kind   string // the type of the file system
	source string
	device uint64 // as in st_dev
	mine   bool   // this user made it, if it is a FUSE file system
}

// crashsim reports whether it is a mount of this package.
func (m *mounted) crashsim() bool { return m.kind == "fuse."+fsName }

// mountTable returns what is mounted in the namespace of the present thread, in the
// order in which it lies upon each other. It asks the kernel's list, and no file system.
func mountTable() ([]mounted, error) {
	text, err := mountInfo()
	if err != nil {
		return nil, &os.PathError{Op: "read", Path: mountInfoName, Err: err}
	}
	return parseMounts(string(text), os.Geteuid()), nil
}

const mountInfoName = "/proc/self/mountinfo"

// kernelLists are the kernel's lists of mounts, by the number of the thread that has a
// namespace of its own; zero is that of the process. Once a list was read it stays open,
// so that a process which has no descriptor left can still take its mounts away.
var kernelLists = struct {
	sync.Mutex
	fds map[int]int
}{fds: map[int]int{}}

// openList opens the list of a thread, or of the process where thread is zero. The
// lock is held.
func openList(thread int) error {
	name := mountInfoName
	if thread != 0 {
		name = "/proc/thread-self/mountinfo"
	}
	fd, err := unix.Open(name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err == nil {
		kernelLists.fds[thread] = fd
	}
	return err
}

// ownList lets the present thread have a list of its own until the function that it
// returns is called.
func ownList() (end func(), err error) {
	kernelLists.Lock()
	defer kernelLists.Unlock()
	thread := unix.Gettid()
	if err := openList(thread); err != nil {
		return nil, err
	}
	return func() {
		kernelLists.Lock()
		defer kernelLists.Unlock()
		unix.Close(kernelLists.fds[thread])
		delete(kernelLists.fds, thread)
	}, nil
}

// mountInfo reads the kernel's list of mounts for the present thread.
func mountInfo() (text []byte, err error) {
	kernelLists.Lock()
	defer kernelLists.Unlock()
	fd, known := kernelLists.fds[unix.Gettid()]
	if !known {
		if fd, known = kernelLists.fds[0]; !known {
			if err := openList(0); err != nil {
				return nil, err
			}
			fd = kernelLists.fds[0]
		}
	}
	part := make([]byte, 1<<15)
	for {
		n, err := unix.Pread(fd, part, int64(len(text)))
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return nil, err
		case n == 0:
			return text, nil
		default:
			text = append(text, part[:n]...)
		}
	}
}

func parseMounts(text string, uid int) []mounted {
	var table []mounted
	for line := range strings.Lines(text) {
		// See proc_pid_mountinfo(5): behind a separate "-" stand the type, the
		// source, and the options of the file system.
		before, behind, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " - ")
		fields, rest := strings.Split(before, " "), strings.Split(behind, " ")
		if len(fields) < 6 || len(rest) < 3 {
			continue
		}
		user := "," + rest[2] + ","
		table = append(table, mounted{
			at: unescape.Replace(fields[4]), kind: rest[0], source: unescape.Replace(rest[1]), device: parseDevice(fields[2]),
			mine: strings.Contains(user, fmt.Sprintf(",user_id=%d,", uid)),
		})
	}
	return table
}

// unescape reads what stands in mountinfo for characters that separate fields.
var unescape = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`, `\043`, "#")

// top returns the last that was mounted at a directory.
func top(table []mounted, dir string) (mounted, bool) {
	for i := len(table) - 1; i >= 0; i-- {
		if table[i].at == dir {
			return table[i], true
		}
	}
	return mounted{}, false
}

// below reports whether a name is that of a directory, or of something in it.
func below(name, dir string) bool {
	return name == dir || strings.HasPrefix(name, strings.TrimSuffix(dir, "/")+"/")
}

// inside reports whether a name is that of something in a directory.
func inside(name, dir string) bool { return name != dir && below(name, dir) }

// resolve follows the symbolic links of a path, as filepath.EvalSymlinks does. It
// never asks a mount of this package, which may be one of this process: where the
// path leads into one, it removes the mount if a process has left it that is no
// more, and fails otherwise.
func resolve(dir string) (string, error) {
	table, err := mountTable()
	if err != nil {
		return "", err
	}
	rest, at := strings.Split(dir, "/"), "/"
	for links := 0; len(rest) > 0; {
		name := rest[0]
		rest = rest[1:]
		switch name {
		case "", ".":
			continue
		case "..":
			at = filepath.Dir(at)
			continue
		}
		next := filepath.Join(at, name)
		if last, found := top(table, next); found && last.crashsim() {
			if err := removeStale(next); err != nil {
				return "", err
			}
		}
		target, err := os.Readlink(next)
		if errors.Is(err, syscall.EINVAL) { // it is no link
			at = next
			continue
		}
		if links++; err == nil && links > maxLinks {
			err = &os.PathError{Op: "mount", Path: dir, Err: syscall.ELOOP}
		}
		if err != nil {
			return "", err
		}
		if rest = append(strings.Split(target, "/"), rest...); filepath.IsAbs(target) {
			at = "/"
		}
	}
	return at, nil
}

// maxLinks is how many symbolic links Linux follows in one path.
const maxLinks = 40

// removeStale removes what processes that are no more have left mounted at a
// directory.
func removeStale(dir string) error {
	for {
		table, err := mountTable()
		if err != nil {
			return err
		}
		last, found := top(table, dir)
		switch {
		case !found || !last.crashsim():
			return nil
		case !last.mine || !gone(last.source):
			return &os.PathError{Op: "mount", Path: dir, Err: fmt.Errorf("a file system of crashsim is mounted there already: %w", syscall.EBUSY)}
		}
		if err := detach(dir); err != nil {
			return &os.PathError{Op: "unmount", Path: dir, Err: err}
		}
	}
}

// Taken reports whether a file system of this package stands at a directory or above
// it, of whichever process: then that process may not ask for anything there.
func Taken(dir string) bool {
	table, err := mountTable()
	if err != nil {
		return false
	}
	for ; ; dir = filepath.Dir(dir) {
		if last, found := top(table, dir); found {
			return last.crashsim()
		}
		if dir == filepath.Dir(dir) {
			return false
		}
	}
}

// Abandoned reports whether a process sees at a directory a file system of this user
// that was served by a process which is known to be no more.
func Abandoned(pid int, dir string) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/mountinfo", pid))
	if err != nil {
		return false
	}
	last, found := top(parseMounts(string(text), os.Geteuid()), dir)
	return found && last.crashsim() && last.mine && gone(last.source)
}

// RemoveBelow takes away all that is mounted below a directory, whoever uses it
// and whoever mounted it. The caller knows that the directory is its own, and
// that the process which mounted there is no more. What is mounted in a file system of
// this package goes with it: nobody would answer who names it.
func RemoveBelow(dir string) error {
	up, err := filepath.EvalSymlinks(filepath.Dir(dir))
	if err != nil {
		return err
	}
	dir = filepath.Join(up, filepath.Base(dir))
	table, err := mountTable()
	if err != nil {
		return err
	}
	for i := len(table) - 1; i >= 0; i-- {
		m := table[i]
		if !inside(m.at, dir) || slices.ContainsFunc(table, func(up mounted) bool { return up.crashsim() && inside(up.at, dir) && inside(m.at, up.at) }) {
			continue
		}
		if m.crashsim() {
			err = errors.Join(err, detach(m.at))
		} else {
			err = errors.Join(err, syscall.Unmount(m.at, syscall.MNT_DETACH|unix.UMOUNT_NOFOLLOW))
		}
	}
	return err
}
