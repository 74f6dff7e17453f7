package scenarios

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/spf13/afero"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/oracle"
)

// writeSynced writes a whole file in place and syncs it. That makes its data
// durable; a new name takes a sync of the directory as well.
func writeSynced(disk afero.Fs, name string, data []byte) error {
	f, err := disk.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// syncFile makes what a file or directory holds durable, whoever wrote it.
func syncFile(disk afero.Fs, name string) error {
	f, err := disk.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// syncDir makes the names in a directory durable.
func syncDir(disk afero.Fs, dir string) error { return syncFile(disk, dir) }

// writeAgain makes what a recovery has read of a file durable before anything
// depends on it: if only the process died, it may not be on the disk yet. A sync
// alone would do, but for one that failed before: then the pages count as clean,
// and only what is written anew is written at all. To write the same bytes in
// the same place does no harm at any moment.
func writeAgain(disk afero.Fs, name string, read []byte) error {
	f, err := disk.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(read, 0)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// temp is the name under which replaceFile writes what is to become a file.
func temp(name string) string { return name + ".tmp" }

// replaceFile is how to replace a file so that it is always the old one or the
// new one, and durably the new one once this returns: each of its four steps
// needs the one before it on the disk.
func replaceFile(disk afero.Fs, name string, data []byte) error {
	if err := writeSynced(disk, temp(name), data); err != nil {
		return err
	}
	if err := disk.Rename(temp(name), name); err != nil {
		return err
	}
	return syncDir(disk, path.Dir(name))
}

// removeIfThere removes a file that a crash may have left or not.
func removeIfThere(disk afero.Fs, name string) error {
	if err := disk.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// readIfThere reads a file that may not exist.
func readIfThere(disk afero.Fs, name string) (data []byte, exists bool, err error) {
	data, err = afero.ReadFile(disk, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false, nil
	}
	return data, err == nil, err
}

// namesIn returns the names in a directory, in order.
func namesIn(disk afero.Fs, dir string) ([]string, error) {
	d, err := disk.Open(dir)
	if err != nil {
		return nil, err
	}
	names, err := d.Readdirnames(-1)
	return names, errors.Join(err, d.Close())
}

// checksum is the SHA-256 of some bytes, in hexadecimal digits.
func checksum[T ~string | ~[]byte](data T) string {
	sum := sha256.Sum256([]byte(data))
	return hex.EncodeToString(sum[:])
}

// seal puts a checksum before some bytes, so that a reader can tell whether
// they are whole.
func seal(data []byte) []byte {
	return append([]byte(checksum(data)+"\n"), data...)
}

// unseal returns what was sealed, and whether it is whole.
func unseal(sealed []byte) (data []byte, whole bool) {
	sum, data, found := bytes.Cut(sealed, []byte("\n"))
	return data, found && checksum(data) == string(sum)
}

// saved is what a program says when it has saved something.
const saved = "saved"

// saving is a workload that saves one text after the other and says so each
// time.
func saving(save func(disk afero.Fs, data []byte) error, texts []string) func(*faultfs.FS) error {
	return func(fs *faultfs.FS) error {
		for _, text := range texts {
			if err := save(fs, []byte(text)); err != nil {
				return err
			}
			fs.Mark(saved)
		}
		return nil
	}
}

// withDirs is a setup that makes directories.
func withDirs(dirs ...string) func(*faultfs.FS) error {
	return func(fs *faultfs.FS) error {
		for _, dir := range dirs {
			if err := fs.MkdirAll(dir, 0o755); err != nil {
				return err
			}
		}
		return nil
	}
}

// withFile is a setup that makes a file and its directory.
func withFile(name, text string) func(*faultfs.FS) error {
	return func(fs *faultfs.FS) error {
		if err := fs.MkdirAll(path.Dir(name), 0o755); err != nil {
			return err
		}
		return afero.WriteFile(fs, name, []byte(text), 0o644)
	}
}

// contents are the versions of a file that hold the given texts.
func contents(texts ...string) []oracle.Content {
	versions := make([]oracle.Content, len(texts))
	for i, text := range texts {
		versions[i] = oracle.Data(text)
	}
	return versions
}

// created are the versions of a file that does not exist at first.
func created(texts ...string) []oracle.Content {
	return append([]oracle.Content{oracle.Absent}, contents(texts...)...)
}

// sized repeats a text until it has the given length: most of what is torn is
// torn because it is longer than what persists as a whole.
func sized(length int, text string) string {
	return strings.Repeat(text, length/len(text)+1)[:length]
}
