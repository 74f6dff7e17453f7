package runner

import (
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"

	"github.com/spf13/afero"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner/report"
)

// Limits of what is looked at for a page. Where a disk is larger, the page shows no
// contents.
const (
	pageFiles = 2000
	pageBytes = 16 << 20
)

// files returns what matters to a failure: each name where something else stands on
// the disk after the crash, or after recovery, than the running program saw.
func (r *Result) files(f *Failure) []report.File {
	if r.scenario == nil {
		return nil
	}
	trace := f.Plan.Trace()
	edit := trace.Edit()
	before, ok := treeOf(edit.FS())
	if ok && edit.KeepAll(f.After) != nil {
		return nil
	}
	cache, seen := treeOf(edit.FS())
	disk, recovered, found := r.restart(f)
	if !ok || !seen || !found {
		return nil
	}
	named := map[string]bool{}
	for _, v := range f.Violations {
		named[path.Clean("/"+v.Path)] = true
	}
	all := map[string]bool{}
	for _, tree := range []map[string]report.Content{before, cache, disk, recovered} {
		for name := range tree {
			all[name] = true
		}
	}
	var first, rest []report.File
	for _, name := range slices.Sorted(maps.Keys(all)) {
		file := report.File{Path: name, Before: before[name], Cache: cache[name], Disk: disk[name], Recovered: recovered[name]}
		switch {
		case named[name]:
			first = append(first, file)
		case !file.Cache.Same(file.Disk) || !file.Cache.Same(file.Recovered):
			rest = append(rest, file)
		}
	}
	return append(first, rest...)
}

// restart goes to the last crash of a failure, and returns what is on the disk then,
// and what the program's recovery makes of it.
func (r *Result) restart(f *Failure) (disk, recovered map[string]report.Content, ok bool) {
	at, err := r.Stored(f).reach(*r.scenario, Options{Workers: 1, Timeout: r.timeout})
	if err != nil {
		return nil, nil, false
	}
	defer at.close()
	w := at.pool.worker()
	w.fs.Reset()
	w.rot.damage.Store(at.pool.damage)
	if !w.disk.Begin(at.point, at.cut) {
		return nil, nil, false
	}
	if disk, ok = treeOf(w.fs); !ok {
		return nil, nil, false
	}
	at.pool.idle = append(at.pool.idle, w)
	ran := at.pool.once(at.point, at.cut)
	hung := ran.Outcome != nil && slices.ContainsFunc(ran.Outcome.violations, func(v oracle.Violation) bool { return v.Kind == oracle.Hung })
	if hung || len(at.pool.idle) != 1 {
		return disk, disk, true
	}
	recovered, ok = treeOf(at.pool.idle[0].fs)
	return disk, recovered, ok
}

// treeOf returns what stands at each name of a file system; it reports false where
// that is too much, or cannot be read.
func treeOf(disk *faultfs.FS) (map[string]report.Content, bool) {
	tree, left := map[string]report.Content{}, pageBytes
	var list func(dir string) bool
	list = func(dir string) bool {
		infos, err := afero.ReadDir(disk, dir)
		if err != nil {
			return false
		}
		for _, info := range infos {
			name := path.Join(dir, info.Name())
			if len(tree) == pageFiles || len(name) > 1<<12 {
				return false
			}
			c := report.Content{Exists: true, Mode: fmt.Sprintf("%04o", info.Mode().Perm())}
			switch {
			case info.IsDir():
				c.Other = "directory, " + c.Mode
			case info.Mode()&fs.ModeSymlink != 0:
				target, err := disk.ReadlinkIfPossible(name)
				if err != nil {
					return false
				}
				c.Other = "-> " + target
			default:
				if left -= int(min(info.Size(), pageBytes+1)); left < 0 {
					return false
				}
				if c.Data, err = contentOf(disk, name); err != nil {
					return false
				}
			}
			tree[name] = c
			if info.IsDir() && !list(name) {
				return false
			}
		}
		return true
	}
	return tree, list("/")
}

func contentOf(disk *faultfs.FS, name string) ([]byte, error) {
	f, err := disk.Open(name)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(f)
	_ = f.Close()
	return data, err
}
