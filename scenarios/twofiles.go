package scenarios

import (
	"fmt"
	"path"

	"github.com/spf13/afero"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner"
)

// balances are two accounts, each in a file of its own. No money is made or
// lost: what one has less, the other has more.
type balances struct{ alice, bob string }

const bank = "/bank"

var accounts = []string{bank + "/alice", bank + "/bob"}

// payFileByFile replaces both files, each as it should be replaced.
func payFileByFile(disk afero.Fs, _ int, b balances) error {
	if err := replaceFile(disk, accounts[0], []byte(b.alice)); err != nil {
		return err
	}
	return replaceFile(disk, accounts[1], []byte(b.bob))
}

// The sound way keeps each generation of the files in a directory, and one file
// that says which directory counts: that one is replaced at once.
const current = bank + "/CURRENT"

func generation(n int) string { return fmt.Sprintf("%s/gen-%d", bank, n) }

func payByGeneration(disk afero.Fs, n int, b balances) error {
	dir := generation(n)
	if err := disk.Mkdir(dir, 0o755); err != nil {
		return err
	}
	if err := writeSynced(disk, path.Join(dir, "alice"), []byte(b.alice)); err != nil {
		return err
	}
	if err := writeSynced(disk, path.Join(dir, "bob"), []byte(b.bob)); err != nil {
		return err
	}
	// The names in the new directory, then its own.
	if err := syncDir(disk, dir); err != nil {
		return err
	}
	if err := syncDir(disk, bank); err != nil {
		return err
	}
	if err := replaceFile(disk, current, []byte(dir)); err != nil {
		return err
	}
	return dropGenerations(disk)
}

// finishSwitch is the recovery. If only the process died, the switch to the
// newest generation may not be on the disk yet, and it must be before the one
// before it goes.
func finishSwitch(disk afero.Fs) error {
	if err := syncDir(disk, bank); err != nil {
		return err
	}
	return dropGenerations(disk)
}

// dropGenerations removes the directories that do not count, any more or yet,
// and the leftovers of a save that was cut short.
func dropGenerations(disk afero.Fs) error {
	dir, err := afero.ReadFile(disk, current)
	if err != nil {
		return err
	}
	names, err := namesIn(disk, bank)
	if err != nil {
		return err
	}
	for _, name := range names {
		name = path.Join(bank, name)
		if name == current || name == string(dir) {
			continue
		}
		if err := disk.RemoveAll(name); err != nil {
			return err
		}
	}
	return nil
}

// readCurrent reads an account in the generation that counts.
func readCurrent(disk afero.Fs, account string) ([]byte, error) {
	dir, err := afero.ReadFile(disk, current)
	if err != nil {
		return nil, err
	}
	return afero.ReadFile(disk, path.Join(string(dir), path.Base(account)))
}

func twoFiles() []runner.Scenario {
	history := []balances{{"100", "000"}, {"070", "030"}, {"055", "045"}, {"005", "095"}}
	promise := oracle.AllOrNothing{Paths: accounts, Mark: "paid"}
	for _, b := range history {
		promise.Generations = append(promise.Generations, contents(b.alice, b.bob))
	}
	paying := func(pay func(afero.Fs, int, balances) error) func(*faultfs.FS) error {
		return func(fs *faultfs.FS) error {
			for n, b := range history[1:] {
				if err := pay(fs, n+1, b); err != nil {
					return err
				}
				fs.Mark("paid")
			}
			return nil
		}
	}
	broken := runner.Scenario{
		Name:   "two-file-update",
		Lesson: "two files, each replaced atomically, are not replaced together: kill -9 between the two is enough",
		Setup: func(fs *faultfs.FS) error {
			if err := fs.Mkdir(bank, 0o755); err != nil {
				return err
			}
			return payFileByFile(fs, 0, history[0])
		},
		Workload: paying(payFileByFile),
		Oracle:   promise,
		Declared: verdicts{everyPreset: breaks(torn)}.each(),
	}
	byGeneration := promise
	byGeneration.Read = readCurrent
	fixed := runner.Scenario{
		Name:   "two-file-update-fixed",
		Lesson: "write both into a new directory, make it durable, and switch to it by replacing one file",
		Setup: func(fs *faultfs.FS) error {
			if err := fs.Mkdir(bank, 0o755); err != nil {
				return err
			}
			return payByGeneration(fs, 0, history[0])
		},
		Workload: paying(payByGeneration),
		Recover:  finishSwitch,
		Oracle: oracle.All(byGeneration, oracle.NoLitter{
			Match: []string{temp(current)},
		}),
		Declared: keptEverywhere(),
	}
	return []runner.Scenario{broken, fixed}
}
