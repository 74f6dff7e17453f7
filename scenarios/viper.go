package scenarios

import (
	"embed"
	"fmt"

	"github.com/spf13/afero"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner"
)

// traces are what programs that live in modules of their own asked of the file
// system. Those modules hold them to what the programs do today.
//
//go:embed traces/*.txt
var traces embed.FS

func storedTrace(name string) *faultfs.Trace {
	name = "traces/" + name + ".txt"
	text, err := traces.ReadFile(name)
	if err != nil {
		panic("crashsim: bug: " + err.Error())
	}
	trace, err := faultfs.ParseTrace(name, text)
	if err != nil {
		panic("crashsim: bug: " + err.Error())
	}
	return trace
}

// replay performs recorded ops one by one, with the call sites that they had.
func replay(ops []faultfs.Op) func(*faultfs.FS) error {
	return func(fs *faultfs.FS) error {
		for _, op := range ops {
			if _, err := fs.Do(op); err != nil {
				return fmt.Errorf("replay of %q: %w", op.Summary(), err)
			}
		}
		return nil
	}
}

// markedVersions are what a file held before the first op of a trace, and at
// each of its marks.
func markedVersions(trace *faultfs.Trace, name string) []oracle.Content {
	fs := faultfs.New()
	var versions []oracle.Content
	look := func() error {
		text, exists, err := readIfThere(fs, name)
		if exists {
			versions = append(versions, oracle.Data(text))
		} else {
			versions = append(versions, oracle.Absent)
		}
		return err
	}
	err := replay(trace.Setup)(fs)
	if err == nil {
		err = look()
	}
	for i := range trace.Ops {
		if err == nil {
			err = replay(trace.Ops[i : i+1])(fs)
		}
		if err == nil && trace.Ops[i].Kind == faultfs.OpMark {
			err = look()
		}
	}
	if err != nil {
		panic("crashsim: bug: a stored trace does not replay: " + err.Error())
	}
	return versions
}

func viperConfig() []runner.Scenario {
	const file, temp = "/etc/app/config.yaml", "/etc/app/config.tmp.yaml"
	scenario := func(name, lesson string) runner.Scenario {
		trace := storedTrace(name)
		return runner.Scenario{
			Name: name, Lesson: lesson, Setup: replay(trace.Setup), Workload: replay(trace.Ops),
			Oracle: oracle.All(
				oracle.OldOrNew{Path: file, Versions: markedVersions(trace, file), Mark: saved},
				oracle.NoLitter{Match: []string{temp}},
			),
		}
	}
	broken := scenario("viper-write-config",
		"viper's WriteConfig empties the file, then writes it: kill -9 in between leaves no settings, which viper reads without an error")
	broken.Declared = verdicts{everyPreset: breaks(torn)}.each()
	fixed := scenario("viper-write-config-fixed",
		"let viper's WriteConfigAs write and sync another file, rename that over the real one, and sync the directory")
	fixed.Recover = func(disk afero.Fs) error { return removeIfThere(disk, temp) }
	fixed.Declared = keptEverywhere()
	return []runner.Scenario{broken, fixed}
}
