package runner

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"testing"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/model"
	"github.com/crashsim/crashsim/oracle"
)

// put writes a file, syncs it if that is asked for, and closes it.
func put(fs *faultfs.FS, name, text string, sync bool) error {
	f, err := fs.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if sync {
		err = errors.Join(err, f.Sync())
	}
	return errors.Join(err, f.Close())
}

// onceReady is a file that is replaced, and a promise that holds from a mark of the
// setup on.
func onceReady(sync bool) Scenario {
	versions := []oracle.Content{oracle.Data("a"), oracle.Data("b")}
	return Scenario{
		Name: "once-ready",
		Setup: func(fs *faultfs.FS) error {
			err := put(fs, "/f", "a", false)
			fs.Mark("ready")
			return err
		},
		Workload: func(fs *faultfs.FS) error {
			return errors.Join(put(fs, "/f.tmp", "b", sync), fs.Rename("/f.tmp", "/f"))
		},
		Oracle: oracle.When("ready", oracle.OldOrNew{Path: "/f", Versions: versions}),
	}
}

func TestMarksOfTheSetupCountInEveryVariantOfAProgram(t *testing.T) {
	posix := model.Default()
	options := Options{Models: []model.Model{posix}}
	results, err := Run(t.Context(), onceReady(false), options)
	require.NoError(t, err)
	require.Equal(t, Breaks(oracle.Torn), results[0].Outcome)
	found, err := onceReady(false).Fix(t.Context(), posix, Options{})
	require.NoError(t, err)
	require.Len(t, found.Syncs, 1)
	require.Equal(t, "/f.tmp", found.Syncs[0].Path)
	mutants, err := onceReady(true).Mutate(t.Context(), options)
	require.NoError(t, err)
	require.Equal(t, "sync", mutants[0].Lacks)
	require.Equal(t, Killed, mutants[0].Fate, "the sync is needed")
	short, _, err := results[0].Stored(results[0].Failures[0]).Explain(onceReady(false), Options{})
	require.NoError(t, err)
	require.Equal(t, []string{"ready"}, short.Plan.Marks(0))
	require.NotEmpty(t, short.Prevention(*short.Pair))
}

// Programs that replace /f, while another file or another name of it is in use.
func TestAMutantIsNotKilledByBytesOfAnotherFile(t *testing.T) {
	junk := func(h afero.File) error {
		_, err := h.WriteString("junk of another file")
		return errors.Join(err, h.Close())
	}
	for name, program := range map[string]func(fs *faultfs.FS) error{
		"unlinked": func(fs *faultfs.FS) error {
			h, err := fs.Create("/scratch")
			if err != nil {
				return err
			}
			return errors.Join(fs.Remove("/scratch"), put(fs, "/f.tmp", "b", true), fs.Rename("/f.tmp", "/f"), junk(h))
		},
		"made later": func(fs *faultfs.FS) error {
			if err := errors.Join(put(fs, "/f.tmp", "b", true), fs.Rename("/f.tmp", "/f"), put(fs, "/a", "", false)); err != nil {
				return err
			}
			h, err := fs.Create("/scratch")
			if err != nil {
				return err
			}
			return errors.Join(fs.Remove("/scratch"), put(fs, "/z", "", false), junk(h))
		},
		"replaced": func(fs *faultfs.FS) error {
			h, err := fs.OpenFile("/f", os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			return errors.Join(put(fs, "/f.tmp", "b", true), fs.Rename("/f.tmp", "/f"), junk(h))
		},
		"with another name": func(fs *faultfs.FS) error {
			return errors.Join(fs.LinkIfPossible("/f", "/kept"), put(fs, "/f.tmp", "b", true), fs.Rename("/f.tmp", "/f"))
		},
		"through a link": func(fs *faultfs.FS) error {
			return errors.Join(put(fs, "/kept", "a", true), fs.Remove("/f"), fs.SymlinkIfPossible("kept", "/f"),
				put(fs, "/f.tmp", "b", true), fs.Rename("/f.tmp", "/f"))
		},
		"a link itself": func(fs *faultfs.FS) error {
			return errors.Join(put(fs, "/kept", "a", true), fs.SymlinkIfPossible("kept", "/f.tmp"), fs.Rename("/f.tmp", "/f"))
		},
	} {
		s := Scenario{Name: "others-write", Setup: func(fs *faultfs.FS) error { return put(fs, "/f", "a", false) }, Workload: program}
		trace, err := s.Record()
		require.NoError(t, err)
		rename := faultfs.OpNum(slices.IndexFunc(trace.Ops, func(op faultfs.Op) bool { return op.Kind == faultfs.OpRename }))
		copies, err := mutated(trace, rename)
		require.NoError(t, err, name)
		e, whole := copies.Edit(), trace.Edit()
		require.NoError(t, e.KeepAll(faultfs.OpNum(len(copies.Ops)-1)))
		require.NoError(t, whole.KeepAll(faultfs.OpNum(len(trace.Ops)-1)))
		require.Equal(t, showed(whole.FS(), nil), showed(e.FS(), nil), "%s: with nothing lost, both leave the same", name)
	}
}

// A mutant that copies does what the program does that copies: the same calls are
// made on a live file system, by the program, with handles.
func TestAMutantThatCopiesIsTheProgramThatCopies(t *testing.T) {
	mutants := 0
	defer func() { many(t, mutants, 50, "renames must be left out") }()
	rapid.Check(t, func(t *rapid.T) {
		calls := rapid.SliceOfN(rapid.IntRange(0, 1<<16), 4, 30).Draw(t, "calls")
		run := func(copies faultfs.OpNum, used bool) (trace *faultfs.Trace, renames []faultfs.OpNum) {
			p := &handler{
				fs: faultfs.New(), files: map[string]afero.File{}, which: map[string]int{}, opened: map[string]int{}, copies: copies, used: used,
			}
			for i, name := range handled {
				require.NoError(t, put(p.fs, name, "setup of "+name, false))
				p.which[name] = i + 1
			}
			p.fs = p.fs.Checkpoint()
			for _, c := range calls {
				p.call(c)
			}
			for _, name := range handled {
				p.close(name)
			}
			return p.fs.Trace(), p.renames
		}
		trace, renames := run(-1, false)
		for i, at := range renames {
			mutant, err := mutated(trace, at)
			require.NoError(t, err)
			twin, _ := run(faultfs.OpNum(i), usedLater(trace, at))
			mutants++
			require.Equal(t, plainCalls(twin), plainCalls(mutant), "%s\nwithout op %d:\n%s\nbut\n%s", trace.Text(), at, twin.Text(), mutant.Text())
		}
	})
}

var handled = []string{"/a", "/b", "/c"}

// handler writes files through handles, one of a file at a time, and renames them.
type handler struct {
	fs      *faultfs.FS
	files   map[string]afero.File // open, by the name by which it was opened
	which   map[string]int        // by name: the file, whatever a copy makes of it
	opened  map[string]int        // by name of a handle: that file
	count   int
	renames []faultfs.OpNum
	copies  faultfs.OpNum // the rename of this number is a copy
	used    bool
}

func (p *handler) call(c int) {
	name, other := handled[c/8%3], handled[c/32%3]
	p.count++
	switch c % 8 {
	case 0, 1, 2:
		if f := p.files[name]; f != nil {
			_, _ = fmt.Fprintf(f, "write %d ", p.count)
			return
		}
		if p.which[name] == 0 {
			p.which[name] = 10 + p.count
		}
		for by, file := range p.opened { // a trace does not tell two handles of a file apart
			if file == p.which[name] {
				p.close(by)
			}
		}
		p.files[name], _ = p.fs.OpenFile(name, os.O_CREATE|os.O_WRONLY, 0o644)
		p.opened[name] = p.which[name]
	case 3, 4:
		p.close(name)
	case 5:
		_ = p.fs.Remove(name)
		delete(p.which, name)
	default:
		if p.which[name] != 0 && name != other {
			p.rename(name, other)
		}
	}
}

func (p *handler) close(name string) {
	if f := p.files[name]; f != nil {
		_ = f.Close()
		delete(p.files, name)
		delete(p.opened, name)
	}
}

func (p *handler) rename(name, other string) {
	p.which[other] = p.which[name]
	delete(p.which, name)
	p.renames = append(p.renames, faultfs.OpNum(len(p.fs.Trace().Ops)))
	if int(p.copies) != len(p.renames)-1 {
		_ = p.fs.Rename(name, other)
		return
	}
	rename, _ := p.fs.Fork().Do(faultfs.Op{Kind: faultfs.OpRename, Path: name, To: other})
	ops, _ := copying(p.fs.Fork(), &rename, p.used)
	for _, op := range ops {
		_, _ = p.fs.Do(op)
	}
}

// plainCalls are the ops of a trace without the paths by which they are told, and
// without where they were made.
func plainCalls(trace *faultfs.Trace) []faultfs.Op {
	ops := slices.Clone(trace.Ops)
	for i := range ops {
		op := &ops[i]
		op.Path, op.To, op.Site = "", "", faultfs.CallSite{}
	}
	return ops
}
