package lessons

import (
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"strings"

	"github.com/spf13/afero"

	"github.com/crashsim/crashsim/faultfs"
)

// The programs of the course. Their source is shown as it stands here, so each
// is short, and none hides a call that matters.

func saveInPlace(fs *faultfs.FS) error {
	f, err := fs.OpenFile("/conf", os.O_WRONLY|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteString("new")
	return errors.Join(err, f.Close())
}

func saveByRename(fs *faultfs.FS) error {
	f, err := fs.Create("/conf.tmp")
	if err != nil {
		return err
	}
	_, err = f.WriteString("new")
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return fs.Rename("/conf.tmp", "/conf")
}

func saveSynced(fs *faultfs.FS) error {
	f, err := fs.Create("/conf.tmp")
	if err != nil {
		return err
	}
	_, err = f.WriteString("new")
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return fs.Rename("/conf.tmp", "/conf")
}

func saveDurably(fs *faultfs.FS) error {
	if err := saveSynced(fs); err != nil {
		return err
	}
	return syncDir(fs, "/")
}

func syncDir(fs *faultfs.FS, name string) error {
	d, err := fs.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func deferOrder(fs *faultfs.FS) {
	fs.Mark("0")
	defer fs.Mark("1")
	defer fs.Mark("2")
	fs.Mark("3")
}

func saveCloseDeferred(fs *faultfs.FS) error {
	f, err := fs.Create("/conf.tmp")
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.WriteString("new"); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return fs.Rename("/conf.tmp", "/conf")
}

func saveSyncDeferred(fs *faultfs.FS) error {
	f, err := fs.Create("/conf.tmp")
	if err != nil {
		return err
	}
	defer f.Close()
	defer f.Sync()
	if _, err := f.WriteString("new"); err != nil {
		return err
	}
	return fs.Rename("/conf.tmp", "/conf")
}

func logLine(fs *faultfs.FS, line string) error {
	f, err := fs.OpenFile("/log", os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteString(line)
	return errors.Join(err, f.Sync(), f.Close())
}

func readLines(disk afero.Fs) ([]string, error) {
	data, err := afero.ReadFile(disk, "/log")
	lines := strings.SplitAfter(string(data), "\n")
	return lines[:len(lines)-1], err
}

func sealed(line string) string {
	return fmt.Sprintf("%08x %s", crc32.ChecksumIEEE([]byte(line)), line)
}

func readSealed(disk afero.Fs) ([]string, error) {
	lines, err := readLines(disk)
	for i, line := range lines {
		_, text, _ := strings.Cut(line, " ")
		if line != sealed(text) {
			return lines[:i], err
		}
	}
	return lines, err
}

func logUnsynced(fs *faultfs.FS, line string) error {
	f, err := fs.OpenFile("/log", os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteString(line)
	return errors.Join(err, f.Close())
}

func createSynced(fs *faultfs.FS) error {
	f, err := fs.Create("/note")
	if err != nil {
		return err
	}
	_, err = f.WriteString("hello")
	return errors.Join(err, f.Sync(), f.Close())
}

func createDurably(fs *faultfs.FS) error {
	if err := createSynced(fs); err != nil {
		return err
	}
	return syncDir(fs, "/")
}

func createInNewDir(fs *faultfs.FS) error {
	if err := fs.Mkdir("/notes", 0o755); err != nil {
		return err
	}
	f, err := fs.Create("/notes/first")
	if err != nil {
		return err
	}
	_, err = f.WriteString("hello")
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return syncDir(fs, "/notes")
}

func writeBook(fs *faultfs.FS) error {
	f, err := fs.Create("/book")
	if err != nil {
		return err
	}
	_, err = f.WriteString(page("A") + page("B"))
	return errors.Join(err, f.Sync(), f.Close())
}

func page(letter string) string { return strings.Repeat(letter, 4096) }

func overwrite(fs *faultfs.FS) error {
	f, err := fs.OpenFile("/book", os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(page("N") + page("N"))
	return errors.Join(err, f.Sync(), f.Close())
}

func replaceBook(fs *faultfs.FS) error {
	return replace(fs, "/book", page("N")+page("N"))
}

func replace(fs *faultfs.FS, name, text string) error {
	f, err := fs.Create(name + ".tmp")
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := fs.Rename(name+".tmp", name); err != nil {
		return err
	}
	return syncDir(fs, "/")
}

func transfer(fs *faultfs.FS) error {
	if err := replace(fs, "/anna", "90"); err != nil {
		return err
	}
	return replace(fs, "/bert", "10")
}

func transferLogged(fs *faultfs.FS) error {
	if err := replace(fs, "/wal", "anna=90 bert=10"); err != nil {
		return err
	}
	if err := transfer(fs); err != nil {
		return err
	}
	if err := fs.Remove("/wal"); err != nil {
		return err
	}
	return syncDir(fs, "/")
}

func redoWhatIsRead(disk afero.Fs) error {
	wal, err := afero.ReadFile(disk, "/wal")
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	for change := range strings.FieldsSeq(string(wal)) {
		name, value, _ := strings.Cut(change, "=")
		err = errors.Join(err, put(disk, "/"+name, value))
	}
	if err != nil {
		return err
	}
	return disk.Remove("/wal")
}

func redo(disk afero.Fs) error {
	d, err := disk.Open("/")
	if err != nil {
		return err
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return err
	}
	return redoWhatIsRead(disk)
}

func put(disk afero.Fs, name, text string) error {
	f, err := disk.Create(name)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Sync(), f.Close())
}

func transferInOneFile(fs *faultfs.FS) error {
	return replace(fs, "/accounts", "anna=90 bert=10")
}

func syncAgain(f afero.File) error {
	if err := f.Sync(); err == nil {
		return nil
	}
	return f.Sync() // the second one returns nil
}

func saveTryingTwice(fs *faultfs.FS) error {
	f, err := fs.Create("/conf.tmp")
	if err != nil {
		return err
	}
	_, err = f.WriteString("new")
	if err := errors.Join(err, syncAgain(f), f.Close()); err != nil {
		return err
	}
	if err := fs.Rename("/conf.tmp", "/conf"); err != nil {
		return err
	}
	return syncDir(fs, "/")
}

func saveOrKeepOld(fs *faultfs.FS) error {
	err := saveDurably(fs)
	if err != nil {
		return errors.Join(err, fs.Remove("/conf.tmp"))
	}
	return nil
}
