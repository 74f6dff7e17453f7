package workdir

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/spf13/afero"
)

// Dir is a directory of results.
type Dir struct {
	fs     afero.Fs
	path   string
	unique func() string // a word that nobody else uses
}

// Open opens a directory, and makes it if need be.
func Open(fs afero.Fs, path string) (*Dir, error) {
	d := &Dir{fs, path, rand.Text}
	if err := fs.MkdirAll(path, 0o777); err != nil {
		return nil, fmt.Errorf("the directory of results: %w", err)
	}
	if err := d.syncDir(parent(path)); err != nil {
		return nil, err
	}
	return d, nil
}

// Path returns the path of the directory.
func (d *Dir) Path() string { return d.path }

func parent(p string) string { return path.Dir(path.Clean(p)) }

// newFile begins the names of files that are not complete.
const newFile = ".new-"

// Put puts a text into a shelf, durably, and returns the name of its file. A text that is
// there already is not written again.
func (d *Dir) Put(shelf string, text []byte) (name string, err error) {
	name = sumOf(text)
	dir := path.Join(d.path, shelf)
	if err := d.makeShelf(dir); err != nil {
		return "", err
	}
	if old, err := afero.ReadFile(d.fs, path.Join(dir, name)); err == nil && bytes.Equal(old, text) {
		return name, d.syncDir(dir) // who wrote it may not have come so far
	}
	tmp := path.Join(dir, newFile+d.unique())
	if err := d.write(tmp, text); err != nil {
		_ = d.fs.Remove(tmp)
		return "", err
	}
	if err := d.fs.Rename(tmp, path.Join(dir, name)); err != nil {
		_ = d.fs.Remove(tmp)
		return "", err
	}
	return name, d.syncDir(dir)
}

// makeShelf makes the directory of a shelf, durably.
func (d *Dir) makeShelf(dir string) error {
	err := d.fs.Mkdir(dir, 0o777)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return d.syncDir(d.path)
}

func (d *Dir) write(name string, text []byte) error {
	f, err := d.fs.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// syncDir makes the names in a directory durable.
func (d *Dir) syncDir(dir string) error {
	f, err := d.fs.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// Shelves returns the names of the shelves, in order.
func (d *Dir) Shelves() ([]string, error) {
	infos, err := afero.ReadDir(d.fs, d.path)
	var names []string
	for _, info := range infos {
		if info.IsDir() && !strings.HasPrefix(info.Name(), ".") {
			names = append(names, info.Name())
		}
	}
	return names, err
}

// Each calls f for each file of a shelf, in the order of their names, and returns the
// names of those that are torn: their text is not the one that was put. A shelf that
// is not there is empty.
func (d *Dir) Each(shelf string, f func(name string, text []byte) error) (torn []string, err error) {
	dir, err := d.fs.Open(path.Join(d.path, shelf))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	names, err := dir.Readdirnames(-1)
	if err := errors.Join(err, dir.Close()); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	slices.Sort(names)
	for _, name := range names {
		if !isSum(name) {
			continue // not complete, or not ours
		}
		text, err := afero.ReadFile(d.fs, path.Join(d.path, shelf, name))
		if err != nil {
			return torn, err
		}
		if sumOf(text) != name {
			torn = append(torn, path.Join(d.path, shelf, name))
			continue
		}
		if err := f(name, text); err != nil {
			return torn, fmt.Errorf("%s: %w", path.Join(d.path, shelf, name), err)
		}
	}
	return torn, nil
}

func sumOf(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

func isSum(name string) bool {
	sum, err := hex.DecodeString(name)
	return err == nil && len(sum) == sha256.Size
}
