package report

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/crashsim/crashsim/faultfs"
)

// Sources finds the files that call sites name. A call site knows the last two
// elements of a path only. Use [FindSources].
type Sources struct {
	root  string
	paths map[string]string   // by their ends; "" where several end like that
	lines map[string][]string // of files that were read
}

// Limits of what is looked at.
const (
	maxSources    = 50_000  // names below the root
	maxSourceSize = 4 << 20 // bytes of a file
	linesAround   = 2       // lines in front of the one of a call, and behind it
	lineLength    = 120     // characters of a line
)

// sourceEnds are the ends of the names of files in which calls are made. No other
// file is read: a call site is somebody else's word.
var sourceEnds = []string{".go", ".c", ".cc", ".cpp", ".cxx", ".h", ".hh", ".hpp", ".rs", ".py", ".js", ".ts", ".java", ".rb", ".zig"}

// FindSources finds the source files below a directory. What cannot be read is not
// found.
func FindSources(root string) *Sources {
	s := &Sources{root: root, paths: map[string]string{}, lines: map[string][]string{}}
	names := 0
	_ = filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if names++; names > maxSources {
			return filepath.SkipAll
		}
		switch {
		case err != nil:
			return nil //nolint:nilerr // what cannot be read is not found
		case d.IsDir() && name != root && strings.HasPrefix(d.Name(), "."):
			return filepath.SkipDir
		case d.IsDir() || !d.Type().IsRegular() || !slices.Contains(sourceEnds, filepath.Ext(name)):
			return nil
		}
		below, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		dir := filepath.Dir(name)
		if abs, err := filepath.Abs(dir); err == nil {
			dir = abs
		}
		end := filepath.Base(dir) + "/" + d.Name()
		if _, twice := s.paths[end]; twice {
			below = ""
		}
		s.paths[end] = filepath.ToSlash(below)
		return nil
	})
	return s
}

// Path returns the path of a file from the directory, or what is known of it.
func (s *Sources) Path(end string) string {
	if s != nil && s.paths[end] != "" {
		return s.paths[end]
	}
	return end
}

// excerpt are some lines of a file.
type excerpt struct {
	Site  string   `json:"s"`
	First int      `json:"n"` // the number of the first line
	At    int      `json:"a"` // the line of the call
	Lines []string `json:"l"`
}

// Number returns the number of the i-th line.
func (x *excerpt) Number(i int) int { return x.First + i }

// around returns the lines around a call site, nil where they are not found.
func (s *Sources) around(site faultfs.CallSite) *excerpt {
	if s == nil || site.File == "" || s.paths[path.Clean(site.File)] == "" {
		return nil
	}
	lines := s.read(s.paths[path.Clean(site.File)])
	if site.Line < 1 || site.Line > len(lines) {
		return nil
	}
	first := max(1, site.Line-linesAround)
	x := &excerpt{Site: visible(site.String()), First: first, At: site.Line}
	for _, line := range lines[first-1 : min(len(lines), site.Line+linesAround)] {
		if r := []rune(line); len(r) > lineLength {
			line = string(r[:lineLength-3]) + "..."
		}
		x.Lines = append(x.Lines, visible(strings.ReplaceAll(line, "\t", "    ")))
	}
	return x
}

func (s *Sources) read(name string) []string {
	if lines, ok := s.lines[name]; ok {
		return lines
	}
	file := filepath.Join(s.root, filepath.FromSlash(name))
	var lines []string
	if info, err := os.Stat(file); err == nil && info.Size() <= maxSourceSize {
		if text, err := os.ReadFile(file); err == nil {
			lines = strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
		}
	}
	s.lines[name] = lines
	return lines
}
