package mount

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// makePoint sees that there is a directory at a path, in the namespace of the present
// thread, and returns its path without symbolic links.
func makePoint(at string) (string, error) {
	// Nothing below is to ask a mount of this process.
	if _, err := resolve(at); errors.Is(err, syscall.EBUSY) {
		return "", fmt.Errorf("the path %s: %w", at, err)
	}
	up, err := existing(at)
	if err != nil {
		return "", fmt.Errorf("the path %s: %w", at, err)
	}
	rest, err := filepath.Rel(up, at)
	if err != nil {
		return "", err
	}
	if up, err = filepath.EvalSymlinks(up); err != nil || rest == "." {
		return up, err
	}
	if err := overlay(up); err != nil {
		return "", fmt.Errorf("the path %s, where nothing is: %w", at, err)
	}
	dir := filepath.Join(up, rest)
	return dir, os.MkdirAll(dir, 0o755)
}

// existing returns the nearest directory that exists of a path and those above it.
func existing(at string) (string, error) {
	for ; ; at = filepath.Dir(at) {
		info, err := os.Stat(at)
		switch {
		case err == nil && !info.IsDir():
			return "", &os.PathError{Op: "open", Path: at, Err: syscall.ENOTDIR}
		case err == nil:
			return at, nil
		case !errors.Is(err, fs.ErrNotExist):
			return "", err
		}
		if _, err := os.Lstat(at); err == nil {
			return "", fmt.Errorf("%s is a symbolic link to nothing", at)
		}
	}
}

// mostEntries bounds what an overlay shows: each entry is a mount.
const mostEntries = 2000

// overlay puts a directory in memory in place of another one, in which all is bound
// that is in that one. The present thread sees it if that is the root, too.
func overlay(dir string) error {
	old, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer func() { _ = old.Close() }()
	info, err := old.Stat()
	if err != nil {
		return err
	}
	entries, err := old.ReadDir(-1)
	if err != nil {
		return err
	}
	if len(entries) > mostEntries {
		return fmt.Errorf("%s has more than %d entries: make the directory first", dir, mostEntries)
	}
	fresh, err := inMemory(info)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fresh) }()
	if err := unix.MoveMount(fresh, "", unix.AT_FDCWD, dir, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return &os.PathError{Op: "mount", Path: dir, Err: err}
	}
	for _, entry := range entries {
		if err := show(int(old.Fd()), fresh, entry); err != nil {
			return &os.PathError{Op: "bind", Path: filepath.Join(dir, entry.Name()), Err: err}
		}
	}
	if dir != "/" {
		return nil
	}
	// What is mounted over the root is the root of who enters the namespace from now on.
	return errors.Join(unix.Fchdir(fresh), unix.Chroot("."))
}

// inMemory makes a file system in memory, whose root has the owner and the mode of a
// directory.
func inMemory(like fs.FileInfo) (int, error) {
	config, err := unix.Fsopen("tmpfs", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return -1, os.NewSyscallError("fsopen", err)
	}
	defer func() { _ = unix.Close(config) }()
	stat := like.Sys().(*syscall.Stat_t)
	err = errors.Join(
		unix.FsconfigSetString(config, "source", fsName),
		unix.FsconfigSetString(config, "mode", fmt.Sprintf("%o", stat.Mode&0o7777)),
		unix.FsconfigCreate(config))
	if err != nil {
		return -1, os.NewSyscallError("fsconfig", err)
	}
	root, err := unix.Fsmount(config, unix.FSMOUNT_CLOEXEC, unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV)
	if err != nil {
		return -1, os.NewSyscallError("fsmount", err)
	}
	// In a user namespace, most owners have no number.
	_ = unix.Fchown(root, int(stat.Uid), int(stat.Gid))
	return root, nil
}

// show lets an entry of a directory be in another one too.
func show(from, to int, entry fs.DirEntry) error {
	name := entry.Name()
	if entry.Type()&fs.ModeSymlink != 0 {
		buf := make([]byte, unix.PathMax)
		n, err := unix.Readlinkat(from, name, buf)
		if err != nil {
			return err
		}
		return unix.Symlinkat(string(buf[:n]), to, name)
	}
	tree, err := unix.OpenTree(from, name, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE|unix.AT_SYMLINK_NOFOLLOW)
	if errors.Is(err, unix.ENOENT) {
		return nil // it is gone by now
	}
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(tree) }()
	if entry.IsDir() {
		err = unix.Mkdirat(to, name, 0o755)
	} else {
		err = unix.Mknodat(to, name, unix.S_IFREG|0o600, 0)
	}
	if err != nil {
		return err
	}
	return unix.MoveMount(tree, "", to, name, unix.MOVE_MOUNT_F_EMPTY_PATH)
}
