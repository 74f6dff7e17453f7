// Package shapes has functions that save files and are called in many ways.
package shapes

import (
	"context"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	textTemplate "text/template"
	"time"
)

// Name is a name of a file.
type Name string

type store struct {
	dir   string
	limit int
}

func (s *store) put(ctx context.Context, key string, value []byte) error {
	name := filepath.Join(s.dir, "values", "one.json")
	if err := os.WriteFile(name+".tmp", value, 0o600); err != nil {
		return err
	}
	return os.Rename(name+".tmp", name) // want `Join\(dir, "values/one.json"\)`
}

func (s store) count(text string, more ...string) (int, error) {
	if err := os.WriteFile(s.dir+".tmp", []byte(text), 0o600); err != nil {
		return 0, err
	}
	return 1, os.Rename(s.dir+".tmp", s.dir) // want `Teststore_count|TestStore_countSurvivesPowerLoss`
}

type function func(string)

func (f function) save(u *url.URL, at time.Time, mode fs.FileMode, r io.Reader, last bool, n int, name Name) {
	os.WriteFile("x.tmp", nil, mode)
	os.Rename("x.tmp", string(name)) // want `store := new\(function\)`
}

type list[T any] struct{ items []T }

func (l *list[T]) save(name string) error {
	if err := os.WriteFile(name+".tmp", nil, 0o600); err != nil {
		return err
	}
	return os.Rename(name+".tmp", name) // want `it has type parameters`
}

func other(t *textTemplate.Template, path string) (*os.File, bool) {
	os.WriteFile(path+".tmp", nil, 0o600)
	return nil, os.Rename(path+".tmp", path) == nil // want `template.Template`
}

func init() {
	os.WriteFile("a.tmp", nil, 0o600)
	os.Rename("a.tmp", "a") // want `it cannot be called`
}

func log(path string, lines []string) error { // want log:`saves 0`
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer f.Close() // want `what it wrote stays there`
	for _, line := range lines {
		io.WriteString(f, line)
	}
	return nil
}

func create(path string, text string) error { // want create:`saves 0`
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o600) // want `is there once it said`
	if err != nil {
		return err
	}
	io.WriteString(f, text)
	f.Sync() // want `Sweep: true`
	return f.Close()
}

func two(a, b, text string) error {
	for _, name := range []string{a, b} {
		os.WriteFile(name+".tmp", []byte(text), 0o600)
	}
	os.WriteFile(a+".tmp", []byte(text), 0o600)
	os.Rename(a+".tmp", a) // want `TestTwoSurvivesPowerLoss\$', with this test`
	os.WriteFile(b+".tmp", []byte(text), 0o600)
	return os.Rename(b+".tmp", b) // want `TestTwoSurvivesPowerLoss2\$', with this test`
}
