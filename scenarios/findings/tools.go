package main

const alternatives = `update-alternatives --quiet --admindir $PWD/admin --altdir $PWD/alt --log /dev/null --install $PWD/link name`

func tools() []finding {
	return []finding{
		{
			name: "useradd", section: system, debian: "passwd", version: "4.13",
			promise: "creates a new user account; nothing is said of power",
			source:  "https://man7.org/linux/man-pages/man8/useradd.8.html",
			setup:   "accounts-made", run: "useradd --prefix $PWD/root u1", check: "accounts-whole",
			verdicts: all("kept"),
			story: "Each of the four files is written anew, synced, and renamed into its place, so that each is always whole. " +
				"They are not replaced together: a cut can leave the user in passwd and not yet in shadow, and nobody promises more.",
		},
		{
			name: "git config", section: system, debian: "git", version: "2.39.5",
			promise: "core.fsync: the components of the repository that are hardened by it; configuration is none of them",
			source:  "https://git-scm.com/docs/git-config#Documentation/git-config.txt-corefsync",
			setup:   "git init -q --template= r; git -C r config core.fsync all", run: "git -C r config user.name me",
			check:    `git config --file r/.git/config core.fsync >/dev/null || { echo "torn: git cannot read its configuration, or it lacks what was there before"; exit 1; }`,
			verdicts: all("torn", "kept", "kill strict"),
			story: "The new file is renamed over the old one without a sync, and core.fsync changes nothing about that. " +
				"Its name can persist before its data: then git finds a bad configuration line and works no more in this repository.",
			lacks: "`config.c`, `git_config_set_multivar_in_file_gently`: before `commit_lock_file`.",
		},
		{
			name: "update-alternatives", section: system, debian: "dpkg", version: "1.21.22",
			promise: "maintains symbolic links; nothing is said of power",
			source:  "https://man7.org/linux/man-pages/man1/update-alternatives.1.html",
			setup:   "mkdir admin alt; " + alternatives + " /bin/true 1", run: alternatives + " /bin/false 2", check: "alternatives-whole",
			verdicts: all("kept"),
			story:    "The record is synced before it is renamed, and a symbolic link holds no data that could be missing. Link and record always agree with one of the two choices.",
		},
		{
			name: "gdbmtool", section: system, debian: "gdbmtool", version: "1.23",
			promise: "without the crash tolerance of GDBM, a crash during an update can leave a database inconsistent",
			source:  "https://www.gnu.org.ua/software/gdbm/manual/Crash-Tolerance.html",
			setup:   `echo "store a 1" | gdbmtool db`, run: `echo "store b $(printf %05000d 0 | tr 0 x)" | gdbmtool db`, check: "gdbm-whole",
			verdicts: all("torn, refused", "refused", "kill strict"),
			story:    "The database is changed in a map of the file, and synced when it is closed. A kill while the file grows leaves a database that asks for a recovery. A cut before the sync finds the bucket that leads to a value, and not the value, or a file that has grown and a header that does not know of it, and then asks for a recovery.",
			sites:    []string{"_gdbm_file_extend"},
			lacks:    "none helps: old and new are in the same pages.",
		},
	}
}

func lmdb() []finding {
	const (
		doc    = "http://www.lmdb.tech/doc/group__mdb__env.html"
		nosync = "MDB_NOSYNC: a system crash can then corrupt the database or lose the last transactions; if the filesystem preserves write order and MDB_WRITEMAP is not used, only durability is lost"
	)
	store := func(f finding) finding {
		f.section, f.debian, f.version, f.source = databases, "liblmdb0 python3-lmdb", "0.9.24", doc
		f.setup, f.check = "lmdb-store init", "lmdb-store check"
		return f
	}
	return []finding{
		store(finding{
			name: "LMDB", run: "lmdb-store put",
			promise:  "transactions are durable when they are committed, unless a flag says otherwise",
			verdicts: all("kept"),
			story:    "Pages are written to free places and synced before the meta page that leads to them, which is synced before the commit returns.",
		}),
		store(finding{
			name: "LMDB, NOSYNC", run: "lmdb-store put sync", losses: 1,
			promise:  nosync,
			verdicts: all("torn, stale, refused", "kept", "kill", "stale", "strict"),
			story: "As it says: where write order is preserved (the model strict), the last transactions are lost and nothing else. " +
				"On the file systems that people have, the meta page can persist before the pages that it leads to.",
			sites: []string{"mdb_txn_commit"},
			lacks: "`mdb.c`, `mdb_txn_commit`: `mdb_env_sync` does nothing under this flag.",
		}),
		store(finding{
			name: "LMDB, NOMETASYNC", run: "lmdb-store put metasync", losses: 1,
			promise:  "MDB_NOMETASYNC maintains database integrity, but a system crash may undo the last committed transaction",
			verdicts: all("stale", "kept", "kill"),
			story:    "As it says: the pages are synced, the meta page that leads to them is not, and the last transaction can be undone.",
			sites:    []string{"mdb_txn_commit"},
			lacks:    "`mdb.c`, `mdb_env_write_meta`: the file is opened without O_DSYNC under this flag.",
		}),
		store(finding{
			name: "LMDB, WRITEMAP", run: "lmdb-store put writemap",
			promise:  "MDB_WRITEMAP uses a writeable memory map; this is faster and loses protection from application bugs",
			verdicts: all(asSeen),
			story:    "The pages are stored into a map of the file and msynced, and then the meta page is. No order between stores is needed but that.",
		}),
		store(finding{
			name: "LMDB, NOSYNC and WRITEMAP", run: "lmdb-store put writemap sync",
			promise:  nosync,
			verdicts: all("torn, stale, refused", asSeen, "kill", "stale", "strict"),
			story: "Nothing orders the stores into the map: the kernel may write the page of the meta data before the pages that it leads to. " +
				"With this flag and that one nothing is promised, and the database can be corrupted.",
			sites: []string{"/db/data.mdb"},
			lacks: "`mdb.c`, `mdb_txn_commit`: `mdb_env_sync` does nothing under this flag.",
		}),
	}
}
