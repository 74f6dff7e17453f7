package oracle

import (
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"maps"
	"path"
	"slices"

	"github.com/spf13/afero"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/runner/show"
)

// Durable is the promise that what was done to files and acknowledged is there. No
// versions are written down. Exactly:
//
//   - A mark acknowledges every call that returned without an error before it, and the
//     disk that the setup left is acknowledged from the beginning. A sync by itself
//     acknowledges nothing: a program that reports a sync as a success marks it.
//   - What a path leads to (a directory, a link with its target, a file with its bytes)
//     is then as it was at the last mark, unless a call between that mark and the next,
//     or the recovery of the program, has touched it: written to the file, cut it, or
//     made, moved or removed its name or that of a directory above it. What was touched may
//     be anything.
//
// So it holds no program to write files as a whole before it has acknowledged them:
// use OldOrNew or SameAs for that. Modes are not looked at.
//
// The violations are Lost (nothing is there), Stale (what was there at an earlier mark
// is), Torn and Alien (as in OldOrNew) and Refused (it cannot be read).
type Durable struct {
	_ struct{} // written with field names: fields may be added

	// Paths limits the promise to paths that one of these patterns matches, as path.Match
	// does, or that lie below a directory of that name. Nil means all.
	Paths []string

	run *durableRun // nil: no run was seen
}

// durableRun is what a run in which nothing crashed has left.
type durableRun struct {
	labels []string
	held   map[int]*snapshot // by the number of marks
}

// snapshot is what the files were at a mark, and which of them are held until the next.
type snapshot struct {
	files map[string]thing
	free  map[string]bool // paths that were touched until the next mark
}

// thing is what a path leads to.
type thing struct {
	dir    bool
	link   bool
	target string
	data   string

	ino  faultfs.Ino
	name entry
}

// entry is a name in a directory.
type entry struct {
	dir  faultfs.Ino
	name string
}

func (t thing) same(u thing) bool {
	return t.dir == u.dir && t.link == u.link && t.target == u.target && t.data == u.data
}

// OfRun looks at the files at each mark.
func (d Durable) OfRun(trace *faultfs.Trace, moments iter.Seq2[int, *faultfs.FS]) (Oracle, error) {
	for _, p := range d.Paths {
		if _, err := path.Match(p, "/"); err != nil {
			return nil, fmt.Errorf("oracle.Durable: the path %q: %w", p, err)
		}
	}
	sound := d.run
	d.run = &durableRun{labels: allMarks(trace), held: map[int]*snapshot{}}
	recovered := map[int][]faultfs.Op{}
	for marks, disk := range moments {
		recovered[marks] = append(recovered[marks], disk.Trace().Ops...)
		if d.run.held[marks] != nil {
			continue
		}
		files := map[string]thing{}
		if err := collect(disk, "/", faultfs.Root, files); err != nil {
			return nil, fmt.Errorf("oracle.Durable: what the program holds after %s: %w", show.Count(marks, "mark"), err)
		}
		d.run.held[marks] = &snapshot{files: files}
	}
	done := map[int][]faultfs.Op{}
	n := len(d.run.labels) - len(trace.Marks())
	for i := range trace.Ops {
		if op := &trace.Ops[i]; op.Kind == faultfs.OpMark && !op.Failed() {
			n++
		} else {
			done[n] = append(done[n], *op)
		}
	}
	for n, s := range d.run.held {
		s.free = s.touched(append(done[n], recovered[n]...))
		if sound != nil && sound.held[n] != nil && n <= len(sound.labels) && slices.Equal(sound.labels[:n], d.run.labels[:n]) {
			s.files = sound.held[n].files // the mark acknowledges what it does without the fault
			maps.Copy(s.free, sound.held[n].free)
		}
	}
	return d, nil
}

// collect notes what a directory of a running program holds.
func collect(disk *faultfs.FS, dir string, at faultfs.Ino, files map[string]thing) error {
	list, err := afero.ReadDir(disk, dir)
	if err != nil {
		return err
	}
	for _, info := range list {
		p := path.Join(dir, info.Name())
		t := thing{dir: info.IsDir(), link: info.Mode()&fs.ModeSymlink != 0, ino: info.Sys().(faultfs.Ino), name: entry{at, info.Name()}}
		switch {
		case t.dir:
			err = collect(disk, p, t.ino, files)
		case t.link:
			t.target, err = disk.ReadlinkIfPossible(p)
		case info.Mode().IsRegular():
			var data []byte
			data, err = ReadFile(disk, p)
			t.data = string(data)
		default:
			continue // a FIFO or a socket holds nothing
		}
		if err != nil {
			return err
		}
		files[p] = t
	}
	return nil
}

// touched returns the paths that ops have touched.
func (s *snapshot) touched(ops []faultfs.Op) map[string]bool {
	inodes, names := map[faultfs.Ino]bool{}, map[entry]bool{}
	for i := range ops {
		op := &ops[i]
		if op.Failed() || !op.Kind.Changes() || op.Idle() {
			continue
		}
		switch op.Kind {
		case faultfs.OpWrite, faultfs.OpTruncate:
			inodes[op.Ino] = true
		case faultfs.OpChmod:
		default:
			names[entry{op.Dir, op.Name}] = true
			if op.ToDir != 0 {
				names[entry{op.ToDir, op.ToName}] = true
			}
		}
	}
	free := map[string]bool{}
	for p, t := range s.files {
		moved := false
		for up := p; up != "/" && !moved; up = path.Dir(up) {
			moved = names[s.files[up].name]
		}
		free[p] = moved || inodes[t.ino]
	}
	return free
}

// promises reports whether the promise speaks of a path.
func (d Durable) promises(p string) bool {
	if d.Paths == nil {
		return true
	}
	for ; p != "/"; p = path.Dir(p) {
		for _, pattern := range d.Paths {
			if ok, _ := path.Match(pattern, p); ok {
				return true
			}
		}
	}
	return false
}

// Judge implements Oracle.
func (d Durable) Judge(disk afero.Fs, marks Marks) []Violation {
	if d.run == nil {
		return NoVerdict(errUnseen)
	}
	made := 0
	if len(d.run.labels) > 0 {
		made = len(marks.All())
	}
	s := d.run.held[made]
	if s == nil {
		return nil // recovery refuses there without a crash, too, and that is told
	}
	var violations []Violation
	for _, p := range slices.Sorted(maps.Keys(s.files)) {
		if !s.free[p] && d.promises(p) {
			violations = append(violations, d.run.judge(disk, p, s.files[p], made)...)
		}
	}
	return violations
}

// judge says what is wrong with a path that is to be as it was after so many marks.
func (r *durableRun) judge(disk afero.Fs, p string, want thing, made int) []Violation {
	info, err := lstat(disk, p)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return []Violation{{Kind: Lost, Path: p, Detail: "is missing, though " + r.when(made)}}
	case err != nil:
		return refused(p, err)
	}
	got := thing{dir: info.IsDir(), link: info.Mode()&fs.ModeSymlink != 0}
	switch {
	case got.link && want.link:
		got.target, err = disk.(afero.LinkReader).ReadlinkIfPossible(p)
	case !got.dir && !got.link && !want.dir && !want.link:
		var data []byte
		data, err = ReadFile(disk, p)
		got.data = string(data)
	}
	if err != nil {
		return refused(p, err)
	}
	if got.same(want) {
		return nil
	}
	for n := made - 1; n >= 0; n-- {
		if s := r.held[n]; s != nil {
			if old, ok := s.files[p]; ok && got.same(old) {
				return []Violation{{Kind: Stale, Path: p, Detail: fmt.Sprintf("is as it was after %s, though %s", show.Count(n, "mark"), r.when(made))}}
			}
		}
	}
	if got.dir != want.dir || got.link != want.link || got.link {
		return []Violation{{Kind: Alien, Path: p, Detail: "is something else than it was, though " + r.when(made)}}
	}
	kind, detail := misfit([]byte(got.data), []Content{Data(want.data)}, "version")
	return []Violation{{Kind: kind, Path: p, Detail: detail + ", though " + r.when(made)}}
}

// when says what acknowledges what a path is.
func (r *durableRun) when(made int) string {
	if made == 0 || made > len(r.labels) {
		return "it was there before the program began"
	}
	return fmt.Sprintf("mark %d, %s, acknowledged it", made, show.Word(r.labels[made-1]))
}

// lstat looks at a path without following a link that it ends in.
func lstat(disk afero.Fs, p string) (fs.FileInfo, error) {
	if l, ok := disk.(afero.Lstater); ok {
		info, _, err := l.LstatIfPossible(p)
		return info, err
	}
	return disk.Stat(p)
}
