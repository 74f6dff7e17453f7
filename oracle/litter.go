package oracle

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/spf13/afero"
)

// NoLitter is the promise that recovery cleans up: no file is left whose path
// matches one of the patterns, unless the path matches an exception. Each file
// that is left is a violation of the kind Litter, which is a warning. If a
// directory cannot be listed, the violation is Refused. A directory that does not
// exist holds no litter.
//
// Patterns are those of path.Match, but only the last element may have wildcards,
// as in "/db/*.tmp". To list what may be there, match everything and name the
// allowed files as exceptions. A pattern without wildcards asks for one name and
// does not list the directory, so there is less to explore.
type NoLitter struct {
	_ struct{} // written with field names: fields may be added

	Match  []string
	Except []string
}

// Judge implements Oracle.
func (l NoLitter) Judge(disk afero.Fs, _ Marks) []Violation {
	var violations []Violation
	var names []string
	listed := ""
	for i, pattern := range l.Match {
		if err := checkPattern(pattern); err != nil {
			return refused(pattern, err)
		}
		dir, last := split(pattern)
		if !strings.ContainsAny(last, wildcards) {
			there, err := exists(disk, pattern)
			if err != nil {
				return refused(pattern, err)
			}
			if there && !l.excused(dir, last, i) {
				violations = append(violations, litter(pattern, pattern))
			}
			continue
		}
		if names == nil || listed != dir {
			var err error
			if names, err = list(disk, dir); err != nil {
				return refused(dir, err)
			}
			listed = dir
		}
		for _, name := range names {
			if within(pattern, dir, name) && !l.excused(dir, name, i) {
				violations = append(violations, litter(path.Join(dir, name), pattern))
			}
		}
	}
	return violations
}

func litter(full, pattern string) Violation {
	return Violation{Kind: Litter, Path: full, Detail: fmt.Sprintf("was left behind: it matches %s", pattern)}
}

// excused reports whether a file needs no violation for the i-th pattern: it is
// an exception, or was reported for an earlier pattern.
func (l NoLitter) excused(dir, name string, i int) bool {
	for _, except := range l.Except {
		if within(except, dir, name) {
			return true
		}
	}
	for _, earlier := range l.Match[:i] {
		if within(earlier, dir, name) {
			return true
		}
	}
	return false
}

// within is path.Match for a file given as a directory and a name. An ill-formed
// exception excepts nothing.
func within(pattern, dir, name string) bool {
	in, last := split(pattern)
	if in != dir {
		return false
	}
	ok, err := path.Match(last, name)
	return ok && err == nil
}

const wildcards = `*?[\`

var errWildcard = errors.New("a pattern may have wildcards in its last element only")

func checkPattern(pattern string) error {
	if _, err := path.Match(pattern, ""); err != nil {
		return fmt.Errorf("pattern %q: %w", pattern, err)
	}
	if dir, _ := split(pattern); strings.ContainsAny(dir, wildcards) {
		return errWildcard
	}
	return nil
}

// split parts a pattern into a directory and what is in it.
func split(pattern string) (dir, last string) {
	dir, last = path.Split(pattern)
	if len(dir) > 1 {
		dir = dir[:len(dir)-1]
	}
	if dir == "" {
		dir = "."
	}
	return dir, last
}

// list returns the names in a directory in order, none if it does not exist.
func list(disk afero.Fs, dir string) ([]string, error) {
	f, err := disk.Open(dir)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return []string{}, nil
		}
		return nil, err
	}
	defer f.Close() // it was only read: closing it cannot lose anything
	names, err := f.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	if names == nil {
		names = []string{}
	}
	return names, nil
}

// exists reports whether a path leads to something, by opening it: that reads
// names only, where asking for a description may read sizes and modes.
func exists(disk afero.Fs, name string) (bool, error) {
	f, err := disk.Open(name)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return false, nil
		}
		return false, err
	}
	return true, f.Close()
}
