package main

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"strconv"

	"github.com/spf13/afero"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/model"
	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner"
)

// toys are scenarios for tests of the command: one for each thing that a run
// can come to.
func toys() []runner.Scenario {
	return []runner.Scenario{
		{
			Name: "toy-sound", Lesson: "new file, sync, rename, directory sync",
			Setup: writeOld, Workload: replaceSoundly, Oracle: oldOrNew,
			Declared: declare(runner.Keeps(), "kill", "strict", "ext4", "xfs", "btrfs", "posix"),
		},
		{
			Name: "toy-hasty", Lesson: "what nobody synced is not there",
			Setup: writeOld, Workload: replaceHastily, Oracle: oldOrNew,
			Declared: merge(
				declare(runner.Breaks(oracle.Stale), "strict"),
				declare(runner.Breaks(oracle.Torn, oracle.Stale), "ext4", "xfs", "btrfs", "posix")),
		},
		{
			Name: "toy-litter", Lesson: "a temporary file is left behind",
			Setup: writeOld, Workload: replaceSoundly,
			Oracle:   oracle.All(oldOrNew, oracle.NoLitter{Match: []string{"/f.tmp"}}),
			Declared: declare(runner.Keeps(), "posix"),
		},
		{
			Name: "toy-panic", Lesson: "recovery that panics is a failure of that state",
			Setup: writeOld, Workload: replaceHastily, Recover: panicOnNUL, Oracle: exists,
			Declared: declare(runner.Breaks(oracle.Refused), "ext4", "xfs", "btrfs", "posix"),
		},
		{
			Name: "toy-misjudged", Lesson: "declared broken, and nothing is wrong",
			Setup: writeOld, Workload: replaceSoundly, Oracle: oldOrNew,
			Declared: declare(runner.Breaks(oracle.Lost), "posix"),
		},
		{
			Name: "toy-trusted", Lesson: "declared kept, and broken",
			Setup: writeOld, Workload: replaceHastily, Oracle: oldOrNew,
			Declared: declare(runner.Keeps(), "posix"),
		},
		{
			Name: "toy-blind", Lesson: "an oracle that cannot fail proves nothing",
			Setup: writeOld, Workload: replaceSoundly,
			Oracle: oracle.Func(func(afero.Fs, oracle.Marks) []oracle.Violation { return nil }),
		},
		{
			Name: "toy-restless", Lesson: "a workload that does not do the same twice is refused",
			Workload: restless(), Oracle: oldOrNew,
		},
	}
}

func declare(o runner.Outcome, models ...string) map[model.Model]runner.Outcome {
	declared := map[model.Model]runner.Outcome{}
	for _, m := range models {
		declared[model.MustParse(m)] = o
	}
	return declared
}

func merge(a, b map[model.Model]runner.Outcome) map[model.Model]runner.Outcome {
	maps.Copy(a, b)
	return a
}

var (
	oldOrNew = oracle.OldOrNew{
		Path: "/f", Versions: []oracle.Content{oracle.Data("old"), oracle.Data("new")}, Mark: "saved",
	}
	exists = oracle.Func(func(disk afero.Fs, _ oracle.Marks) []oracle.Violation {
		if _, err := disk.Stat("/f"); errors.Is(err, fs.ErrNotExist) {
			return []oracle.Violation{{Kind: oracle.Lost, Path: "/f", Detail: "is missing"}}
		}
		return nil
	})
)

func writeOld(disk *faultfs.FS) error { return afero.WriteFile(disk, "/f", []byte("old"), 0o644) }

func replaceSoundly(disk *faultfs.FS) error {
	if err := writeSynced(disk, "/f.tmp", "new"); err != nil {
		return err
	}
	if err := disk.Rename("/f.tmp", "/f"); err != nil {
		return err
	}
	dir, err := disk.Open("/")
	if err != nil {
		return err
	}
	if err := errors.Join(dir.Sync(), dir.Close()); err != nil {
		return err
	}
	disk.Mark("saved")
	return nil
}

func writeSynced(disk *faultfs.FS, name, data string) error {
	file, err := disk.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = file.WriteString(data)
	return errors.Join(err, file.Sync(), file.Close())
}

func replaceHastily(disk *faultfs.FS) error {
	if err := afero.WriteFile(disk, "/f.tmp", []byte("new"), 0o600); err != nil {
		return err
	}
	if err := disk.Rename("/f.tmp", "/f"); err != nil {
		return err
	}
	disk.Mark("saved")
	return nil
}

func panicOnNUL(disk afero.Fs) error {
	data, err := afero.ReadFile(disk, "/f")
	if err == nil && len(data) > 0 && data[0] == 0 {
		panic("a NUL in /f")
	}
	return nil
}

// restless returns a workload that does something else each time.
func restless() func(*faultfs.FS) error {
	times := 0
	return func(disk *faultfs.FS) error {
		times++
		return disk.Mkdir("/time"+strconv.Itoa(times), 0o755)
	}
}
