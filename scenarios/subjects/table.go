package main

// subject is a program of this machine, what it promises, and how that ends.
type subject struct {
	name     string
	needs    string   // a command that must be installed, "" for none but the shell
	setup    string   // for the shell; what it does is durable
	program  string   // for the shell
	check    string   // a built-in check of package process, or for the shell
	promise  string   // what its documentation says
	losses   int      // judged up to so many; zero for all
	bounded  []string // the models under which that holds; nil: all of them
	verdicts verdicts
	why      string
}

// verdicts are verdicts by the name of the model. A verdict is "kept", the kinds
// of violations that were found, or "none up to N losses" where a budget ended the
// search and none was.
type verdicts map[string]string

// models are the models by which subjects are judged.
var models = []string{"ext4", "xfs", "btrfs", "posix"}

// all is one verdict under each model.
func all(verdict string) verdicts {
	v := verdicts{}
	for _, m := range models {
		v[m] = verdict
	}
	return v
}

const (
	oldFile   = `yes old | head -n 1500 >f`
	oldAndNew = oldFile + `; yes new | head -n 1500 >g`
	oldOrNew  = "old-or-new:f"

	nothingSaid = "POSIX says nothing of power"
)

var subjects = []subject{
	{
		name: "echo >", setup: oldFile, program: `echo new >f; echo saved`, check: oldOrNew, promise: nothingSaid,
		verdicts: all("torn, stale"),
		why:      "The shell empties the file before it writes it, so even a kill can leave it empty, and nothing is synced.",
	},
	{
		name: "cp", setup: oldAndNew, program: `cp g f; echo saved`, check: oldOrNew, promise: nothingSaid,
		verdicts: all("torn, stale"),
		why:      "cp empties the target and copies into it: a cut in between finds it empty or half written, and nothing is synced.",
	},
	{
		name: "mv", setup: oldAndNew, program: `mv g f; echo saved`, check: oldOrNew, promise: "rename() is atomic",
		verdicts: all("stale"),
		why:      "The file that is moved was durable before, so the target is never torn; but nothing forces the new name.",
	},
	{
		name: "echo > and mv", setup: oldFile, program: `echo new >f.tmp; mv f.tmp f; echo saved`, check: oldOrNew, promise: "rename() is atomic",
		verdicts: all("torn, stale"),
		why:      "The name can persist before the data of the file that it leads to, which is then NUL.",
	},
	{
		name: "sed -i", needs: "sed", setup: oldFile, program: `sed -i s/old/new/ f; echo saved`, check: oldOrNew,
		promise:  "edits files in place, by a temporary file that is renamed",
		verdicts: all("torn, stale"),
		why:      "sed renames a file that it has not synced: the name can persist before the data.",
	},
	{
		name: "sync before and after mv", setup: oldFile, program: `echo new >f.tmp && sync f.tmp && mv f.tmp f && sync . && echo saved`, check: oldOrNew,
		promise:  "sync FILE: fsync() of a file or directory",
		verdicts: all("kept"),
		why:      "The data is forced before the name is there, and the name before the world is told.",
	},
	{
		name: "natefinch/atomic", setup: oldFile, program: `$SUBJECTS natefinch-atomic f`, check: oldOrNew,
		promise:  "the file is fully written or not at all",
		verdicts: all("kept"),
		why:      "WriteFile syncs the temporary file before it renames it. It promises no more than that, and does not tell that it is done.",
	},
	{
		name: "natefinch/atomic, acknowledged", setup: oldFile, program: `$SUBJECTS natefinch-atomic f && echo saved`, check: oldOrNew,
		promise:  "none that it is durable when it returns",
		verdicts: all("stale"),
		why:      "It does not sync the directory: the rename can be lost after it has returned.",
	},
	{
		name: "renameio", setup: oldFile, program: `$SUBJECTS renameio f`, check: oldOrNew,
		promise:  "concerns itself only with atomicity",
		verdicts: all("kept"),
		why:      "WriteFile syncs the temporary file before it renames it, and old contents are no failure by its own words.",
	},
	{
		name: "renameio, acknowledged", setup: oldFile, program: `$SUBJECTS renameio f && echo saved`, check: oldOrNew,
		promise:  "none: it says that it is not about durability",
		verdicts: all("stale"),
		why:      "It does not sync the directory, and says so: the rename can be lost after it has returned.",
	},
	{
		name: "bbolt, commits", setup: `$SUBJECTS bbolt-init db`, program: `$SUBJECTS bbolt-commit db`, check: `$SUBJECTS bbolt-check db`,
		promise:  "ACID transactions",
		verdicts: all("kept"),
		why:      "Pages are synced before the meta page that leads to them, and that before Update returns; the name of the file is durable since long ago.",
	},
	{
		name: "bbolt, initialisation", program: `$SUBJECTS bbolt-init db`, check: `$SUBJECTS bbolt-check db`,
		promise: "ACID; known issue: can be corrupted by power failure when it is first initialised",
		verdicts: verdicts{
			"ext4": "torn, refused", "xfs": "torn, refused", "btrfs": "torn, refused", "posix": "lost, torn, refused",
		},
		why: "The four pages of a new database are one write into the file itself: it can have its size and lack a page, " +
			"and then bbolt panics when it opens or checks it. Nobody syncs the directory: under posix the whole database can be missing after a commit.",
	},
}

// sqlite subjects: a database that exists, a transaction, and its
// acknowledgement.
func sqlite(journal, synchronous, promise string, v verdicts, why string) subject {
	return subject{
		name: "sqlite3, " + journal + ", " + synchronous, needs: "sqlite3",
		setup:   `sqlite3 db "pragma journal_mode=` + journal + `; create table t(x); insert into t values(1)"`,
		program: `sqlite3 db "pragma synchronous=` + synchronous + `" "insert into t values(2)" ".shell echo saved"`,
		check:   "sqlite:db", promise: promise, verdicts: v, why: why,
	}
}

func init() {
	const (
		off    = "OFF: the database might become corrupted"
		extra  = "EXTRA: like FULL, and the directory is synced after the journal is unlinked"
		full   = "FULL: a power failure will not corrupt the database"
		normal = "NORMAL: a power failure at just the wrong time could corrupt a rollback database; WAL stays consistent and may roll back"
	)
	subjects = append(subjects,
		sqlite("delete", "off", off, all("stale, refused"),
			"Nothing is synced. The journal can lack what it is to restore, and a journal that is still there undoes the transaction."),
		sqlite("delete", "normal", normal, all("stale, refused"),
			"The header of the journal, with the number of its pages, is written with them and synced once. It can persist without the data of a page, "+
				"and the checksum, which looks at every 200th byte only, does not notice: recovery then writes NULs over the database. The unlink is not synced either."),
		sqlite("delete", "full", full, all("stale"),
			"Whole on every disk. But the transaction commits by unlink of the journal, and nothing forces that: if the journal comes back, it undoes an acknowledged transaction."),
		sqlite("delete", "extra", extra, all("kept"),
			"The directory is synced after the unlink, which is what FULL lacks."),
		sqlite("wal", "off", off, all("stale"),
			"Nothing is synced: the log can be gone before what was copied from it into the database has persisted."),
		sqlite("wal", "normal", normal, all("stale"),
			"The log is synced at a checkpoint, not at a commit: an acknowledged transaction can lack data of its frame, and is then dropped, as documented."),
		sqlite("wal", "full", full, all("kept"),
			"The log is synced at each commit, and its name when it is made."),
		sqlite("wal", "extra", extra, all("kept"),
			"As FULL: in WAL mode there is no journal to unlink."),
	)
	subjects = append(subjects,
		git("git commit -a", "", `git commit -q -a -m new`, gitWhole, byDefault, 1, nil, all("torn"),
			"Loose objects are not synced, so that the name of an object can persist without its data."),
		git("git commit -a, fsync=all", fsyncAll, `git commit -q -a -m new`, gitWhole, everything, 2, looseNames, all("torn"),
			"Objects and the branch are synced, but commit -a of git 2.39 renames an index that it has not synced: \"index file corrupt\". "+
				"And no directory is synced, so that where names have no order, the branch can lead to a commit that has no name."),
		git("git add, commit, fsync=all", fsyncAll, `git add f && git commit -q -m new`, gitWhole, everything, 2, looseNames,
			verdicts{"ext4": "kept", "xfs": "kept", "btrfs": "torn", "posix": "torn"},
			"git add syncs the index. What is left is that no directory is synced: the model of btrfs and posix let the temporary name of an object go "+
				"and the name that was linked to it not yet be there; a journal keeps their order."),
		git("git add, commit, fsync=all, acknowledged", fsyncAll, `git add f && git commit -q -m new && echo saved`, gitKept, everything, 0, nil, all("stale"),
			"The branch is replaced by rename, and the directory is not synced: when commit returns, HEAD can still be the old commit after a power cut."),
	)
}

const fsyncAll = `git config core.fsync all; git config core.fsyncMethod fsync; `

// newCommit is the commit that the program makes; its dates and authors are
// fixed.
const newCommit = "4e3043b28febf22a1ba3b70bd6e1603b17a1a7f7"

// gitWhole finds the repository whole, and gitKept the commit that was
// acknowledged.
const (
	gitWhole = `said=$(git -c core.commitGraph=false -c core.multiPackIndex=false fsck --strict --no-dangling --no-progress 2>&1) || { echo "torn: $said"; exit 1; }`
	gitKept  = `head=$(git rev-parse HEAD) || { echo "torn: git rev-parse"; exit 1; }
[ "$head" = ` + newCommit + ` ] || [ ! -s "$CRASHSIM_MARKS" ] || { echo "stale: HEAD is the old commit"; exit 1; }`
)

const (
	byDefault  = "core.fsync: the default risks losing recent work in an unclean shutdown"
	everything = "core.fsync: all syncs all components; what is not hardened may be lost"
)

// looseNames are the models whose names have no order: git leaves so many of them
// unsynced that not every case can be judged.
var looseNames = []string{"btrfs", "posix"}

func git(name, config, commit, check, promise string, losses int, bounded []string, v verdicts, why string) subject {
	return subject{
		name: name, needs: "git",
		setup:   `git init -q --template= -b main && ` + config + `echo old >f && git add f && git commit -q -m old`,
		program: `echo new >f && ` + commit, check: check, promise: promise, losses: losses, bounded: bounded, verdicts: v, why: why,
	}
}
