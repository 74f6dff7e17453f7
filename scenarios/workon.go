package scenarios

import (
	"errors"
	"path"
	"syscall"

	"github.com/spf13/afero"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner"
)

// A spool holds a file for each message that it has accepted. Whoever has sent
// one and got no answer sends it again; of a message that is there already the
// spool only says so once more.
const spool = "/spool"

type parcel struct{ name, text string }

func (p parcel) path() string { return path.Join(spool, p.name) }

// accepted is the mark for a message.
func (p parcel) accepted() string { return "accepted " + p.name }

// accept answers each message once it is there. It is what the program does at
// first, and what it does after a restart, when all are sent again.
func accept(parcels []parcel) func(*faultfs.FS) error {
	return func(fs *faultfs.FS) error {
		for _, p := range parcels {
			_, exists, err := readIfThere(fs, p.path())
			if err != nil {
				return err
			}
			if !exists {
				if err := spoolDurably(fs, p); err != nil {
					return err
				}
			}
			fs.Mark(p.accepted())
		}
		return nil
	}
}

func spoolDurably(disk afero.Fs, p parcel) error {
	if err := writeSynced(disk, p.path(), seal([]byte(p.text))); err != nil {
		return err
	}
	return syncDir(disk, spool)
}

// sift is the recovery: it removes what is not whole, and calls keep with the
// path of each message that is, and what was read of it.
func sift(disk afero.Fs, keep func(disk afero.Fs, name string, sealed []byte) error) error {
	names, err := namesIn(disk, spool)
	if err != nil {
		return err
	}
	for _, name := range names {
		name = path.Join(spool, name)
		sealed, err := afero.ReadFile(disk, name)
		if err != nil {
			return err
		}
		if _, whole := unseal(sealed); whole {
			err = keep(disk, name, sealed)
		} else {
			err = disk.Remove(name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func killThenWorkOn() []runner.Scenario {
	parcels := []parcel{{"1", "Dear Ann, ..."}, {"2", sized(5000, "Dear Ann, one more thing: ... ")}}
	var promises []oracle.Oracle
	for _, p := range parcels {
		promises = append(promises, oracle.When(p.accepted(),
			oracle.OldOrNew{Path: p.path(), Versions: contents(string(seal([]byte(p.text))))}))
	}
	base := runner.Scenario{
		Setup:    withDirs(spool),
		Workload: accept(parcels),
		WorkOn:   accept(parcels),
		Oracle:   oracle.All(promises...),
	}
	broken, fixed := base, base
	broken.Name = "kill-then-work-on"
	broken.Lesson = "what a program finds after it was killed need not be on the disk: to go by it is to promise what a power cut takes back"
	broken.Recover = func(disk afero.Fs) error {
		return sift(disk, func(afero.Fs, string, []byte) error { return nil })
	}
	broken.Declared = verdicts{"kill": keeps, "strict ext4 xfs btrfs posix": breaks(lost)}.each()

	fixed.Name = broken.Name + "-fixed"
	fixed.Lesson = "recovery writes what it keeps once more, and syncs it and its directory, before anything is made to depend on it"
	fixed.Recover = func(disk afero.Fs) error {
		return errors.Join(sift(disk, writeAgain), syncDir(disk, spool))
	}
	fixed.Declared = keptEverywhere()

	resync, rewrite := base, fixed
	resync.Name = "resync-after-restart"
	resync.Lesson = "after a failed fsync and a restart, the page cache shows what the disk refused and calls it clean: a new fsync writes nothing"
	resync.Faults = []faultfs.Fault{{Kind: faultfs.OpFsync, Path: parcels[0].path(), Errno: syscall.EIO}}
	resync.Recover = func(disk afero.Fs) error {
		return errors.Join(
			sift(disk, func(disk afero.Fs, name string, _ []byte) error { return syncFile(disk, name) }),
			syncDir(disk, spool))
	}
	resync.Declared = verdicts{"kill strict btrfs": keeps, "ext4 xfs posix": breaks(lost)}.each()

	rewrite.Name = resync.Name + "-fixed"
	rewrite.Lesson = "what is written anew is dirty anew: recovery writes once more what it found before it syncs it"
	rewrite.Faults = resync.Faults
	return []runner.Scenario{broken, fixed, resync, rewrite}
}
